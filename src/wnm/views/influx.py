"""Writes the report influx-resources: points under the field names that the dashboards of NTracking read.

The names are those of the dashboards, `networ_size` included. Values that wnm does not know (latency, coin prices,
wallet balances) are left out and never made up.
"""

import math
from collections.abc import Mapping

from wnm.core.earnings import ATTOS_PER_ANT
from wnm.core.node import ProcessState, Status
from wnm.core.observation import NodePage
from wnm.formats.antnode_metrics import FIGURES
from wnm.formats.influx_line import Value, point
from wnm.views.material import Material, NodeFacts, is_current

UP = (Status.RUNNING, Status.RESTARTING, Status.UPGRADING)
_BYTES_PER_MB = 10**6
_BYTES_PER_MIB = 2**20
_SECONDS_OF_A_STAMP = 10

_FIELDS = (
    *("PeerId", "status", "version", "gets", "puts", "up_time", "rewards", "records", "connected_peers"),
    *("networ_size", "open_connections", "total_peers", "shunned_count", "bad_peers", "mem", "cpu"),
    *("rel_records", "max_records", "payment_count", "live_time", "shunned_closedgroup"),
    "shunned_oldclosedgroup",
)
"""The fields of a node in NTracking's order."""

type Figures = Mapping[int, Mapping[str, int]]
"""The figures of nodes that only the dashboards show, by id and name; see `wnm.formats.antnode_metrics`."""


def text(material: Material, figures: Figures | None = None) -> str:
    """A line for each node, then the totals; all of them with the time at which the nodes were looked at."""
    # All points of one reading share a stamp of full ten seconds: a point that is written twice stays one.
    seconds = int((material.observed_at or material.generated_at).timestamp())
    at_ns = seconds // _SECONDS_OF_A_STAMP * _SECONDS_OF_A_STAMP * 10**9
    known, lines = figures or {}, []
    for facts, each in zip(material.facts, material.nodes, strict=True):
        live = is_current(each.node, material.observed_at)
        page = each.reading.page if live and isinstance(each.reading.page, NodePage) else NodePage()
        lines.append(
            point("nodes", {"id": f"{facts.id:04d}"}, _fields(facts, page, known.get(facts.id, {})), at_ns)
        )
    # In MiB, and in whole percent, rounded up.
    measured = [each.disk_bytes for each in material.facts if each.disk_bytes is not None]
    used = [] if material.seen is None else [each.used_percent for each in material.seen.machine.file_systems]
    running = [each for each in material.facts if is_running(each)]
    sizes = [each.network_size for each in running if each.network_size is not None]
    rewards = [each.rewards_attos for each in running if each.rewards_attos is not None]
    totals: tuple[tuple[str, Mapping[str, Value | None]], ...] = (
        (
            "nodes_totals",
            {
                "rewards": None if running and not rewards else sum(rewards) / ATTOS_PER_ANT,
                "nodes_running": len(running),
                "nodes_killed": len(material.facts) - len(running),
            },
        ),
        (
            "nodes_totals",
            {
                "total_disk": sum(measured) // _BYTES_PER_MIB if measured else None,
                "Disk_percent": math.ceil(max(used)) if used else None,
            },
        ),
        ("nodes_network", {"size": sum(sizes) // len(sizes) if sizes else None}),
    )
    for measurement, fields in totals:
        if any(value is not None for value in fields.values()):
            lines.append(point(measurement, {}, fields, at_ns))
    return "\n".join(lines)


def _fields(facts: NodeFacts, page: NodePage, figures: Mapping[str, int]) -> Mapping[str, Value | None]:
    """The values that the dashboards show of one node; a stopped one has the zeros that NTracking gives it."""
    running, attos = is_running(facts), facts.rewards_attos
    # The memory and the CPU that the node reports come first: that is what the dashboards have always shown.
    memory = facts.memory_bytes if page.memory_bytes is None else page.memory_bytes
    cpu = facts.cpu_percent if page.cpu_percent is None else page.cpu_percent
    counts = {
        "up_time": facts.uptime_seconds,
        "records": facts.records,
        "connected_peers": facts.connected_peers,
        "networ_size": facts.network_size,
        "shunned_count": facts.shunned,
        **{name: figures.get(name) for name in FIGURES},
    }
    amounts = {
        "rewards": None if attos is None else attos / ATTOS_PER_ANT,
        "mem": None if memory is None else memory / _BYTES_PER_MB,
        "cpu": None if cpu is None else float(cpu),
    }
    known: dict[str, Value | None] = {
        "PeerId": facts.peer_id,
        "status": "Running" if running else "Stopped",
        "version": facts.version or facts.binary_version,
        **(counts if running else dict.fromkeys(counts, 0)),
        **(amounts if running else dict.fromkeys(amounts, 0.0)),
    }
    return {name: known[name] for name in _FIELDS}


def is_running(facts: NodeFacts) -> bool:
    """Whether there is a process; one that leaves its metrics unanswered is running too."""
    if facts.process is ProcessState.UNKNOWN:
        return facts.status in UP
    return facts.process is ProcessState.RUNNING
