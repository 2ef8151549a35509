"""Finds the files and processes of an installation of anm, and reads files: only ever as text."""

import os
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

import psutil
from msgspec import Struct

from wnm.core.errors import NeedsOperator
from wnm.system.files import open_regular

LARGEST_BYTES = 4 * 1024 * 1024
SCRIPT_NAME = "anms.sh"
COMPANIONS = ("influx_resources", "scrape")
_SHELLS = frozenset({"sh", "bash", "dash"})


class AnmPlaces(Struct, frozen=True, kw_only=True):
    """The paths of an installation of anm, below `root`: the file system, or a copy of one to look at."""

    root: str = "/"

    def at(self, path: str) -> str:
        """Where a path of the machine is."""
        return path if self.root == "/" else os.path.join(self.root, path.lstrip("/"))  # noqa: PTH118

    @property
    def cron(self) -> str:
        """What starts anm every minute."""
        return self.at("/etc/cron.d/anm")

    @property
    def script(self) -> str:
        """anm itself."""
        return self.at(f"/usr/bin/{SCRIPT_NAME}")

    @property
    def units(self) -> str:
        """The folder of the units that it writes."""
        return self.at("/etc/systemd/system")

    @property
    def other_units(self) -> tuple[str, ...]:
        """The other folders that systemd reads units from, the strongest first."""
        folders = ("/run/systemd/system", "/usr/local/lib/systemd/system", "/usr/lib/systemd/system")
        return tuple(self.at(folder) for folder in folders)

    def data(self, name: str) -> str:
        """A file of its own folder."""
        return self.at(f"/var/antctl/{name}")

    def companion(self, name: str) -> str:
        """A cron file of what belongs to it."""
        return self.at(f"/etc/cron.d/{name}")

    def of_user(self, home: str) -> tuple[str, ...]:
        """What its user may have added, by which it behaves differently."""
        names = ("anm-wallet", "anm-control.sh", "no-reboot")
        return tuple(self.at(f"{home}/.local/share/{name}") for name in names)


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


def running_anms(script: str) -> tuple[int, ...]:
    """The processes that run anm at this moment: the script itself, or a shell that was given it.

    Also the shell of cron, which has it in the text of a command. An editor that has it open is none of them.
    """
    name = Path(script).name
    found = []
    for process in psutil.process_iter(["pid", "cmdline"]):
        words = process.info["cmdline"] or []
        program = Path(words[0]).name if words else ""
        if program == name or (program in _SHELLS and any(name in word for word in words[1:])):
            found.append(process.info["pid"])
    return tuple(sorted(found))


def without_ourselves(pids: Sequence[int]) -> Sequence[int]:
    """Those that we do not run in: a shell that started us may have a name in its text and run it later."""
    above = {os.getpid(), *(process.pid for process in psutil.Process().parents())}
    return [pid for pid in pids if pid not in above]


def cron_tables(places: AnmPlaces) -> Mapping[str, str]:
    """The other cron tables that might start it, by path, as far as they are plain files that can be read."""
    folders = (places.at("/etc/cron.d"), places.at("/var/spool/cron/crontabs"), places.at("/var/spool/cron"))
    paths = [Path(places.at("/etc/crontab"))]
    for folder in folders:
        with suppress(OSError):
            paths += sorted(Path(folder).iterdir())
    found = {}
    for path in paths:
        # cron passes over names that begin with a dot.
        if str(path) != places.cron and not path.name.startswith("."):
            with suppress(OSError), open_regular(str(path), follow_link=False) as file:
                found[str(path)] = file.read(LARGEST_BYTES).decode(errors="surrogateescape")
    return found
