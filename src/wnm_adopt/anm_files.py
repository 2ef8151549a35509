"""Reads the lines of cron tables that start anm, the small files that it keeps, and options stored as whole texts."""

import re
from collections.abc import Iterator, Mapping

from msgspec import Struct

from wnm_adopt.assignments import Known, read_assignments

_CRON_ENTRY = re.compile(
    r"(?P<off>#[#\s]*+)?+(?P<when>@[a-z]+|(?:[0-9A-Za-z*/,~-]+[ \t]+){4}[0-9A-Za-z*/,~-]+)"
    r"[ \t]+(?P<user>[A-Za-z_][A-Za-z0-9_.-]{0,63}\$?)[ \t]+(?P<command>\S.*)"
)
_STARTS_ANM = re.compile(r"(?<![\w.-])anms\.sh(?![\w.-])")
_LONGEST_LINE = 2000
_MOST_NODES = 99_999
_ID = re.compile(r"0*+([0-9]{1,5})")
_WHOLE = re.compile(r"[0-9]{1,9}")
_ADDRESS = re.compile(r"0x[0-9a-fA-F]{40}")
_PLACEHOLDER = "EtheriumAddress"
_VERSION = re.compile(r"v?([0-9]+\.[0-9]+\.[0-9]+[0-9A-Za-z.-]*)")
_LONGEST_OPTION = 400
_ENTRY = re.compile(
    r"\s*+\[[\"']?([^\]\s\"']{1,40})[\"']?\]=(?:\"((?:[^\"\\]|\\.)*+)\"|([^\s\"'()]*+))(?=[\s)])", re.DOTALL
)
_NEXT_ENTRY = re.compile(r"\s\[[^\]\s]{1,40}\]=")
_LIST = re.compile(r"(?:^|\n)[ \t]*+declare[ \t]++-\w++[ \t]++node_details_store(?:=\(|[ \t]*+(?=\r?\n|$))")
_FIELD = re.compile(r"[\w.+:/-]{0,120}", re.ASCII)
_ESCAPED = re.compile(r"\\(.)", re.DOTALL)
_MOST_PROBLEMS = 50


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


class AnmCron(Struct, frozen=True, kw_only=True):
    """The lines that start anm."""

    entries: tuple[CronEntry, ...]

    @property
    def live(self) -> bool:
        """Whether cron starts anm."""
        return any(entry.live for entry in self.entries)

    @property
    def user(self) -> str | None:
        """Whom anm runs as, by its live lines or, if none is, by the others; None unless they all name the same."""
        users = {entry.user for entry in self.entries if entry.live or not self.live}
        return users.pop() if len(users) == 1 else None


def read_cron_entries(text: str) -> tuple[CronEntry, ...]:
    """The lines of a system's cron table that start something, those that are commented out too; never fails."""
    found: list[CronEntry] = []
    for number, piece in enumerate(text.split("\n"), 1):
        line = piece.strip()
        match = _CRON_ENTRY.fullmatch(line) if len(line) <= _LONGEST_LINE else None
        if match is not None:
            found.append(
                CronEntry(
                    user=match["user"],
                    when=match["when"],
                    command=match["command"],
                    live=match["off"] is None,
                    line=number,
                )
            )
    return tuple(found)


def read_anm_cron(text: str) -> AnmCron:
    """Those that start anm."""
    return AnmCron(entries=tuple(entry for entry in read_cron_entries(text) if entry.starts_anm))


class AnmNode(Struct, frozen=True, kw_only=True):
    """What anm remembers of a node. `running` is what it wanted, not what is; the rest is None where it has none."""

    id: int
    name: str
    peer_id: str | None
    version: str | None
    running: bool


class NodeDetails(Struct, frozen=True, kw_only=True):
    """anm's record of its nodes by id, and a line for people on each entry that makes no sense."""

    nodes: Mapping[int, AnmNode]
    problems: tuple[str, ...]


def read_node_details(text: str) -> NodeDetails:
    """Read what bash's `declare -p` wrote of the array; never fails. The last one in the text counts."""
    lists = list(_LIST.finditer(text))
    if not lists:
        return NodeDetails(nodes={}, problems=("it holds no list of nodes",) if text.strip() else ())
    nodes: dict[int, AnmNode] = {}
    problems: list[str] = []
    twice: set[int] = set()
    for entry in _entries(text, lists[-1].end()) if lists[-1][0].endswith("(") else ():
        node = _node(*entry) if isinstance(entry, tuple) else entry
        if isinstance(node, str):
            problems.append(node)
        elif node.id in nodes or node.id in twice:
            problems.append(f"the node {node.id} is in it twice")
            twice.add(node.id)
            nodes.pop(node.id, None)
        else:
            nodes[node.id] = node
    return NodeDetails(nodes=nodes, problems=tuple(problems[:_MOST_PROBLEMS]))


def _entries(text: str, at: int) -> Iterator[tuple[str, str] | str]:
    """Keys and values up to the closing bracket, and a line on each piece that is none."""
    while True:
        found = _ENTRY.match(text, at)
        if found is not None:
            at = found.end()
            yield found[1], found[3] if found[2] is None else _ESCAPED.sub(r"\1", found[2])
            continue
        rest = text[at : at + 200].lstrip()
        if rest.startswith(")"):
            return
        yield f"not understood: {rest[:60]!r}" if rest else "it ends too early"
        following = _NEXT_ENTRY.search(text, at + 1)
        if following is None:
            return
        at = following.start()


def _node(key: str, value: str) -> AnmNode | str:
    """One entry, or what is wrong with it."""
    fields = value.split(",")
    shown = f"[{key}]={value[:80]!r}"
    if len(fields) != 4 or not all(_FIELD.fullmatch(field) for field in fields):
        return f"not name, peer id, version and status: {shown}"
    name, peer_id, version, status = fields
    id_ = _node_id(key)
    if id_ is None or name.removeprefix("antnode") != key:
        return f"its name does not fit its number: {shown}"
    if status not in ("RUNNING", "STOPPED"):
        return f"its status is neither RUNNING nor STOPPED: {shown}"
    return AnmNode(
        id=id_,
        name=name,
        peer_id=peer_id or None,
        version=version or None,
        running=status == "RUNNING",
    )


def _node_id(text: str) -> int | None:
    found = _ID.fullmatch(text) if text.isascii() else None
    return int(found[1]) if found is not None and 0 < int(found[1]) <= _MOST_NODES else None


def read_cpu_count(text: str) -> int | None:
    """The number of cores that anm found when it was installed and goes by since; None if that cannot be told."""
    found = read_assignments([("system", text)]).values.get("CpuCount")
    value = found.value.strip() if isinstance(found, Known) else ""
    return int(value) or None if _WHOLE.fullmatch(value) else None


def rewards_address_of(option: str) -> str:
    """The address in `--rewards-address 0x…`. ValueError says what is wrong with it."""
    value = _value_of(option, "--rewards-address")
    if value == _PLACEHOLDER:
        raise ValueError("it is the placeholder of anm's installer")
    if not _ADDRESS.fullmatch(value):
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
    """What follows an option, or stands there without it."""
    words = option[:_LONGEST_OPTION].replace("=", " ", 1).split(" ") if len(option) <= _LONGEST_OPTION else []
    words = [word for word in words if word]
    if words and words[0] == name:
        words = words[1:]
    if len(words) != 1:
        raise ValueError(f"it is not {name} with one value")
    return words[0]
