"""The checks of `wnm doctor` that have to look at the machine."""

import os
from datetime import timedelta
from pathlib import Path

from wnm.cli.run import Run
from wnm.core.errors import WnmError
from wnm.core.observation import FileSystem, ProgramReading, Unseen
from wnm.core.settings import Settings
from wnm.report.doctor import Check
from wnm.sensors.host import file_system_of
from wnm.sensors.programs import read_program
from wnm.system.command import run as run_program
from wnm.system.lock import holder
from wnm.wiring import check_buildable

PATIENCE = timedelta(seconds=5)
SYSTEM_CRON = Path("/etc/cron.d")


def look_around(run: Run, settings: Settings) -> tuple[Check, ...]:
    """Everything that a cycle will need, looked at without changing anything."""
    return (
        _supported(settings),
        _program(settings),
        *(_folder("storage", path) for path in settings.node_storage),
        _folder("logs", settings.log_storage),
        _folder("keys", settings.key_storage),
        _private(run.database_path),
        _lock(run.lock_path),
        _cron(),
    )


def _supported(settings: Settings) -> Check:
    try:
        check_buildable(settings)
    except WnmError as error:
        return Check(name="settings", ok=False, detail=str(error), remedy=None)
    detail = f"{settings.process_manager}, firewall {settings.firewall}, {settings.node_kind}"
    return Check(name="settings", ok=True, detail=detail, remedy=None)


def _program(settings: Settings) -> Check:
    reading = read_program(settings.antnode_path, None, timeout=PATIENCE)
    if isinstance(reading, ProgramReading) and not isinstance(reading.version, Unseen):
        detail = f"{reading.path} is {reading.kind} {reading.version}"
        return Check(name="node program", ok=reading.kind == settings.node_kind, detail=detail, remedy=None)
    reason = reading.reason if isinstance(reading, Unseen) else str(getattr(reading.version, "reason", ""))
    remedy = f"put {settings.node_kind} there, or set antnode_path"
    return Check(name="node program", ok=False, detail=reason, remedy=remedy)


def _folder(what: str, path: str) -> Check:
    """A folder that is not there yet must be one that can be made."""
    place = Path(path)
    while not place.exists() and place != place.parent:
        place = place.parent
    file_system = file_system_of(path)
    free = f"{file_system.free_bytes / 1e9:.1f} GB free" if isinstance(file_system, FileSystem) else ""
    if place.is_dir() and os.access(place, os.W_OK | os.X_OK):
        return Check(name=what, ok=True, detail=f"{path} {free}".strip(), remedy=None)
    remedy = f"let this user write in {place}, or choose another folder"
    return Check(name=what, ok=False, detail=f"{path}: {place} cannot be written", remedy=remedy)


def _private(database_path: str) -> Check:
    others = Path(database_path).stat().st_mode & 0o077
    if not others:
        return Check(
            name="database", ok=True, detail=f"{database_path} is readable by its owner only", remedy=None
        )
    remedy = f"run chmod 600 {database_path}"
    return Check(name="database", ok=False, detail=f"{database_path} can be read by others", remedy=remedy)


def _lock(lock_path: str) -> Check:
    pid = holder(lock_path)
    detail = "no cycle is running" if pid is None else f"process {pid} runs a cycle now"
    return Check(name="lock", ok=True, detail=detail, remedy=None)


def _cron() -> Check:
    """Whether something starts wnm; not knowing is no fault, a timer may do it too."""
    try:
        lines = run_program(("crontab", "-l"), PATIENCE).stdout.splitlines()
    except WnmError:
        lines = []
    if SYSTEM_CRON.is_dir():
        lines += [line for file in sorted(SYSTEM_CRON.iterdir()) for line in _lines(file)]
    found = [line for line in lines if "wnm" in line and not line.lstrip().startswith("#")]
    if found:
        return Check(name="cron", ok=True, detail=found[0].strip(), remedy=None)
    remedy = "add a line such as: * * * * * /path/to/wnm"
    return Check(
        name="cron", ok=None, detail="no cron line of this user or the system names wnm", remedy=remedy
    )


def _lines(file: Path) -> list[str]:
    try:
        return file.read_text(errors="replace").splitlines()
    except OSError:
        return []
