"""The small files that anm keeps about itself, and the options that it stores as whole texts."""

import re
from collections.abc import Iterator, Mapping

from msgspec import Struct

from wnm_adopt.shell_assignments import Known, read_assignments

_MOST_NODES = 99_999
_ID = re.compile(r"0*+([0-9]{1,5})")
_WHOLE = re.compile(r"[0-9]{1,9}")
_SIGNED = re.compile(r"-?[0-9]{1,9}")
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


class Counters(Struct, frozen=True, kw_only=True):
    """Minutes until anm may start or upgrade the next node, and until it removes a stopped one, by id."""

    start: int | None
    upgrade: int | None
    removals: Mapping[int, int]
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


def read_counters(text: str) -> Counters:
    """Read the counters; never fails. anm deletes the file while it runs, so there may be none at all."""
    values: dict[str, int] = {}
    removals: dict[int, int] = {}
    problems: list[str] = []
    for name, found in read_assignments([("counters", text)]).values.items():
        value = found.value.strip() if isinstance(found, Known) else ""
        id_ = _node_id(name.removeprefix("RemoveCounter")) if name.startswith("RemoveCounter") else None
        if not _SIGNED.fullmatch(value):
            problems.append(f"{name} is no number: {found.place.text}")
        elif id_ is not None:
            removals[id_] = max(int(value), 0)
        elif name in ("CounterStart", "CounterUpgrade"):
            values[name] = max(int(value), 0)
    return Counters(
        start=values.get("CounterStart"),
        upgrade=values.get("CounterUpgrade"),
        removals=removals,
        problems=tuple(problems[:_MOST_PROBLEMS]),
    )


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
