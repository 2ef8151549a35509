"""Runs nodes as plain background processes, each in a session of its own: needs no service manager and no root."""

import os
from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import timedelta
from pathlib import Path

from wnm.core.contracts import Clock, Unit
from wnm.core.errors import Permanent, Transient
from wnm.core.node import ProcessState
from wnm.core.observation import ProcessReading, Unseen
from wnm.process_managers.unit_processes import UnitProcesses, last_output, log_bytes
from wnm.system.accounts import name_of
from wnm.system.clock import until
from wnm.system.command import ended, spawn_detached
from wnm.system.files import make_private_dir

WATCH_AFTER_START = timedelta(seconds=0.3)
# A node started by cron and one started from a terminal must not differ by what happened to be exported there.
INHERITED = frozenset({"HOME", "PATH", "USER", "LOGNAME", "LANG", "LC_ALL", "TZ", "TMPDIR"})


class SetsidDriver:
    """Implements `wnm.core.contracts.UnitDriver` without remembering anything.

    Which processes are a unit's is read from the process table each time: those with its fingerprint in their
    command line. So a process that replaced itself is found again, and a pid from the past is never believed.
    """

    name = "setsid"
    restarts = False
    folders: Sequence[str] = ()
    # Nobody but its process knows a unit: there is nothing to register it with, and nobody to take note.

    def __init__(
        self, clock: Clock, *, cores: float | None = None, environ: Mapping[str, str] | None = None
    ) -> None:
        """`cores` is how many cores 100 % of CPU stands for, `environ` where INHERITED is taken from."""
        self._clock = clock
        self._found = UnitProcesses(clock, cores)
        self.stop = self._found.end
        source = os.environ if environ is None else environ
        self._environment = {name: value for name, value in source.items() if name in INHERITED}

    def install(self, unit: Unit) -> None:
        """Make the folder of its log; there is nobody to register it with."""
        make_private_dir(str(Path(unit.log_file).parent))

    def start(self, unit: Unit) -> None:
        """Return when one process runs, this one or one from before. Transient, with its last words, if it ends."""
        if unit.user and unit.user != name_of(os.geteuid()):
            raise Permanent(
                f"{unit.name} is to run as {unit.user}: the setsid process manager cannot change the user"
            )
        if self._found.of(unit):
            return
        self._require_alone(unit)
        self.install(unit)
        before = log_bytes(unit)
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
        if until(is_over, WATCH_AFTER_START, self._clock) and not self._found.of(unit):
            said = last_output(unit, since=before)
            raise Transient(f"{unit.name} ended at once with code {code}: {said}")

    def _require_alone(self, unit: Unit) -> None:
        """Permanent if a process works in the unit's folder under another name of it, as through a link."""
        flag, here = unit.fingerprint
        for (_, there), processes in self._found.table([unit]).found.items():
            with suppress(OSError):
                # As that process sees it: the same path inside a container is another folder.
                if Path(f"/proc/{processes[0].pid}/root{there}").samefile(here):
                    raise Permanent(
                        f"process {processes[0].pid} works in {here} already, which it knows as {there}: "
                        f"end it first, or give the folder by that name ({flag})"
                    )

    def status(self, units: Sequence[Unit]) -> Mapping[str, ProcessReading | Unseen]:
        """Read the process table once; of several processes of a unit the newest is reported."""
        try:
            table = self._found.table(units)
        except Transient as error:
            return {unit.name: Unseen(reason=str(error)) for unit in units}
        stopped = ProcessReading(state=ProcessState.STOPPED)
        found = {unit.name: table.holding(unit.fingerprint) for unit in units}
        return {name: self._found.reading(each[-1]) if each else stopped for name, each in found.items()}

    def remove(self, unit: Unit) -> None:
        """Nothing knows it but its process."""

    def claimed(self) -> Mapping[str, str]:
        """Without a service manager there are no units."""
        return {}

    def settle(self) -> None:
        """Nobody has to take note of anything."""
