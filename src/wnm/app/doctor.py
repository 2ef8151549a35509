"""Runs `wnm doctor`: checks the set-up of this machine and the last cycle, and gives remedies."""

import os
from datetime import timedelta
from pathlib import Path

from wnm.alerts.commands import alert_checks
from wnm.app.context import Context
from wnm.app.elevate import elevated_command, needs_root, sudoers_line, which_sudo
from wnm.app.invocation import Report
from wnm.app.material import material
from wnm.app.schedule import INSTALL, START_CRON, is_there, place_of
from wnm.app.settings import COPY_REMEDY, copied
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
    """Check the set-up and the last cycle, changing nothing; exit code 3 if something is wrong."""
    path = context.database_path
    with open_for_reading(path) as database:
        ledger = Ledger(database)
        found = material(database, context.resolve(ledger.layers()), context.clock.now())
        identity = ledger.identity()
    settings = found.settings
    checks = [_supported(context, settings), _program(settings)]
    if needs_root(context):
        checks.append(_sudo(context))
    else:
        checks += [_folder("storage", folder) for folder in settings.node_storage]
        checks += [_folder("logs", settings.log_storage), _folder("keys", settings.key_storage)]
    is_private = not Path(path).stat().st_mode & 0o077
    told = f"{path} {'is readable by its owner only' if is_private else 'can be read by others'}"
    remedy = None if is_private else f"run chmod 600 {path}"
    checks.append(Check(CheckKind.DATABASE, "database", is_private, told, remedy))
    # Only a database that was copied is worth a line.
    if identity.is_copied_to(system_id()):
        checks.append(Check(CheckKind.IDENTITY, "identity", None, copied(identity), COPY_REMEDY))
    pid = holder(context.lock_path)
    told = "no cycle is running" if pid is None else f"process {pid} runs a cycle now"
    checks += [Check(CheckKind.LOCK, "lock", True, told), _cron(context)]
    checks += [*alert_checks(path, settings), *doctor.checks_of(found)]
    as_json = context.asked.report_format == "json"
    text = write_json(doctor.payload(checks, found.generated_at)) if as_json else doctor.text(checks)
    is_bad = any(check.ok is False for check in checks)
    return Report(text=text.rstrip("\n"), exit_code=3 if is_bad else 0)


def _supported(context: Context, settings: Settings) -> Check:
    try:
        context.wiring.check(settings)
    except WnmError as error:
        return Check(CheckKind.SETTINGS, "settings", False, str(error))
    detail = f"{settings.process_manager}, firewall {settings.firewall}, {settings.node_kind}"
    return Check(CheckKind.SETTINGS, "settings", True, detail)


def _program(settings: Settings) -> Check:
    reading = read_program(settings.antnode_path, None, timeout=PATIENCE)
    if isinstance(reading, ProgramReading) and not isinstance(reading.version, Unseen):
        detail = f"{reading.path} is {reading.kind} {reading.version}"
        return Check(CheckKind.PROGRAM, "node program", reading.kind == settings.node_kind, detail)
    reason = reading.reason if isinstance(reading, Unseen) else str(getattr(reading.version, "reason", ""))
    remedy = f"put {settings.node_kind} there, or set antnode_path"
    return Check(CheckKind.PROGRAM, "node program", False, reason, remedy)


def _sudo(context: Context) -> Check:
    """Whether cycles may be carried out by root, who then can write everywhere."""
    try:
        run_program((which_sudo(), "-n", "-l", "--", *elevated_command()), PATIENCE)
    except WnmError as error:
        remedy = f"allow this in sudoers: {sudoers_line(context.host.user)}"
        return Check(CheckKind.SUDO, "sudo", False, str(error), remedy)
    return Check(CheckKind.SUDO, "sudo", True, "cycles may be carried out by root")


def _folder(name: str, path: str) -> Check:
    """A folder that is not there yet must be one that can be made."""
    place = Path(path)
    while not place.exists() and place != place.parent:
        place = place.parent
    file_system = file_system_of(path)
    free = f"{file_system.free_bytes / 1e9:.1f} GB free" if isinstance(file_system, FileSystem) else ""
    if place.is_dir() and os.access(place, os.W_OK | os.X_OK):
        return Check(CheckKind.FOLDER, name, True, f"{path} {free}".strip())
    remedy = f"let this user write in {place}, or choose another folder"
    return Check(CheckKind.FOLDER, name, False, f"{path}: {place} cannot be written", remedy)


def _cron(context: Context) -> Check:
    """Whether something starts wnm; not knowing is no fault, a timer may do it too."""
    place = place_of(context)
    ok: bool | None = None
    remedy: str | None = f"run {INSTALL}"
    try:
        line = place.line()
        tables = (user_table() or "", *system_tables())
        others = [found for text in tables for found in others_naming_wnm(text)]
    except WnmError as error:
        return Check(CheckKind.CRON, "cron", None, str(error), remedy)
    program = None if line is None else program_of(line)
    if line is None and others:
        ok, detail, remedy = True, others[0], None
    elif line is None:
        detail = "no cron line of this user or the system starts wnm for this database"
    elif program is not None and not is_there(program):
        ok, detail = False, f"{place.described} starts {program}, which is not there any more"
    elif daemon_runs() is False:
        ok, detail, remedy = False, f"{place.described} starts wnm, but no cron seems to run", START_CRON
    else:
        ok, detail, remedy = True, f"{place.described}: {line}", None
    return Check(CheckKind.CRON, "cron", ok, detail, remedy)
