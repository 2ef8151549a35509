"""Writes the metrics pages of a node: pages of a real antnode 0.4.17 with this node's figures put in.

`samples/` holds what that program answered on /metrics, 440 seconds after its start, and on /metadata.
"""

from functools import cache
from pathlib import Path
from typing import NamedTuple

from wnm_sim.misbehave import GOOD, Behaviour

MAX_RECORDS = 16384
MIN_NODE_VERSION = "0.4.15"
HIGHEST_REWARD_ATTOS = 2**63 - 1  # the real gauge is a signed 64-bit number too
_REWARD_ATTOS = 15_000_000_000_000_000
_SECONDS_PER_PAYMENT = 20
_RECORDED_SECONDS = 440
_RECORD_KINDS = ("Chunk", "GraphEntry", "Pointer", "Scratchpad")
_TIME_FRAMES: dict[str, float] = {
    "LastTenMinutes": 600,
    "LastHour": 3600,
    "LastSixHours": 21_600,
    "LastDay": 86_400,
    "LastWeek": 604_800,
    "Indefinite": float("inf"),
}
"""Seconds that each of them looks back."""


class History(NamedTuple):
    """The values that a node keeps of its earlier processes."""

    payments: int
    lived_seconds: int


NEWBORN = History(payments=0, lived_seconds=0)


class Vitals(NamedTuple):
    """One reading of one node: peers from the first second, a payment every 20 seconds, unless ordered otherwise.

    A named tuple: importing `dataclasses` would double the start time of a program that tests start by the
    hundred. `seed` makes nodes differ.
    """

    seed: int
    version: str
    peer_id: str
    uptime_seconds: int
    records: int
    memory_megabytes: float
    cpu_percent: float
    earlier: History = NEWBORN
    ordered: Behaviour = GOOD

    @property
    def history(self) -> History:
        """Payments and age with those of earlier processes."""
        payments, lived_seconds = self.earlier
        return History(
            payments + self.uptime_seconds // _SECONDS_PER_PAYMENT, lived_seconds + self.uptime_seconds
        )

    @property
    def rewards_attos(self) -> int:
        """Rewards since this process started."""
        earned = self.uptime_seconds // _SECONDS_PER_PAYMENT * _REWARD_ATTOS
        return (
            min(earned, HIGHEST_REWARD_ATTOS)
            if self.ordered.rewards_attos is None
            else self.ordered.rewards_attos
        )

    @property
    def connected_peers(self) -> int:
        """Peers connected now."""
        age, seed, told = self.uptime_seconds, self.seed, self.ordered.connected_peers
        return min(3 + age, 20 + seed % 30) + (seed + age) % 3 if told is None else told

    def shuns_within(self, seconds: float) -> int:
        """Shuns since so long ago: evenly spread over the life of this process, and those of near peers just now."""
        spread = self.ordered.shunned_per_hour * min(self.uptime_seconds, seconds) / 3600
        return self.ordered.shunned_by_close_group + int(spread)


def page(path: str, seen: Vitals) -> str | None:
    """The text of /metrics, /metrics_extended (the same and the shuns by time frame) or /metadata; else None."""
    if path == "/metadata":
        return _metadata(seen)
    if path not in ("/metrics", "/metrics_extended"):
        return None
    figures = _figures(seen)
    grown = seen.uptime_seconds / _RECORDED_SECONDS
    lines = []
    for series, line, rising in _template():
        if series in figures:
            lines.append(f"{series} {figures[series]!r}")
        else:
            lines.append(line if rising is None else f"{series} {type(rising)(rising * grown)!r}")
    if path == "/metrics_extended":
        lines += _shuns_by_time_frame(seen)
    return "\n".join([*lines, "# EOF", ""])


def _metadata(seen: Vitals) -> str:
    oldest = seen.ordered.min_node_version or MIN_NODE_VERSION
    text = _sample("metadata.txt").replace('"0.4.17"', f'"{seen.version}"')
    return text.replace("12D3KooWexample", seen.peer_id).replace(MIN_NODE_VERSION, oldest)


def _figures(seen: Vitals) -> dict[str, float]:
    """The value of each series that does not simply follow the recorded one."""
    age = seen.uptime_seconds
    return {
        "ant_node_uptime": age,
        "ant_node_current_reward_wallet_balance": seen.rewards_attos,
        'ant_node_put_record_err_v2_total{error_type="PaymentVerificationFailed"}': age // 500,
        **{
            f'ant_node_put_record_ok_total{{record_type="{kind}"}}': (age + seen.seed) // (10 * place)
            for place, kind in enumerate(_RECORD_KINDS, start=1)
        },
        "libp2p_kad_query_result_get_record_ok_total": age // 3,
        "ant_networking_connected_peers": seen.connected_peers,
        "ant_networking_open_connections": seen.connected_peers,
        "ant_networking_peers_in_routing_table": min(20 + 3 * age, 240 + seen.seed % 60),
        "ant_networking_estimated_network_size": 2_000_000 + seen.seed % 90_000,
        "ant_networking_relay_reservation_health": 1.0,
        "ant_networking_shunned_count_total": seen.shuns_within(_TIME_FRAMES["Indefinite"]),
        "ant_networking_shunned_by_close_group": seen.ordered.shunned_by_close_group,
        "ant_networking_bad_peers_count_total": age // 700,
        "ant_networking_process_memory_used_mb": seen.memory_megabytes,
        "ant_networking_process_cpu_usage_percentage": seen.cpu_percent,
        "ant_networking_records_stored": seen.records,
        "ant_networking_relevant_records": seen.records // 2,
        "ant_networking_max_records": MAX_RECORDS,
        "ant_networking_received_payment_count": seen.history.payments,
        "ant_networking_live_time": seen.history.lived_seconds // 3600,
    }


@cache
def _template() -> tuple[tuple[str, str, int | float | None], ...]:
    """Each line of the recorded page: its series (name and labels), the line, and the number if it rises with time.

    Gauges stay as they were recorded. Counters and histograms had a rate, which goes on. Counters for which
    there was nothing to count then get the series that a node on the network has.
    """
    lines: list[tuple[str, str, int | float | None]] = []
    added = {
        "ant_node_put_record_ok": [f'_total{{record_type="{kind}"}}' for kind in _RECORD_KINDS],
        "ant_node_put_record_err_v2": ['_total{error_type="PaymentVerificationFailed"}'],
    }
    rises = False
    for line in _sample("metrics.txt").removesuffix("# EOF\n").splitlines():
        series, _, value = line.rpartition(" ")
        if not line.startswith("#"):
            number = float(value) if "." in value else int(value)
            lines.append((series, line, number if rises else None))
            continue
        lines.append(("", line, None))
        if line.startswith("# TYPE "):
            name = line.split()[2]
            rises = value in ("counter", "histogram")
            lines += [(f"{name}{labels}", "", None) for labels in added.get(name, ())]
    return tuple(lines)


@cache
def _sample(name: str) -> str:
    """A recorded page; this package may lie in a zip archive."""
    loader = __spec__.loader
    return str(loader.get_data(str(Path(__file__).parent / "samples" / name)), "utf-8")  # type: ignore[union-attr]


def _shuns_by_time_frame(seen: Vitals) -> list[str]:
    name = "ant_networking_shunned_count_across_time_frames"
    head = [
        f"# HELP {name} Number of times a peer shunned this node, by how long ago.",
        f"# TYPE {name} gauge",
    ]
    frames = _TIME_FRAMES.items()
    return head + [
        f'{name}{{time_frame="{frame}"}} {seen.shuns_within(seconds)}' for frame, seconds in frames
    ]
