"""The queue: which waiting workloads start now, on which machine and GPUs, and what the others wait for.

Highest priority first, and the oldest first among equals. A workload that waits keeps later ones off the machines and
GPU models that it could use itself, so nothing starves; one that no machine could ever hold keeps nobody off.
"""

from collections.abc import Iterable, Iterator, Sequence
from enum import StrEnum
from typing import Any

from msgspec.structs import replace

from wnm.core.values import Moment, Value
from wnm_fleet.core.gpu import FaultKind
from wnm_fleet.core.workload import AllGpus, GpuCount, GpuIndices, Spec, Workload


class OfferedGpu(Value, frozen=True, kw_only=True):
    """A GPU of a machine: `is_free` if it takes work and no workload has it; with a `fault` it is not free."""

    uuid: str
    index: int
    model: str
    is_free: bool
    fault: FaultKind | None = None


class Amounts(Value, frozen=True, kw_only=True):
    """Memory and disk in bytes, and CPU cores."""

    memory_bytes: int
    cores: float
    disk_bytes: int

    def less(self, other: "Amounts") -> "Amounts":
        """What is left when `other` is taken out of it."""
        return Amounts(
            memory_bytes=self.memory_bytes - other.memory_bytes,
            cores=self.cores - other.cores,
            disk_bytes=self.disk_bytes - other.disk_bytes,
        )


class Offer(Value, frozen=True, kw_only=True):
    """What a machine can give to workloads: `free` now, `most` when no workload runs on it.

    Both are without what wnm keeps for its antnodes. `gpus` are all that a workload may ask for, also those that are
    taken or have a fault now. With `closed` (the reason, as a code) the machine takes no work now.
    """

    machine: str
    free: Amounts
    most: Amounts
    gpus: tuple[OfferedGpu, ...] = ()
    closed: str | None = None


class Start(Value, frozen=True, kw_only=True):
    """A workload that starts now, on this machine, with these GPUs."""

    workload: str
    machine: str
    gpu_uuids: tuple[str, ...]


class WaitKind(StrEnum):
    """What a workload waits for."""

    NEVER = "never"
    """No machine could hold it, even an empty one."""
    LACKS = "lacks"
    """The machines that could hold it are too full."""
    BEHIND = "behind"
    """It would fit, but an earlier workload waits for the same."""
    CLOSED = "closed"
    """The machines that could hold it take no work now."""
    PAUSE = "pause"
    """Its last attempt failed, and the next one is not due."""


class Lack(Value, frozen=True, kw_only=True):
    """One thing that a machine has too little of: `wanted` of `free`, where it has `most` when empty."""

    what: str
    wanted: float
    free: float
    most: float


class Wait(Value, frozen=True, kw_only=True):
    """The reason why a workload waits. `machine` is the one that comes nearest, `lacks` what it has too little of."""

    workload: str
    kind: WaitKind
    machine: str | None = None
    lacks: tuple[Lack, ...] = ()
    behind: str | None = None
    closed: str | None = None
    until: Moment | None = None


class Admission(Value, frozen=True, kw_only=True):
    """The answer of one round: every waiting workload is in one of the two."""

    starts: tuple[Start, ...]
    waits: tuple[Wait, ...]


def needs(workload: Workload) -> Amounts:
    """What a workload takes of a machine beside GPUs."""
    spec = workload.spec
    return Amounts(memory_bytes=workload.memory_bytes, cores=spec.cores or 0.0, disk_bytes=spec.disk_bytes)


def admit(pending: Iterable[Workload], offers: Iterable[Offer], now: Moment) -> Admission:
    """Decide for every pending workload whether it starts now. Pure: the offers are what was seen of the machines."""
    queue = _Queue({offer.machine: offer for offer in offers}, now)
    for workload in sorted(pending, key=lambda each: (-each.spec.priority.rank, each.submitted_at, each.id)):
        queue.take(workload)
    return Admission(starts=tuple(queue.starts), waits=tuple(queue.waits))


class _Queue:
    """One round: the offers shrink with each start, and each wait bars later workloads from what it could use."""

    def __init__(self, offers: dict[str, Offer], now: Moment) -> None:
        self._offers = offers
        self._now = now
        self._barred: dict[tuple[str, str | None], str] = {}
        self.starts: list[Start] = []
        self.waits: list[Wait] = []

    def take(self, workload: Workload) -> None:
        """Start a workload, or note what it waits for."""
        spec, amounts = workload.spec, needs(workload)
        if workload.not_before is not None and self._now < workload.not_before:
            self._wait(workload, WaitKind.PAUSE, until=workload.not_before)
            return
        possible = [
            offer for offer in self._offers.values() if not _lacks(spec, amounts, offer, when_empty=True)
        ]
        if not possible:
            self._never(workload, amounts)
            return
        fitting = [
            offer
            for offer in possible
            if offer.closed is None and not _lacks(spec, amounts, offer, when_empty=False)
        ]
        behind = {offer.machine: self._bar(spec, offer) for offer in fitting}
        free = [offer for offer in fitting if behind[offer.machine] is None]
        if free:
            self._start(workload, amounts, min(free, key=lambda offer: _leftover(spec, amounts, offer)))
            return
        if fitting:
            first = fitting[0].machine
            self._wait(workload, WaitKind.BEHIND, first, behind=behind[first])
        elif all(offer.closed is not None for offer in possible):
            self._wait(workload, WaitKind.CLOSED, possible[0].machine, closed=possible[0].closed)
        else:
            self._lacking(workload, amounts, [offer for offer in possible if offer.closed is None])
        for offer in possible:
            for model in _models(spec, offer):
                self._barred.setdefault((offer.machine, model), workload.id)

    def _bar(self, spec: Spec, offer: Offer) -> str | None:
        """Return the earlier workload that waits for what this one would take of a machine."""
        return next(
            (
                self._barred[offer.machine, model]
                for model in _models(spec, offer)
                if (offer.machine, model) in self._barred
            ),
            None,
        )

    def _start(self, workload: Workload, amounts: Amounts, offer: Offer) -> None:
        taken = tuple(gpu.uuid for gpu in _chosen(workload.spec, offer, when_empty=False) or ())
        self.starts.append(Start(workload=workload.id, machine=offer.machine, gpu_uuids=taken))
        gpus = tuple(replace(gpu, is_free=gpu.is_free and gpu.uuid not in taken) for gpu in offer.gpus)
        self._offers[offer.machine] = replace(offer, free=offer.free.less(amounts), gpus=gpus)

    def _never(self, workload: Workload, amounts: Amounts) -> None:
        spec = workload.spec
        wanted = [offer for offer in self._offers.values() if spec.machine in (None, offer.machine)]
        nearest = min(
            wanted,
            key=lambda offer: (len(_lacks(spec, amounts, offer, when_empty=True)), offer.machine),
            default=None,
        )
        lacks = () if nearest is None else tuple(_lacks(spec, amounts, nearest, when_empty=True))
        self._wait(
            workload,
            WaitKind.NEVER,
            machine=spec.machine if nearest is None else nearest.machine,
            lacks=lacks,
        )

    def _lacking(self, workload: Workload, amounts: Amounts, offers: Sequence[Offer]) -> None:
        found = {offer.machine: _lacks(workload.spec, amounts, offer, when_empty=False) for offer in offers}
        nearest = min(found, key=lambda machine: (len(found[machine]), machine))
        self._wait(workload, WaitKind.LACKS, nearest, lacks=tuple(found[nearest]))

    def _wait(self, workload: Workload, kind: WaitKind, machine: str | None = None, **more: Any) -> None:
        self.waits.append(Wait(workload=workload.id, kind=kind, machine=machine, **more))


def _suits(spec: Spec, gpu: OfferedGpu) -> bool:
    """Whether a workload could use a GPU."""
    wish = spec.gpus
    if isinstance(wish, GpuIndices):
        return gpu.index in wish.indices
    return isinstance(wish, AllGpus) or wish.model is None or wish.model.lower() in gpu.model.lower()


def _models(spec: Spec, offer: Offer) -> Iterator[str | None]:
    """Yield the GPU models of a machine that a workload could use; with no model asked also what is no GPU's (None)."""
    if not isinstance(spec.gpus, GpuCount) or spec.gpus.model is None:
        yield None
    yield from {gpu.model: None for gpu in offer.gpus if _suits(spec, gpu)}


def _wanted(spec: Spec, offer: Offer) -> int:
    """Return how many GPUs of a machine a workload takes."""
    match spec.gpus:
        case AllGpus():
            return max(len(offer.gpus), 1)
        case GpuIndices(indices=indices):
            return len(set(indices))
        case GpuCount(count=count):
            return count


def _chosen(spec: Spec, offer: Offer, *, when_empty: bool) -> list[OfferedGpu] | None:
    """Return the GPUs of a machine that a workload gets, all of one model where that can be; None: too few are free."""
    wanted = _wanted(spec, offer)
    ready = [gpu for gpu in offer.gpus if (when_empty or gpu.is_free) and _suits(spec, gpu)]
    if len(ready) < wanted:
        return None
    alike: dict[str, list[OfferedGpu]] = {}
    for gpu in ready:
        alike.setdefault(gpu.model, []).append(gpu)
    enough = [gpus for gpus in alike.values() if len(gpus) >= wanted]
    return (min(enough, key=len) if enough else ready)[:wanted]


def _lacks(spec: Spec, amounts: Amounts, offer: Offer, *, when_empty: bool) -> list[Lack]:
    """Return what a machine has too little of for a workload, now or `when_empty`; nothing if it could hold it."""
    if spec.machine not in (None, offer.machine):
        return [Lack(what="machine", wanted=1, free=0, most=0)]
    found = []
    if _chosen(spec, offer, when_empty=when_empty) is None:
        able = [gpu for gpu in offer.gpus if _suits(spec, gpu)]
        free = sum(gpu.is_free for gpu in able)
        found.append(Lack(what="gpus", wanted=_wanted(spec, offer), free=free, most=len(able)))
    given = offer.most if when_empty else offer.free
    for name in Amounts.__struct_fields__:
        wanted = getattr(amounts, name)
        if wanted > getattr(given, name):
            free, most = getattr(offer.free, name), getattr(offer.most, name)
            found.append(Lack(what=name, wanted=wanted, free=free, most=most))
    return found


def _leftover(spec: Spec, amounts: Amounts, offer: Offer) -> tuple[int, int, float, str]:
    """Order machines by how little a workload leaves free on them: large ones stay whole for large workloads."""
    left = offer.free.less(amounts)
    gpus = sum(gpu.is_free for gpu in offer.gpus) - len(_chosen(spec, offer, when_empty=False) or ())
    return gpus, left.memory_bytes, left.cores, offer.machine
