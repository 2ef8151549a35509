"""Compares the nodes in an older wnm's database with the units, processes and folders that confirm them."""

import re
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from posixpath import normpath

from msgspec import Struct
from msgspec.structs import replace

from wnm.core.errors import shortened
from wnm.core.node import Node, NodeId, Status, id_in_name
from wnm.core.release import tidy_version
from wnm.storage.old_database import OldNode
from wnm_adopt.classify import Refused
from wnm_adopt.conflicts import folder_problem, path_problem
from wnm_adopt.discover import SETSID, FolderFacts

BECAUSE = "taken over from an older wnm"
BECAUSE_DISABLED = "disabled in the older wnm"

_PEER_ID = re.compile(r"[1-9A-HJ-NP-Za-km-z]{40,64}")
_WALLET = re.compile(r"0x[0-9a-fA-F]{40}")
_ENDINGS = (Status.REMOVING, Status.DEAD)
_EARLIEST_BIRTH = datetime(2020, 1, 1, tzinfo=UTC)
_MANAGERS_THERE = ("setsid", "setsid+user", "setsid+sudo")
_KIND = "antnode"
_NETWORKS = (None, "evm-arbitrum-one")
_PORTS = range(1024, 65536)


class Machine(Struct, frozen=True, kw_only=True):
    """The machine that is taken over, in wnm's words.

    `account` is the one that wnm runs as, `homes` are the home folders of all, `storages` are tidy paths.
    """

    manager: str
    storages: Sequence[str]
    account: str
    homes: Collection[str]
    no_upnp: bool
    now: datetime


class Memory(Struct, frozen=True, kw_only=True):
    """The values remembered of a node whose unit is adopted; None is not known."""

    status: Status
    born: datetime | None = None
    peer_id: str | None = None
    version: str | None = None


class OldNodes(Struct, frozen=True, kw_only=True):
    """The rows, compared.

    `memories` holds one for each adopted unit, by its id. `stopped` are nodes that only their row and their folder
    tell of. `left` are rows that nothing confirms, a line each; their folders are left alone. `notes` say where rows
    and units contradict each other.
    """

    memories: Mapping[int, Memory]
    stopped: tuple[Node, ...]
    left: tuple[str, ...]
    notes: tuple[str, ...]


def remember(node: Node, memory: Memory) -> Node:
    """The row of an adopted unit, with what the older database remembers of it."""
    return replace(
        node,
        status=memory.status,
        because=_because(memory.status),
        born=memory.born or node.born,
        peer_id=node.peer_id or memory.peer_id,
        version=node.version or memory.version,
    )


def compare_old_nodes(
    rows: Sequence[OldNode],
    adopted: Sequence[Node],
    *,
    refused: Sequence[Refused],
    running: Collection[int],
    folders: Mapping[str, FolderFacts],
    machine: Machine,
) -> OldNodes:
    """Compare the rows with the units that can be adopted and with those that are `refused`.

    `running` are the ids of nodes that have a process, `folders` what is seen at the paths that `folders_to_look_at`
    names. Units decide what a node is; rows remove nothing.
    """
    counts = Counter(row.id for row in rows)
    by_id = {row.id: row for row in rows if counts[row.id] == 1}
    notes: list[str] = []
    memories: dict[int, Memory] = {}
    for node in sorted(adopted, key=lambda each: (each.id, each.name)):
        row = by_id.get(node.id)
        memories[node.id] = _memory(node, row, node.id in running, machine.now)
        notes += _contradictions(node, row)
        notes += _unbelieved(node.name, row)
    stopped: list[Node] = []
    left: list[str] = []
    alone = sorted(
        (row for row in rows if row.id not in memories),
        key=lambda row: (-1 if row.id is None else row.id, row.name or ""),
    )
    taken = _Taken(alone, adopted, refused, running)
    for row in alone:
        why = taken.why(row) or why_not_stopped(row, folders, machine)
        if why is not None:
            left.append(f"{_shown(row)}: not adopted, its folder is left alone: {why}")
            continue
        node = _stopped_row(row, machine)
        stopped.append(node)
        notes.append(f"{node.name}: it has no process and is adopted as it lies in {node.root_dir}")
        notes += _unbelieved(node.name, by_id.get(node.id))
    return OldNodes(memories=memories, stopped=tuple(stopped), left=tuple(left), notes=tuple(notes))


def folders_to_look_at(rows: Sequence[OldNode], machine: Machine) -> tuple[str, ...]:
    """The folders that the comparison wants to know of; all of them lie in a storage folder."""
    return tuple(sorted({path for row in rows if (path := _folder_of(row, machine)) is not None}))


def _memory(node: Node, row: OldNode | None, runs: bool, now: datetime) -> Memory:
    status = Status.RUNNING if runs else Status.STOPPED
    if row is None:
        return Memory(status=status)
    if row.status == Status.DISABLED:
        status = Status.DISABLED
    if not _is_same(node, row):
        return Memory(status=status)
    return Memory(
        status=status, born=_born(row.age, now), peer_id=_peer_id(row.peer_id), version=_version(row.version)
    )


def _is_same(node: Node, row: OldNode) -> bool:
    """Whether a row is about this node, and not about an earlier one with its id.

    One sign is enough: the folder may have been cut short by whoever read it.
    """
    return row.port == node.port or _tidy(row.root_dir) == node.root_dir


def _contradictions(node: Node, row: OldNode | None) -> Iterable[str]:
    if row is None:
        yield f"{node.name}: the older database does not know it; its service is adopted as it is"
        return
    if not _is_same(node, row):
        yield f"{node.name}: the row of its id is about another node; only its service is believed"
        return
    said: tuple[tuple[str, object, object], ...] = (
        ("name", row.name, node.name),
        ("folder", _tidy(row.root_dir), node.root_dir),
        ("port", row.port, node.port),
        ("metrics port", row.metrics_port, node.metrics_port),
        ("wallet", row.wallet, node.wallet),
    )
    for what, there, here in said:
        # Addresses differ in case by their checksum only.
        is_same = str(there).lower() == str(here).lower() if what == "wallet" else there == here
        if there is not None and not is_same:
            said_there = shortened(str(there))
            yield f"{node.name}: its {what} is {here}, not {said_there} as the older database says"


class _Taken:
    """Names, numbers, ports and folders that others have already."""

    def __init__(
        self,
        rows: Sequence[OldNode],
        adopted: Sequence[Node],
        refused: Sequence[Refused],
        running: Collection[int],
    ) -> None:
        self.ids, self.names = Counter(row.id for row in rows), Counter(row.name for row in rows)
        self.ports = Counter(port for row in rows for port in _ports(row))
        self.taken = {port for node in adopted for port in (node.port, node.metrics_port)}
        self.taken |= {
            port for each in refused for port in (each.port, each.metrics_port) if port is not None
        }
        self.folders = {node.root_dir for node in adopted}
        self.reasons = {each.name.removesuffix(".service"): each.reason for each in refused}
        self.numbers = {*running, *(each.id for each in refused if each.id is not None)}

    def why(self, row: OldNode) -> str | None:
        """Return why a row cannot be a node of its own beside the others, None if it can."""
        if row.name is not None and row.name in self.reasons:
            return f"its service is not adopted: {self.reasons[row.name]}"
        if row.id in self.numbers:
            return "something that is not adopted has its number"
        if self.ids[row.id] > 1 or self.names[row.name] > 1:
            return "two rows say so"
        if any(port in self.taken or self.ports[port] > 1 for port in _ports(row)):
            return "another node has its port"
        if _tidy(row.root_dir) in self.folders:
            return "another node has its folder"
        return None


def why_not_stopped(row: OldNode, folders: Mapping[str, FolderFacts], machine: Machine) -> str | None:
    """Return why a row cannot be adopted as a node without a process under setsid, None if it can."""
    if machine.manager != SETSID or row.manager not in _MANAGERS_THERE:
        return "it has no service and no process"
    if row.id is None or row.name is None or id_in_name(row.name) != row.id:
        return "its name and its number do not belong together"
    path = _folder_of(row, machine)
    if path is None:
        return f"it is said to be at {shortened(row.root_dir or '')}, which is not its place in node_storage"
    return _why_not_there(path, row.name, folders.get(path), machine) or _why_not_so(row)


def _why_not_there(path: str, name: str, seen: FolderFacts | None, machine: Machine) -> str | None:
    if problem := path_problem(path, name, machine.homes):
        return problem
    if seen is None or seen.unseen is not None:
        return f"{path} cannot be seen: {seen.unseen if seen is not None else 'nobody looked'}"
    if not seen.exists:
        return f"there is no {path}"
    if problem := folder_problem(seen, machine.account, name, machine.homes):
        return problem
    if seen.real != path:
        return f"{path} leads to {seen.real}"
    return f"there is no node program in {path}" if _KIND not in seen.files else None


def _why_not_so(row: OldNode) -> str | None:
    if row.port not in _PORTS or row.metrics_port not in _PORTS or row.port == row.metrics_port:
        return f"its ports {row.port} and {row.metrics_port} cannot be"
    if not _WALLET.fullmatch(row.wallet or ""):
        return f"its wallet {shortened(row.wallet or '')} is not an address"
    if row.network not in _NETWORKS:
        return f"it is of the network {shortened(row.network or '')}"
    return None


def _stopped_row(row: OldNode, machine: Machine) -> Node:
    """The node of a row that `why_not_stopped` has nothing against; its log folder is where it was."""
    path = _folder_of(row, machine)
    status = Status.DISABLED if row.status == Status.DISABLED else Status.STOPPED
    return Node(
        id=NodeId(row.id or 0),
        name=row.name or "",
        kind=_KIND,
        manager=SETSID,
        root_dir=f"{path}",
        log_dir=f"{path}/logs",
        program=f"{path}/{_KIND}",
        port=row.port or 0,
        metrics_port=row.metrics_port or 0,
        wallet=row.wallet or "",
        born=_born(row.age, machine.now) or machine.now,
        no_upnp=machine.no_upnp,
        status=status,
        status_since=machine.now,
        because=_because(status),
        version=_version(row.version),
        peer_id=_peer_id(row.peer_id),
    )


def _folder_of(row: OldNode, machine: Machine) -> str | None:
    """The row's folder if it lies directly in a storage folder and has the node's name, to the letter."""
    if row.name is None or id_in_name(row.name) is None:
        return None
    return next((path for each in machine.storages if (path := f"{each}/{row.name}") == row.root_dir), None)


def _because(status: Status) -> str:
    return BECAUSE_DISABLED if status is Status.DISABLED else BECAUSE


def _unbelieved(name: str, row: OldNode | None) -> Iterable[str]:
    if row is not None and row.status in _ENDINGS:
        yield (
            f"{name}: the older database says {row.status}, which is not believed; "
            f"to remove it: wnm --force_action remove --service_name {name} --confirm"
        )


def _shown(row: OldNode) -> str:
    """The row's name for people; a strange one is quoted and cut."""
    if row.name is not None and id_in_name(row.name) is not None:
        return row.name
    return f"row {row.id}" if row.name is None else f"row {row.id} {shortened(row.name)}"


def _ports(row: OldNode) -> set[int]:
    return {port for port in (row.port, row.metrics_port) if port is not None}


def _tidy(path: str | None) -> str | None:
    return normpath(f"/{path.lstrip('/')}") if path is not None and path.startswith("/") else path


def _born(age: int | None, now: datetime) -> datetime | None:
    """The birth that the row says, None if it cannot be one; 0 stood there for a node without a key."""
    if age is None or not _EARLIEST_BIRTH.timestamp() <= age <= now.timestamp():
        return None
    return datetime.fromtimestamp(age, tz=UTC)


def _peer_id(text: str | None) -> str | None:
    return text if text is not None and _PEER_ID.fullmatch(text) else None


def _version(text: str | None) -> str | None:
    return tidy_version(text) if text is not None else None
