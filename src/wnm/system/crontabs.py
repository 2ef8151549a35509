"""Reads and writes cron's tables: the user's behind the program `crontab`, files in cron.d; and finds the daemon.

Texts are taken and given back byte for byte: what is not UTF-8 survives as surrogate escapes.
"""

import os
import shutil
import sys
from collections.abc import Iterator, Mapping
from contextlib import suppress
from datetime import timedelta
from pathlib import Path

from wnm.core.errors import NeedsOperator, Transient
from wnm.system.command import CommandFailed, run
from wnm.system.files import open_regular, write_file

SYSTEM_FOLDER = Path("/etc/cron.d")
SYSTEM_TABLE = Path("/etc/crontab")
PATIENCE = timedelta(seconds=10)
# Nobody wrote a table of this size by hand.
LARGEST_BYTES = 1_000_000
INSTALL_CRON = "install cron (apt install cron), or let a timer run wnm every minute"
_FOLDERS = "/usr/sbin:/usr/bin:/sbin:/bin"
_DAEMONS = ("cron", "crond")
ALL_MAY_READ = 0o644


def has_cron() -> bool:
    """Whether a cron is installed, running or not."""
    return any(shutil.which(name, path=_FOLDERS) for name in _DAEMONS)


def user_table() -> str | None:
    """The table of the user who runs this; None if there is none, or no program `crontab`.

    NeedsOperator, in the words of crontab, if it cannot be read.
    """
    if _program() is None:
        return None
    try:
        listed = _crontab("-l")
        if "\\r" not in listed:
            return listed
        # Debian lists a carriage return as these two characters, and they cannot be told from the same two in a text:
        # the table is what an editor gets.
        env = {**os.environ, "LC_ALL": "C", "VISUAL": "/bin/cat", "EDITOR": "/bin/cat"}
        edited = _crontab("-e", env=env)
    except CommandFailed as error:
        if error.code is not None and "no crontab for" in error.stderr.lower():
            return None
        raise _refused(error) from error
    if edited.replace("\r", "\\r") != listed.replace("\r", "\\r"):
        raise NeedsOperator(
            "crontab -l does not show the table as it is",
            remedy="take the carriage returns out of it with crontab -e, then try again",
        )
    return edited


def write_user_table(text: str) -> None:
    """Return when this is the user's table, none at all if it is empty.

    NeedsOperator if crontab is not there or does not take it.
    """
    try:
        if not text:
            _crontab("-r")
            return
        _crontab("-", stdin_bytes=text.encode(errors="surrogateescape"))
    except CommandFailed as error:
        raise _refused(error) from error
    if user_table() != text:
        raise NeedsOperator(
            "crontab did not keep what it was given", remedy="see what crontab -l says, and try again"
        )


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
        write_file(str(path), text.encode(errors="surrogateescape"), ALL_MAY_READ)
    except Transient as error:
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
    for pid in pids:
        with suppress(OSError):
            if (pid / "comm").read_text(errors="replace").strip() in _DAEMONS:
                return True
    # A system that hides processes of others hides the first one, too.
    return False if Path("/proc/1/comm").exists() else None


def _program() -> str | None:
    return shutil.which("crontab") or shutil.which("crontab", path=_FOLDERS)


def _crontab(option: str, *, stdin_bytes: bytes = b"", env: Mapping[str, str] | None = None) -> str:
    program = _program()
    if program is None:
        raise NeedsOperator("there is no program crontab", remedy=INSTALL_CRON)
    return run(
        (program, option), PATIENCE, env, stdin_bytes=stdin_bytes, decode_errors="surrogateescape"
    ).stdout


def _refused(error: CommandFailed) -> NeedsOperator:
    said = [line.strip() for line in error.stderr.splitlines() if line.strip()]
    if any("not allowed to use this program" in line for line in said):
        remedy = "let root add this user to /etc/cron.allow or take it out of /etc/cron.deny"
    else:
        remedy = "see to what it says, or let a timer run wnm every minute"
    return NeedsOperator(f"crontab refuses: {' '.join(said) or error}"[:400], remedy=remedy)
