"""The fleet of one machine: everything that commands ask for, on a file and the Docker of this machine."""

import fcntl
import getpass
import os
import secrets
import shutil
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psutil
from msgspec import Struct

from wnm.core.errors import NeedsOperator, Transient
from wnm_fleet.core.decide.admit import Amounts, Wait
from wnm_fleet.core.decide.settle import cancelled
from wnm_fleet.core.gpu import Gpu, GpuFault
from wnm_fleet.core.tasks import Task
from wnm_fleet.core.workload import Spec, State, Workload
from wnm_fleet.engine.contract import Engine, EngineUnreachable, LogLine, NotThere
from wnm_fleet.gpu import look as gpu_look
from wnm_fleet.service.images import BackgroundPulls, Pull
from wnm_fleet.service.outputs import Outputs
from wnm_fleet.service.sweep import Machine, Report, Sweep
from wnm_fleet.store.database import open_database
from wnm_fleet.store.fleet import ChangedMeanwhile, Event, FleetStore

DEFAULT_MEMORY_BYTES = 2 << 30
"""The limit of a workload that names none."""
KEPT_SHARE = 0.1
"""The part of memory and disk that no workload gets."""
CONTENTION_SECONDS = 5.0


class View(Struct, frozen=True, kw_only=True):
    """This machine at a moment: what it has, what workloads hold of it, and what is wrong."""

    name: str
    at: datetime
    cores: int
    memory_bytes: int
    memory_used_bytes: int
    cpu_percent: float
    most: Amounts
    engine: str | None
    gpus: tuple[Gpu, ...]
    faults: tuple[GpuFault, ...]
    holders: dict[str, str]
    live: tuple[Workload, ...]
    waiting: tuple[Workload, ...]
    problems: tuple[str, ...]


class LocalFleet:
    """The fleet whose files lie in a folder of the operator's; `url` names another Docker than the default one."""

    def __init__(self, folder: Path, url: str | None = None) -> None:
        from wnm_fleet.engine.local import (
            LocalEngine,  # the Docker SDK takes a while: not for what is refused
        )

        self._folder = folder
        self._database = open_database(f"sqlite:///{folder}/fleet.db")
        self.store = FleetStore(self._database)
        self.engine: Engine = LocalEngine(url)
        self.pulls = BackgroundPulls(folder / "pulls", url, self.now)
        self._outputs = Outputs(folder / "outputs")
        self.name = socket.gethostname().partition(".")[0]

    def close(self) -> None:
        """Close what is open."""
        self.engine.close()
        self._database.close()

    @staticmethod
    def now() -> datetime:
        """The time."""
        return datetime.now(UTC)

    def submit(self, spec: Spec) -> Workload:
        """Keep a new workload in the queue, and return it. BadInput if its name is taken."""
        workload = Workload(
            id=secrets.token_hex(4),
            spec=spec,
            owner=getpass.getuser(),
            state=State.PENDING,
            submitted_at=self.now(),
            memory_bytes=spec.memory_bytes or DEFAULT_MEMORY_BYTES,
        )
        self.store.submit(workload)
        return workload

    def cancel(self, text: str) -> Workload:
        """Take a workload back, or have it stopped by the next sweep; one that is over stays as it is."""
        while True:
            kept = self.store.find(text)
            after = cancelled(kept.workload, self.now())
            try:
                self.store.write([(kept, after)], self.now())
            except ChangedMeanwhile:
                continue
            return after

    def sweep(self) -> Report | None:
        """Do one sweep; None if another program does one now."""
        with self._alone() as is_alone:
            return self._sweep().run() if is_alone else None

    def logs(
        self, workload: Workload, *, since: datetime | None = None, follow: bool = False
    ) -> Iterator[LogLine]:
        """Yield the output of the last attempt, kept or from the engine, from `since` on."""
        if workload.attempt == 0:
            return
        try:
            yield from self.engine.logs(workload.container_name, since=since, follow=follow)
        except (NotThere, EngineUnreachable):
            kept = self._outputs.lines(workload.container_name)
            yield from (line for line in kept if since is None or line.at >= since)

    def pull_of(self, workload: Workload) -> Pull | None:
        """Return how far the image of a workload that starts is."""
        return self.pulls.last(workload.digest or workload.spec.image)

    def events(self, workload: Workload) -> tuple[Event, ...]:
        """Return what happened to a workload."""
        return self.store.events("workload", workload.id)

    def waits(self) -> dict[str, Wait]:
        """Return why each waiting workload waits, as a sweep would say now, without doing one."""
        return {wait.workload: wait for wait in self._sweep().plan().waits}

    def view(self) -> View:
        """Look at this machine."""
        problems: list[str] = []
        engine = None
        try:
            engine = self.engine.facts().version
        except (Transient, NeedsOperator) as error:
            problems.append(str(error))
        sweep = self._sweep()
        gpus, faults = sweep.look_at_gpus()
        live = tuple(kept.workload for kept in self.store.workloads([s for s in State if s.holds_gpus]))
        waiting = tuple(kept.workload for kept in self.store.workloads([State.PENDING]))
        memory = psutil.virtual_memory()
        return View(
            name=self.name,
            at=self.now(),
            cores=psutil.cpu_count() or 1,
            memory_bytes=memory.total,
            memory_used_bytes=memory.total - memory.available,
            cpu_percent=psutil.cpu_percent(0.1),
            most=self._most(),
            engine=engine,
            gpus=gpus,
            faults=faults,
            holders={uuid: each.id for each in live for uuid in each.gpu_uuids},
            live=live,
            waiting=waiting,
            problems=(*problems, *sweep.problems),
        )

    def _sweep(self) -> Sweep:
        boot = gpu_look.boot_time()
        machine = Machine(
            name=self.name,
            look=lambda: gpu_look.look(self.now()),
            xids=lambda: gpu_look.xids(boot) or (),
            booted_at=boot - timedelta(minutes=1),
            most=self._most(),
        )
        return Sweep(self.store, self.engine, machine, self.pulls, self._keep, self.now)

    def _most(self) -> Amounts:
        """What workloads can have of this machine together: nine tenths of its memory and free disk, and all cores."""
        memory = psutil.virtual_memory().total
        try:
            root = self.engine.facts().root
            free = shutil.disk_usage(root).free
        except (Transient, NeedsOperator, OSError):
            free = 0
        return Amounts(
            memory_bytes=int(memory * (1 - KEPT_SHARE)),
            cores=float(psutil.cpu_count() or 1),
            disk_bytes=int(free * (1 - KEPT_SHARE)),
        )

    def _keep(self, workload: Workload, task: Task) -> None:
        try:
            self._outputs.keep(task.name, self.engine.logs(task.name))
        except NotThere:
            return  # Somebody removed it; there is nothing left to keep.

    @contextmanager
    def _alone(self) -> Iterator[bool]:
        """Give whether this is the only sweep now; another one is waited for shortly."""
        until = time.monotonic() + CONTENTION_SECONDS
        lock = os.open(self._folder / "sweep.lock", os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
        try:
            while True:
                try:
                    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except BlockingIOError:
                    if time.monotonic() > until:
                        yield False
                        return
                    time.sleep(0.05)
                else:
                    yield True
                    return
        finally:
            os.close(lock)
