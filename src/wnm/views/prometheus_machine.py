"""The machine as metrics: every reading beside the limits that wnm grows and sheds by."""

from collections.abc import Iterable

from wnm import __version__
from wnm.core.decide.gauges import Gauge
from wnm.core.observation import MachineReading, Unseen
from wnm.core.readings import BY_KEY
from wnm.formats.exposition_text import GAUGE, Family, Labels
from wnm.views.machine_metrics import measured
from wnm.views.material import Material

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
        yield Family(name=limit_name, type=GAUGE, help=f"{about}: {_LIMITS}", samples=_limits(gauge))


def _disks(material: Material) -> Iterable[Family]:
    disks = measured(material).disks
    of = [(("mount_point", system.mount_point),) for system, _ in disks]
    used = [
        (labels, _base(gauge, system.used_percent)) for labels, (system, gauge) in zip(of, disks, strict=True)
    ]
    yield _family("wnm_disk_used_ratio", "How full a file system with node data is, 0 to 1.", used)
    free = [(labels, system.free_bytes) for labels, (system, _) in zip(of, disks, strict=True)]
    yield _family("wnm_disk_free_bytes", "What is free of a file system with node data.", free)
    whole = [(labels, system.total_bytes) for labels, (system, _) in zip(of, disks, strict=True)]
    yield _family("wnm_disk_size_bytes", "The size of a file system with node data.", whole)
    wished = material.settings
    limits = [
        ((("limit", "less_than"),), wished.hd_less_than / _PERCENT),
        ((("limit", "remove"),), wished.hd_remove / _PERCENT),
    ]
    yield _family("wnm_disk_limit_ratio", f"Limits of wnm_disk_used_ratio: {_LIMITS}", limits)
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


def _family(name: str, about: str, samples: Iterable[tuple[Labels, float]]) -> Family:
    return Family(name=name, type=GAUGE, help=about, samples=tuple(samples))


def _one(name: str, about: str, value: float, labels: Labels = ()) -> Family:
    return _family(name, about, [(labels, value)])
