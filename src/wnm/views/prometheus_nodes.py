"""The nodes as metrics: one series for each node of every family."""

from collections.abc import Callable, Iterable

from msgspec import Struct

from wnm.core.node import Node, ProcessState, Reachability
from wnm.core.observation import NodeSeen
from wnm.formats.exposition_text import COUNTER, GAUGE, Family
from wnm.views.facts import NodeFacts, counts_of, facts_of
from wnm.views.influx_resources import ATTOS_PER_ANT
from wnm.views.material import Material

type _Figure = Callable[[NodeFacts, Node], float | None]


class _Metric(Struct, frozen=True, kw_only=True):
    name: str
    type: str = GAUGE
    help: str
    of: _Figure


def _up(facts: NodeFacts, node: Node) -> float | None:
    return None if facts.process is ProcessState.UNKNOWN else facts.process is ProcessState.RUNNING


def _reachable(facts: NodeFacts, node: Node) -> float | None:
    return None if facts.reachable is None else facts.reachable is Reachability.ANSWERS


def _rewards(facts: NodeFacts, node: Node) -> float | None:
    return None if facts.rewards_attos is None else facts.rewards_attos / ATTOS_PER_ANT


def _cpu(facts: NodeFacts, node: Node) -> float | None:
    return None if facts.cpu_percent is None else round(facts.cpu_percent / 100, 6)


_METRICS = (
    _Metric(name="wnm_node_up", help="Whether the node's process runs (1) or not (0).", of=_up),
    _Metric(
        name="wnm_node_reachable",
        help="Whether the node answered on its metrics port (1) or not (0).",
        of=_reachable,
    ),
    _Metric(
        name="wnm_node_status_since_timestamp_seconds",
        help="When the node came to its status.",
        of=lambda facts, node: round(node.status_since.timestamp(), 3),
    ),
    _Metric(
        name="wnm_node_failures",
        help="Failures of the node in a row; 0 when the last action or trial went well.",
        of=lambda facts, node: node.failures,
    ),
    _Metric(
        name="wnm_node_uptime_seconds",
        help="How long the node's process has run.",
        of=lambda facts, node: facts.uptime_seconds,
    ),
    _Metric(
        name="wnm_node_records",
        help="Records that the node stores.",
        of=lambda facts, node: facts.records,
    ),
    _Metric(
        name="wnm_node_connected_peers",
        help="Peers that the node is connected to.",
        of=lambda facts, node: facts.connected_peers,
    ),
    _Metric(
        name="wnm_node_shunned_total",
        type=COUNTER,
        help="How often a peer has shunned the node since its process started.",
        of=lambda facts, node: facts.shunned,
    ),
    _Metric(
        name="wnm_node_rewards_ant_total",
        type=COUNTER,
        help="ANT credited to the node since its process started, rounded to a float.",
        of=_rewards,
    ),
    _Metric(
        name="wnm_node_network_size",
        help="Nodes in the network, as the node estimates them.",
        of=lambda facts, node: facts.network_size,
    ),
    _Metric(
        name="wnm_node_cpu_ratio",
        help="Part of all cores (0 to 1) that the node has used since its process started.",
        of=_cpu,
    ),
    _Metric(
        name="wnm_node_memory_bytes",
        help="Memory of the node's process.",
        of=lambda facts, node: facts.memory_bytes,
    ),
    _Metric(
        name="wnm_node_disk_bytes",
        help="What the node's folder took up when it was last measured.",
        of=lambda facts, node: facts.disk_bytes,
    ),
)


def node_families(material: Material) -> Iterable[Family]:
    """The families of nodes, the number of nodes by status first."""
    pairs = [(facts_of(each, material.observed_at), each.node) for each in material.nodes]
    yield _counts(material.nodes)
    yield Family(
        name="wnm_node_info",
        type=GAUGE,
        help="What does not change while a node runs; version is what runs, binary_version what is on disk.",
        samples=tuple((_info(facts), 1) for facts, _ in pairs),
    )
    yield Family(
        name="wnm_node_status",
        type=GAUGE,
        help="The node's status; the series of the status that it has is there, with the value 1.",
        samples=tuple(
            ((("node", facts.name), ("status", str(facts.status)), ("process", str(facts.process))), 1)
            for facts, _ in pairs
        ),
    )
    for metric in _METRICS:
        values = [(facts.name, metric.of(facts, node)) for facts, node in pairs]
        yield Family(
            name=metric.name,
            type=metric.type,
            help=metric.help,
            samples=tuple(((("node", name),), value) for name, value in values if value is not None),
        )


def _info(facts: NodeFacts) -> tuple[tuple[str, str], ...]:
    return (
        ("node", facts.name),
        ("kind", facts.kind),
        ("version", facts.version or ""),
        ("binary_version", facts.binary_version or ""),
        ("peer_id", facts.peer_id or ""),
        ("wallet", facts.wallet),
        ("port", str(facts.port)),
        ("metrics_port", str(facts.metrics_port)),
        ("root_dir", facts.root_dir),
    )


def _counts(nodes: tuple[NodeSeen, ...]) -> Family:
    return Family(
        name="wnm_nodes",
        type=GAUGE,
        help="Nodes by status; every status is there.",
        samples=tuple(((("status", str(status)),), count) for status, count in counts_of(nodes).items()),
    )
