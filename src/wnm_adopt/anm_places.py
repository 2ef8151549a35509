"""Finds the files and processes of an installation of anm, and reads files: only ever as text."""

import os
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

import psutil

from wnm.core.errors import NeedsOperator
from wnm.system.files import open_regular

CRON = "/etc/cron.d/anm"
"""What starts anm every minute."""
SCRIPT = "/usr/bin/anms.sh"
DATA = "/var/antctl"
CONFIG = f"{DATA}/config"
MARK = f"{DATA}/wnm-takeover"
"""The file in anm's folder that says which database its nodes went to: another account must not take them too."""
SYSTEM_LOGS = "/var/log/antnode"
UNITS = "/etc/systemd/system"
OTHER_UNITS = ("/run/systemd/system", "/usr/local/lib/systemd/system", "/usr/lib/systemd/system")
"""The other folders that systemd reads units from, the strongest first."""
OF_USER = ("anm-wallet", "anm-control.sh", "no-reboot")
"""Names in `~/.local/share` of what its user may have added, by which it behaves differently."""

LARGEST_BYTES = 4 * 1024 * 1024
_SHELLS = frozenset({"sh", "bash", "dash"})
_CRON_FOLDERS = ("/etc/cron.d", "/var/spool/cron/crontabs", "/var/spool/cron")


def read_text(path: str) -> str | None:
    """The text of a file, None if there is none; bytes that are not UTF-8 are kept as surrogates.

    NeedsOperator if it is there and cannot be read, or is no plain file: what it says might matter.
    """
    try:
        with open_regular(path) as file:
            content = file.read(LARGEST_BYTES + 1)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise NeedsOperator(
            f"{path} cannot be read ({error.strerror})", remedy="run this as root, or see to that file"
        ) from error
    if len(content) > LARGEST_BYTES:
        raise NeedsOperator(f"{path} is larger than {LARGEST_BYTES} bytes", remedy="see what is in it")
    return content.decode(errors="surrogateescape")


def running_anms(script: str = SCRIPT) -> Sequence[int]:
    """The processes that run anm at this moment: the script itself, or a shell that was given it.

    Also the shell of cron, which has it in the text of a command. An editor that has it open is none of them, nor is
    one that we run in: a shell that started us may have the name in its text and run it later.
    """
    name = Path(script).name
    ours = {os.getpid(), *(process.pid for process in psutil.Process().parents())}
    found = set()
    for process in psutil.process_iter(["pid", "cmdline"]):
        words = process.info["cmdline"] or []
        program = Path(words[0]).name if words else ""
        if program == name or (program in _SHELLS and any(name in word for word in words[1:])):
            found.add(process.info["pid"])
    return sorted(found - ours)


def cron_tables() -> Mapping[str, str]:
    """The other cron tables that might start it, by path, as far as they are plain files that can be read."""
    paths = [Path("/etc/crontab")]
    for folder in _CRON_FOLDERS:
        with suppress(OSError):
            paths += sorted(Path(folder).iterdir())
    found = {}
    for path in paths:
        # cron passes over names that begin with a dot.
        if str(path) != CRON and not path.name.startswith("."):
            with suppress(OSError), open_regular(str(path), follow_link=False) as file:
                found[str(path)] = file.read(LARGEST_BYTES).decode(errors="surrogateescape")
    return found


def starts_anm(text: str) -> bool:
    """Whether a line of a cron table starts it; in a user's own table no line names an account."""
    return any("anms.sh" in line and not line.lstrip().startswith("#") for line in text.splitlines())
