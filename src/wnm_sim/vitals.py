"""The figures that a simulated node reports about itself, as functions of its age and identity."""

from typing import NamedTuple

MAX_RECORDS = 16384
MIN_NODE_VERSION = "0.4.15"
HIGHEST_REWARD_ATTOS = 2**63 - 1  # the real gauge is a signed 64-bit number too
_REWARD_ATTOS = 15_000_000_000_000_000
_SECONDS_PER_PAYMENT = 20


class Vitals(NamedTuple):
    """One reading of one node.

    A named tuple, not a dataclass: importing `dataclasses` would double the start time
    of a program that tests start by the hundred. `seed` makes nodes differ.
    `rewards_attos` counts since this process started; `payments` and `lived_seconds`
    survive restarts.
    """

    seed: int
    version: str
    min_node_version: str
    peer_id: str
    uptime_seconds: int
    records: int
    payments: int
    lived_seconds: int
    rewards_attos: int
    connected_peers: int
    shunned_by_close_group: int
    memory_megabytes: float
    cpu_percent: float
    shunned_per_hour: float


class History(NamedTuple):
    """What a node remembers of its earlier processes."""

    payments: int
    lived_seconds: int


NEWBORN = History(payments=0, lived_seconds=0)


def vitals(
    *,
    seed: int,
    version: str,
    peer_id: str,
    uptime_seconds: int,
    records: int,
    memory_megabytes: float,
    cpu_percent: float,
    earlier: History = NEWBORN,
) -> Vitals:
    """A healthy node: peers from the first second, a payment every 20 seconds."""
    payments = uptime_seconds // _SECONDS_PER_PAYMENT
    return Vitals(
        seed=seed,
        version=version,
        min_node_version=MIN_NODE_VERSION,
        peer_id=peer_id,
        uptime_seconds=uptime_seconds,
        records=records,
        payments=earlier.payments + payments,
        lived_seconds=earlier.lived_seconds + uptime_seconds,
        rewards_attos=min(payments * _REWARD_ATTOS, HIGHEST_REWARD_ATTOS),
        connected_peers=min(3 + uptime_seconds, 20 + seed % 30) + (seed + uptime_seconds) % 3,
        shunned_by_close_group=0,
        memory_megabytes=memory_megabytes,
        cpu_percent=cpu_percent,
        shunned_per_hour=0,
    )
