"""One sweep of a machine's workloads: look, decide, write down, act, write down.

It is what a minute of cron does and what each command does once. A sweep that is killed between any two steps is
continued by the next: what is wanted is written down before the engine is asked, and the engine is asked by names
that make a second question the same as the first.
"""

from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from typing import Protocol
from zlib import crc32

from msgspec import Struct
from msgspec.structs import replace

from wnm.core.errors import Transient, WnmError
from wnm.core.values import Value
from wnm_fleet.core.decide.admit import Admission, Amounts, Offer, OfferedGpu, Start, Wait, admit, needs
from wnm_fleet.core.decide.settle import ended, settle
from wnm_fleet.core.gpu import Gpu, GpuFault, GpuLook, Xid, faults, offered, with_lost
from wnm_fleet.core.tasks import Task
from wnm_fleet.core.workload import End, EndKind, Port, State, Workload, backoff_after
from wnm_fleet.engine.contract import Engine, EngineUnreachable, ImageNotFound, Job, PortTaken, StartFailed
from wnm_fleet.store.fleet import ChangedMeanwhile, FleetStore, HeldAlready, Kept

MOST_AT_ONCE = 4
PORTS = range(20_000, 30_000)
"""Ports of the machine that are given out where a workload does not name one."""
LIVE = tuple(state for state in State if state.holds_gpus)


class Pulls(Protocol):
    """Sees to it that images come to this machine."""

    def want(self, image: str) -> WnmError | None:
        """Return at once, and have the image fetched meanwhile; the error if the last attempt ended with one."""


class Machine(Struct, frozen=True, kw_only=True):
    """The machine that a sweep works on: its name, how its GPUs are looked at, and what it can give to workloads.

    `most` are memory, cores and disk for all workloads together, without what the machine keeps for itself and for
    its antnodes. `looks` are the look at the GPUs, the errors that the kernel's log holds, and when it was started.
    """

    name: str
    look: Callable[[], GpuLook]
    xids: Callable[[], Sequence[Xid]]
    booted_at: datetime
    most: Amounts
    allow_mig: bool = False
    closed: str | None = None


class Report(Value, frozen=True, kw_only=True):
    """The result of one sweep: what began and ended, what waits and why, and what is wrong."""

    started: tuple[str, ...] = ()
    over: tuple[str, ...] = ()
    waits: tuple[Wait, ...] = ()
    gpus: tuple[Gpu, ...] = ()
    faults: tuple[GpuFault, ...] = ()
    unknown: tuple[str, ...] = ()
    problems: tuple[str, ...] = ()


class Sweep:
    """One sweep over the workloads of one machine. The caller holds the machine's lock."""

    def __init__(
        self,
        store: FleetStore,
        engine: Engine,
        machine: Machine,
        pulls: Pulls,
        keep_output: Callable[[Workload, Task], None],
        clock: Callable[[], datetime],
    ) -> None:
        self._store = store
        self._engine = engine
        self._machine = machine
        self._pulls = pulls
        self._keep_output = keep_output
        self._now = clock
        self._started: list[str] = []
        self._over: list[str] = []
        self.problems: list[str] = []

    def run(self) -> Report:
        """Do the sweep. Raises what the store raises; an engine that does not answer is a problem of the report."""
        gpus, broken = self.look_at_gpus()
        try:
            unknown = self._settle()
            waits = self._admit(gpus, broken)
        except EngineUnreachable as error:
            self.problems.append(str(error))
            unknown, waits = (), ()
        return Report(
            started=tuple(self._started),
            over=tuple(self._over),
            waits=waits,
            gpus=gpus,
            faults=broken,
            unknown=unknown,
            problems=tuple(self.problems),
        )

    def plan(self) -> Admission:
        """Return what the queue would decide now, without doing it."""
        gpus, broken = self.look_at_gpus()
        live = [each.workload for each in self._store.workloads(LIVE)]
        pending = [each.workload for each in self._store.workloads([State.PENDING])]
        return admit(pending, [offer_of(self._machine, gpus, broken, live)], self._now())

    def look_at_gpus(self) -> tuple[tuple[Gpu, ...], tuple[GpuFault, ...]]:
        """Look at the GPUs, remember what must not be forgotten, and tell what is new of their faults."""
        name = self._machine.name
        before, look = self._store.gpus(name), self._machine.look()
        self._store.keep_xids(name, self._machine.xids(), self._machine.booted_at)
        gpus = with_lost(look, before)
        broken = faults(gpus, before, look, self._store.xids(name))
        if look.problem is None:
            self._store.keep_gpus(name, gpus)
        else:
            self.problems.append(look.problem)
        return gpus, broken

    def _settle(self) -> tuple[str, ...]:
        """Bring what is written down together with the engine's book, and do what follows."""
        tasks = self._engine.tasks()
        every = (*self._store.workloads(LIVE), *self._store.with_ids(task.workload for task in tasks))
        kept = {each.workload.id: each for each in every}
        found = settle([each.workload for each in kept.values()], tasks, self._now())
        self._write([(kept[after.id], after) for after in found.changed])
        owners = {each.id: each for each in (*(each.workload for each in kept.values()), *found.changed)}
        with ThreadPoolExecutor(MOST_AT_ONCE) as pool:
            list(pool.map(lambda task: self._finish(owners[task.workload], task), found.finished))
            list(pool.map(self._stop, found.stop))
        again = {each.id for each in found.begin}
        self._begin([each for each in self._store.workloads([State.STARTING]) if each.workload.id in again])
        return tuple(task.name for task in found.unknown)

    def _admit(self, gpus: Sequence[Gpu], broken: Sequence[GpuFault]) -> tuple[Wait, ...]:
        """Start what may start now."""
        live = [each.workload for each in self._store.workloads(LIVE)]
        pending = {each.workload.id: each for each in self._store.workloads([State.PENDING])}
        offer = offer_of(self._machine, gpus, broken, live)
        decision: Admission = admit([each.workload for each in pending.values()], [offer], self._now())
        held = {(port.protocol, port.host) for each in live for port in each.ports}
        for start in decision.starts:
            before = pending[start.workload]
            ports = with_host_ports(before.workload, held)
            if ports is None:
                self.problems.append(f"no port is free for workload {before.workload.id}")
                continue
            held |= {(port.protocol, port.host) for port in ports}
            self._write([(before, _starting(before.workload, start, ports))])
        begun = {start.workload for start in decision.starts}
        self._begin([each for each in self._store.workloads([State.STARTING]) if each.workload.id in begun])
        return decision.waits

    def _begin(self, kept: Iterable[Kept]) -> None:
        """Ask the engine for attempts that are written down, and write down how that ended."""
        every = list(kept)
        with ThreadPoolExecutor(MOST_AT_ONCE) as pool:
            results = list(pool.map(lambda each: self._ask(each.workload), every))
        for before, after in zip(every, results, strict=True):
            self._write([(before, after)])

    def _ask(self, workload: Workload) -> Workload:
        """Return a workload as it is after the engine was asked to start its attempt."""
        image = workload.digest or workload.spec.image
        digest = self._engine.digest(image)
        if digest is None:
            error = self._pulls.want(image)
            if error is None:
                return workload
            kind = EndKind.IMAGE_NOT_FOUND if isinstance(error, ImageNotFound) else EndKind.NOT_STARTED
            return self._failed(workload, kind, error)
        try:
            container = self._engine.start(job_of(workload, digest))
        except EngineUnreachable as error:
            self.problems.append(str(error))
            return workload
        except (StartFailed, ImageNotFound, PortTaken, Transient) as error:
            self._engine.forget(workload.container_name)
            return self._failed(workload, EndKind.NOT_STARTED, error)
        if (seen := self._other_gpus(workload)) is not None:
            self._engine.stop(workload.container_name, workload.spec.grace)
            self._engine.forget(workload.container_name)
            words = f"it was shown {seen} in the place of {', '.join(workload.gpu_uuids)}"
            return self._failed(workload, EndKind.NOT_STARTED, StartFailed(words))
        self._started.append(workload.id)
        return replace(
            workload, state=State.RUNNING, digest=digest, container=container, started_at=self._now()
        )

    def _other_gpus(self, workload: Workload) -> str | None:
        """Return the GPUs that a container sees where they are not those that it was given."""
        if not workload.gpu_uuids:
            return None
        seen = self._engine.gpus_inside(workload.container_name)
        return None if seen is None or set(seen) == set(workload.gpu_uuids) else ", ".join(seen) or "none"

    def _failed(self, workload: Workload, kind: EndKind, error: WnmError) -> Workload:
        """Return a workload whose attempt came to nothing; where waiting may help it is tried again in any case."""
        end = End(kind=kind, at=self._now(), detail=str(error))
        after = ended(workload, end)
        if isinstance(error, Transient) and after.state is State.FAILED:
            after = replace(after, state=State.PENDING, not_before=backoff_after(workload, end.at))
        return after

    def _stop(self, workload: Workload) -> None:
        try:
            self._engine.stop(workload.container_name, workload.spec.grace)
        except Transient as error:
            self.problems.append(str(error))

    def _finish(self, workload: Workload, task: Task) -> None:
        """Keep the output of a task that is over, then let the engine forget it."""
        try:
            self._keep_output(workload, task)
            self._engine.forget(task.name)
        except (Transient, OSError) as error:
            self.problems.append(f"the output of {task.name} is not kept yet: {error}")

    def _write(self, changes: Sequence[tuple[Kept, Workload]]) -> None:
        """Write changes down one by one: a workload that somebody changed meanwhile is the next sweep's."""
        for before, after in changes:
            try:
                self._store.write([(before, after)], self._now())
            except (ChangedMeanwhile, HeldAlready) as error:
                self.problems.append(str(error))
                continue
            if after.state.is_over:
                self._over.append(after.id)


def offer_of(
    machine: Machine, gpus: Iterable[Gpu], broken: Sequence[GpuFault], live: Sequence[Workload]
) -> Offer:
    """Return what a machine offers to the queue while these workloads hold a part of it."""
    every = tuple(gpus)
    ready = {gpu.uuid for gpu in offered(every, broken, allow_mig=machine.allow_mig)}
    wanted = {gpu.uuid for gpu in offered(every, (), allow_mig=machine.allow_mig)}
    taken = {uuid for workload in live for uuid in workload.gpu_uuids}
    kinds = {fault.uuid: fault.kind for fault in broken}
    free = machine.most
    for workload in live:
        free = free.less(needs(workload))
    return Offer(
        machine=machine.name,
        free=free,
        most=machine.most,
        gpus=tuple(
            OfferedGpu(
                uuid=gpu.uuid,
                index=-1 if gpu.index is None else gpu.index,
                model=gpu.name or "unknown",
                is_free=gpu.uuid in ready and gpu.uuid not in taken,
                fault=kinds.get(gpu.uuid),
            )
            for gpu in every
            if gpu.uuid in ready | wanted
        ),
        closed=machine.closed,
    )


def with_host_ports(workload: Workload, held: set[tuple[str, int | None]]) -> tuple[Port, ...] | None:
    """Return its ports with a free one of the machine each; None if one that it names is held, or none is free.

    The search begins at another place for each attempt: a port that a stranger has is not tried again and again.
    """
    taken, found = set(held), []
    first = crc32(f"{workload.id} {workload.attempt}".encode()) % len(PORTS)
    for port in workload.spec.ports:
        every = (*PORTS[first:], *PORTS[:first]) if port.host is None else (port.host,)
        choice = next((each for each in every if (port.protocol, each) not in taken), None)
        if choice is None:
            return None
        taken.add((port.protocol, choice))
        found.append(replace(port, host=choice))
    return tuple(found)


def job_of(workload: Workload, image: str) -> Job:
    """Return the attempt at hand as the engine takes it."""
    return Job(
        name=workload.container_name,
        workload=workload.id,
        attempt=workload.attempt,
        spec=workload.spec,
        image=image,
        memory_bytes=workload.memory_bytes,
        gpu_uuids=workload.gpu_uuids,
        ports=workload.ports,
    )


def _starting(workload: Workload, start: Start, ports: tuple[Port, ...]) -> Workload:
    return replace(
        workload,
        state=State.STARTING,
        attempt=workload.attempt + 1,
        machine=start.machine,
        gpu_uuids=start.gpu_uuids,
        ports=ports,
        not_before=None,
        container=None,
        started_at=None,
    )
