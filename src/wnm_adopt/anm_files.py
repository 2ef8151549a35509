"""Reads the lines of cron tables that start anm, the small files that it keeps, and options stored as whole texts."""

import re
from collections.abc import Iterator, Mapping

from msgspec import Struct

from wnm_adopt.assignments import Known, read_assignments
from wnm_adopt.found import NodeMemory

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


class CronEntry(Struct, frozen=True, kw_only=True):
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


class NodeDetails(Struct, frozen=True, kw_only=True):
    """anm's record of its nodes by number, and a line for people on each entry that makes no sense."""

    nodes: Mapping[int, NodeMemory]
    problems: tuple[str, ...]


def read_cron_entries(text: str) -> tuple[CronEntry, ...]:
    """The lines of a system's cron table that start something, those that are commented out too; never fails."""
    found: list[CronEntry] = []
    for number, line in enumerate(map(str.strip, text.split("\n")), 1):
        match = _CRON_ENTRY.fullmatch(line) if len(line) <= _LONGEST_LINE else None
        if match is not None:
            user, when, command = match["user"], match["when"], match["command"]
            live = match["off"] is None
            found.append(CronEntry(user=user, when=when, command=command, live=live, line=number))
    return tuple(found)


def read_node_details(text: str) -> NodeDetails:
    """Read what bash's `declare -p` wrote of the array; never fails. The last one in the text counts."""
    lists = list(_LIST.finditer(text))
    if not lists:
        return NodeDetails(nodes={}, problems=("it holds no list of nodes",) if text.strip() else ())
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
    return NodeDetails(nodes=known, problems=tuple(problems[:_MOST_PROBLEMS]))


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
