"""Finds, describes and ends the processes of a unit, and quotes what it printed last."""

import os
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from signal import SIGKILL, SIGTERM

from wnm.core.contracts import Clock, Unit
from wnm.core.errors import Transient
from wnm.core.node import ProcessState
from wnm.core.observation import ProcessReading
from wnm.formats.program_output import essential
from wnm.system.clock import until
from wnm.system.files import failing, last_lines
from wnm.system.processes import Process, ProcessTable, is_alive, signal_exactly

# While the old one is still ending, a new one may appear, or one just started may change its command line.
LOOK_AGAIN = timedelta(seconds=0.5)
PATIENCE_AFTER_KILL = timedelta(seconds=5)
# A report of a program written in Rust is as long as this, and its reason comes first.
LAST_OUTPUT_LINES = 30
QUOTED_LINES = 5
LAST_OUTPUT_CHARACTERS = 500


class UnitProcesses:
    """Finds, describes and ends processes by the unit's fingerprint. `cores` is what 100 % of CPU stands for."""

    def __init__(self, clock: Clock, cores: float | None) -> None:
        self._clock = clock
        self._cores = cores or float(os.cpu_count() or 1)

    def of(self, unit: Unit) -> tuple[Process, ...]:
        """Its processes, oldest first. Looked for twice: one that is being replaced can slip through a single pass.

        Transient if the process table cannot be read.
        """
        return self.table([unit]).holding(unit.fingerprint) or self.table([unit]).holding(unit.fingerprint)

    def table(self, units: Sequence[Unit]) -> ProcessTable:
        """The processes of all units in one pass. Transient if the process table cannot be read."""
        with failing("cannot read the process table"):
            return ProcessTable.read({unit.fingerprint[0] for unit in units})

    def reading(self, process: Process) -> ProcessReading:
        """One of a running unit's processes."""
        alive_seconds = max((self._clock.now() - process.started_at).total_seconds(), 0.01)
        return ProcessReading(
            state=ProcessState.RUNNING,
            pid=process.pid,
            started_at=process.started_at,
            cpu_percent=process.cpu_seconds / (alive_seconds * self._cores) * 100,
            memory_bytes=process.memory_bytes,
            threads=process.threads,
        )

    def end(self, unit: Unit, grace: timedelta, *, spare: int | None = None) -> bool:
        """TERM, but not to the pid `spare`, then after `grace` KILL; True if that was needed.

        Transient if one is left even so.
        """
        for number, patience in ((SIGTERM, grace), (SIGKILL, PATIENCE_AFTER_KILL)):
            deadline = self._clock.monotonic() + patience.total_seconds()
            signalled: set[tuple[int, float]] = set()
            while found := self.of(unit):
                for process in found:
                    known = (process.pid, process.birth)
                    spared = process.pid == spare and number == SIGTERM
                    if not spared and known not in signalled and signal_exactly(process, number):
                        signalled.add(known)
                left_seconds = deadline - self._clock.monotonic()
                if left_seconds <= 0:
                    break
                pause = min(timedelta(seconds=left_seconds), LOOK_AGAIN)
                until(lambda seen=found: not any(map(is_alive, seen)), pause, self._clock)  # type: ignore[misc]
            else:
                return number == SIGKILL
        pids = ", ".join(str(process.pid) for process in found)
        raise Transient(f"{unit.name} does not end: process {pids} is still there after KILL")


def log_bytes(unit: Unit) -> int:
    """Return the length of the unit's log now; 0 if there is none."""
    try:
        return Path(unit.log_file).stat().st_size
    except OSError:
        return 0


def last_output(unit: Unit, *, since: int, instead: str = "it wrote nothing") -> str:
    """Return the end of the unit's log, in one line, of what was written after its first `since` bytes."""
    return quoted(last_lines(unit.log_file, LAST_OUTPUT_LINES, since=since)) or instead


def quoted(lines: Sequence[str]) -> str:
    """These lines in one, not too long for a message; empty without any."""
    return " | ".join(essential(lines)[-QUOTED_LINES:])[-LAST_OUTPUT_CHARACTERS:]
