"""Exports the machine, the last cycle and every node as Prometheus metrics in base units, and where nodes are scraped.

Unknown values are left out, never 0. Names stay as they are: dashboards and alerts are built on them.
"""

import json
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import get_args

from wnm import __version__
from wnm.core.action import NodeAction, Result
from wnm.core.earnings import ATTOS_PER_ANT
from wnm.core.node import Node, ProcessState, Reachability
from wnm.core.observation import MachineReading, ProgramReading, Unseen
from wnm.core.readings import BY_KEY, DISK, INODES, Gauge
from wnm.core.release import is_older, merged, release_of
from wnm.formats.exposition_text import Family, Labels, render
from wnm.views.actions import verb
from wnm.views.influx import UP
from wnm.views.material import CycleView, Material, NodeFacts
from wnm.views.places import places_payload
from wnm.views.reports import tells_metrics

MARK = "# Written by wnm: the next cycle replaces what is changed here."


def text(material: Material) -> str:
    """The exposition, headed by a comment that says whose it is."""
    families = (*machine_families(material), *cycle_families(material), *node_families(material))
    return f"{MARK}\n{render(families)}".rstrip("\n")


_PERCENT = 100
_LIMITS = "less_than is the limit below which nodes are added, remove the one above which they are shed."


def machine_families(material: Material) -> Iterable[Family]:
    """wnm's version, the settings that bound growth, the readings with their limits, and the disks with nodes."""
    yield _one("wnm_info", "The version of wnm.", 1, (("version", __version__),))
    yield _one("wnm_node_cap", "Most nodes on this machine.", material.settings.node_cap)
    if material.seen is not None:
        machine = material.seen.machine
        yield _one("wnm_machine_usable_cores", "Cores that nodes can use.", machine.usable_cores)
        if machine.memory_total_bytes:
            yield _one("wnm_machine_memory_size_bytes", "Memory of the machine.", machine.memory_total_bytes)
    for gauge in material.gauges:
        reading = BY_KEY[gauge.key]
        if not isinstance(gauge.value, Unseen):
            yield _one(reading.metric, f"{reading.meaning}.", _base(gauge, gauge.value))
        if reading.limit_metric is not None:
            about = "Limits of the load averages" if gauge.is_load else f"Limits of {reading.metric}"
            limits = (("less_than", gauge.allow), ("remove", gauge.remove))
            known = [((("limit", name),), _base(gauge, value)) for name, value in limits if value is not None]
            yield Family(reading.limit_metric, f"{about}: {_LIMITS}", known)
    if material.seen is not None:
        yield from _bounds(material.seen.machine)
    mounted = [((("mount_point", each.mount_point),), each, gauge) for each, gauge in material.disks]
    used = [(labels, _base(gauge, each.used_percent)) for labels, each, gauge in mounted]
    yield Family(DISK.metric, f"{DISK.meaning}.", used)
    free = [(labels, each.free_bytes) for labels, each, _ in mounted]
    yield Family("wnm_disk_free_bytes", "What is free of a file system with node data.", free)
    whole = [(labels, each.total_bytes) for labels, each, _ in mounted]
    yield Family("wnm_disk_size_bytes", "The size of a file system with node data.", whole)
    inodes = [
        (labels, _base(gauge, each.inodes_used_percent))
        for labels, each, gauge in mounted
        if each.inodes_used_percent is not None
    ]
    yield Family(INODES.metric, f"{INODES.meaning}.", inodes)
    yield from _storages(material)
    wished = material.settings
    bounds = {"less_than": wished.hd_less_than, "remove": wished.hd_remove}
    samples = [((("limit", name),), limit / _PERCENT) for name, limit in bounds.items()]
    yield Family("wnm_disk_limit_ratio", f"Limits of {DISK.metric}: {_LIMITS}", samples)
    about = "Free bytes below which nodes are removed, whatever the ratio."
    yield _one("wnm_disk_crisis_bytes", about, wished.crisis_bytes)


def _bounds(machine: MachineReading) -> Iterable[Family]:
    """Memory, processes and threads of the machine (`cgroup` is empty) and of each cgroup that is smaller."""
    tables = {
        "memory_bound_bytes": ("Memory that there is", [(each, each.total) for each in machine.memory]),
        "memory_bound_used_bytes": ("Memory in use of it", [(each, each.used) for each in machine.memory]),
        "processes_limit": ("Most processes and threads", [(each, each.total) for each in machine.pids]),
        "processes": ("Processes and threads that there are", [(each, each.used) for each in machine.pids]),
    }
    for name, (about, found) in tables.items():
        samples = [((("cgroup", each.where),), float(value)) for each, value in found]
        yield Family(
            f"wnm_machine_{name}", f"{about}, in the machine or in a cgroup that is smaller.", samples
        )
    stalls = [
        ((("resource", each.resource), ("work", work)), round(percent / _PERCENT, 6))
        for each in machine.stalls
        for work, percent in (("some", each.some_percent), ("all", each.full_percent))
        if percent is not None
    ]
    yield Family(
        "wnm_machine_stalled_ratio", "Share of the last minute in which work waited, 0 to 1.", stalls
    )


def _storages(material: Material) -> Iterable[Family]:
    """Storage folders: usable unless read-only, noexec, not writable, or with a marker that is missing or another's."""
    places = places_payload(material.seen, material.settings)
    usable = [
        (
            (("path", each["path"]),),
            float(
                each["problem"] is None and each["marker"] in ("ours", "none") and each["present"] is not None
            ),
        )
        for each in places
    ]
    yield Family("wnm_storage_usable", "1 where nodes can be put and managed, 0 where not.", usable)
    strays = [((("path", each["path"]),), float(each["folders_without_row"])) for each in places]
    yield Family("wnm_storage_folders_without_row", "Folders with a node's name that no row names.", strays)


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
    about = "Cycles that were written down; starts again with a new database."
    yield _one("wnm_cycles_total", about, cycle.number)
    started = round(cycle.started_at.timestamp(), 3)
    yield _one("wnm_cycle_start_timestamp_seconds", "When the last cycle began.", started)
    rule: Labels = (("rule", cycle.rule),)
    yield _one("wnm_cycle_rule", "The rule that decided the last cycle, with the value 1.", 1, rule)
    if cycle.ended_at is not None:
        seconds = max(0.0, (cycle.ended_at - cycle.started_at).total_seconds())
        yield _one("wnm_cycle_duration_seconds", "How long the last cycle took.", round(seconds, 3))
    if cycle.exit_code is not None:
        about = "How the last cycle ended: 0 fine, 1 an action failed, 3 it needs the operator."
        yield _one("wnm_cycle_exit_code", about, cycle.exit_code)
    # Every kind with every result, so that a failure is a change of a series that was there before.
    found = Counter((each.kind, each.result or _NOT_CONCLUDED) for each in cycle.outcomes)
    possible = [(kind, str(result)) for kind in _KINDS for result in (*Result, _NOT_CONCLUDED)]
    yield Family(
        "wnm_cycle_actions",
        "Actions of the last cycle by kind and result.",
        [
            ((("kind", verb(kind)), ("result", result)), found[kind, result])
            for kind, result in dict.fromkeys((*possible, *found))
        ],
    )
    needs = [(each.action, each.remedy) for each in cycle.held if each.remedy is not None]
    yield _one("wnm_held", "What the last cycle held back, for whatever reason.", len(cycle.held))
    yield _one("wnm_needs_operator", "What only the operator can make go on.", len(needs))
    about = "Kinds of what only the operator can make go on, and how; a series for each, with the value 1."
    kinds = [(("what", action.kind.value), ("remedy", remedy.kind.value)) for action, remedy in needs]
    yield Family("wnm_needs_operator_info", about, [(labels, 1) for labels in dict.fromkeys(kinds)])
    yield from _upgrades(cycle, material)


def _upgrades(cycle: CycleView, material: Material) -> Iterable[Family]:
    seen = cycle.seen
    if seen is None or not isinstance(seen.available, ProgramReading):
        return
    version, pin = seen.available.version, material.settings.node_version
    if not isinstance(version, str):
        return
    labels: Labels = (("version", version), ("path", seen.available.path), ("pin", pin or ""))
    yield _one("wnm_available_version_info", "The version that nodes would be given, and the pin.", 1, labels)
    news = () if cycle.decision is None else cycle.decision.releases
    known = release_of(merged(seen.remembered.releases, news), version, seen.now)
    of: Labels = (("version", version),)
    halted = known.is_halted(material.settings.upgrade_failures_allowed)
    about = "Whether nothing more is brought to this version (1) or not (0)."
    yield _one("wnm_upgrade_halted", about, halted, of)
    yield _one("wnm_upgrade_failures", "Nodes that failed the gate of this version.", len(known.failures), of)
    behind = sum(is_older(each.node.binary_version or each.node.version, version) for each in material.nodes)
    yield _one("wnm_nodes_outdated", "Nodes whose program is older than the available version.", behind)


def _one(name: str, about: str, value: float, labels: Labels = ()) -> Family:
    return Family(name, about, [(labels, value)])


_HELP = {
    "up": "Whether the node's process runs (1) or not (0).",
    "reachable": "Whether the node answered on its metrics port (1) or not (0).",
    "status_since_timestamp_seconds": "When the node came to its status.",
    "failures": "Failures of the node in a row; 0 when the last action or health gate went well.",
    "uptime_seconds": "How long the node's process has run.",
    "records": "Records that the node stores.",
    "connected_peers": "Peers that the node is connected to.",
    "shunned_total": "How often a peer has shunned the node since its process started.",
    "rewards_ant_total": "ANT credited to the node since its process started, rounded to a float.",
    "network_size": "Nodes in the network, as the node estimates them.",
    "cpu_ratio": "Part of all cores (0 to 1) that the node has used since its process started.",
    "memory_bytes": "Memory of the node's process.",
    "disk_bytes": "What the node's folder took up when it was last measured.",
}
"""The metrics of a node, without what their names begin with; those that are no field of its facts are below."""


def _figures(facts: NodeFacts, node: Node) -> Mapping[str, float | None]:
    known, cpu, rewards = facts.process is not ProcessState.UNKNOWN, facts.cpu_percent, facts.rewards_attos
    return {
        "up": facts.process is ProcessState.RUNNING if known else None,
        "reachable": None if facts.reachable is None else facts.reachable is Reachability.ANSWERS,
        "status_since_timestamp_seconds": round(node.status_since.timestamp(), 3),
        "failures": node.failures,
        "shunned_total": facts.shunned,
        "rewards_ant_total": None if rewards is None else rewards / ATTOS_PER_ANT,
        "cpu_ratio": None if cpu is None else round(cpu / _PERCENT, 6),
    }


_INFO = ("kind", "version", "binary_version", "peer_id", "wallet", "port", "metrics_port", "root_dir")


def node_families(material: Material) -> Iterable[Family]:
    """The families of nodes, the number of nodes by status first."""
    every = [((("node", facts.name),), facts) for facts in material.facts]
    counts = [((("status", str(status)),), count) for status, count in material.counts.items()]
    yield Family("wnm_nodes", "Nodes by status; every status is there.", counts)
    about = "What does not change while a node runs; version is what runs, binary_version what is on disk."
    info = [((*name, *((key, str(getattr(facts, key) or "")) for key in _INFO)), 1) for name, facts in every]
    yield Family("wnm_node_info", about, info)
    about = "The node's status; the series of the status that it has is there, with the value 1."
    states = [
        ((*name, ("status", str(facts.status)), ("process", str(facts.process))), 1) for name, facts in every
    ]
    yield Family("wnm_node_status", about, states)
    figures = [_figures(facts, each.node) for facts, each in zip(material.facts, material.nodes, strict=True)]
    for metric, about in _HELP.items():
        values = [
            (name, of[metric] if metric in of else getattr(facts, metric))
            for (name, facts), of in zip(every, figures, strict=True)
        ]
        yield Family(
            f"wnm_node_{metric}", about, [(name, value) for name, value in values if value is not None]
        )


_MARK = {"__meta_written_by": "wnm"}
"""JSON has no comments; labels that begin like this are dropped before anything is stored."""


def targets(material: Material) -> str:
    """A JSON list with an entry for each node that is up, or meant to be, and tells metrics, by name, one a line."""
    host = material.settings.host
    # An address with colons has to be told from the port behind it.
    at = f"[{host}]" if ":" in host else host
    entries = [
        {
            "labels": {**_MARK, "node": facts.name, "kind": facts.kind},
            "targets": [f"{at}:{facts.metrics_port}"],
        }
        for facts in material.facts
        if tells_metrics(facts.kind) and (facts.status in UP or facts.process is ProcessState.RUNNING)
    ]
    # Prometheus takes an entry without targets; it says whose file this is while there is no node.
    lines = [json.dumps(entry) for entry in entries or [{"labels": _MARK, "targets": []}]]
    return "[\n" + ",\n".join(lines) + "\n]"
