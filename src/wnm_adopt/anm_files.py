"""Finds and reads the files of an installation of anm, only ever as text, and its processes."""

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

import psutil
from msgspec import Struct

from wnm.core.errors import NeedsOperator
from wnm.system.files import open_regular
from wnm_adopt.bash_texts import Known, read_assignments
from wnm_adopt.discover import NodeMemory

CRON = "/etc/cron.d/anm"
"""The cron file that starts anm every minute."""
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


_CRON_ENTRY = re.compile(
    r"(?P<off>#[#\s]*+)?+(?P<when>@[a-z]+|(?:[0-9A-Za-z*/,~-]+[ \t]+){4}[0-9A-Za-z*/,~-]+)"
    r"[ \t]+(?P<user>[A-Za-z_][A-Za-z0-9_.-]{0,63}\$?)[ \t]+(?P<command>\S.*)"
)
_STARTS_ANM = re.compile(r"(?<![\w.-])anms\.sh(?![\w.-])")
_LONGEST_LINE = 2000
_MOST_PROBLEMS = 50
_LIST = re.compile(r"(?:^|\n)[ \t]*+declare[ \t]++-\w++[ \t]++node_details_store(?:=\(|[ \t]*+(?=\r?\n|$))")
_ENTRY = re.compile(r"""\[["']?([^\]\s"']{1,40})["']?\]=(?:"([^"]{0,400})"|([^\s"'()]*+))(?=[\s)])""")
_DETAILS = re.compile(
    r"antnode0*([0-9]{1,5}),([\w.+:/-]{0,120}),([\w.+:/-]{0,120}),(RUNNING|STOPPED)", re.ASCII
)
_VERSION = re.compile(r"v?([0-9]+\.[0-9]+\.[0-9]+[0-9A-Za-z.-]*)")


class CronEntry(Struct, frozen=True):
    """One line of a system's cron table. `live` is false for one that is commented out; `line` counts from 1."""

    user: str
    when: str
    command: str
    live: bool
    line: int

    @property
    def starts_anm(self) -> bool:
        """Whether it starts anm's script."""
        return _STARTS_ANM.search(self.command) is not None


def read_cron_entries(text: str) -> tuple[CronEntry, ...]:
    """The lines of a system's cron table that start something, those that are commented out too; never fails."""
    found: list[CronEntry] = []
    for number, line in enumerate(map(str.strip, text.split("\n")), 1):
        match = _CRON_ENTRY.fullmatch(line) if len(line) <= _LONGEST_LINE else None
        if match is not None:
            live = match["off"] is None
            found.append(CronEntry(match["user"], match["when"], match["command"], live, number))
    return tuple(found)


def read_node_details(text: str) -> tuple[Mapping[int, NodeMemory], Sequence[str]]:
    """Read anm's record of its nodes by number from what bash's `declare -p` wrote of the array; never fails.

    The last one in the text counts. Beside it stands a line for people on each entry that makes no sense.
    """
    lists = list(_LIST.finditer(text))
    if not lists:
        return {}, ("it holds no list of nodes",) if text.strip() else ()
    nodes: dict[int, NodeMemory | None] = {}
    problems: list[str] = []
    for entry in _entries(text, lists[-1].end()) if lists[-1][0].endswith("(") else ():
        node = _DETAILS.fullmatch(entry[1]) if isinstance(entry, tuple) else None
        number = int(node[1]) if node is not None else 0
        if not isinstance(entry, tuple):
            problems.append(entry)
        elif node is None or not number or entry[1].partition(",")[0] != f"antnode{entry[0]}":
            problems.append(f"it is no name, peer id, version and status: [{entry[0]}]={entry[1][:80]!r}")
        elif number in nodes:
            problems.append(f"the node {number} is in it twice")
            nodes[number] = None
        else:
            nodes[number] = NodeMemory(peer_id=node[2] or None, version=node[3] or None)
    known = {number: memory for number, memory in nodes.items() if memory is not None}
    return known, problems[:_MOST_PROBLEMS]


def _entries(text: str, at: int) -> Iterator[tuple[str, str] | str]:
    """Keys and values up to the closing bracket, and a line on each piece that is none."""
    for entry in _ENTRY.finditer(text, at):
        between = text[at : entry.start()].strip()
        if between.startswith(")"):
            return
        if between:
            yield f"not understood: {between[:60]!r}"
        yield entry[1], entry[3] if entry[2] is None else entry[2]
        at = entry.end()
    rest = text[at : at + 200].strip()
    if not rest.startswith(")"):
        yield f"not understood: {rest[:60]!r}" if rest else "it ends too early"


def read_cpu_count(text: str) -> int | None:
    """The number of cores that anm found when it was installed and goes by since; None if that cannot be told."""
    found = read_assignments([("system", text)]).values.get("CpuCount")
    value = found.value.strip() if isinstance(found, Known) else ""
    return int(value) or None if re.fullmatch(r"[0-9]{1,9}", value) else None


def rewards_address_of(option: str) -> str:
    """The address in `--rewards-address 0x…`. ValueError says what is wrong with it."""
    value = _value_of(option, "--rewards-address")
    if value == "EtheriumAddress":
        raise ValueError("it is the placeholder of anm's installer")
    if not re.fullmatch(r"0x[0-9a-fA-F]{40}", value):
        raise ValueError("it holds no address (0x and 40 hexadecimal digits)")
    return value


def version_of(option: str) -> str | None:
    """The version in `--version 0.4.16`; None for an empty text, which pins none. ValueError says what is wrong."""
    if not option.strip():
        return None
    found = _VERSION.fullmatch(_value_of(option, "--version"))
    if found is None:
        raise ValueError("it holds no version")
    return found[1]


def _value_of(option: str, name: str) -> str:
    """The one word that follows an option, or stands there without it."""
    words = [word for word in option.replace("=", " ", 1).split(" ") if word] if len(option) <= 400 else []
    if words and words[0] == name:
        words = words[1:]
    if len(words) != 1:
        raise ValueError(f"it is not {name} with one value")
    return words[0]
