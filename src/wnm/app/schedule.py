"""Runs `wnm cron`: shows, installs and removes the line that lets cron start a cycle every minute.

One line for each database, with every path absolute, in a place of wnm's own; no line of anybody else is touched.
`wnm.formats.crontab` says what the line looks like and why, `wnm.app.log_file` what becomes of its output.
"""

import hashlib
import os
import shlex
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import datetime, timedelta
from pathlib import Path, PurePosixPath

from msgspec import Struct

from wnm.app.context import DATABASE_NAME, Context
from wnm.app.invocation import Report
from wnm.app.log_file import log_path, make_log_folder
from wnm.core.errors import NeedsOperator, WnmError
from wnm.core.host import data_folder
from wnm.core.timeline import CycleRecord
from wnm.formats import crontab
from wnm.formats.crontab import SAFE_PATH, Start, program_of, schedule_line
from wnm.storage.database import open_for_reading
from wnm.storage.errors import missing
from wnm.storage.timeline import Timeline
from wnm.system import crontabs
from wnm.system.command import CommandFailed
from wnm.system.command import run as run_program
from wnm.system.crontabs import daemon_runs
from wnm.views.payload import Payload, envelope, moment, write_json
from wnm.views.words import printable, relative


class NotOurs(NeedsOperator):
    """Something that wnm did not write has the name."""


class Place:
    """The place for the line of one database: a block between two comment lines in the user's crontab.

    `removal` is the command that takes it away. NeedsOperator from every method if it cannot be read or trusted.
    """

    user: str | None = None

    def __init__(self, described: str, database: str, removal: str) -> None:
        self.described, self._database, self.removal = described, database, removal

    def line(self) -> str | None:
        """Return the line that is scheduled there for this database, None if there is none."""
        return crontab.line_in_block(crontabs.user_table() or "", self._database)

    def text_with(self, line: str, before: str = "") -> str:
        """The text, for people, that `install` writes."""
        return crontab.with_block(before, self._database, line, self.removal)

    def install(self, line: str) -> bool:
        """Return when exactly this line is there; False if it was."""
        before = crontabs.user_table()
        after = self.text_with(line, before or "")
        if after == before:
            return False
        crontabs.write_user_table(after)
        return True

    def remove(self) -> bool:
        """Return when nothing is there for this database; False if nothing was."""
        before = crontabs.user_table() or ""
        after = crontab.without_block(before, self._database)
        if after == before:
            return False
        crontabs.write_user_table(after)
        return True


class SystemFile(Place):
    """A file of wnm's own in cron.d; cron takes note by itself."""

    user = "root"

    def __init__(self, path: Path, database: str, removal: str) -> None:
        super().__init__(str(path), database, removal)
        self._path = path

    def line(self) -> str | None:
        text = self._text()
        return None if text is None else crontab.lines_of_file(text)

    def text_with(self, line: str, before: str = "") -> str:
        return crontab.file_text(line, self._database, self.removal)

    def install(self, line: str) -> bool:
        if not crontabs.has_cron():
            raise NeedsOperator("there is no cron on this machine", remedy=crontabs.INSTALL_CRON)
        wanted = self.text_with(line)
        if self._text() == wanted and self._path.lstat().st_mode & 0o7777 == crontabs.ALL_MAY_READ:
            return False
        crontabs.write_system_file(self._path, wanted)
        return True

    def remove(self) -> bool:
        is_there = self._text() is not None
        if is_there:
            crontabs.remove_system_file(self._path)
        return is_there

    def _text(self) -> str | None:
        text = crontabs.system_file(self._path)
        if text is not None and not crontab.is_ours(text):
            raise NotOurs(
                f"{self._path} was not written by wnm",
                remedy=f"move it out of {self._path.parent}, then try again",
            )
        return text


def place_of(context: Context) -> Place:
    """Return the place for the line of this run's database."""
    database, suffix = context.database_path, suffix_of(context)
    removal = f"wnm{f' --dbpath {shlex.quote(database)}' if suffix else ''} cron remove"
    if context.host.platform == "linux" and context.host.is_root:
        return SystemFile(crontabs.SYSTEM_FOLDER / f"wnm{suffix}", database, removal)
    return Place(f"the crontab of {context.host.user}", database, removal)


def suffix_of(context: Context) -> str:
    """Return a suffix for the files of a database other than the default one; no dots, cron passes over such names."""
    path = context.database_path
    if path == os.path.realpath(f"{data_folder(context.host)}/{DATABASE_NAME}"):
        return ""
    return f"-{hashlib.sha256(os.fsencode(path)).hexdigest()[:8]}"


INSTALL = "wnm cron install"
START_CRON = "start it, as with: systemctl enable --now cron"
SYSTEM_LOGS = Path("/var/log/wnm")
_PATIENCE = timedelta(seconds=10)
_PASSING = ("/tmp", "/var/tmp", "/dev/shm", "/run", "/private/tmp", "/var/folders", "/private/var/folders")


def cron(context: Context) -> Report:
    """Run the verb that was asked for."""
    verbs = {"show": _show, "install": _install, "remove": _remove}
    return verbs[context.asked.cron_verb or "show"](context)


def remove_cron_of(context: Context) -> bool:
    """Return when cron no longer starts cycles for this run's database; False if it did not.

    Lines that wnm did not write stay. NeedsOperator if the crontab cannot be read or written.
    """
    try:
        return place_of(context).remove()
    except NotOurs:
        return False


def forget_schedule(context: Context) -> None:
    """After a teardown: take away the line, and the log of cycles where it is kept in its usual place."""
    remove_cron_of(context)
    if context.asked.log_file is not None:
        return
    log = Path(log_file_of(context))
    for file in (log, log.with_name(f"{log.name}.1")):
        file.unlink(missing_ok=True)
    if log.parent == SYSTEM_LOGS:
        with suppress(OSError):  # the log of another database may be in it
            log.parent.rmdir()


@contextmanager
def suspended_schedule(place: Place) -> Iterator[None]:
    """Cron starts no cycle meanwhile, nor afterwards: one between two attempts at a teardown would build up again.

    A teardown that is refused before anything was done gets its line back.
    """
    line, _ = _told(place.line)
    if line is not None:
        place.remove()
    try:
        yield
    except WnmError:
        if line is not None:
            place.install(line)
        raise


def wanted_line(context: Context, place: Place) -> str:
    """The line as `install` writes it. NeedsOperator if cron could not start this wnm."""
    config = context.asked.config
    if config is not None:
        expanded = f"{context.host.home}/{config[2:]}" if config.startswith("~/") else config
        config = os.path.abspath(expanded)  # noqa: PTH100 - links stay as they are
    start = Start(
        program=own_program(),
        database=context.database_path,
        log_file=log_file_of(context),
        config=config,
    )
    return schedule_line(start, place.user)


def own_program() -> tuple[str, ...]:
    """The words that start this very wnm, wherever they are said."""
    script = Path(sys.executable).with_name("wnm")
    if script.is_file() and os.access(script, os.X_OK):
        return (str(script),)
    # Without -P, a folder named wnm in the home that cron starts in could be taken for the program.
    return (sys.executable, "-P", "-m", "wnm")


def log_file_of(context: Context) -> str:
    """Return the log file of cycles: the given one, else the place where an operator of the platform looks first."""
    if context.asked.log_file is not None:
        return log_path(context.asked.log_file)
    host = context.host
    if host.platform == "darwin":
        folder = f"{host.home}/Library/Logs/autonomi"
    else:
        folder = str(SYSTEM_LOGS) if host.is_root else data_folder(host)
    return f"{folder}/wnm{suffix_of(context)}.log"


def is_there(program: str) -> bool:
    """Whether the program of a line can still be started."""
    return Path(program).is_file() and os.access(program, os.X_OK)


def passing_folder(program: str, home: str) -> str | None:
    """The folder that a program lies in if such folders are emptied now and then, else None."""
    folders = (*_PASSING, f"{home}/.cache", f"{home}/Library/Caches")
    return next(
        (folder for folder in folders if PurePosixPath(folder) in PurePosixPath(program).parents), None
    )


def _install(context: Context) -> Report:
    if not os.path.lexists(context.database_path):
        raise missing(context.database_path)
    place = place_of(context)
    line = wanted_line(context, place)
    if context.asked.dry_run:
        if place.line() == line:
            return Report(text=f"{place.described} would stay as it is")
        return Report(text=f"would write in {place.described}:\n{place.text_with(line).rstrip()}")
    program = own_program()
    # Start it as cron does.
    environment = {"PATH": SAFE_PATH, "HOME": context.host.home}
    try:
        said = run_program((*program, "--version"), _PATIENCE, environment).stdout
    except CommandFailed as error:
        raise NeedsOperator(f"cron could not start wnm: {error}", remedy="install wnm anew") from error
    if not said.startswith("wnm "):
        raise NeedsOperator(f"{program[0]} is not wnm", remedy="install wnm anew, and start it from there")
    new = place.install(line)
    text = (
        f"{'written' if new else 'it is there already'}: {place.described} starts a cycle every minute\n"
        f"it logs to {log_file_of(context)}; take it away with: {place.removal}"
    )
    return Report(text=text, notes=tuple(_warnings(context, program[0])))


def _warnings(context: Context, program: str) -> Iterator[str]:
    """Yield problems that do not keep cron from starting wnm now, but may later."""
    try:
        make_log_folder(log_file_of(context))
    except OSError as error:
        yield f"there is no folder for the log file {log_file_of(context)} ({error.strerror})"
    folder = passing_folder(program, context.host.home)
    if folder is not None:
        yield (
            f"{program} lies in {folder}, which is emptied now and then: install wnm elsewhere, then run {INSTALL}"
        )
    if daemon_runs() is False:
        yield f"no cron seems to run on this machine: {START_CRON}"


def _remove(context: Context) -> Report:
    place = place_of(context)
    if context.asked.dry_run:
        found = place.line()
        gone = None if found is None else f"would take out of {place.described}:\n{found}"
    else:
        gone = f"taken out of {place.described}" if place.remove() else None
    nothing = f"nothing to remove: {place.described} has no line for {context.database_path}"
    return Report(text=gone or nothing)


class Found(Struct, frozen=True, kw_only=True):
    """The present state. Each field is a text or record where it could be read, and None or a reason where not."""

    line: str | None
    line_unread: str | None
    wanted: str | None
    not_wanted_because: str | None
    last_cycle: CycleRecord | None
    no_cycle_because: str | None
    daemon_runs: bool | None

    @property
    def program(self) -> str | None:
        return None if self.line is None else program_of(self.line)


def _show(context: Context) -> Report:
    place, now = place_of(context), context.clock.now()
    line, line_unread = _told(place.line)
    wanted, not_wanted_because = _told(lambda: wanted_line(context, place))
    last_cycle, no_cycle_because = _told(lambda: _last_cycle(context.database_path))
    found = Found(
        line=line,
        line_unread=line_unread,
        wanted=wanted,
        not_wanted_because=not_wanted_because,
        last_cycle=last_cycle,
        no_cycle_because=no_cycle_because,
        daemon_runs=daemon_runs(),
    )
    if context.asked.report_format == "json":
        return Report(text=write_json(_payload(context, place, found, now)))
    return Report(text=_text(context, place, found, now))


def _told[T](look: Callable[[], T | None]) -> tuple[T | None, str | None]:
    """Return what `look` finds, or the error that kept it from it: one problem must not hide the others."""
    try:
        return look(), None
    except WnmError as error:
        return None, str(error)


def _last_cycle(database_path: str) -> CycleRecord | None:
    if not os.path.lexists(database_path):
        raise missing(database_path)
    with open_for_reading(database_path) as database:
        return next(iter(Timeline(database).cycles(1)), None)


def _payload(context: Context, place: Place, found: Found, now: datetime) -> Payload:
    cycle = found.last_cycle
    problems = (found.line_unread, found.not_wanted_because, found.no_cycle_because)
    return envelope(
        now,
        {
            "database": context.database_path,
            "place": place.described,
            "installed": None if found.line_unread else found.line is not None,
            "line": found.line,
            "wanted_line": found.wanted,
            "up_to_date": found.line is not None and found.line == found.wanted,
            "program": found.program,
            "program_exists": None if found.program is None else is_there(found.program),
            "log_file": log_file_of(context),
            "last_cycle": cycle
            and {
                "number": cycle.number,
                "started_at": moment(cycle.started_at),
                "exit_code": cycle.exit_code,
            },
            "cron_runs": found.daemon_runs,
            "problems": [each for each in problems if each is not None],
        },
    )


def _text(context: Context, place: Place, found: Found, now: datetime) -> str:
    rows = [
        ("database", context.database_path),
        ("place", place.described),
        ("line", found.line_unread or found.line or f"none: write it with {INSTALL}"),
    ]
    if found.program is not None and not is_there(found.program):
        rows.append(("BAD", f"{found.program} cannot be started any more: run {INSTALL}"))
    if found.not_wanted_because is not None:
        rows.append(("BAD", found.not_wanted_because))
    elif found.line_unread is None and found.line != found.wanted:
        rows.append(("would be", found.wanted or ""))
    last, cycle = found.no_cycle_because or "none yet", found.last_cycle
    if cycle is not None:
        end = "not ended" if cycle.exit_code is None else f"exit code {cycle.exit_code}"
        last = f"{cycle.number}, {relative(cycle.started_at, now)}, {end}"
    daemon = {True: "seems to run", False: f"does not seem to run: {START_CRON}", None: "may run or not"}
    rows += [("log file", log_file_of(context)), ("last cycle", last), ("cron", daemon[found.daemon_runs])]
    return "\n".join(f"{name:10}  {text if text.isprintable() else printable(text)}" for name, text in rows)
