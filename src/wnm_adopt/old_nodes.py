"""How far the rows of an older wnm are believed: as far as services, processes and folders confirm them."""

import re
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from posixpath import normpath
from typing import Protocol

from msgspec import Struct
from msgspec.structs import replace

from wnm.core.node import Node, Status, id_in_name
from wnm.core.suggest import shortened
from wnm.core.version import tidy_version
from wnm_adopt.judge import Refusal
from wnm_adopt.old_stopped import Surroundings, stopped_row, why_not_stopped
from wnm_adopt.old_values import OldNode
from wnm_adopt.services import FolderFacts

BECAUSE = "taken over from an older wnm"
BECAUSE_DISABLED = "disabled in the older wnm"

_PEER_ID = re.compile(r"[1-9A-HJ-NP-Za-km-z]{40,64}")
_ENDINGS = (Status.REMOVING, Status.DEAD)
_EARLIEST_BIRTH = datetime(2020, 1, 1, tzinfo=UTC)


class Service(Protocol):
    """What is asked of a service, agent or process that can be adopted."""

    @property
    def id(self) -> int: ...
    @property
    def name(self) -> str: ...
    @property
    def root_dir(self) -> str: ...
    @property
    def port(self) -> int: ...
    @property
    def metrics_port(self) -> int: ...
    @property
    def wallet(self) -> str: ...


class Memory(Struct, frozen=True, kw_only=True):
    """What is remembered of a node whose service is adopted; None is not known."""

    status: Status
    born: datetime | None = None
    peer_id: str | None = None
    version: str | None = None


class OldNodes(Struct, frozen=True, kw_only=True):
    """What the rows come to.

    `memories` holds one for each adopted service, by its id. `stopped` are nodes that only their row and
    their folder tell of. `left` are rows that nothing confirms, a line each; their folders are left alone.
    `notes` say where rows and services contradict each other.
    """

    memories: Mapping[int, Memory]
    stopped: tuple[Node, ...]
    left: tuple[str, ...]
    notes: tuple[str, ...]


def remember(node: Node, memory: Memory) -> Node:
    """The row of an adopted service, with what the older database remembers of it."""
    disabled = memory.status is Status.DISABLED
    return replace(
        node,
        status=memory.status,
        because=BECAUSE_DISABLED if disabled else BECAUSE,
        born=memory.born or node.born,
        peer_id=node.peer_id or memory.peer_id,
        version=node.version or memory.version,
    )


def judge_old_nodes(
    rows: Sequence[OldNode],
    found: Sequence[Service],
    *,
    refused: Sequence[Refusal],
    running: Collection[int],
    folders: Mapping[str, FolderFacts],
    around: Surroundings,
) -> OldNodes:
    """Compare the rows with the services that can be adopted and with those that are `refused`.

    `running` are the ids of nodes that have a process, `folders` what is seen at the paths that
    `wnm_adopt.old_stopped.folders_to_look_at` names. Services decide what a node is; rows remove nothing.
    """
    counts = Counter(row.id for row in rows)
    by_id = {row.id: row for row in rows if counts[row.id] == 1}
    notes: list[str] = []
    memories = {}
    for service in sorted(found, key=lambda each: (each.id, each.name)):
        row = by_id.get(service.id)
        memories[service.id] = _memory(service, row, service.id in running, around.now)
        notes += _contradictions(service, row)
        notes += _unbelieved(service.name, row)
    alone = sorted((row for row in rows if row.id not in memories), key=_order)
    stopped, left = _without_service(alone, found, refused, running, folders, around)
    for node in stopped:
        notes.append(f"{node.name}: it has no process and is adopted as it lies in {node.root_dir}")
        notes += _unbelieved(node.name, by_id.get(node.id))
    return OldNodes(memories=memories, stopped=tuple(stopped), left=tuple(left), notes=tuple(notes))


def _memory(service: Service, row: OldNode | None, runs: bool, now: datetime) -> Memory:
    status = Status.RUNNING if runs else Status.STOPPED
    if row is None:
        return Memory(status=status)
    if row.status == Status.DISABLED:
        status = Status.DISABLED
    if not _is_same(service, row):
        return Memory(status=status)
    return Memory(
        status=status, born=_born(row.age, now), peer_id=_peer_id(row.peer_id), version=_version(row.version)
    )


def _is_same(service: Service, row: OldNode) -> bool:
    """Whether a row is about this node, and not about an earlier one with its id.

    One sign is enough: the folder may have been cut short by whoever read it.
    """
    return row.port == service.port or _tidy(row.root_dir) == service.root_dir


def _contradictions(service: Service, row: OldNode | None) -> Iterable[str]:
    if row is None:
        yield f"{service.name}: the older database does not know it; its service is adopted as it is"
        return
    if not _is_same(service, row):
        yield f"{service.name}: the row of its id is about another node; only its service is believed"
        return
    said: tuple[tuple[str, object, object], ...] = (
        ("name", row.name, service.name),
        ("folder", _tidy(row.root_dir), service.root_dir),
        ("port", row.port, service.port),
        ("metrics port", row.metrics_port, service.metrics_port),
        ("wallet", row.wallet, service.wallet),
    )
    for what, there, here in said:
        # Addresses differ in case by their checksum only.
        is_same = str(there).lower() == str(here).lower() if what == "wallet" else there == here
        if there is not None and not is_same:
            said_there = shortened(str(there))
            yield f"{service.name}: its {what} is {here}, not {said_there} as the older database says"


def _without_service(
    rows: Sequence[OldNode],
    found: Sequence[Service],
    refused: Sequence[Refusal],
    running: Collection[int],
    folders: Mapping[str, FolderFacts],
    around: Surroundings,
) -> tuple[list[Node], list[str]]:
    """Rows that no adoptable service stands for: nodes that lie still, and lines about the others."""
    stopped: list[Node] = []
    left: list[str] = []
    ids, names = Counter(row.id for row in rows), Counter(row.name for row in rows)
    ports = Counter(port for row in rows for port in _ports(row))
    taken = {port for service in found for port in (service.port, service.metrics_port)}
    taken |= {port for each in refused for port in (each.port, each.metrics_port) if port is not None}
    taken_folders = {service.root_dir for service in found}
    reasons = {each.name.removesuffix(".service"): each.reason for each in refused}
    refused_ids = {each.id for each in refused if each.id is not None}
    for row in rows:
        if row.name is not None and row.name in reasons:
            why: str | None = f"its service is not adopted: {reasons[row.name]}"
        elif row.id in running or row.id in refused_ids:
            why = "something that is not adopted has its number"
        elif ids[row.id] > 1 or names[row.name] > 1:
            why = "two rows say so"
        elif any(port in taken or ports[port] > 1 for port in _ports(row)):
            why = "another node has its port"
        elif _tidy(row.root_dir) in taken_folders:
            why = "another node has its folder"
        else:
            why = why_not_stopped(row, folders, around)
        if why is not None:
            left.append(f"{_shown(row)}: not adopted, its folder is left alone: {why}")
            continue
        stopped.append(
            stopped_row(
                row,
                around,
                disabled=row.status == Status.DISABLED,
                because=BECAUSE_DISABLED if row.status == Status.DISABLED else BECAUSE,
                born=_born(row.age, around.now),
                peer_id=_peer_id(row.peer_id),
                version=_version(row.version),
            )
        )
    return stopped, left


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


def _order(row: OldNode) -> tuple[int, str]:
    return (row.id if row.id is not None else -1, row.name or "")


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
