"""Reads and writes cron's tables: the user's behind the program `crontab`, files in cron.d; and finds the daemon.

Texts are taken and given back byte for byte: what is not UTF-8 survives as surrogate escapes.
"""

import os
import shutil
import stat
import sys
from collections.abc import Iterator
from contextlib import suppress
from datetime import timedelta
from pathlib import Path

from wnm.core.errors import NeedsOperator, Transient
from wnm.system.command import CommandFailed, run
from wnm.system.files import open_regular, write_private

SYSTEM_FOLDER = Path("/etc/cron.d")
SYSTEM_TABLE = Path("/etc/crontab")
PATIENCE = timedelta(seconds=10)
# Nobody wrote a table of this size by hand.
LARGEST_BYTES = 1_000_000
INSTALL_CRON = "install cron (apt install cron), or let a timer run wnm every minute"
_FOLDERS = "/usr/sbin:/usr/bin:/sbin:/bin"
_DAEMONS = ("cron", "crond")
_ALLOW_ALL_TO_READ = 0o644


def has_cron() -> bool:
    """Whether a cron is installed, running or not."""
    return any(shutil.which(name, path=_FOLDERS) for name in _DAEMONS)


def user_table() -> str | None:
    """The table of the user who runs this; None if there is none, or no program `crontab`.

    NeedsOperator, in the words of crontab, if it cannot be read.
    """
    program = _crontab()
    if program is None:
        return None
    try:
        listed = run((program, "-l"), PATIENCE, decode_errors="surrogateescape").stdout
        # Debian lists a carriage return as these two characters, and they cannot be told from the same two in a text.
        return _unlisted(program, listed) if "\\r" in listed else listed
    except CommandFailed as error:
        if error.code is not None and "no crontab for" in error.stderr.lower():
            return None
        raise _refused(error) from error


def write_user_table(text: str) -> None:
    """Return when this is the user's table. NeedsOperator if crontab is not there or does not take it."""
    program = _crontab()
    if program is None:
        raise NeedsOperator("there is no program crontab", remedy=INSTALL_CRON)
    try:
        run((program, "-"), PATIENCE, stdin_bytes=text.encode(errors="surrogateescape"))
    except CommandFailed as error:
        raise _refused(error) from error
    if user_table() != text:
        raise NeedsOperator(
            "crontab did not keep what it was given", remedy="see what crontab -l says, and try again"
        )


def remove_user_table() -> None:
    """Return when the user has no table. NeedsOperator if crontab refuses."""
    program = _crontab()
    if program is None:
        raise NeedsOperator("there is no program crontab", remedy=INSTALL_CRON)
    try:
        run((program, "-r"), PATIENCE)
    except CommandFailed as error:
        raise _refused(error) from error


def system_file(path: Path) -> str | None:
    """The text of a file in cron.d, None if there is none. NeedsOperator if it is no ordinary file."""
    try:
        with open_regular(str(path), follow_link=False) as file:
            return file.read(LARGEST_BYTES).decode(errors="surrogateescape")
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        what = "it is a symbolic link" if path.is_symlink() else error.strerror
        raise NeedsOperator(
            f"{path} cannot be read ({what})", remedy=f"move it out of {path.parent}, then try again"
        ) from error


def write_system_file(path: Path, text: str) -> None:
    """Return when the file, readable by all, has this text; before that it is what it was."""
    if not path.parent.is_dir():
        raise NeedsOperator(f"there is no folder {path.parent}", remedy=INSTALL_CRON)
    try:
        write_private(str(path), text.encode(errors="surrogateescape"))
        path.chmod(_ALLOW_ALL_TO_READ)
    except (OSError, Transient) as error:
        raise NeedsOperator(
            f"{path} cannot be written ({error})",
            remedy=f"see to the disk and who may write in {path.parent}",
        ) from error


def remove_system_file(path: Path) -> None:
    """Return when the file is gone. NeedsOperator if it cannot be removed."""
    try:
        path.unlink(missing_ok=True)
    except OSError as error:
        raise NeedsOperator(
            f"{path} cannot be removed ({error.strerror})", remedy=f"see who may write in {path.parent}"
        ) from error


def is_readable_by_all(path: Path) -> bool:
    """Whether a file has the mode that `write_system_file` gives it."""
    return stat.S_IMODE(path.lstat().st_mode) == _ALLOW_ALL_TO_READ


def system_tables() -> Iterator[str]:
    """The texts of the system's own tables, as far as they can be read."""
    files = [SYSTEM_TABLE]
    with suppress(OSError):
        files += sorted(SYSTEM_FOLDER.iterdir())
    for file in files:
        with suppress(OSError), open_regular(str(file)) as table:
            yield table.read(LARGEST_BYTES).decode(errors="surrogateescape")


def daemon_runs() -> bool | None:
    """Whether a cron daemon seems to run; None if that cannot be told.

    macOS starts its cron by itself as soon as there is a table.
    """
    if sys.platform != "linux":
        return None
    try:
        pids = [each for each in Path("/proc").iterdir() if each.name.isdigit()]
    except OSError:
        return None
    names = set()
    for pid in pids:
        with suppress(OSError):
            names.add((pid / "comm").read_text(errors="replace").strip())
    if names & set(_DAEMONS):
        return True
    # A system that hides processes of others hides the first one, too.
    return False if Path("/proc/1/comm").exists() else None


def _crontab() -> str | None:
    return shutil.which("crontab") or shutil.which("crontab", path=_FOLDERS)


def _unlisted(program: str, listed: str) -> str:
    """The table as an editor would get it. NeedsOperator if it is not the one that was listed."""
    env = {**os.environ, "LC_ALL": "C", "VISUAL": "/bin/cat", "EDITOR": "/bin/cat"}
    edited = run((program, "-e"), PATIENCE, env, decode_errors="surrogateescape").stdout
    if edited.replace("\r", "\\r") != listed.replace("\r", "\\r"):
        raise NeedsOperator(
            "crontab -l does not show the table as it is",
            remedy="take the carriage returns out of it with crontab -e, then try again",
        )
    return edited


def _refused(error: CommandFailed) -> NeedsOperator:
    said = [line.strip() for line in error.stderr.splitlines() if line.strip()]
    if any("not allowed to use this program" in line for line in said):
        remedy = "let root add this user to /etc/cron.allow or take it out of /etc/cron.deny"
    else:
        remedy = "see to what it says, or let a timer run wnm every minute"
    return NeedsOperator(f"crontab refuses: {' '.join(said) or error}"[:400], remedy=remedy)
