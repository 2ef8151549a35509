"""Writes the report influx-resources: points under the field names that the dashboards of NTracking read.

The names are those of the dashboards, `networ_size` included. Values that wnm does not know (latency, coin prices,
wallet balances) are left out and never made up.
"""

import math
from collections.abc import Mapping, Sequence
from datetime import datetime

from wnm.core.node import ProcessState, Status
from wnm.core.observation import NodePage, NodeSeen
from wnm.formats.antnode_metrics import FIGURES
from wnm.formats.influx_line import Value, point
from wnm.views.material import Material, NodeFacts, facts_of, is_current

ATTOS_PER_ANT = 10**18
_BYTES_PER_MB = 10**6
_BYTES_PER_MIB = 2**20
_SECONDS_OF_A_STAMP = 10
_UP = (Status.RUNNING, Status.RESTARTING, Status.UPGRADING)


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
    at_ns = _stamp_ns(material.observed_at or material.generated_at)
    known = figures or {}
    every = [_NodePoint(each, material.observed_at, known.get(each.node.id, {})) for each in material.nodes]
    lines = [point("nodes", {"id": f"{each.facts.id:04d}"}, each.fields(), at_ns) for each in every]
    totals: tuple[tuple[str, Mapping[str, Value | None]], ...] = (
        ("nodes_totals", _counts(every)),
        ("nodes_totals", _disk(every, material)),
        ("nodes_network", {"size": _network_size(every)}),
    )
    lines.extend(
        point(measurement, {}, fields, at_ns)
        for measurement, fields in totals
        if any(value is not None for value in fields.values())
    )
    return "\n".join(lines)


class _NodePoint:
    """The values that the dashboards show of one node."""

    def __init__(self, each: NodeSeen, observed_at: datetime | None, figures: Mapping[str, int]) -> None:
        self.facts: NodeFacts = facts_of(each, observed_at)
        live = is_current(each.node, observed_at)
        page = each.reading.page
        self._page = page if live and isinstance(page, NodePage) else NodePage()
        self.is_running = is_running(self.facts)
        self._figures = figures

    def fields(self) -> Mapping[str, Value | None]:
        """A stopped node has the zeros that NTracking gives one."""
        facts = self.facts
        known: Mapping[str, Value | None] = {
            "PeerId": facts.peer_id,
            "status": "Running" if self.is_running else "Stopped",
            "version": facts.version or facts.binary_version,
            "up_time": self._figure(facts.uptime_seconds, 0),
            "rewards": self.rewards,
            "records": self._figure(facts.records, 0),
            "connected_peers": self._figure(facts.connected_peers, 0),
            "networ_size": self._figure(facts.network_size, 0),
            "shunned_count": self._figure(facts.shunned, 0),
            "mem": self._figure(self._megabytes(), 0.0),
            "cpu": self._figure(self._cpu_percent(), 0.0),
            **{name: self._figure(self._figures.get(name), 0) for name in FIGURES},
        }
        return {name: known[name] for name in _FIELDS}

    @property
    def rewards(self) -> float | None:
        """ANT, credited to the process that runs now."""
        attos = self.facts.rewards_attos
        return self._figure(None if attos is None else attos / ATTOS_PER_ANT, 0.0)

    def _figure[N: (int, float)](self, known: N | None, zero: N) -> N | None:
        return known if self.is_running else zero

    def _megabytes(self) -> float | None:
        """Return the memory that the node reports first: that is what the dashboards have always shown."""
        known = self.facts.memory_bytes if self._page.memory_bytes is None else self._page.memory_bytes
        return None if known is None else known / _BYTES_PER_MB

    def _cpu_percent(self) -> float | None:
        known = self.facts.cpu_percent if self._page.cpu_percent is None else self._page.cpu_percent
        return None if known is None else float(known)


def is_running(facts: NodeFacts) -> bool:
    """Whether there is a process; one that leaves its metrics unanswered is running too."""
    if facts.process is ProcessState.UNKNOWN:
        return facts.status in _UP
    return facts.process is ProcessState.RUNNING


def _counts(every: Sequence[_NodePoint]) -> Mapping[str, Value | None]:
    running = sum(each.is_running for each in every)
    known = [each.facts.rewards_attos or 0 for each in every if each.rewards is not None and each.is_running]
    return {
        "rewards": None if running and not known else sum(known) / ATTOS_PER_ANT,
        "nodes_running": running,
        "nodes_killed": len(every) - running,
    }


def _disk(every: Sequence[_NodePoint], material: Material) -> Mapping[str, Value | None]:
    """Return the nodes' space, in MiB, and the use of the fullest of their disks, in whole percent, rounded up."""
    measured = [each.facts.disk_bytes for each in every if each.facts.disk_bytes is not None]
    seen = None if material.cycle is None else material.cycle.seen
    used = [] if seen is None else [system.used_percent for system in seen.machine.file_systems]
    return {
        "total_disk": sum(measured) // _BYTES_PER_MIB if measured else None,
        "Disk_percent": math.ceil(max(used)) if used else None,
    }


def _network_size(every: Sequence[_NodePoint]) -> int | None:
    """The mean of what the running nodes estimate."""
    known = [
        each.facts.network_size for each in every if each.is_running and each.facts.network_size is not None
    ]
    return sum(known) // len(known) if known else None


def _stamp_ns(at: datetime) -> int:
    """All points of one reading share a stamp of full ten seconds: a point that is written twice stays one."""
    seconds = int(at.timestamp()) // _SECONDS_OF_A_STAMP * _SECONDS_OF_A_STAMP
    return seconds * 10**9
