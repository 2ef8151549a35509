"""Runs `wnm doctor`: checks the set-up of this machine and the last cycle, and gives remedies."""

import os
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

from wnm.alerts.commands import alert_checks
from wnm.app.context import Context
from wnm.app.elevate import elevated_command, needs_root, sudoers_line, which_sudo
from wnm.app.identity import REMEDY, copied
from wnm.app.invocation import Report
from wnm.app.material import material
from wnm.app.schedule import INSTALL, START_CRON, is_there, place_of
from wnm.core.errors import WnmError
from wnm.core.observation import FileSystem, ProgramReading, Unseen
from wnm.core.settings import Settings
from wnm.formats.crontab import others_naming_wnm, program_of
from wnm.sensors.host import system_id
from wnm.sensors.places import file_system_of
from wnm.sensors.programs import read_program
from wnm.storage.database import open_for_reading
from wnm.storage.ledger import Ledger
from wnm.system.command import run as run_program
from wnm.system.crontabs import daemon_runs, system_tables, user_table
from wnm.system.lock import holder
from wnm.views import doctor
from wnm.views.doctor import Check, CheckKind
from wnm.views.payload import write_json

PATIENCE = timedelta(seconds=5)


def examine(context: Context) -> Report:
    """Check the set-up and the last cycle; exit code 3 if something is wrong."""
    with open_for_reading(context.database_path) as database:
        found = material(database, context.resolve(Ledger(database).layers()), context.clock.now())
    checks = (*look_around(context, found.settings), *doctor.checks_of(found))
    as_json = context.asked.report_format == "json"
    text = write_json(doctor.payload(checks, found.generated_at)) if as_json else doctor.text(checks)
    return Report(
        text=text.rstrip("\n"),
        exit_code=3 if any(check.ok is False for check in checks) else 0,
    )


def look_around(context: Context, settings: Settings) -> tuple[Check, ...]:
    """Everything that a cycle will need, looked at without changing anything."""
    return (
        _supported(context, settings),
        _program(settings),
        *((_sudo(context),) if needs_root(context) else _folders(settings)),
        _private(context.database_path),
        *_identity(context.database_path),
        _lock(context.lock_path),
        _cron(context),
        *alert_checks(context.database_path, settings),
    )


def _identity(database_path: str) -> Iterator[Check]:
    """Only a database that was copied is worth a line."""
    with open_for_reading(database_path) as database:
        identity = Ledger(database).identity()
    if identity.is_copied_to(system_id()):
        yield Check(kind=CheckKind.IDENTITY, name="identity", ok=None, detail=copied(identity), remedy=REMEDY)


def _supported(context: Context, settings: Settings) -> Check:
    try:
        context.wiring.check(settings)
    except WnmError as error:
        return Check(kind=CheckKind.SETTINGS, name="settings", ok=False, detail=str(error))
    detail = f"{settings.process_manager}, firewall {settings.firewall}, {settings.node_kind}"
    return Check(kind=CheckKind.SETTINGS, name="settings", ok=True, detail=detail)


def _program(settings: Settings) -> Check:
    reading = read_program(settings.antnode_path, None, timeout=PATIENCE)
    if isinstance(reading, ProgramReading) and not isinstance(reading.version, Unseen):
        detail = f"{reading.path} is {reading.kind} {reading.version}"
        return Check(
            kind=CheckKind.PROGRAM,
            name="node program",
            ok=reading.kind == settings.node_kind,
            detail=detail,
        )
    reason = reading.reason if isinstance(reading, Unseen) else str(getattr(reading.version, "reason", ""))
    remedy = f"put {settings.node_kind} there, or set antnode_path"
    return Check(kind=CheckKind.PROGRAM, name="node program", ok=False, detail=reason, remedy=remedy)


def _sudo(context: Context) -> Check:
    """Whether cycles may be carried out by root, who then can write everywhere."""
    try:
        run_program((which_sudo(), "-n", "-l", "--", *elevated_command()), PATIENCE)
    except WnmError as error:
        remedy = f"allow this in sudoers: {sudoers_line(context.host.user)}"
        return Check(kind=CheckKind.SUDO, name="sudo", ok=False, detail=str(error), remedy=remedy)
    return Check(
        kind=CheckKind.SUDO, name="sudo", ok=True, detail="cycles may be carried out by root", remedy=None
    )


def _folders(settings: Settings) -> Iterator[Check]:
    for path in settings.node_storage:
        yield _folder("storage", path)
    yield _folder("logs", settings.log_storage)
    yield _folder("keys", settings.key_storage)


def _folder(what: str, path: str) -> Check:
    """A folder that is not there yet must be one that can be made."""
    place = Path(path)
    while not place.exists() and place != place.parent:
        place = place.parent
    file_system = file_system_of(path)
    free = f"{file_system.free_bytes / 1e9:.1f} GB free" if isinstance(file_system, FileSystem) else ""
    if place.is_dir() and os.access(place, os.W_OK | os.X_OK):
        return Check(kind=CheckKind.FOLDER, name=what, ok=True, detail=f"{path} {free}".strip())
    remedy = f"let this user write in {place}, or choose another folder"
    return Check(
        kind=CheckKind.FOLDER, name=what, ok=False, detail=f"{path}: {place} cannot be written", remedy=remedy
    )


def _private(database_path: str) -> Check:
    others = Path(database_path).stat().st_mode & 0o077
    if not others:
        return Check(
            kind=CheckKind.DATABASE,
            name="database",
            ok=True,
            detail=f"{database_path} is readable by its owner only",
        )
    remedy = f"run chmod 600 {database_path}"
    return Check(
        kind=CheckKind.DATABASE,
        name="database",
        ok=False,
        detail=f"{database_path} can be read by others",
        remedy=remedy,
    )


def _lock(lock_path: str) -> Check:
    pid = holder(lock_path)
    detail = "no cycle is running" if pid is None else f"process {pid} runs a cycle now"
    return Check(kind=CheckKind.LOCK, name="lock", ok=True, detail=detail)


def _cron(context: Context) -> Check:
    """Whether something starts wnm; not knowing is no fault, a timer may do it too."""
    remedy = f"run {INSTALL}"
    place = place_of(context)
    try:
        line = place.line()
        others = [found for text in _tables() for found in others_naming_wnm(text)]
    except WnmError as error:
        return Check(kind=CheckKind.CRON, name="cron", ok=None, detail=str(error), remedy=remedy)
    if line is None and others:
        return Check(kind=CheckKind.CRON, name="cron", ok=True, detail=others[0])
    if line is None:
        detail = "no cron line of this user or the system starts wnm for this database"
        return Check(kind=CheckKind.CRON, name="cron", ok=None, detail=detail, remedy=remedy)
    program = program_of(line)
    if program is not None and not is_there(program):
        detail = f"{place.described} starts {program}, which is not there any more"
        return Check(kind=CheckKind.CRON, name="cron", ok=False, detail=detail, remedy=remedy)
    if daemon_runs() is False:
        detail = f"{place.described} starts wnm, but no cron seems to run"
        return Check(kind=CheckKind.CRON, name="cron", ok=False, detail=detail, remedy=START_CRON)
    return Check(kind=CheckKind.CRON, name="cron", ok=True, detail=f"{place.described}: {line}")


def _tables() -> Iterator[str]:
    yield user_table() or ""
    yield from system_tables()
