"""The report machine-metrics: every reading beside its two limits, the disks, and the nodes by status."""

from datetime import datetime

from msgspec import Struct

from wnm.core.decide.gauges import Gauge, disk_gauge, gauges, in_crisis
from wnm.core.observation import FileSystem, MachineReading, Unseen
from wnm.core.settings import Settings
from wnm.views.facts import counts_of
from wnm.views.material import NOT_YET, Material
from wnm.views.payload import Payload, moment, report_of, write_env
from wnm.views.text import table
from wnm.views.words import NOTHING, absolute, printable, size

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


def payload(material: Material) -> Payload:
    """The report for programs, in base units; what was not seen is null, and `unseen` says why."""
    now = measured(material)
    machine = now.machine
    return report_of(
        material,
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


def env(material: Material) -> str:
    """A variable for each number: CPU_PERCENT, CPU_PERCENT_LESS_THAN, DISK_1_FREE_BYTES, NODES_RUNNING, …"""
    content = payload(material)
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


def text(material: Material) -> str:
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


def limit(gauge: Gauge, value: float | None) -> str:
    """A limit in a table."""
    return "off" if value is None else gauge.shown(value)


def disk_line(system: FileSystem, settings: Settings) -> str:
    """What is left of a disk: `disk /: 600.0 GB free of 1.0 TB`."""
    crisis = f", fewer than crisis_bytes {size(settings.crisis_bytes)}" if in_crisis(system, settings) else ""
    return f"disk {printable(system.mount_point)}: {size(system.free_bytes)} free of {size(system.total_bytes)}{crisis}"
