"""The processes of a unit as the process table shows them, whoever started them."""

from collections.abc import Sequence
from datetime import timedelta
from signal import Signals

from wnm.core.contracts import Clock, Unit
from wnm.core.errors import Transient
from wnm.core.node import ProcessState
from wnm.core.observation import ProcessReading
from wnm.system.clock import until
from wnm.system.processes import Process, ProcessTable, is_alive, signal_exactly

# While the old one is still ending, a new one may appear, or one just started may change its command line.
LOOK_AGAIN = timedelta(seconds=0.5)


class UnitProcesses:
    """Finds, describes and ends processes by the unit's fingerprint. `cores` is what 100 % of CPU stands for."""

    def __init__(self, clock: Clock, cores: float) -> None:
        self._clock = clock
        self._cores = cores

    def of(self, unit: Unit) -> tuple[Process, ...]:
        """Its processes, oldest first. Looked for twice: one that is being replaced can slip through a single pass.

        Transient if the process table cannot be read.
        """
        try:
            for _ in range(2):
                found = ProcessTable.read({unit.fingerprint[0]}).holding(unit.fingerprint)
                if found:
                    return found
        except OSError as error:
            raise Transient(f"cannot read the process table: {error.strerror or error}") from error
        return ()

    def table(self, units: Sequence[Unit]) -> ProcessTable:
        """The processes of all units in one pass. Transient if the process table cannot be read."""
        try:
            return ProcessTable.read({unit.fingerprint[0] for unit in units})
        except OSError as error:
            raise Transient(f"cannot read the process table: {error.strerror or error}") from error

    def reading(self, processes: Sequence[Process]) -> ProcessReading:
        """The newest of a running unit's processes."""
        newest = processes[-1]
        alive_seconds = max((self._clock.now() - newest.started_at).total_seconds(), 0.01)
        return ProcessReading(
            state=ProcessState.RUNNING,
            pid=newest.pid,
            started_at=newest.started_at,
            cpu_percent=newest.cpu_seconds / (alive_seconds * self._cores) * 100,
            memory_bytes=newest.memory_bytes,
        )

    def outlast(
        self, unit: Unit, number: Signals, patience: timedelta, *, spare: int | None = None
    ) -> tuple[Process, ...]:
        """Signal each of its processes once, but not the pid `spare`, and wait until none is left.

        Returns those that are left after all.
        """
        deadline = self._clock.monotonic() + patience.total_seconds()
        signalled: set[tuple[int, float]] = set()
        while found := self.of(unit):
            for process in found:
                if process.pid == spare or (process.pid, process.birth) in signalled:
                    continue
                if signal_exactly(process, number):
                    signalled.add((process.pid, process.birth))
            left_seconds = deadline - self._clock.monotonic()
            if left_seconds <= 0:
                return found
            pause = min(timedelta(seconds=left_seconds), LOOK_AGAIN)
            until(lambda seen=found: not any(map(is_alive, seen)), pause, self._clock)  # type: ignore[misc]
        return ()
