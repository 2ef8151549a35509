"""The readings of a machine in one table, and each beside its limits: whatever shows or bounds a figure goes by it."""

from wnm.core.observation import FileSystem, Load, MachineReading, Unseen
from wnm.core.reasons import Figure
from wnm.core.settings import Settings
from wnm.core.values import Value

PERCENT, LOAD, BYTES_PER_SECOND = "%", "load", "B/s"


class Reading(Value, frozen=True, kw_only=True):
    """One figure of the machine.

    `key` names it in JSON, in reasons and in labels, `name` for people. `source` is its field of `MachineReading`, a
    part of a value there after a dot. `allow` and `remove` are the settings that bound it, by name: nodes are added
    below the one, and shed above the other. `limits_off` says that a limit of 0 is no limit. `metric` and
    `limit_metric` are its names in OpenMetrics (the limits of several readings may be one family, None: told with
    another), `meaning` is their help. `sample` is the column of a sample that keeps it, None if none does.
    """

    key: str
    name: str
    unit: str
    source: str
    allow: str
    remove: str
    metric: str
    limit_metric: str | None
    meaning: str
    sample: str | None
    limits_off: bool = False
    is_rate: bool = False
    """Whether it is an average over the time since the last cycle."""


READINGS: tuple[Reading, ...] = (
    Reading(
        key="cpu_percent",
        name="cpu",
        unit=PERCENT,
        source="cpu_percent",
        allow="cpu_less_than",
        remove="cpu_remove",
        metric="wnm_machine_cpu_ratio",
        limit_metric="wnm_machine_cpu_limit_ratio",
        meaning="Use of all cores, 0 to 1",
        sample="cpu_percent",
        is_rate=True,
    ),
    Reading(
        key="memory_percent",
        name="memory",
        unit=PERCENT,
        source="memory_percent",
        allow="mem_less_than",
        remove="mem_remove",
        metric="wnm_machine_memory_ratio",
        limit_metric="wnm_machine_memory_limit_ratio",
        meaning="Memory not available, 0 to 1",
        sample="memory_percent",
    ),
    *[
        Reading(
            key=f"load_{minutes}min",
            name=f"load ({minutes} min)",
            unit=LOAD,
            source=f"load.{source}",
            allow="desired_load_average",
            remove="max_load_average_allowed",
            metric=f"wnm_machine_load{minutes}",
            limit_metric=limit_metric,
            meaning=f"Load average over {minutes} minute{'' if minutes == 1 else 's'}",
            sample=f"load{minutes}",
        )
        for minutes, source, limit_metric in (
            (1, "one", None),
            (5, "five", None),
            (15, "fifteen", "wnm_machine_load_limit"),
        )
    ],
    *[
        Reading(
            key=f"{source}_bytes_per_second",
            name=name,
            unit=BYTES_PER_SECOND,
            source=f"{source}_bytes_per_second",
            allow=f"{source}_less_than",
            remove=f"{source}_remove",
            metric=f"wnm_machine_{name.replace(' ', '_')}_bytes_per_second",
            limit_metric=f"wnm_machine_{name.replace(' ', '_')}_limit_bytes_per_second",
            meaning=f"{meaning} since the cycle before",
            sample=f"{source}_bytes_per_second",
            limits_off=True,
            is_rate=True,
        )
        for source, name, meaning in (
            ("netio_read", "network read", "Network input"),
            ("netio_write", "network write", "Network output"),
            ("hdio_read", "disk read", "Disk reading"),
            ("hdio_write", "disk write", "Disk writing"),
        )
    ],
)
"""Every reading but how full the file systems are, in the order in which they are shown and compared."""

DISK = Reading(
    key="disk_used_percent",
    name="disk",
    unit=PERCENT,
    source="file_systems",
    allow="hd_less_than",
    remove="hd_remove",
    metric="wnm_disk_used_ratio",
    limit_metric="wnm_disk_limit_ratio",
    meaning="How full a file system with node data is, 0 to 1",
    sample="disk_used_percent",
)
"""The reading that there is once for each file system with node data."""

INODES = Reading(
    key="disk_inodes_percent",
    name="inodes",
    unit=PERCENT,
    source="file_systems",
    allow="hd_less_than",
    remove="hd_remove",
    metric="wnm_disk_inodes_used_ratio",
    limit_metric=None,
    meaning="Inodes in use of a file system with node data, 0 to 1",
    sample=None,
)
"""The same of a file system's inodes, where it has a fixed number of them: they bound growth alone."""

BY_KEY = {each.key: each for each in (*READINGS, DISK, INODES)}


def value_of(reading: Reading, machine: MachineReading) -> float | Unseen:
    """Return the value of a reading (not the disks')."""
    field, _, part = reading.source.partition(".")
    value: float | Load | Unseen = getattr(machine, field)
    if isinstance(value, Load):
        return float(getattr(value, part))
    return value


def limits_of(reading: Reading, settings: Settings) -> tuple[float | None, float | None]:
    """The limit below which it allows growth and the one above which nodes are shed; None where there is none."""
    allow, remove = getattr(settings, reading.allow), getattr(settings, reading.remove)
    return (allow or None, remove or None) if reading.limits_off else (allow, remove)


def shown(unit: str, value: float) -> str:
    """A figure for people: `83.1 %`, `1,000 B/s`, `1.25`."""
    return {PERCENT: f"{value:.1f} %", BYTES_PER_SECOND: f"{value:,.0f} B/s"}.get(unit, f"{value:.2f}")


class Gauge(Value, frozen=True, kw_only=True):
    """One reading and its two limits, all in the unit of its key. A limit of None is switched off.

    `path` is the mount point of a disk, None for the readings of the whole machine.
    """

    key: str
    value: float | Unseen
    allow: float | None
    remove: float | None
    path: str | None = None

    @property
    def name(self) -> str:
        """For people: `cpu`, `disk /mnt`."""
        name = BY_KEY[self.key].name
        return name if self.path is None else f"{name} {self.path}"

    @property
    def unit(self) -> str:
        return BY_KEY[self.key].unit

    @property
    def is_rate(self) -> bool:
        """Whether it is an average over the time since the last cycle."""
        return BY_KEY[self.key].is_rate

    @property
    def is_load(self) -> bool:
        return self.unit == LOAD

    @property
    def is_on(self) -> bool:
        return self.allow is not None or self.remove is not None

    @property
    def too_high(self) -> bool:
        """Above the limit for shedding; a reading that was not seen never is."""
        return self.remove is not None and not isinstance(self.value, Unseen) and self.value > self.remove

    @property
    def allows_growth(self) -> bool:
        """Below the limit for growing; a reading that was not seen never is."""
        return self.allow is None or (not isinstance(self.value, Unseen) and self.value < self.allow)

    def against(self, limit: float | None) -> Figure:
        """The reading against one of its limits, as reasons tell it."""
        value, unseen = (None, self.value.reason) if isinstance(self.value, Unseen) else (self.value, None)
        return Figure(key=self.key, value=value, unseen=unseen, limit=limit, path=self.path)

    def shown(self, value: float) -> str:
        return shown(self.unit, value)


def gauges(machine: MachineReading, settings: Settings) -> tuple[Gauge, ...]:
    """Every reading except the file systems; those that are switched off are there too, without limits."""
    found = []
    for each in READINGS:
        allow, remove = limits_of(each, settings)
        found.append(Gauge(key=each.key, value=value_of(each, machine), allow=allow, remove=remove))
    return tuple(found)


def disk_gauge(file_system: FileSystem, settings: Settings) -> Gauge:
    """Return the gauge that shows how full one file system is."""
    allow, remove = limits_of(DISK, settings)
    return Gauge(
        key=DISK.key,
        value=file_system.used_percent,
        allow=allow,
        remove=remove,
        path=file_system.mount_point,
    )


def inode_gauge(file_system: FileSystem, settings: Settings) -> Gauge | None:
    """Return the gauge of a file system's inodes; None where it makes them as it needs them.

    A removed node gives back few of them, so nothing is removed for their sake.
    """
    if file_system.inodes_used_percent is None:
        return None
    return Gauge(
        key=INODES.key,
        value=file_system.inodes_used_percent,
        allow=limits_of(INODES, settings)[0],
        remove=None,
        path=file_system.mount_point,
    )


def in_crisis(file_system: FileSystem, settings: Settings) -> bool:
    """Whether so little is left that nothing grows and nodes are removed, whatever the percentage."""
    return file_system.free_bytes < settings.crisis_bytes
