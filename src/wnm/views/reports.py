"""The reports about nodes, the machine and the settings, as text for people, JSON and shell variables."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from msgspec import Struct
from msgspec.structs import fields

from wnm.core.errors import BadInput
from wnm.core.observation import FileSystem, MachineReading, Unseen
from wnm.core.readings import Gauge, disk_gauge, gauges, in_crisis
from wnm.core.settings import SPECS, Settings, shown
from wnm.formats.assignments import render_config
from wnm.node_kinds.kinds import KINDS
from wnm.views.material import NOT_YET, Material, NodeFacts, counts_of
from wnm.views.payload import Payload, envelope, moment, scalar, write_env
from wnm.views.text import columns, indented, table
from wnm.views.words import NOTHING, absolute, printable, size

_HEAD = ("name", "status", "process", "reachable", "version", "peers", "records", "disk", "last error")
_NUMBERS = (5, 6, 7)


KEYS = tuple(field.name for field in fields(NodeFacts))
"""The keys of a node, in their order."""


def facts_payload(facts: NodeFacts) -> Payload:
    """A node as JSON has it: every key, null where nothing is known."""
    return {key: scalar(getattr(facts, key)) for key in KEYS}


def nodes_payload(material: Material) -> Payload:
    """Both reports for programs: when the nodes were looked at, and all of them with every key."""
    return envelope(
        material.generated_at,
        {
            "observed_at": moment(material.observed_at),
            "health_sources": {
                name: health_source(name) for name in sorted({each.node.kind for each in material.nodes})
            },
            "nodes": [facts_payload(facts) for facts in material.facts],
        },
    )


def nodes_text(material: Material) -> str:
    """One line for each node."""
    if not material.nodes:
        return "no nodes"
    return table([_HEAD, *(_row(facts) for facts in material.facts)], right=_NUMBERS)


def nodes_details(material: Material) -> str:
    """Every key of every node, a paragraph each."""
    if not material.nodes:
        return "no nodes"
    return "\n\n".join(_paragraph(facts) for facts in material.facts)


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


def _kinds(material: Material) -> list[str]:
    return sorted({each.node.kind for each in material.nodes})


def health_source(kind: str) -> str:
    """Return the source that the health of nodes of a kind is assessed by."""
    found = KINDS.get(kind)
    return "process, key, store and log" if found is not None and not found.has_metrics else "metrics pages"


def reachability(facts: NodeFacts) -> str:
    """Return the behaviour of a node's metrics port, or what stands for it where there is none."""
    found = KINDS.get(facts.kind)
    if facts.reachable is None and found is not None and not found.has_metrics:
        return "by files"
    return known(facts.reachable)


def _row(facts: NodeFacts) -> tuple[str, ...]:
    return (
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


def _paragraph(facts: NodeFacts) -> str:
    rows = [(key, known(value)) for key, value in facts_payload(facts).items() if key != "name"]
    return f"{printable(facts.name)}\n{indented(table(rows))}"


_UNSEEN_MACHINE = MachineReading(
    boot_id="",
    usable_cores=0,
    window_seconds=None,
    cpu_percent=NOT_YET,
    memory_percent=NOT_YET,
    memory_total_bytes=0,
    load=NOT_YET,
    netio_read_bytes_per_second=NOT_YET,
    netio_write_bytes_per_second=NOT_YET,
    hdio_read_bytes_per_second=NOT_YET,
    hdio_write_bytes_per_second=NOT_YET,
    file_systems=(),
)


class Measured(Struct, frozen=True, kw_only=True):
    """The machine as a cycle saw it, with the limits of these settings; `machine` is None if none looked."""

    observed_at: datetime | None
    machine: MachineReading | None
    gauges: tuple[Gauge, ...]
    disks: tuple[tuple[FileSystem, Gauge], ...]


def measured(material: Material) -> Measured:
    """The readings of the material's cycle against the present settings."""
    seen = None if material.cycle is None else material.cycle.seen
    return Measured(
        observed_at=None if seen is None else seen.now,
        machine=None if seen is None else seen.machine,
        gauges=gauges(_UNSEEN_MACHINE if seen is None else seen.machine, material.settings),
        disks=() if seen is None else disks_of(seen.machine, material.settings),
    )


def disks_of(machine: MachineReading, settings: Settings) -> tuple[tuple[FileSystem, Gauge], ...]:
    """Every file system with node data, and how full it is against its limits."""
    return tuple((each, disk_gauge(each, settings)) for each in machine.file_systems)


def machine_payload(material: Material) -> Payload:
    """The report for programs, in base units; what was not seen is null, and `unseen` says why."""
    now = measured(material)
    machine = now.machine
    return envelope(
        material.generated_at,
        {
            "observed_at": moment(now.observed_at),
            "window_seconds": None if machine is None else machine.window_seconds,
            "usable_cores": None if machine is None else machine.usable_cores,
            "memory_total_bytes": None if machine is None else machine.memory_total_bytes,
            "readings": {gauge.key: _reading(gauge) for gauge in now.gauges},
            "disks": [_disk(system, gauge, material.settings) for system, gauge in now.disks],
            "crisis_bytes": material.settings.crisis_bytes,
            "node_cap": material.settings.node_cap,
            "node_count": len(material.nodes),
            "node_counts": {str(status): count for status, count in counts_of(material.nodes).items()},
            "unseen": {
                gauge.key: gauge.value.reason for gauge in now.gauges if isinstance(gauge.value, Unseen)
            },
        },
    )


def _reading(gauge: Gauge) -> Payload:
    value = None if isinstance(gauge.value, Unseen) else round(gauge.value, 3)
    return {"value": value, "less_than": gauge.allow, "remove": gauge.remove}


def _disk(system: FileSystem, gauge: Gauge, settings: Settings) -> Payload:
    return {
        "mount_point": system.mount_point,
        "total_bytes": system.total_bytes,
        "free_bytes": system.free_bytes,
        "used_percent": round(system.used_percent, 3),
        "less_than": gauge.allow,
        "remove": gauge.remove,
        "in_crisis": in_crisis(system, settings),
    }


def machine_env(material: Material) -> str:
    """A variable for each number: CPU_PERCENT, CPU_PERCENT_LESS_THAN, DISK_1_FREE_BYTES, NODES_RUNNING, …"""
    content = machine_payload(material)
    values = {name.upper(): value for name, value in content.items() if not isinstance(value, dict | list)}
    for name, reading in content["readings"].items():
        values[name.upper()] = reading["value"]
        values[f"{name.upper()}_LESS_THAN"] = reading["less_than"]
        values[f"{name.upper()}_REMOVE"] = reading["remove"]
    values["DISK_COUNT"] = len(content["disks"])
    for number, disk in enumerate(content["disks"], start=1):
        values |= {f"DISK_{number}_{name.upper()}": value for name, value in disk.items()}
    values |= {f"NODES_{status}": count for status, count in content["node_counts"].items()}
    # These are names of settings: taking the report over must not set them.
    return write_env(
        {name: value for name, value in values.items() if name not in ("CRISIS_BYTES", "NODE_CAP")}
    )


def machine_text(material: Material) -> str:
    """A table of the readings, one of the disks, and the nodes by status."""
    now = measured(material)
    counts = {status: count for status, count in counts_of(material.nodes).items() if count}
    parts = [f"seen {absolute(now.observed_at)}" if now.observed_at else "no cycle has looked yet"]
    parts.append(gauge_table([*now.gauges, *(gauge for _, gauge in now.disks)]))
    if now.disks:
        parts.append("\n".join(disk_line(system, material.settings) for system, _ in now.disks))
    tally = ", ".join(f"{count} {status}" for status, count in counts.items())
    parts.append(
        f"nodes: {len(material.nodes)} with a cap of {material.settings.node_cap}; {tally}".rstrip("; ")
    )
    return "\n\n".join(parts)


def gauge_table(every: list[Gauge]) -> str:
    """Readings beside their limits; why it was not seen stands behind a reading without a value."""
    rows = [("reading", "now", "grows below", "sheds above", "")]
    for gauge in every:
        value = gauge.value
        seen = NOTHING if isinstance(value, Unseen) else gauge.shown(value)
        reason = f"not seen: {printable(value.reason)}" if isinstance(value, Unseen) else ""
        rows.append(
            (printable(gauge.name), seen, limit(gauge, gauge.allow), limit(gauge, gauge.remove), reason)
        )
    return table(rows, right=(1, 2, 3))


def rounded(gauge: Gauge, value: float) -> str:
    """A value of this gauge, rates in a unit that people read: `1.2 MB/s`."""
    return f"{size(round(value))}/s" if gauge.unit == "B/s" else gauge.shown(value)


def limit(gauge: Gauge, value: float | None) -> str:
    """A limit in a table."""
    return "off" if value is None else gauge.shown(value)


def disk_line(system: FileSystem, settings: Settings) -> str:
    """Return the free space of a disk: `disk /: 600.0 GB free of 1.0 TB`."""
    crisis = f", fewer than crisis_bytes {size(settings.crisis_bytes)}" if in_crisis(system, settings) else ""
    return f"disk {printable(system.mount_point)}: {size(system.free_bytes)} free of {size(system.total_bytes)}{crisis}"


_WIDEST_ALIGNED = 60


def config_payload(material: Material) -> Payload:
    """`settings` by name: `value`, its canonical `text`, and its `origin`.

    A value is a number (times in the setting's own unit), a boolean, null, or the text.
    """
    return envelope(
        material.generated_at,
        {
            "settings": {
                name: {
                    "value": _value(getattr(material.settings, name), shown(name, text)),
                    "text": shown(name, text),
                    "origin": material.origins[name],
                }
                for name, text in material.texts.items()
            }
        },
    )


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
    return "".join(_line(name, value) for name, value in material.texts.items()).rstrip("\n")


def _line(name: str, value: str) -> str:
    line: Mapping[str, str] = {name: value}
    try:
        return render_config(line)
    except ValueError as reason:
        raise BadInput(f"{name}: {reason}; use --report_format env or json") from None


def _value(value: Any, text: str) -> Any:
    if value is None or isinstance(value, bool | int | float):
        return value
    if isinstance(value, timedelta):
        number = float(text)
        return int(number) if number.is_integer() else number
    return text
