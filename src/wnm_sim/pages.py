"""Writes the metrics pages of a node: pages of a real antnode 0.4.17 with this node's figures put in.

`samples/` holds what that program answered on /metrics, 440 seconds after its start, and on /metadata.
"""

from functools import cache
from pathlib import Path
from typing import NamedTuple

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
_SHUNS = "ant_networking_shunned_count_across_time_frames"


class History(NamedTuple):
    """What a node remembers of its earlier processes."""

    payments: int
    lived_seconds: int


NEWBORN = History(payments=0, lived_seconds=0)


class Vitals(NamedTuple):
    """One reading of one node.

    A named tuple: importing `dataclasses` would double the start time of a program that tests start by the
    hundred. `seed` makes nodes differ. `rewards_attos` counts since this process started; `payments` and
    `lived_seconds` survive restarts.
    """

    seed: int
    version: str
    peer_id: str
    uptime_seconds: int
    records: int
    payments: int
    lived_seconds: int
    rewards_attos: int
    connected_peers: int
    memory_megabytes: float
    cpu_percent: float
    min_node_version: str = MIN_NODE_VERSION
    shunned_by_close_group: int = 0
    shunned_per_hour: float = 0


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
        peer_id=peer_id,
        uptime_seconds=uptime_seconds,
        records=records,
        payments=earlier.payments + payments,
        lived_seconds=earlier.lived_seconds + uptime_seconds,
        rewards_attos=min(payments * _REWARD_ATTOS, HIGHEST_REWARD_ATTOS),
        connected_peers=min(3 + uptime_seconds, 20 + seed % 30) + (seed + uptime_seconds) % 3,
        memory_megabytes=memory_megabytes,
        cpu_percent=cpu_percent,
    )


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
    text = _sample("metadata.txt")
    told = {"0.4.17": seen.version, "12D3KooWexample": seen.peer_id, MIN_NODE_VERSION: seen.min_node_version}
    for recorded, figure in told.items():
        text = text.replace(f'"{recorded}"', f'"{figure}"')
    return text


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
        "ant_networking_shunned_count_total": _shuns_within(seen, _TIME_FRAMES["Indefinite"]),
        "ant_networking_shunned_by_close_group": seen.shunned_by_close_group,
        "ant_networking_bad_peers_count_total": age // 700,
        "ant_networking_process_memory_used_mb": seen.memory_megabytes,
        "ant_networking_process_cpu_usage_percentage": seen.cpu_percent,
        "ant_networking_records_stored": seen.records,
        "ant_networking_relevant_records": seen.records // 2,
        "ant_networking_max_records": MAX_RECORDS,
        "ant_networking_received_payment_count": seen.payments,
        "ant_networking_live_time": seen.lived_seconds // 3600,
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
    head = f"# HELP {_SHUNS} Number of times a peer shunned this node, by how long ago."
    frames = [
        f'{_SHUNS}{{time_frame="{frame}"}} {_shuns_within(seen, seconds)}'
        for frame, seconds in _TIME_FRAMES.items()
    ]
    return [head, f"# TYPE {_SHUNS} gauge", *frames]


def _shuns_within(seen: Vitals, seconds: float) -> int:
    """Shuns since so long ago: evenly spread over the life of this process, and those of its near peers just now."""
    spread = seen.shunned_per_hour * min(seen.uptime_seconds, seconds) / 3600
    return seen.shunned_by_close_group + int(spread)
