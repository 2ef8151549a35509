"""The reports about nodes, the machine and the settings, as text for people, JSON and shell variables."""

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from textwrap import indent
from typing import TYPE_CHECKING, Any

from msgspec import Struct

from wnm.core.errors import BadInput
from wnm.core.observation import FileSystem, Unseen
from wnm.core.readings import Gauge, in_crisis
from wnm.core.settings import SPECS, Settings, shown
from wnm.formats.assignments import render_config
from wnm.node_kinds.kinds import KINDS
from wnm.views.material import Material, NodeFacts, tally
from wnm.views.payload import Payload, envelope, moment, picked, write_env
from wnm.views.places import bounds_payload, places_payload
from wnm.views.text import columns, table
from wnm.views.words import NOTHING, absolute, printable, size, span

if TYPE_CHECKING:
    from wnm.views.timeline import Event

KEYS = NodeFacts.__struct_fields__
"""The keys of a node, in their order."""


class Figure(Struct, frozen=True):
    """One figure of a node: its key, its column in the terminal, that on the page, and the kind that it is written as.

    A kind is count, bytes, percent, span (in seconds) or coin.
    """

    key: str
    name: str
    heading: str
    kind: str

    def value(self, row: "Row") -> Any:
        """The value of a node; None where nothing is known."""
        return getattr(row if self.kind == "coin" else row.facts, self.key)


class Row(Struct, frozen=True):
    """A node in a table: its facts, why somebody may want to look at it, what it earned today in attos, and the time.

    `last` is the last action on it.
    """

    facts: NodeFacts
    why: str | None
    earned: int | None
    now: datetime
    last: "Event | None" = None


FIGURES = (
    Figure("connected_peers", "peers", "Peers", "count"),
    Figure("shunned", "shuns", "Shunned", "count"),
    Figure("records", "records", "Records", "count"),
    Figure("disk_bytes", "disk", "Disk", "bytes"),
    Figure("earned", "earned", "ANT today", "coin"),
    Figure("cpu_percent", "cpu", "CPU", "percent"),
    Figure("memory_bytes", "memory", "Memory", "bytes"),
    Figure("uptime_seconds", "uptime", "Up for", "span"),
)
FORMS: Mapping[str, Callable[[Any], str]] = {
    "bytes": size,
    "percent": lambda value: f"{value:.1f} %",
    "span": lambda seconds: span(timedelta(seconds=seconds)),
}
"""The words for a value of a kind; those that are missing are written in another way by each view."""


def facts_payload(facts: NodeFacts) -> Payload:
    """A node as JSON has it: every key, null where nothing is known."""
    return picked(facts, KEYS)


def nodes_payload(material: Material) -> Payload:
    """Both reports for programs: when the nodes were looked at, and all of them with every key."""
    kinds = sorted({each.node.kind for each in material.nodes})
    others = {name: "process, key, store and log" for name in KINDS if not tells_metrics(name)}
    sources = {name: others.get(name, "metrics pages") for name in kinds}
    nodes = [facts_payload(facts) for facts in material.facts]
    content = {"observed_at": moment(material.observed_at), "health_sources": sources, "nodes": nodes}
    return envelope(material.generated_at, content)


def nodes_text(material: Material) -> str:
    """One line for each node."""
    if not material.nodes:
        return "no nodes"
    head = ("name", "status", "process", "reachable", "version", "peers", "records", "disk", "last error")
    rows = [
        (
            printable(facts.name),
            facts.status,
            facts.process,
            reachability(facts),
            known(facts.version or facts.binary_version),
            known(facts.connected_peers),
            known(facts.records),
            known(None if facts.disk_bytes is None else size(facts.disk_bytes)),
            known(facts.last_error),
        )
        for facts in material.facts
    ]
    return table([head, *rows], right=(5, 6, 7))


def nodes_details(material: Material) -> str:
    """Every key of every node, a paragraph each."""
    paragraphs = []
    for facts in material.facts:
        rows = [(key, known(value)) for key, value in facts_payload(facts).items() if key != "name"]
        paragraphs.append(f"{printable(facts.name)}\n{indent(table(rows), '  ')}")
    return "\n\n".join(paragraphs) or "no nodes"


def nodes_env(material: Material) -> str:
    """NODE_COUNT, NODE_IDS (separated by blanks), and NODE_<id>_<KEY> for every key of every node."""
    every = material.facts
    values: dict[str, object] = {
        "NODE_COUNT": len(every),
        "NODE_IDS": " ".join(str(facts.id) for facts in every),
    }
    for facts in every:
        values |= {f"NODE_{facts.id}_{key.upper()}": value for key, value in facts_payload(facts).items()}
    return write_env(values)


def known(value: object) -> str:
    """A value in a table."""
    return NOTHING if value is None else printable(str(value))


def tells_metrics(kind: str) -> bool:
    """Whether nodes of this kind have metrics pages."""
    return kind in KINDS and KINDS[kind].has_metrics


def reachability(facts: NodeFacts) -> str:
    """Return the behaviour of a node's metrics port, or what stands for it where there is none."""
    without = facts.kind in KINDS and not tells_metrics(facts.kind)
    return "by files" if facts.reachable is None and without else known(facts.reachable)


def machine_payload(material: Material) -> Payload:
    """The report for programs, in base units; what was not seen is null, and `unseen` says why."""
    seen = material.seen
    names = ("window_seconds", "usable_cores", "memory_total_bytes")
    machine = dict.fromkeys(names) if seen is None else picked(seen.machine, names)
    every = {gauge.key: gauge for gauge in material.gauges}
    return envelope(
        material.generated_at,
        {
            "observed_at": None if seen is None else moment(seen.now),
            **machine,
            "readings": {key: limits_payload(gauge) for key, gauge in every.items()},
            "disks": [
                {
                    **picked(system, ("mount_point", "total_bytes", "free_bytes", "free_inodes")),
                    "used_percent": round(system.used_percent, 3),
                    "inodes_used_percent": None
                    if system.inodes_used_percent is None
                    else round(system.inodes_used_percent, 3),
                    "less_than": gauge.allow,
                    "remove": gauge.remove,
                    "in_crisis": in_crisis(system, material.settings),
                }
                for system, gauge in material.disks
            ],
            **bounds_payload(None if seen is None else seen.machine),
            "storages": places_payload(seen, material.settings),
            **picked(material.settings, ("crisis_bytes", "node_cap")),
            "node_count": len(material.nodes),
            "node_counts": {str(status): count for status, count in material.counts.items()},
            "unseen": {
                key: gauge.value.reason for key, gauge in every.items() if isinstance(gauge.value, Unseen)
            },
        },
    )


def limits_payload(gauge: Gauge) -> Payload:
    """A reading and its limits for programs."""
    value = None if isinstance(gauge.value, Unseen) else round(gauge.value, 3)
    return {"value": value, "less_than": gauge.allow, "remove": gauge.remove}


def machine_env(material: Material) -> str:
    """A variable for each number: CPU_PERCENT, CPU_PERCENT_LESS_THAN, DISK_1_FREE_BYTES, NODES_RUNNING, …"""
    content = machine_payload(material)
    # These are names of settings: taking the report over must not set them.
    del content["crisis_bytes"], content["node_cap"]
    values = {name.upper(): value for name, value in content.items() if not isinstance(value, dict | list)}
    for name, reading in content["readings"].items():
        values[name.upper()] = reading["value"]
        values[f"{name.upper()}_LESS_THAN"] = reading["less_than"]
        values[f"{name.upper()}_REMOVE"] = reading["remove"]
    values["DISK_COUNT"] = len(content["disks"])
    for number, disk in enumerate(content["disks"], start=1):
        values |= {f"DISK_{number}_{name.upper()}": value for name, value in disk.items()}
    return write_env(values | {f"NODES_{status}": count for status, count in content["node_counts"].items()})


def machine_text(material: Material) -> str:
    """A table of the readings, one of the disks, and the nodes by status."""
    seen, disks = material.seen, material.disks
    parts = ["no cycle has looked yet" if seen is None else f"seen {absolute(seen.now)}"]
    parts.append(gauge_table([*material.gauges, *(gauge for _, gauge in disks)]))
    if disks:
        parts.append("\n".join(disk_line(system, material.settings) for system, _ in disks))
    cap = material.settings.node_cap
    parts.append(f"nodes: {len(material.nodes)} with a cap of {cap}; {tally(material.counts)}".rstrip("; "))
    return "\n\n".join(parts)


def gauge_table(every: list[Gauge]) -> str:
    """Readings beside their limits; why it was not seen stands behind a reading without a value."""
    rows = [("reading", "now", "grows below", "sheds above", "")]
    for gauge in every:
        value = gauge.value
        seen = NOTHING if isinstance(value, Unseen) else gauge.shown(value)
        reason = f"not seen: {printable(value.reason)}" if isinstance(value, Unseen) else ""
        rows.append((printable(gauge.name), seen, *limits(gauge), reason))
    return table(rows, right=(1, 2, 3))


def rounded(gauge: Gauge, value: float) -> str:
    """A value of this gauge, rates in a unit that people read: `1.2 MB/s`."""
    return f"{size(round(value))}/s" if gauge.unit == "B/s" else gauge.shown(value)


def limits(gauge: Gauge) -> tuple[str, str]:
    """Both limits in a table."""
    allow, remove = ("off" if each is None else gauge.shown(each) for each in (gauge.allow, gauge.remove))
    return allow, remove


def disk_line(system: FileSystem, settings: Settings) -> str:
    """Return the free space of a disk: `disk /: 600.0 GB free of 1.0 TB`."""
    crisis = f", fewer than crisis_bytes {size(settings.crisis_bytes)}" if in_crisis(system, settings) else ""
    return f"disk {printable(system.mount_point)}: {size(system.free_bytes)} free of {size(system.total_bytes)}{crisis}"


_WIDEST_ALIGNED = 60


def config_payload(material: Material) -> Payload:
    """`settings` by name: `value`, its canonical `text`, and its `origin`.

    A value is a number (times in the setting's own unit), a boolean, null, or the text.
    """
    content: Payload = {}
    for name, canonical in material.texts.items():
        value, text = getattr(material.settings, name), shown(name, canonical)
        if isinstance(value, timedelta):
            value = int(float(text)) if float(text).is_integer() else float(text)
        elif value is not None and not isinstance(value, bool | int | float):
            value = text
        content[name] = {"value": value, "text": text, "origin": material.origins[name]}
    return envelope(material.generated_at, {"settings": content})


def config_text(material: Material) -> str:
    """`name  value  (origin)` for each setting; a dash where a value is empty."""
    values = {name: shown(name, value) or NOTHING for name, value in material.texts.items()}
    short = [name for name, value in values.items() if len(value) <= _WIDEST_ALIGNED]
    aligned = columns([(values[name], f"({material.origins[name]})") for name in short])
    behind = {name: f"{value}  ({material.origins[name]})" for name, value in values.items()}
    return table([*{**behind, **dict(zip(short, (each.plain for each in aligned), strict=True))}.items()])


def config_env(material: Material) -> str:
    """Assignments that wnm itself would take: WNM_HOST where other software uses HOST too, else NODE_CAP."""
    return write_env({variable_of(name): value for name, value in material.texts.items()})


def variable_of(name: str) -> str:
    """The environment variable that a setting is exported as."""
    spec = SPECS[name]
    return spec.environment_names[0 if spec.generic else -1]


def config(material: Material) -> str:
    """Lines that `-c FILE` takes. BadInput for a value that the syntax of such files cannot hold."""
    lines = ""
    for name, value in material.texts.items():
        try:
            lines += render_config({name: value})
        except ValueError as reason:
            raise BadInput(f"{name}: {reason}; use --report_format env or json") from None
    return lines.rstrip("\n")
