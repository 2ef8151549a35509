"""Runs nodes as services of systemd: of the whole system, or of one account's own systemd."""

import os
import pwd
import threading
from collections.abc import Mapping, Sequence
from datetime import timedelta
from pathlib import Path

from wnm.core.contracts import Clock, Unit
from wnm.core.errors import NeedsOperator, Permanent, Transient, WnmError
from wnm.core.node import ProcessState
from wnm.core.observation import ProcessReading, Unseen
from wnm.formats.systemd_unit import PROPERTIES, Scope, Shown, read_units, service_name
from wnm.process_managers.systemd_files import UnitFiles, search_path
from wnm.process_managers.unit_processes import (
    LAST_OUTPUT_LINES,
    PATIENCE_AFTER_KILL,
    UnitProcesses,
    last_output,
    log_bytes,
    quoted,
)
from wnm.system.accounts import name_of
from wnm.system.command import CommandFailed, run
from wnm.system.processes import Process, holds, read_pids

SHORTLY = timedelta(seconds=30)
# Thousands of units, each read from its file.
AT_LENGTH = timedelta(seconds=90)
MOST_BYTES_PER_UNIT = 4096


class Systemctl:
    """The calls that the driver makes. All raise CommandFailed, which is Transient. May be used from threads."""

    def __init__(self, program: str, scope: Scope) -> None:
        self._scope = ("--user",) if scope == "user" else ()
        self._argv = (program, "--no-ask-password", *self._scope)
        self._environment = {**os.environ, "LC_ALL": "C"}
        if scope == "user":
            # To reach it without a login, as from cron; inherited variables may be another account's.
            folder = runtime_folder(os.geteuid())
            self._environment["XDG_RUNTIME_DIR"] = folder
            self._environment["DBUS_SESSION_BUS_ADDRESS"] = f"unix:path={folder}/bus"
        self._counting = threading.Lock()
        self._reloading = threading.Lock()
        self._changes = 0
        self._read_changes = 0

    def __call__(self, *arguments: str, timeout: timedelta = SHORTLY, most_bytes: int = 65536) -> str:
        """Return the output of `systemctl ARGUMENTS`."""
        return run((*self._argv, *arguments), timeout, self._environment, most_output_bytes=most_bytes).stdout

    def show(self, *names: str) -> tuple[Shown, ...]:
        """Units, which systemd reads from their files if it has to. Transient also if the answer makes no sense."""
        arguments = ("show", f"--property={','.join(PROPERTIES)}", "--", *names)
        most_bytes = max(MOST_BYTES_PER_UNIT * len(names), 65536)
        text = self(*arguments, timeout=AT_LENGTH, most_bytes=most_bytes)
        try:
            return read_units(text)
        except ValueError as error:
            raise Transient(f"cannot understand systemctl show: {error}") from error

    def show_one(self, service: str) -> Shown:
        """The same for one."""
        units = self.show(service)
        if len(units) != 1:
            raise Transient(f"systemctl showed {len(units)} units instead of {service}")
        return units[0]

    def survey(self, services: Sequence[str]) -> Mapping[str, Shown]:
        """By one call, those of the units that do anything or failed; the others are stopped, or not there.

        A plain name would have systemd read the unit's file each time, which takes ten times as long; a pattern
        only looks through what it has in memory. Each of these fits one name.
        """
        patterns = [f"{service[:-1]}[{service[-1]}]" for service in services]
        return {shown.id: shown for shown in self.show(*patterns)} if patterns else {}

    def last_output(self, service: str) -> str:
        """The last words of a unit whose output goes to the journal; none where that cannot be read."""
        argv = ("journalctl", *self._scope, "--no-pager", "--output=cat", f"--lines={LAST_OUTPUT_LINES}")
        try:
            text = run((*argv, "--unit", service), SHORTLY, self._environment).stdout
        except CommandFailed:
            return ""
        return quoted(["".join(char for char in line if char.isprintable()) for line in text.splitlines()])

    def note_change(self) -> None:
        """A file that systemd may have read is another one now, or gone."""
        with self._counting:
            self._changes += 1

    def catch_up(self) -> None:
        """Return when systemd has read all changes noted before; those who wait meanwhile share the next reload."""
        with self._counting:
            mine = self._changes
        with self._reloading:
            if self._read_changes >= mine:
                return
            with self._counting:
                covered = self._changes
            self("daemon-reload", timeout=AT_LENGTH)
            self._read_changes = covered


def runtime_folder(user_id: int) -> str:
    """Return the folder with the sockets of an account's own systemd."""
    return f"/run/user/{user_id}"


# Less than the pause before systemd starts one again that ended: it is caught in that pause.
WATCH_AFTER_START = timedelta(seconds=0.3)


class SystemdDriver:
    """Implements `wnm.core.contracts.UnitDriver`; a unit is a service of its name.

    Only files that wnm wrote for the very unit are ever changed, and only their services started or stopped.
    Drop-ins are the operator's and stay, whatever happens to the unit.
    """

    restarts = True

    def __init__(
        self,
        clock: Clock,
        *,
        scope: Scope,
        cores: float | None = None,
        unit_folder: str | None = None,
        systemctl: str = "systemctl",
    ) -> None:
        """`cores` is how many cores 100 % of CPU stands for, `unit_folder` where unit files are written."""
        try:
            home = pwd.getpwuid(os.geteuid()).pw_dir
        except KeyError:
            home = str(Path.home())
        usual = f"{home}/.config/systemd/user" if scope == "user" else "/etc/systemd/system"
        self.name = "systemd" if scope == "system" else "systemd+user"
        self._clock = clock
        self._scope = scope
        self._found = UnitProcesses(clock, cores)
        self._systemctl = Systemctl(systemctl, scope)
        self._files = UnitFiles(
            unit_folder or usual,
            scope=scope,
            search_path=search_path(scope, home=home, runtime=runtime_folder(os.geteuid())),
        )
        self.folders, self.claimed = self._files.folders, self._files.claimed
        # One reload, if files were changed or deleted that systemd may have read.
        self.settle = self._systemctl.catch_up
        self._locks: dict[str, threading.Lock] = {}

    def install(self, unit: Unit) -> None:
        """Write its file. systemd finds a new one by itself; one that changed it reads at `settle` or `start`."""
        with self._alone(unit):
            self._require_account(unit)
            known = self._files.is_ours(unit)
            if self._files.place(unit) and known:
                self._systemctl.note_change()

    def start(self, unit: Unit) -> None:
        """Return when it runs and its boot link is there. Transient, with its last words, if it ends at once."""
        with self._alone(unit):
            self._require_account(unit)
            if self._files.place(unit):
                self._systemctl.note_change()
                self._systemctl.catch_up()
            self._files.link_to_boot(unit)
            before = log_bytes(unit)
            trouble = self._run(unit)
            if trouble:
                self._files.unlink_from_boot(unit)
                self._end(unit, unit.stop_grace)
                said = last_output(unit, since=before)
                if self._files.is_as_found(unit):
                    said = self._systemctl.last_output(service_name(unit)) or "it wrote nothing"
                raise Transient(f"{trouble}: {said}")

    def stop(self, unit: Unit, grace: timedelta) -> bool:
        """End it and what it started; it comes back neither by itself nor after a reboot. True if it was killed."""
        with self._alone(unit):
            ours = self._files.is_ours(unit)
            self._files.unlink_from_boot(unit)
            if not ours:
                # A process of it may still run although its file is gone.
                shown = self._systemctl.survey([service_name(unit)]).get(service_name(unit))
                processes = read_pids([shown.pid] if shown and shown.pid else [])
                foreign = self._foreign(unit, shown, next(iter(processes.values()), None), ours=False)
                if foreign:
                    raise Permanent(foreign)
                if shown is None:
                    return False
            return self._end(unit, grace)

    def status(self, units: Sequence[Unit]) -> Mapping[str, ProcessReading | Unseen]:
        """Ask systemd once for all of them; figures are those of their main processes."""
        readings: dict[str, ProcessReading | Unseen] = {}
        asked: dict[str, tuple[Unit, bool]] = {}
        for unit in units:
            try:
                asked[service_name(unit)] = unit, self._files.is_ours(unit)
            except WnmError as error:
                readings[unit.name] = Unseen(reason=str(error))
        try:
            shown = self._systemctl.survey(tuple(asked))
        except WnmError as error:
            return readings | {unit.name: Unseen(reason=str(error)) for unit, _ in asked.values()}
        processes = read_pids([each.pid for each in shown.values() if each.pid])
        for service, (unit, ours) in asked.items():
            each = shown.get(service)
            process = processes.get(each.pid or 0) if each else None
            state = each.state if each else ProcessState.STOPPED
            if foreign := self._foreign(unit, each, process, ours=ours):
                readings[unit.name] = Unseen(reason=foreign)
            elif state is ProcessState.RUNNING and process is not None:
                readings[unit.name] = self._found.reading(process)
            else:
                readings[unit.name] = ProcessReading(state=state, pid=each.pid if each else None)
        return readings

    def remove(self, unit: Unit) -> None:
        """Delete its file and boot link; systemd forgets it at `settle`."""
        with self._alone(unit):
            if self._files.delete(unit):
                self._systemctl.note_change()

    def _alone(self, unit: Unit) -> threading.Lock:
        return self._locks.setdefault(unit.name, threading.Lock())

    def _require_account(self, unit: Unit) -> None:
        own = os.geteuid()
        if self._scope == "user" and unit.user and unit.user not in (str(own), name_of(own)):
            raise Permanent(
                f"{unit.name} is to run as {unit.user}: an account's own systemd cannot change the user"
            )

    def _run(self, unit: Unit) -> str | None:
        """Start it; says what is wrong if it does not stay up."""
        service = service_name(unit)
        failed: CommandFailed | None = None
        for attempt in ("first", "second"):
            failed = None
            try:
                self._systemctl("start", service, timeout=unit.stop_grace + SHORTLY)
                self._clock.sleep(WATCH_AFTER_START.total_seconds())
            except CommandFailed as error:
                failed = error
            shown = self._systemctl.show_one(service)
            if not failed and shown.state is ProcessState.RUNNING:
                return None
            if attempt == "first" and failed and shown.active == "failed":
                # It was started too often; that we want it now is a new beginning.
                self._systemctl("reset-failed", service)
            elif attempt == "first" and shown.load == "not-found":
                # A folder that changed twice within one tick of its clock looks unchanged.
                self._systemctl.note_change()
                self._systemctl.catch_up()
            else:
                break
        if failed and shown.state is not ProcessState.FAILED:
            return f"{unit.name} does not start: {failed}"
        return f"{unit.name} ({unit.argv[0]}) ended at once with {shown.ending}"

    def _end(self, unit: Unit, grace: timedelta) -> bool:
        service = service_name(unit)
        began = self._clock.monotonic()
        killed = False
        try:
            self._systemctl("stop", service, timeout=grace)
        except CommandFailed as error:
            # systemd does not have it in memory: LSB's code for that.
            if error.code == 5:
                return False
            if self._clock.monotonic() - began < grace.total_seconds():
                raise
            killed = True
            try:
                self._systemctl("kill", "--signal=KILL", service)
                self._systemctl("stop", service, timeout=PATIENCE_AFTER_KILL)
            except CommandFailed as still:
                # It ended between the two; whether it did is looked at next.
                if still.code is None:
                    raise Transient(f"{unit.name} does not end: it is still there after KILL") from still
        shown = self._systemctl.show_one(service)
        if shown.active not in ("inactive", "failed"):
            raise Transient(f"{unit.name} does not end: process {shown.pid} is still there after KILL")
        if shown.active == "failed":
            self._systemctl("reset-failed", service)
        return killed or shown.result == "timeout"

    def _foreign(self, unit: Unit, shown: Shown | None, process: Process | None, *, ours: bool) -> str | None:
        """Return why another unit of systemd has this name, by its file, else by its process."""
        if ours:
            stranger = shown.fragment if shown and shown.fragment != str(self._files.path(unit)) else ""
        else:
            started_by_another = process and not holds(process.argv, unit.fingerprint)
            stranger = str(self._files.elsewhere(unit) or (service_name(unit) if started_by_another else ""))
        return f"{stranger} is a unit that wnm did not write" if stranger else None


def why_not_here(scope: Scope, *, root: str = "/", user_id: int | None = None) -> NeedsOperator | None:
    """Return why systemd cannot run nodes here, None if it can, by a few files below `root`; no program is run.

    `user_id` is the account in question, else the effective one.
    """
    account = os.geteuid() if user_id is None else user_id
    user, of_system = name_of(account), scope == "system"
    private = Path(root, runtime_folder(account).lstrip("/"), "systemd/private")
    checks = (
        (
            Path(root, "run/systemd/system").is_dir(),
            "systemd does not run on this machine",
            "choose another one: --process_manager setsid",
        ),
        (
            not of_system or account == 0,
            "services of the whole system are for root",
            "run wnm as root, or use systemd+user",
        ),
        (of_system or account != 0, "root's nodes are services of the whole system", "use systemd"),
        (
            of_system or Path(root, "var/lib/systemd/linger", user).exists(),
            f"without lingering, {user}'s nodes would end when {user} logs out",
            f"run: sudo loginctl enable-linger {user}",
        ),
        (
            of_system or private.exists(),
            f"the systemd of {user} does not run",
            f"run: sudo systemctl restart user@{account}.service",
        ),
    )
    return next((NeedsOperator(problem, remedy=remedy) for fine, problem, remedy in checks if not fine), None)
