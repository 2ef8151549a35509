"""The machine's readings, each beside the limit below which it may grow and the one above which it must shed."""

from wnm.core.observation import FileSystem, MachineReading, Unseen
from wnm.core.settings import Settings
from wnm.core.values import Value


class Gauge(Value, frozen=True, kw_only=True):
    """One reading and its two limits, all in `unit`. A limit of None is switched off."""

    name: str
    unit: str
    value: float | Unseen
    allow: float | None
    remove: float | None

    @property
    def is_rate(self) -> bool:
        """Whether it is an average over the time since the last cycle."""
        return self.name == "cpu" or self.unit == "B/s"

    @property
    def is_load(self) -> bool:
        return self.unit == "load"

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

    def against(self, limit: float | None) -> str:
        """For people: `cpu is 83.1 % (limit 80.0 %)`."""
        if isinstance(self.value, Unseen):
            return f"{self.name} was not seen ({self.value.reason})"
        return f"{self.name} is {self.shown(self.value)} (limit {self.shown(limit or 0)})"

    def to_fall(self, limit: float | None) -> str:
        """What is waited for, for people: `cpu to fall: it is 83.1 % (limit 80.0 %)`."""
        if isinstance(self.value, Unseen):
            return f"{self.name} to be seen ({self.value.reason})"
        return f"{self.name} to fall: it is {self.shown(self.value)} (limit {self.shown(limit or 0)})"

    def shown(self, value: float) -> str:
        if self.unit == "%":
            return f"{value:.1f} %"
        if self.unit == "B/s":
            return f"{value:,.0f} B/s"
        return f"{value:.2f}"


def gauges(machine: MachineReading, settings: Settings) -> tuple[Gauge, ...]:
    """Every reading except the file systems; those that are switched off are there too, without limits."""
    load = machine.load
    one, five, fifteen = (
        (load, load, load) if isinstance(load, Unseen) else (load.one, load.five, load.fifteen)
    )
    wished, allowed = settings.desired_load_average, settings.max_load_average_allowed
    io = [
        ("network read", machine.netio_read_bytes_per_second, "netio_read"),
        ("network write", machine.netio_write_bytes_per_second, "netio_write"),
        ("disk read", machine.hdio_read_bytes_per_second, "hdio_read"),
        ("disk write", machine.hdio_write_bytes_per_second, "hdio_write"),
    ]
    return (
        _gauge("cpu", "%", machine.cpu_percent, settings.cpu_less_than, settings.cpu_remove),
        _gauge("memory", "%", machine.memory_percent, settings.mem_less_than, settings.mem_remove),
        _gauge("load (1 min)", "load", one, wished, allowed),
        _gauge("load (5 min)", "load", five, wished, allowed),
        _gauge("load (15 min)", "load", fifteen, wished, allowed),
        *(
            _gauge(
                name,
                "B/s",
                value,
                getattr(settings, f"{key}_less_than") or None,
                getattr(settings, f"{key}_remove") or None,
            )
            for name, value, key in io
        ),
    )


def disk_gauge(file_system: FileSystem, settings: Settings) -> Gauge:
    """How full one file system is."""
    name = f"disk {file_system.mount_point}"
    return _gauge(name, "%", file_system.used_percent, settings.hd_less_than, settings.hd_remove)


def in_crisis(file_system: FileSystem, settings: Settings) -> bool:
    """Whether so little is left that nothing grows and nodes are removed, whatever the percentage."""
    return file_system.free_bytes < settings.crisis_bytes


def _gauge(name: str, unit: str, value: float | Unseen, allow: float | None, remove: float | None) -> Gauge:
    return Gauge(name=name, unit=unit, value=value, allow=allow, remove=remove)
