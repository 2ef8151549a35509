"""Exports the machine, the last cycle and every node as Prometheus metrics in base units, and where nodes are scraped.

Unknown values are left out, never 0. Names stay as they are: dashboards and alerts are built on them.
"""

import json
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from typing import get_args

from msgspec import Struct

from wnm import __version__
from wnm.core.action import NodeAction, Result
from wnm.core.node import Node, ProcessState, Reachability, Status
from wnm.core.observation import FileSystem, MachineReading, Observation, ProgramReading, Unseen
from wnm.core.readings import BY_KEY, Gauge
from wnm.core.reasons import Blocked
from wnm.core.release import is_older, merged, release_of
from wnm.formats.exposition_text import COUNTER, GAUGE, Family, Labels, render
from wnm.node_kinds.kinds import KINDS
from wnm.views.actions import verb
from wnm.views.influx import ATTOS_PER_ANT
from wnm.views.material import CycleView, Material, NodeFacts, counts_of
from wnm.views.reports import measured

MARK = "# Written by wnm: the next cycle replaces what is changed here."


def text(material: Material) -> str:
    """The exposition, headed by a comment that says whose it is."""
    families = (*machine_families(material), *cycle_families(material), *node_families(material))
    return f"{MARK}\n{render(families)}".rstrip("\n")


_PERCENT = 100
_LIMITS = "less_than is the limit below which nodes are added, remove the one above which they are shed."


def machine_families(material: Material) -> Iterable[Family]:
    """wnm's version, the settings that bound growth, the readings with their limits, and the disks with nodes."""
    now = measured(material)
    yield _one("wnm_info", "The version of wnm.", 1, (("version", __version__),))
    yield _one("wnm_node_cap", "Most nodes on this machine.", material.settings.node_cap)
    if now.machine is not None:
        yield from _size(now.machine)
    for gauge in now.gauges:
        yield from _reading(gauge)
    yield from _disks(material)


def _size(machine: MachineReading) -> Iterable[Family]:
    yield _one("wnm_machine_usable_cores", "Cores that nodes can use.", machine.usable_cores)
    if machine.memory_total_bytes:
        yield _one("wnm_machine_memory_size_bytes", "Memory of the machine.", machine.memory_total_bytes)


def _reading(gauge: Gauge) -> Iterable[Family]:
    reading = BY_KEY[gauge.key]
    name, limit_name, meaning = reading.metric, reading.limit_metric, reading.meaning
    if not isinstance(gauge.value, Unseen):
        yield _one(name, f"{meaning}.", _base(gauge, gauge.value))
    if limit_name is not None:
        about = "Limits of the load averages" if gauge.is_load else f"Limits of {name}"
        yield _gauge(limit_name, f"{about}: {_LIMITS}", _limits(gauge))


def _disks(material: Material) -> Iterable[Family]:
    disks = measured(material).disks

    def of_each(name: str, about: str, value: Callable[[FileSystem, Gauge], float]) -> Family:
        return _gauge(
            name, about, [((("mount_point", each.mount_point),), value(each, at)) for each, at in disks]
        )

    full = "How full a file system with node data is, 0 to 1."
    yield of_each("wnm_disk_used_ratio", full, lambda system, gauge: _base(gauge, system.used_percent))
    free = "What is free of a file system with node data."
    yield of_each("wnm_disk_free_bytes", free, lambda system, gauge: system.free_bytes)
    whole = "The size of a file system with node data."
    yield of_each("wnm_disk_size_bytes", whole, lambda system, gauge: system.total_bytes)
    wished = material.settings
    limits = [
        ((("limit", "less_than"),), wished.hd_less_than / _PERCENT),
        ((("limit", "remove"),), wished.hd_remove / _PERCENT),
    ]
    yield _gauge("wnm_disk_limit_ratio", f"Limits of wnm_disk_used_ratio: {_LIMITS}", limits)
    yield _one(
        "wnm_disk_crisis_bytes",
        "Free bytes below which nodes are removed, whatever the ratio.",
        wished.crisis_bytes,
    )


def _limits(gauge: Gauge) -> tuple[tuple[Labels, float], ...]:
    limits = (("less_than", gauge.allow), ("remove", gauge.remove))
    return tuple(((("limit", name),), _base(gauge, value)) for name, value in limits if value is not None)


def _base(gauge: Gauge, value: float) -> float:
    return round(value / _PERCENT, 6) if gauge.unit == "%" else round(value, 3)


_KINDS = tuple(each.__name__ for each in get_args(NodeAction.__value__))
_NOT_CONCLUDED = "interrupted"


def cycle_families(material: Material) -> Iterable[Family]:
    """Nothing before the first cycle."""
    cycle = material.cycle
    if material.observed_at is not None:
        at = material.observed_at.timestamp()
        yield _one("wnm_observed_timestamp_seconds", "When the nodes were last looked at.", round(at, 3))
    if cycle is None:
        return
    yield from _course(cycle)
    yield _actions(cycle)
    yield from _held(cycle.held)
    if cycle.seen is not None:
        yield from _upgrades(cycle, cycle.seen, material)


def _course(cycle: CycleView) -> Iterable[Family]:
    yield Family(
        name="wnm_cycles_total",
        type=COUNTER,
        help="Cycles that were written down; starts again with a new database.",
        samples=(((), cycle.number),),
    )
    started = round(cycle.started_at.timestamp(), 3)
    yield _one("wnm_cycle_start_timestamp_seconds", "When the last cycle began.", started)
    rule: Labels = (("rule", cycle.rule),)
    yield _one("wnm_cycle_rule", "The rule that decided the last cycle, with the value 1.", 1, rule)
    if cycle.ended_at is not None:
        seconds = max(0.0, (cycle.ended_at - cycle.started_at).total_seconds())
        yield _one("wnm_cycle_duration_seconds", "How long the last cycle took.", round(seconds, 3))
    if cycle.exit_code is not None:
        yield _one(
            "wnm_cycle_exit_code",
            "How the last cycle ended: 0 fine, 1 an action failed, 3 it needs the operator.",
            cycle.exit_code,
        )


def _actions(cycle: CycleView) -> Family:
    """Every kind with every result, so that a failure is a change of a series that was there before."""
    found = Counter((each.kind, each.result or _NOT_CONCLUDED) for each in cycle.outcomes)
    possible = [(kind, str(result)) for kind in _KINDS for result in (*Result, _NOT_CONCLUDED)]
    every = dict.fromkeys((*possible, *found))
    return _gauge(
        "wnm_cycle_actions",
        "Actions of the last cycle by kind and result.",
        [((("kind", verb(kind)), ("result", result)), found[kind, result]) for kind, result in every],
    )


def _held(held: Sequence[Blocked]) -> Iterable[Family]:
    needs = [each for each in held if each.remedy is not None]
    yield _one("wnm_held", "What the last cycle held back, for whatever reason.", len(held))
    yield _one("wnm_needs_operator", "What only the operator can make go on.", len(needs))
    about = "Kinds of what only the operator can make go on, and how; a series for each, with the value 1."
    yield _gauge(
        "wnm_needs_operator_info", about, [(labels, 1) for labels in dict.fromkeys(map(_kinds, needs))]
    )


def _kinds(blocked: Blocked) -> Labels:
    return ("what", blocked.action.kind.value), (
        "remedy",
        blocked.remedy.kind.value if blocked.remedy else "",
    )


def _upgrades(cycle: CycleView, seen: Observation, material: Material) -> Iterable[Family]:
    if not isinstance(seen.available, ProgramReading) or not isinstance(seen.available.version, str):
        return
    version, pin = seen.available.version, material.settings.node_version
    labels: Labels = (("version", version), ("path", seen.available.path), ("pin", pin or ""))
    yield _one("wnm_available_version_info", "The version that nodes would be given, and the pin.", 1, labels)
    news = () if cycle.decision is None else cycle.decision.releases
    known = release_of(merged(seen.remembered.releases, news), version, seen.now)
    of: Labels = (("version", version),)
    halted = known.is_halted(material.settings.upgrade_failures_allowed)
    yield _one(
        "wnm_upgrade_halted", "Whether nothing more is brought to this version (1) or not (0).", halted, of
    )
    yield _one("wnm_upgrade_failures", "Nodes that failed the gate of this version.", len(known.failures), of)
    behind = sum(is_older(each.node.binary_version or each.node.version, version) for each in material.nodes)
    yield _one("wnm_nodes_outdated", "Nodes whose program is older than the available version.", behind)


def _gauge(name: str, about: str, samples: Iterable[tuple[Labels, float]]) -> Family:
    return Family(name=name, type=GAUGE, help=about, samples=tuple(samples))


def _one(name: str, about: str, value: float, labels: Labels = ()) -> Family:
    return _gauge(name, about, [(labels, value)])


type _Figure = Callable[[NodeFacts, Node], float | None]


class _Metric(Struct, frozen=True):
    name: str
    help: str
    of: _Figure
    type: str = GAUGE


def _fact(name: str) -> _Figure:
    return lambda facts, node: getattr(facts, name)


def _up(facts: NodeFacts, node: Node) -> float | None:
    return None if facts.process is ProcessState.UNKNOWN else facts.process is ProcessState.RUNNING


def _reachable(facts: NodeFacts, node: Node) -> float | None:
    return None if facts.reachable is None else facts.reachable is Reachability.ANSWERS


def _rewards(facts: NodeFacts, node: Node) -> float | None:
    return None if facts.rewards_attos is None else facts.rewards_attos / ATTOS_PER_ANT


def _cpu(facts: NodeFacts, node: Node) -> float | None:
    return None if facts.cpu_percent is None else round(facts.cpu_percent / 100, 6)


_METRICS = (
    _Metric("wnm_node_up", "Whether the node's process runs (1) or not (0).", _up),
    _Metric(
        "wnm_node_reachable", "Whether the node answered on its metrics port (1) or not (0).", _reachable
    ),
    _Metric(
        "wnm_node_status_since_timestamp_seconds",
        "When the node came to its status.",
        lambda facts, node: round(node.status_since.timestamp(), 3),
    ),
    _Metric(
        "wnm_node_failures",
        "Failures of the node in a row; 0 when the last action or health gate went well.",
        lambda facts, node: node.failures,
    ),
    _Metric("wnm_node_uptime_seconds", "How long the node's process has run.", _fact("uptime_seconds")),
    _Metric("wnm_node_records", "Records that the node stores.", _fact("records")),
    _Metric("wnm_node_connected_peers", "Peers that the node is connected to.", _fact("connected_peers")),
    _Metric(
        "wnm_node_shunned_total",
        "How often a peer has shunned the node since its process started.",
        _fact("shunned"),
        COUNTER,
    ),
    _Metric(
        "wnm_node_rewards_ant_total",
        "ANT credited to the node since its process started, rounded to a float.",
        _rewards,
        COUNTER,
    ),
    _Metric(
        "wnm_node_network_size", "Nodes in the network, as the node estimates them.", _fact("network_size")
    ),
    _Metric(
        "wnm_node_cpu_ratio",
        "Part of all cores (0 to 1) that the node has used since its process started.",
        _cpu,
    ),
    _Metric("wnm_node_memory_bytes", "Memory of the node's process.", _fact("memory_bytes")),
    _Metric(
        "wnm_node_disk_bytes",
        "What the node's folder took up when it was last measured.",
        _fact("disk_bytes"),
    ),
)


def node_families(material: Material) -> Iterable[Family]:
    """The families of nodes, the number of nodes by status first."""
    pairs = [*zip(material.facts, (each.node for each in material.nodes), strict=True)]
    counts = counts_of(material.nodes).items()
    tally = [((("status", str(status)),), count) for status, count in counts]
    yield _gauge("wnm_nodes", "Nodes by status; every status is there.", tally)
    about = "What does not change while a node runs; version is what runs, binary_version what is on disk."
    yield _gauge("wnm_node_info", about, [(_info(facts), 1) for facts, _ in pairs])
    about = "The node's status; the series of the status that it has is there, with the value 1."
    states = [
        (("node", facts.name), ("status", str(facts.status)), ("process", str(facts.process)))
        for facts, _ in pairs
    ]
    yield _gauge("wnm_node_status", about, [(labels, 1) for labels in states])
    for metric in _METRICS:
        values = [(facts.name, metric.of(facts, node)) for facts, node in pairs]
        yield Family(
            name=metric.name,
            type=metric.type,
            help=metric.help,
            samples=tuple(((("node", name),), value) for name, value in values if value is not None),
        )


_INFO = ("kind", "version", "binary_version", "peer_id", "wallet", "port", "metrics_port", "root_dir")


def _info(facts: NodeFacts) -> Labels:
    return (("node", facts.name), *((name, str(getattr(facts, name) or "")) for name in _INFO))


_UP = (Status.RUNNING, Status.RESTARTING, Status.UPGRADING)
_MARK = {"__meta_written_by": "wnm"}
"""JSON has no comments; labels that begin like this are dropped before anything is stored."""


def targets(material: Material) -> str:
    """A JSON list with an entry for each node that should answer, by name, one a line."""
    host = material.settings.host
    # An address with colons has to be told from the port behind it.
    at = f"[{host}]" if ":" in host else host
    entries = [
        {
            "labels": {**_MARK, "node": facts.name, "kind": facts.kind},
            "targets": [f"{at}:{facts.metrics_port}"],
        }
        for facts in material.facts
        if _should_answer(facts)
    ]
    # Prometheus takes an entry without targets; it says whose file this is while there is no node.
    lines = [json.dumps(entry) for entry in entries or [{"labels": _MARK, "targets": []}]]
    return "[\n" + ",\n".join(lines) + "\n]"


def _should_answer(facts: NodeFacts) -> bool:
    """Whether it is up, or meant to be, and of a kind that tells metrics."""
    kind = KINDS.get(facts.kind)
    is_up = facts.status in _UP or facts.process is ProcessState.RUNNING
    return is_up and kind is not None and kind.has_metrics
