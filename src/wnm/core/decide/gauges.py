"""The machine's readings, each beside the limit below which it may grow and the one above which it must shed."""

from wnm.core.observation import FileSystem, MachineReading, Unseen
from wnm.core.readings import BY_KEY, DISK, INODES, LOAD, READINGS, limits_of, shown, value_of
from wnm.core.reasons import Figure
from wnm.core.settings import Settings
from wnm.core.values import Value


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
    for reading in READINGS:
        allow, remove = limits_of(reading, settings)
        found.append(Gauge(key=reading.key, value=value_of(reading, machine), allow=allow, remove=remove))
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
