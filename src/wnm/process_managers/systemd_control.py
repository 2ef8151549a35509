"""Talking to a running systemd, of the whole system or of one account, through `systemctl`."""

import os
import threading
from collections.abc import Mapping, Sequence
from datetime import timedelta

from wnm.core.errors import Transient
from wnm.formats.systemctl_show import PROPERTIES, Shown, read_units
from wnm.formats.systemd_unit import Scope
from wnm.system.command import CommandFailed, run

SHORTLY = timedelta(seconds=30)
# Thousands of units, each read from its file.
AT_LENGTH = timedelta(seconds=90)
MOST_BYTES_PER_UNIT = 4096


class Systemctl:
    """The calls that the driver makes. All raise CommandFailed, which is Transient. May be used from threads."""

    def __init__(self, program: str, scope: Scope) -> None:
        self._argv = (program, "--no-ask-password", *(("--user",) if scope == "user" else ()))
        self._environment = {**os.environ, "LC_ALL": "C", **(_own_manager() if scope == "user" else {})}
        self._counting = threading.Lock()
        self._reloading = threading.Lock()
        self._changes = 0
        self._read_changes = 0

    def __call__(self, *arguments: str, timeout: timedelta = SHORTLY) -> str:
        """What `systemctl ARGUMENTS` writes."""
        return self._run(arguments, timeout, MOST_BYTES_PER_UNIT)

    def show(self, service: str) -> Shown:
        """One unit, which systemd reads from its file if it has to. Transient also if the answer makes no sense."""
        units = self._shown([service])
        if len(units) != 1:
            raise Transient(f"systemctl showed {len(units)} units instead of {service}")
        return units[0]

    def survey(self, services: Sequence[str]) -> Mapping[str, Shown]:
        """By one call, those of the units that do anything or failed; the others are stopped, or not there.

        A plain name would have systemd read the unit's file each time, which takes ten times as long; a pattern
        only looks through what it has in memory. Each of these fits one name.
        """
        patterns = [f"{service[:-1]}[{service[-1]}]" for service in services]
        return {shown.id: shown for shown in self._shown(patterns)} if patterns else {}

    def last_output(self, service: str, lines: int) -> Sequence[str]:
        """The last lines of a unit whose output goes to the journal; none where that cannot be read."""
        scope = ("--user",) if "--user" in self._argv else ()
        argv = ("journalctl", *scope, "--no-pager", "--output=cat", f"--lines={lines}", "--unit", service)
        try:
            text = run(argv, SHORTLY, self._environment).stdout
        except CommandFailed:
            return ()
        return ["".join(char for char in line if char.isprintable()) for line in text.splitlines()]

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

    def _shown(self, names: Sequence[str]) -> tuple[Shown, ...]:
        arguments = ("show", f"--property={','.join(PROPERTIES)}", "--", *names)
        text = self._run(arguments, AT_LENGTH, MOST_BYTES_PER_UNIT * len(names))
        try:
            return read_units(text)
        except ValueError as error:
            raise Transient(f"cannot understand systemctl show: {error}") from error

    def _run(self, arguments: Sequence[str], timeout: timedelta, most_bytes: int) -> str:
        argv = (*self._argv, *arguments)
        return run(argv, timeout, self._environment, most_output_bytes=max(most_bytes, 65536)).stdout


def is_unknown(error: CommandFailed) -> bool:
    """Whether systemctl failed because systemd does not have this unit in memory: LSB's code for that is 5."""
    return error.code == 5


def runtime_folder(user_id: int) -> str:
    """Where an account's own systemd has its sockets."""
    return f"/run/user/{user_id}"


def _own_manager() -> Mapping[str, str]:
    """How to reach it from where nobody logged in, like cron; what is exported there may be another account's."""
    folder = runtime_folder(os.geteuid())
    return {"XDG_RUNTIME_DIR": folder, "DBUS_SESSION_BUS_ADDRESS": f"unix:path={folder}/bus"}
