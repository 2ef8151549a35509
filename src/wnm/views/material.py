"""The one input of every view: the nodes as they are, the settings, and a cycle, in hand or recorded."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from functools import cached_property
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from wnm.core.decision import Decision
from wnm.core.errors import BadInput, did_you_mean, shortened
from wnm.core.node import Node, ProcessState, Reachability, Status
from wnm.core.observation import (
    FileSystem,
    MachineReading,
    NodePage,
    NodeReading,
    NodeSeen,
    Observation,
    ProcessReading,
    Unseen,
)
from wnm.core.readings import Gauge, disk_gauge, gauges
from wnm.core.reasons import Blocked
from wnm.core.settings import Settings

NOT_YET = Unseen(reason="no cycle has seen it yet")
UNREAD = NodeReading(process=NOT_YET, reachable=None, page=NOT_YET, root_dir_present=NOT_YET, program=NOT_YET)
"""The reading of a node that no recorded observation holds."""
_FLOWS = ("netio_read", "netio_write", "hdio_read", "hdio_write")
_UNSEEN_FLOWS: Any = {f"{each}_bytes_per_second": NOT_YET for each in _FLOWS}
_UNSEEN_MACHINE = MachineReading(
    boot_id="",
    usable_cores=0,
    window_seconds=None,
    cpu_percent=NOT_YET,
    memory_percent=NOT_YET,
    memory_total_bytes=0,
    load=NOT_YET,
    file_systems=(),
    **_UNSEEN_FLOWS,
)


class OutcomeView(Struct, frozen=True, kw_only=True):
    """One action of a cycle and what became of it.

    `action` says it for people (`add antnode0002`), `kind` is its class name. `result` is a Result's value,
    "interrupted", or None while nobody concluded it.
    """

    node: str
    kind: str
    action: str
    result: str | None
    error: str | None = None
    note: str | None = None
    freed_bytes: int | None = None


class CycleView(Struct, frozen=True, kw_only=True):
    """One cycle as it is remembered. A field that is None was never written, or is no longer kept.

    `settings_texts` are the settings that it was decided with, as canonical texts by name.
    """

    number: int
    started_at: datetime
    ended_at: datetime | None
    exit_code: int | None
    rule: str
    because: str
    seen: Observation | None
    decision: Decision | None
    outcomes: tuple[OutcomeView, ...]
    held: tuple[Blocked, ...]
    settings_texts: Mapping[str, str]


type Disks = tuple[tuple[FileSystem, Gauge], ...]
"""Every file system with node data, and how full it is against its limits."""


class Material(Struct, frozen=True, kw_only=True, dict=True):
    """The nodes' rows as they are now, each with its newest recorded reading, the settings, and one cycle.

    `texts` are the settings' canonical texts by name, in the order of declaration. `readings_at` is when the
    readings of the nodes were taken; None means when the cycle looked.
    """

    generated_at: datetime
    nodes: tuple[NodeSeen, ...]
    settings: Settings
    origins: Mapping[str, str]
    texts: Mapping[str, str]
    cycle: CycleView | None
    readings_at: datetime | None = None

    @property
    def seen(self) -> Observation | None:
        """The observation of the cycle, as far as it is kept."""
        return None if self.cycle is None else self.cycle.seen

    @property
    def observed_at(self) -> datetime | None:
        """When the nodes were last looked at, as far as that is known."""
        return self.readings_at or (None if self.seen is None else self.seen.now)

    @cached_property
    def facts(self) -> "tuple[NodeFacts, ...]":
        """The facts of every node, in the order of the rows."""
        return tuple(facts_of(each, self.observed_at) for each in self.nodes)

    @cached_property
    def concerns(self) -> tuple[str | None, ...]:
        """Why somebody may want to look at each of them, for people; None where all is as it should be."""
        return tuple(map(attention, self.nodes, self.facts))

    @property
    def counts(self) -> Mapping[Status, int]:
        return counts_of(self.nodes)

    @cached_property
    def gauges(self) -> tuple[Gauge, ...]:
        """The readings of the cycle against the present settings; unseen ones if no cycle looked."""
        return gauges(_UNSEEN_MACHINE if self.seen is None else self.seen.machine, self.settings)

    @property
    def disks(self) -> Disks:
        return () if self.seen is None else disks_of(self.seen.machine, self.settings)


def disks_of(machine: MachineReading, settings: Settings) -> Disks:
    """The file systems of a machine against these settings."""
    return tuple((each, disk_gauge(each, settings)) for each in machine.file_systems)


def only(material: Material, names: Sequence[str]) -> Material:
    """The same with the named nodes only. BadInput, naming it, for a node that is not there."""
    known = [each.node.name for each in material.nodes]
    for name in names:
        if name not in known:
            remedy = did_you_mean(name, known, "see wnm --report node-status for those that exist")
            raise BadInput(f"no node is called {shortened(name)}: {remedy}")
    return replace(material, nodes=tuple(each for each in material.nodes if each.node.name in names))


class NodeFacts(Struct, frozen=True, kw_only=True):
    """One node; None is what is not known. The fields are the keys of node reports, in their order.

    `cpu_percent` is of all cores, since the process started. `rewards_attos` were credited to this process.
    """

    id: int
    name: str
    service: str
    kind: str
    status: Status
    process: ProcessState
    reachable: Reachability | None
    version: str | None
    binary_version: str | None
    port: int
    metrics_port: int
    pid: int | None
    peer_id: str | None
    wallet: str
    root_dir: str
    log_dir: str
    status_since: datetime
    born: datetime
    uptime_seconds: int | None
    records: int | None
    connected_peers: int | None
    shunned: int | None
    cpu_percent: float | None
    memory_bytes: int | None
    disk_bytes: int | None
    network_size: int | None
    rewards_attos: int | None
    last_error: str | None


_OF_PAGE = ("records", "connected_peers", "shunned", "network_size", "rewards_attos")
_WORKED_OUT = ("service", "process", "reachable", "pid", "uptime_seconds", "cpu_percent", "memory_bytes")
_OF_ROW = tuple(each for each in NodeFacts.__struct_fields__ if each not in (*_OF_PAGE, *_WORKED_OUT))


def facts_of(each: NodeSeen, observed_at: datetime | None) -> NodeFacts:
    """The node's row, and of its reading what still holds.

    A reading from before the node was last started, stopped or upgraded says nothing about it now.
    """
    node, reading = each.node, each.reading
    live = is_current(node, observed_at) and node.status not in (Status.STOPPED, Status.DEAD)
    process = reading.process if live and isinstance(reading.process, ProcessReading) else None
    page = reading.page if live and isinstance(reading.page, NodePage) else NodePage()
    known: dict[str, Any] = {name: getattr(node, name) for name in _OF_ROW}
    known |= {name: getattr(page, name) for name in _OF_PAGE}
    known["version"] = node.version or page.version
    known["peer_id"] = node.peer_id or page.peer_id
    uptime, cpu_percent, memory_bytes, pid = page.uptime_seconds, None, page.memory_bytes, None
    if process is not None:
        pid = process.pid
        cpu_percent = None if process.cpu_percent is None else round(process.cpu_percent, 3)
        memory_bytes = page.memory_bytes if process.memory_bytes is None else process.memory_bytes
        if uptime is None and process.started_at is not None and observed_at is not None:
            uptime = max(0, int((observed_at - process.started_at).total_seconds()))
    return NodeFacts(
        **known,
        service=node.name,
        process=_process_state(node, reading, observed_at),
        reachable=reading.reachable if live else None,
        pid=pid,
        uptime_seconds=uptime,
        cpu_percent=cpu_percent,
        memory_bytes=memory_bytes,
    )


def is_current(node: Node, observed_at: datetime | None) -> bool:
    """Whether nothing became of the node since it was looked at."""
    return observed_at is None or node.status_since <= observed_at


def _process_state(node: Node, reading: NodeReading, observed_at: datetime | None) -> ProcessState:
    """The process as last seen. A row is STOPPED only if no process was left, so an older reading yields to it."""
    seen = reading.process.state if isinstance(reading.process, ProcessReading) else ProcessState.UNKNOWN
    if node.status is Status.STOPPED and (seen is ProcessState.RUNNING or not is_current(node, observed_at)):
        return ProcessState.STOPPED
    return seen if is_current(node, observed_at) else ProcessState.UNKNOWN


def counts_of(nodes: Iterable[NodeSeen]) -> Mapping[Status, int]:
    """The number of nodes by status; every status is there."""
    found = Counter(each.node.status for each in nodes)
    return {status: found[status] for status in Status}


def tally(counts: Mapping[Status, int], *, but: Status | None = None, form: str = "") -> str:
    """The same for people, without those of which there are none: `3 running, 1 stopped`."""
    shown = [f"{count:{form}} {status}" for status, count in counts.items() if count and status is not but]
    return ", ".join(shown)


def attention(each: NodeSeen, facts: NodeFacts) -> str | None:
    """The reason to look at this node, for people; None when all is as it should be."""
    if facts.status is Status.DISABLED:
        return None
    if facts.status is Status.DEAD:
        return "its folder is gone"
    if facts.last_error:
        return facts.last_error
    if facts.status is Status.STOPPED:
        return f"stopped: {each.node.because}" if each.node.because else "stopped"
    if facts.status is not Status.RUNNING:
        return None
    if isinstance(each.reading.process, Unseen):
        return f"its process was not seen: {each.reading.process.reason}"
    if facts.reachable in (Reachability.REFUSES, Reachability.TIMES_OUT):
        return f"runs but does not answer: its metrics port {facts.reachable}"
    if facts.process in (ProcessState.STOPPED, ProcessState.FAILED):
        return f"its process is {facts.process}"
    return None
