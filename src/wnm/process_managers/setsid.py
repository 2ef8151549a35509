"""Nodes as plain background processes, each in a session of its own: needs no service manager and no root."""

import os
import pwd
from collections.abc import Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from signal import SIGKILL, SIGTERM, Signals

from wnm.core.contracts import Clock, Unit
from wnm.core.errors import Permanent, Transient
from wnm.core.node import ProcessState
from wnm.core.observation import ProcessReading, Unseen
from wnm.system.command import ended, spawn_detached
from wnm.system.files import last_lines, make_private_dir
from wnm.system.processes import Process, ProcessTable, is_alive, signal_exactly
from wnm.system.wait import until

WATCH_AFTER_START = timedelta(seconds=0.3)
PATIENCE_AFTER_KILL = timedelta(seconds=5)
# While the old one is still ending, a new one may appear, or one just started may change its command line.
LOOK_AGAIN = timedelta(seconds=0.5)
LAST_WORDS_LINES = 5
LAST_WORDS_CHARACTERS = 500
# A node started by cron and one started from a terminal must not differ by what happened to be exported there.
INHERITED = frozenset({"HOME", "PATH", "USER", "LOGNAME", "LANG", "LC_ALL", "TZ", "TMPDIR"})


class SetsidDriver:
    """Implements `wnm.core.contracts.UnitDriver` without remembering anything.

    Which processes are a unit's is read from the process table each time: those with its fingerprint in their
    command line. So a process that replaced itself is found again, and a pid from the past is never believed.
    """

    name = "setsid"
    restarts = False

    def __init__(
        self, clock: Clock, *, cores: float | None = None, environ: Mapping[str, str] | None = None
    ) -> None:
        """`cores` is how many cores 100 % of CPU stands for, `environ` where INHERITED is taken from."""
        self._clock = clock
        self._cores = cores or float(os.cpu_count() or 1)
        source = os.environ if environ is None else environ
        self._environment = {name: value for name, value in source.items() if name in INHERITED}

    @property
    def folders(self) -> Sequence[str]:
        """There are no files of units."""
        return ()

    def install(self, unit: Unit) -> None:
        """Make the folder of its log; there is nobody to register it with."""
        make_private_dir(str(Path(unit.log_file).parent))

    def start(self, unit: Unit) -> None:
        """Return when one process runs, this one or one from before. Transient, with its last words, if it ends."""
        if unit.user and unit.user != _own_user():
            raise Permanent(
                f"{unit.name} is to run as {unit.user}: the setsid process manager cannot change the user"
            )
        if self._processes(unit):
            return
        self.install(unit)
        log = Path(unit.log_file)
        before = log.stat().st_size if log.exists() else 0
        pid = spawn_detached(
            unit.argv,
            env=self._environment | dict(unit.environment),
            cwd=unit.working_dir,
            log_file=unit.log_file,
        )
        code: int | None = None

        def is_over() -> bool:
            nonlocal code
            code = ended(pid)
            return code is not None

        # One that goes on in a child of its own has ended too, but is there.
        if until(is_over, WATCH_AFTER_START, self._clock) and not self._processes(unit):
            words = " | ".join(last_lines(unit.log_file, LAST_WORDS_LINES, since=before))[
                -LAST_WORDS_CHARACTERS:
            ]
            raise Transient(f"{unit.name} ended at once with code {code}: {words or 'it wrote nothing'}")

    def stop(self, unit: Unit, grace: timedelta) -> bool:
        """End all its processes, those it starts meanwhile too: TERM, then after `grace` KILL."""
        if not self._outlast(unit, SIGTERM, grace):
            return False
        left = self._outlast(unit, SIGKILL, PATIENCE_AFTER_KILL)
        if left:
            pids = ", ".join(str(process.pid) for process in left)
            raise Transient(f"{unit.name} does not end: process {pids} is still there after KILL")
        return True

    def status(self, units: Sequence[Unit]) -> Mapping[str, ProcessReading | Unseen]:
        """Read the process table once; of several processes of a unit the newest is reported."""
        try:
            table = ProcessTable.read({unit.fingerprint[0] for unit in units})
        except OSError as error:
            unseen = Unseen(reason=f"cannot read the process table: {error.strerror or error}")
            return {unit.name: unseen for unit in units}
        return {unit.name: self._reading(table.holding(unit.fingerprint)) for unit in units}

    def remove(self, unit: Unit) -> None:
        """Nothing knows it but its process."""

    def claimed(self) -> Mapping[str, str]:
        """Without a service manager there are no units."""
        return {}

    def settle(self) -> None:
        """Nobody has to take note of anything."""

    def _reading(self, processes: Sequence[Process]) -> ProcessReading:
        if not processes:
            return ProcessReading(state=ProcessState.STOPPED)
        newest = processes[-1]
        alive_seconds = max((self._clock.now() - newest.started_at).total_seconds(), 0.01)
        return ProcessReading(
            state=ProcessState.RUNNING,
            pid=newest.pid,
            started_at=newest.started_at,
            cpu_percent=newest.cpu_seconds / (alive_seconds * self._cores) * 100,
            memory_bytes=newest.memory_bytes,
        )

    def _processes(self, unit: Unit) -> tuple[Process, ...]:
        """Its processes. Looked for twice: one that is being replaced can slip through a single pass."""
        try:
            for _ in range(2):
                found = ProcessTable.read({unit.fingerprint[0]}).holding(unit.fingerprint)
                if found:
                    return found
        except OSError as error:
            raise Transient(f"cannot read the process table: {error.strerror or error}") from error
        return ()

    def _outlast(self, unit: Unit, number: Signals, patience: timedelta) -> tuple[Process, ...]:
        """Signal each of its processes once and wait until none is left; returns those that are left after all."""
        deadline = self._clock.monotonic() + patience.total_seconds()
        signalled: set[tuple[int, float]] = set()
        while found := self._processes(unit):
            for process in found:
                if (process.pid, process.birth) not in signalled and signal_exactly(process, number):
                    signalled.add((process.pid, process.birth))
            left_seconds = deadline - self._clock.monotonic()
            if left_seconds <= 0:
                return found
            pause = min(timedelta(seconds=left_seconds), LOOK_AGAIN)
            until(lambda seen=found: not any(map(is_alive, seen)), pause, self._clock)  # type: ignore[misc]
        return ()


def _own_user() -> str:
    try:
        return pwd.getpwuid(os.geteuid()).pw_name
    except KeyError:
        return str(os.geteuid())
