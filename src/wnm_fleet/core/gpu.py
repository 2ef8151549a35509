"""GPUs as one look found them, what is wrong with one, and which of them may take work."""

from collections.abc import Iterable, Mapping, Sequence
from enum import StrEnum

from msgspec.structs import replace

from wnm.core.values import Moment, Value

DEFAULT_LIMIT_CELSIUS = 90
"""The temperature that is too hot for a GPU that does not tell at which it slows down."""


class Throttle(StrEnum):
    """A reason why a GPU runs below its clocks."""

    POWER_CAP = "power-cap"
    HARDWARE_SLOWDOWN = "hardware-slowdown"
    SYNC_BOOST = "sync-boost"
    SOFTWARE_THERMAL = "software-thermal"
    HARDWARE_THERMAL = "hardware-thermal"
    POWER_BRAKE = "power-brake"


THROTTLE_BITS: Mapping[int, Throttle] = {
    0x04: Throttle.POWER_CAP,
    0x08: Throttle.HARDWARE_SLOWDOWN,
    0x10: Throttle.SYNC_BOOST,
    0x20: Throttle.SOFTWARE_THERMAL,
    0x40: Throttle.HARDWARE_THERMAL,
    0x80: Throttle.POWER_BRAKE,
}
"""The bits of NVML's clocks event reasons (nvml.h); those for idle and for clocks that were set are no throttling."""

HARDWARE_THROTTLES = frozenset({Throttle.HARDWARE_SLOWDOWN, Throttle.HARDWARE_THERMAL, Throttle.POWER_BRAKE})

FATAL_XIDS: Mapping[int, str] = {
    48: "a memory error of two bits",
    62: "its microcontroller halted",
    64: "a memory row could not be remapped",
    74: "an error of NVLink",
    79: "it has fallen off the bus",
    95: "an uncontained memory error",
    119: "its system processor does not answer",
    120: "its system processor failed",
    140: "an unrecovered memory error",
    143: "it could not be brought up",
}
"""Xids after which a GPU is reset or the machine restarted before it takes work again (NVIDIA's catalogue of Xids)."""


class GpuProcess(Value, frozen=True, kw_only=True):
    """A process that computes on a GPU; `pid` is the machine's, `used_bytes` its memory there."""

    pid: int
    used_bytes: int | None = None


class Xid(Value, frozen=True, kw_only=True):
    """An error that the driver wrote to the kernel's log: its code, and the GPU by its PCI bus id."""

    code: int
    pci_bus_id: str
    at: Moment


class Gpu(Value, frozen=True, kw_only=True):
    """One GPU, or one MIG instance of one (`parent` is then the GPU's UUID), as one look found it.

    The UUID is its identity; the index is a place that may change with a restart. A field that the GPU does not tell
    is None and the others stay. `pci_bus_id` is `00000000:18:00.0`; percentages are 0-100. `ecc_*_errors` count
    since the driver was loaded. `is_lost` if the driver cannot reach it any more.
    """

    uuid: str
    index: int | None = None
    parent: str | None = None
    name: str | None = None
    driver_version: str | None = None
    compute_capability: str | None = None
    pci_bus_id: str | None = None
    is_mig_enabled: bool | None = None
    memory_total_bytes: int | None = None
    memory_used_bytes: int | None = None
    utilization_percent: int | None = None
    temperature_celsius: int | None = None
    slowdown_celsius: int | None = None
    power_watts: float | None = None
    power_limit_watts: float | None = None
    fan_speed_percent: int | None = None
    throttles: tuple[Throttle, ...] | None = None
    ecc_corrected_errors: int | None = None
    ecc_uncorrected_errors: int | None = None
    nvlinks_active: int | None = None
    nvlinks_inactive: int | None = None
    processes: tuple[GpuProcess, ...] | None = None
    is_lost: bool = False

    @property
    def limit_celsius(self) -> int:
        """The temperature at which it is too hot."""
        return DEFAULT_LIMIT_CELSIUS if self.slowdown_celsius is None else self.slowdown_celsius

    @property
    def is_too_hot(self) -> bool:
        """Whether this look found it at its limit, or slowed down by its own hardware."""
        at_limit = self.temperature_celsius is not None and self.temperature_celsius >= self.limit_celsius
        return at_limit or not HARDWARE_THROTTLES.isdisjoint(self.throttles or ())


class GpuLook(Value, frozen=True, kw_only=True):
    """The result of one look at the machine's GPUs. `source` is `nvml`, `nvidia-smi` or None where neither is there.

    With a `problem`, in words, the GPUs were not seen: none of them may take work, and none counts as lost.
    """

    at: Moment
    gpus: tuple[Gpu, ...] = ()
    source: str | None = None
    problem: str | None = None


class FaultKind(StrEnum):
    """A fault that keeps a GPU from taking new work."""

    UNSEEN = "unseen"
    LOST = "lost"
    HOT = "hot"
    XID = "xid"


class GpuFault(Value, frozen=True, kw_only=True):
    """What is wrong with a GPU; `xid` is the code, `celsius` and `limit_celsius` belong to HOT, `detail` to UNSEEN."""

    kind: FaultKind
    uuid: str
    xid: int | None = None
    celsius: int | None = None
    limit_celsius: int | None = None
    detail: str | None = None


def throttles_of(mask: int) -> tuple[Throttle, ...]:
    """Return the throttle reasons in a mask of NVML, lowest bit first."""
    return tuple(reason for bit, reason in THROTTLE_BITS.items() if mask & bit)


def with_lost(look: GpuLook, known: Iterable[Gpu]) -> tuple[Gpu, ...]:
    """Return the GPUs of a look, and after them as lost those `known` from before that it did not find.

    MIG instances come and go with their configuration: one that is gone is no loss while its GPU is there.
    """
    if look.problem is not None:
        return tuple(known)
    found = {gpu.uuid: gpu for gpu in look.gpus}
    reachable = {gpu.uuid for gpu in look.gpus if not gpu.is_lost}
    gone = (gpu for gpu in known if gpu.uuid not in found and gpu.parent not in reachable)
    return (*look.gpus, *(replace(gpu, is_lost=True, processes=None) for gpu in gone))


def faults(
    gpus: Sequence[Gpu], before: Sequence[Gpu], look: GpuLook, xids: Iterable[Xid]
) -> tuple[GpuFault, ...]:
    """Return what is wrong with `gpus` (of `with_lost`), where `before` are those of the look before.

    A GPU is too hot when two looks in a row found it so. A MIG instance has the faults of its GPU.
    """
    if look.problem is not None:
        return tuple(GpuFault(kind=FaultKind.UNSEEN, uuid=gpu.uuid, detail=look.problem) for gpu in gpus)
    hot_before = {gpu.uuid for gpu in before if gpu.is_too_hot}
    fatal = {_bus(xid.pci_bus_id): xid.code for xid in xids if xid.code in FATAL_XIDS}
    own = {gpu.uuid: _fault(gpu, hot_before, fatal) for gpu in gpus}
    inherited = ((gpu, own[gpu.uuid] or own.get(gpu.parent or "")) for gpu in gpus)
    return tuple(replace(fault, uuid=gpu.uuid) for gpu, fault in inherited if fault is not None)


def offered(gpus: Iterable[Gpu], broken: Iterable[GpuFault], *, allow_mig: bool) -> tuple[Gpu, ...]:
    """Return the GPUs that may take new work.

    With `allow_mig` the instances of a GPU in MIG mode are offered in its place. Without, a GPU in MIG mode is not
    offered: work that asks for a GPU would get one instance of it.
    """
    bad = {fault.uuid for fault in broken}
    good = [gpu for gpu in gpus if gpu.uuid not in bad and not gpu.is_lost]
    if allow_mig:
        return tuple(gpu for gpu in good if gpu.parent is not None or not gpu.is_mig_enabled)
    return tuple(gpu for gpu in good if gpu.parent is None and not gpu.is_mig_enabled)


def _fault(gpu: Gpu, hot_before: set[str], fatal: Mapping[str, int]) -> GpuFault | None:
    if gpu.is_lost:
        return GpuFault(kind=FaultKind.LOST, uuid=gpu.uuid)
    if gpu.pci_bus_id is not None and (code := fatal.get(_bus(gpu.pci_bus_id))) is not None:
        return GpuFault(kind=FaultKind.XID, uuid=gpu.uuid, xid=code)
    if gpu.is_too_hot and gpu.uuid in hot_before:
        celsius, limit = gpu.temperature_celsius, gpu.limit_celsius
        return GpuFault(kind=FaultKind.HOT, uuid=gpu.uuid, celsius=celsius, limit_celsius=limit)
    return None


def _bus(pci_bus_id: str) -> str:
    """Return a bus id in one form: NVML writes `00000000:18:00.0`, the kernel's log `0000:18:00`."""
    domain, bus, device = pci_bus_id.lower().partition(".")[0].rsplit(":", 2)
    return f"{domain.lstrip('0') or '0'}:{bus}:{device}"
