"""What is known of a node now, under the names that programs may rely on."""

from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import datetime

from msgspec import Struct
from msgspec.structs import fields

from wnm.core.node import Node, ProcessState, Reachability, Status
from wnm.core.observation import NodePage, NodeReading, NodeSeen, ProcessReading, Unseen
from wnm.views.material import Material
from wnm.views.payload import Payload, scalar


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


KEYS = tuple(field.name for field in fields(NodeFacts))


def all_facts(material: Material) -> tuple[NodeFacts, ...]:
    """The facts of every node, in the order of the rows."""
    return tuple(facts_of(each, material.observed_at) for each in material.nodes)


def facts_of(each: NodeSeen, observed_at: datetime | None) -> NodeFacts:
    """The node's row, and of its reading what still holds.

    A reading from before the node was last started, stopped or upgraded says nothing about it now.
    """
    node, reading = each.node, each.reading
    live = is_current(node, observed_at) and node.status not in (Status.STOPPED, Status.DEAD)
    process = reading.process if live and isinstance(reading.process, ProcessReading) else None
    page = reading.page if live and isinstance(reading.page, NodePage) else NodePage()
    cpu_percent = None if process is None else process.cpu_percent
    memory_bytes = None if process is None else process.memory_bytes
    return NodeFacts(
        id=node.id,
        name=node.name,
        service=node.name,
        kind=node.kind,
        status=node.status,
        process=process_state(node, reading, observed_at),
        reachable=reading.reachable if live else None,
        version=node.version or page.version,
        binary_version=node.binary_version,
        port=node.port,
        metrics_port=node.metrics_port,
        pid=None if process is None else process.pid,
        peer_id=node.peer_id or page.peer_id,
        wallet=node.wallet,
        root_dir=node.root_dir,
        log_dir=node.log_dir,
        status_since=node.status_since,
        born=node.born,
        uptime_seconds=_uptime_seconds(page, process, observed_at),
        records=page.records,
        connected_peers=page.connected_peers,
        shunned=page.shunned,
        cpu_percent=None if cpu_percent is None else round(cpu_percent, 3),
        memory_bytes=page.memory_bytes if memory_bytes is None else memory_bytes,
        disk_bytes=node.disk_bytes,
        network_size=page.network_size,
        rewards_attos=page.rewards_attos,
        last_error=node.last_error,
    )


def is_current(node: Node, observed_at: datetime | None) -> bool:
    """Whether nothing became of the node since it was looked at."""
    return observed_at is None or node.status_since <= observed_at


def process_state(node: Node, reading: NodeReading, observed_at: datetime | None) -> ProcessState:
    """The process as last seen. A row is STOPPED only if no process was left, so an older reading yields to it."""
    seen = reading.process.state if isinstance(reading.process, ProcessReading) else ProcessState.UNKNOWN
    if node.status is Status.STOPPED and (seen is ProcessState.RUNNING or not is_current(node, observed_at)):
        return ProcessState.STOPPED
    return seen if is_current(node, observed_at) else ProcessState.UNKNOWN


def _uptime_seconds(
    page: NodePage, process: ProcessReading | None, observed_at: datetime | None
) -> int | None:
    """What the node says, else the age of its process when it was looked at."""
    if page.uptime_seconds is not None:
        return page.uptime_seconds
    if process is None or process.started_at is None or observed_at is None:
        return None
    return max(0, int((observed_at - process.started_at).total_seconds()))


def payload_of(facts: NodeFacts) -> Payload:
    """A node as JSON has it: every key, null where nothing is known."""
    return {key: scalar(getattr(facts, key)) for key in KEYS}


def counts_of(nodes: Iterable[NodeSeen]) -> Mapping[Status, int]:
    """How many nodes have each status; every status is there."""
    found = Counter(each.node.status for each in nodes)
    return {status: found[status] for status in Status}


def attention(each: NodeSeen, facts: NodeFacts) -> str | None:
    """Why somebody may want to look at this node, for people; None when all is as it should be."""
    if facts.status is Status.DISABLED:
        return None
    if facts.status is Status.DEAD:
        return "its folder is gone"
    if facts.last_error:
        return facts.last_error
    if facts.status is Status.STOPPED:
        return f"stopped: {each.node.because}" if each.node.because else "stopped"
    if facts.status is Status.RUNNING and isinstance(each.reading.process, Unseen):
        return f"its process was not seen: {each.reading.process.reason}"
    if facts.status is Status.RUNNING and facts.reachable in (Reachability.REFUSES, Reachability.TIMES_OUT):
        return f"runs but does not answer: its metrics port {facts.reachable}"
    if facts.status is Status.RUNNING and facts.process in (ProcessState.STOPPED, ProcessState.FAILED):
        return f"its process is {facts.process}"
    return None
