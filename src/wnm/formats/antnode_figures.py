"""Figures on the page `/metrics` of antnode that decide nothing and that dashboards show."""

import re
from collections.abc import Mapping

_METRICS = {
    "gets": "libp2p_kad_query_result_get_record_ok_total",
    "puts": "ant_node_put_record_ok_total",
    "open_connections": "ant_networking_open_connections",
    "total_peers": "ant_networking_peers_in_routing_table",
    "bad_peers": "ant_networking_bad_peers_count_total",
    "rel_records": "ant_networking_relevant_records",
    "max_records": "ant_networking_max_records",
    "payment_count": "ant_networking_received_payment_count",
    "live_time": "ant_networking_live_time",
    "shunned_closedgroup": "ant_networking_shunned_by_close_group",
    "shunned_oldclosedgroup": "ant_networking_shunned_by_old_close_group",
}
"""What is shown under which name of NTracking's dashboards, all of it counts."""

FIGURES = tuple(_METRICS)
"""The names of all figures."""

# A literal start lets the search skip from line to line.
_SAMPLE = re.compile(
    rf"\n({'|'.join(sorted(set(_METRICS.values())))})(?:\{{[^\n]*\}})?[ \t]+([0-9]{{1,19}})(?:\.0*)?(?=[ \t\r\n])"
)
_NOT_YET = frozenset({"gets", "puts"})
"""Counters that a node does not show before it has counted anything."""
_LARGEST = 2**63 - 1


def read_figures(metrics: str) -> Mapping[str, int]:
    """The figures of a page by name; series of one metric are added up, and what cannot be right is missing.

    None at all if the page is not antnode's. Any text is safe to give; the time is linear in its length.
    """
    sums: dict[str, int] = {}
    for metric, value in _SAMPLE.findall(f"\n{metrics}\n"):
        sums[metric] = sums.get(metric, 0) + int(value)
    if not sums:
        return {}
    found = {name: sums.get(metric, 0 if name in _NOT_YET else None) for name, metric in _METRICS.items()}
    return {name: count for name, count in found.items() if count is not None and count <= _LARGEST}
