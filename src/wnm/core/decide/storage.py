"""Removes nodes whose folder is gone, and holds those whose disk is in question: away, another's, or not whole."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from hashlib import sha256
from posixpath import dirname

from msgspec.structs import replace

from wnm.core.action import AddNode, RemoveNode, node_of
from wnm.core.decision import Proposal
from wnm.core.lifecycle import backing_off, backs_off
from wnm.core.node import Node, NodeId, Status
from wnm.core.observation import FileSystem, NodeSeen, Observation, Storage, Unseen
from wnm.core.places import KnownPlace, Marker, PlaceNews, Stray
from wnm.core.reasons import Blocked, BlockKind, Reason, ReasonKind, Remedy, RemedyKind, Task, TaskKind
from wnm.core.settings import Settings
from wnm.core.values import Value

AGAIN_AFTER = timedelta(hours=1)
"""The time after which a storage folder where an addition failed is taken for as good as the others."""
IN_QUESTION = Unseen(reason="its disk is in question")
ASKED_ABOUT = frozenset(
    {
        BlockKind.STORAGE_ABSENT,
        BlockKind.STORAGE_EMPTY,
        BlockKind.STORAGE_MOVED,
        BlockKind.STORAGE_UNMARKED,
        BlockKind.STORAGE_FOREIGN,
        BlockKind.STORAGE_SWAPPED,
        BlockKind.STORAGE_STRANGE,
        BlockKind.STORAGE_INCOMPLETE,
    }
)
"""The questions about a disk that only the operator can answer."""


def remove_dead(seen: Observation, settings: Settings) -> Proposal:
    """Remove every node whose root directory is missing, at once and beyond any limit."""
    dead = [each for each in seen.nodes if is_dead(each)]
    ready = tuple(
        RemoveNode(node=each.node.id, because=Reason(kind=ReasonKind.FOLDER_GONE, path=each.node.root_dir))
        for each in dead
        if not backs_off(each.node, seen.now)
    )
    held = tuple(
        backing_off(each.node, Task(kind=TaskKind.REMOVE, nodes=(each.node.id,)))
        for each in dead
        if backs_off(each.node, seen.now)
    )
    because = Reason(kind=ReasonKind.FOLDERS_GONE, count=len(dead))
    return Proposal(actions=ready, held=held, because=because)


def is_dead(each: NodeSeen) -> bool:
    """Whether the node's folder was looked for and is not there. A disabled node is left alone."""
    return each.reading.root_dir_present is False and each.node.status is not Status.DISABLED


def with_dead(nodes: tuple[NodeSeen, ...], now: datetime) -> tuple[NodeSeen, ...]:
    """The same nodes, those whose folder is gone marked DEAD."""
    return tuple(
        replace(
            each, node=replace(each.node, status=Status.DEAD, status_since=now, because="its folder is gone")
        )
        if is_dead(each) and each.node.status is not Status.DEAD
        else each
        for each in nodes
    )


class Question(Value, frozen=True, kw_only=True):
    """A storage folder that may not be the one that nodes were put in, and the nodes that are held for it.

    `closed` says that the folder takes no new node either. `blocked` is what the operator is asked, or what is waited
    for.
    """

    path: str
    nodes: tuple[NodeId, ...]
    blocked: Blocked
    closed: bool = True


def questions(seen: Observation) -> tuple[Question, ...]:
    """Everything about the disks that has to be answered before a node on them is removed or started."""
    found: list[Question] = []
    for storage in seen.storages:
        there = [each for each in seen.nodes if dirname(each.node.root_dir) == storage.path]
        found.extend(_questions_of(storage, there, seen))
    return tuple(found)


def _questions_of(storage: Storage, there: list[NodeSeen], seen: Observation) -> Iterable[Question]:
    known = known_place(seen, storage.path)
    if isinstance(storage.present, Unseen):
        return
    if _is_taken_over(storage, known, there):
        storage = replace(storage, marker=None)
    kind = _identity_problem(storage, known, seen)
    every = tuple(each.node.id for each in there)
    if isinstance(storage.marker, Unseen):
        # Nothing says that it is the disk, and nothing that it is another: it is looked at again.
        waits = Blocked(
            kind=BlockKind.MARKER_UNSEEN, action=Task(kind=TaskKind.MANAGE, nodes=every), path=storage.path
        )
        yield Question(path=storage.path, nodes=every, blocked=waits)
    elif kind is not None:
        missing = tuple(each.node.id for each in there if is_dead(each))
        yield Question(path=storage.path, nodes=every, blocked=_ask(kind, storage, missing or every))
    elif seen.remembered.identity is None or (known.folder is None and storage.marker is None):
        yield from _questions_without_marker(storage, there, seen)
    else:
        yield from _questions_of_nodes(storage, known, there, seen)


def _is_taken_over(storage: Storage, known: KnownPlace, there: list[NodeSeen]) -> bool:
    """Whether a folder that we never marked holds one of our nodes: its marker is that of a database before ours."""
    return known.folder is None and isinstance(storage.marker, Marker) and any(map(has_own_key, there))


def _identity_problem(storage: Storage, known: KnownPlace, seen: Observation) -> BlockKind | None:
    """What the marker says against this being the folder that is remembered; None if nothing."""
    ours, marker = seen.remembered.identity, storage.marker
    if ours is None or isinstance(marker, Unseen):
        return None
    if marker is None:
        if known.folder is None:
            return None
        expected = any(
            dirname(each.node.root_dir) == storage.path and _is_expected(each, seen) for each in seen.nodes
        )
        if not expected:
            return BlockKind.STORAGE_UNMARKED
        if storage.present is False:
            return BlockKind.STORAGE_ABSENT
        return BlockKind.STORAGE_EMPTY if storage.empty else BlockKind.STORAGE_UNMARKED
    if marker.database != ours:
        return BlockKind.STORAGE_FOREIGN
    return BlockKind.STORAGE_SWAPPED if known.folder not in (None, marker.folder) else None


def _questions_without_marker(
    storage: Storage, there: list[NodeSeen], seen: Observation
) -> Iterable[Question]:
    """The same of a folder that never had a marker: what lies in it, and where, has to do instead."""
    added = {node_of(each.action) for each in seen.interrupted if isinstance(each.action, AddNode)}
    found: dict[BlockKind, tuple[Blocked, list[NodeId]]] = {}
    for each in there:
        if not is_dead(each):
            continue
        kind = _problem(
            storage, each.node, had_folder=each.node.id not in added, has_folder=_is_expected(each, seen)
        )
        if kind is not None:
            before = each.node.mount_point if kind is BlockKind.STORAGE_MOVED else None
            found.setdefault(kind, (_ask(kind, storage, (each.node.id,), before), []))[1].append(each.node.id)
    if not found and seen.remembered.identity is not None and there and storage.present is True:
        expected = [
            each for each in there if _is_expected(each, seen) and each.node.status is not Status.DISABLED
        ]
        if expected and not any(map(has_own_key, there)):
            kind = BlockKind.STORAGE_STRANGE
            found[kind] = (_ask(kind, storage, (expected[0].node.id,)), [each.node.id for each in expected])
    if found:
        blocked, nodes = next(iter(found.values()))
        every = tuple(each.node.id for each in there)
        named = replace(blocked.action, nodes=tuple(nodes))
        remedy = replace(blocked.remedy, nodes=tuple(nodes)) if blocked.remedy else None
        yield Question(path=storage.path, nodes=every, blocked=replace(blocked, action=named, remedy=remedy))


def _problem(storage: Storage, node: Node, *, had_folder: bool, has_folder: bool) -> BlockKind | None:
    """Return the fault of the folder that the node should be in, as far as the node's state does not explain it.

    An addition that was cut short may not have made the storage folder yet; a removal may have emptied it.
    """
    if storage.present is False and had_folder:
        return BlockKind.STORAGE_ABSENT
    if storage.present is True and storage.empty and has_folder:
        return BlockKind.STORAGE_EMPTY
    if node.mount_point is not None and storage.mount_point not in (None, node.mount_point):
        return BlockKind.STORAGE_MOVED
    return None


def _questions_of_nodes(
    storage: Storage, known: KnownPlace, there: list[NodeSeen], seen: Observation
) -> Iterable[Question]:
    """Questions about single nodes that are missing in a folder that is the right one."""
    missing = [each for each in there if is_dead(each) and _is_expected(each, seen)]
    moved = [(each, stray) for each in missing if (stray := found_elsewhere(each.node, seen)) is not None]
    for each, stray in moved:
        blocked = Blocked(
            kind=BlockKind.NODE_ELSEWHERE,
            action=Task(kind=TaskKind.MANAGE_NODES, nodes=(each.node.id,)),
            path=each.node.root_dir,
            other_path=stray.path,
            remedy=Remedy(kind=RemedyKind.ADOPT, nodes=(each.node.id,)),
        )
        yield Question(path=storage.path, nodes=(each.node.id,), blocked=blocked, closed=False)
    lost = tuple(each.node.id for each in missing if each.node.id not in {one.node.id for one, _ in moved})
    system = file_system_at(storage.mount_point, seen)
    if lost and system is not None and known.file_system not in (None, system.id):
        ask = _ask(BlockKind.STORAGE_INCOMPLETE, storage, lost)
        yield Question(path=storage.path, nodes=lost, blocked=ask, closed=False)


def _is_expected(each: NodeSeen, seen: Observation) -> bool:
    """Whether the node should have its folder: no addition is still to make it, no removal has begun on it."""
    node = each.node
    under_way = {
        node_of(one.action) for one in seen.interrupted if isinstance(one.action, AddNode | RemoveNode)
    }
    return node.status not in (Status.REMOVING, Status.DISABLED) and node.id not in under_way


def _ask(kind: BlockKind, storage: Storage, nodes: tuple[NodeId, ...], before: str | None = None) -> Blocked:
    remedy = RemedyKind.MOUNT_DISK if kind in _BY_CONTENT else RemedyKind.ACCEPT_DISK
    whole = kind is not BlockKind.STORAGE_INCOMPLETE
    return Blocked(
        kind=kind,
        action=Task(kind=TaskKind.MANAGE if whole else TaskKind.MANAGE_NODES, nodes=nodes),
        path=storage.path,
        other_path=storage.mount_point if before is not None else None,
        than=before,
        count=len(nodes),
        remedy=Remedy(kind=remedy, nodes=nodes, path=storage.path),
    )


_BY_CONTENT = (BlockKind.STORAGE_ABSENT, BlockKind.STORAGE_EMPTY, BlockKind.STORAGE_MOVED)


def held_nodes(found: Iterable[Question]) -> frozenset[NodeId]:
    """The nodes that nothing is done to until a question is answered."""
    return frozenset(node for each in found for node in each.nodes)


def held_part(question: Question) -> Blocked:
    """The question where the rest of the machine goes on: what it holds is its nodes, or new ones where it has none."""
    blocked = question.blocked
    if blocked.action.kind is not TaskKind.MANAGE:
        return blocked
    kind = TaskKind.MANAGE_NODES if blocked.nodes else TaskKind.ADD
    return replace(blocked, action=replace(blocked.action, kind=kind))


def without_doubtful(seen: Observation, found: tuple[Question, ...]) -> Observation:
    """The view without what it says of folders in question: they may be another machine's, or not be there."""
    if not found:
        return seen
    held, closed = held_nodes(found), {each.path for each in found if each.closed}
    nodes = tuple(
        replace(
            each,
            reading=replace(
                each.reading,
                root_dir_present=IN_QUESTION,
                born=None,
                program=IN_QUESTION,
                disk_bytes=None,
                mount_point=None,
            ),
        )
        if each.node.id in held
        else each
        for each in seen.nodes
    )
    storages = tuple(
        replace(each, present=IN_QUESTION, mount_point=None) if each.path in closed else each
        for each in seen.storages
    )
    return replace(seen, nodes=nodes, storages=storages)


def known_place(seen: Observation, path: str) -> KnownPlace:
    """What is remembered of a storage folder; nothing but its path if it is new."""
    return next((each for each in seen.remembered.places if each.path == path), KnownPlace(path=path))


def file_system_at(mount_point: str | None, seen: Observation) -> FileSystem | None:
    """The file system that is mounted there, as far as it was seen."""
    return next((each for each in seen.machine.file_systems if each.mount_point == mount_point), None)


def has_own_key(each: NodeSeen) -> bool:
    """Whether the node's folder holds the key that the node was known by: a key is as old as its node.

    A row that no cycle has looked at yet says nothing of that: a new node makes its key when it starts, and one that
    was taken over may be remembered by another time.
    """
    key, node = each.reading.born, each.node
    if each.reading.root_dir_present is not True or key is None:
        return False
    return (node.process_started_at is None and node.disk_measured_at is None) or _is_born(key, node.born)


def _is_born(key: datetime | None, node: datetime) -> bool:
    """Tools that copy a file may keep its time in whole seconds only."""
    if key is None:
        return False
    return key == node or (key.microsecond == 0 and key == node.replace(microsecond=0))


def found_elsewhere(node: Node, seen: Observation) -> Stray | None:
    """The folder of this node in another place, told by its name and its key."""
    for storage in seen.storages:
        for stray in storage.strays:
            if stray.name == node.name and stray.kind == node.kind and _is_born(stray.born, node.born):
                return stray
    return None


def marker_state(storage: Storage, seen: Observation) -> str:
    """`ours`, `missing`, `another`, `unseen`, or `none` for a folder that never had a marker."""
    known, marker = known_place(seen, storage.path), storage.marker
    if isinstance(marker, Unseen) or isinstance(storage.present, Unseen):
        return "unseen"
    if marker is None:
        return "none" if known.folder is None else "missing"
    ours = marker.database == seen.remembered.identity and known.folder in (None, marker.folder)
    return "ours" if ours else "another"


def place_problem(path: str, seen: Observation) -> BlockKind | None:
    """What keeps nodes from being put in a storage folder, whatever is free there; None if nothing."""
    storage = next((each for each in seen.storages if each.path == path), None)
    if storage is None:
        return None
    if storage.read_only:
        return BlockKind.PLACE_READ_ONLY
    if storage.noexec:
        return BlockKind.PLACE_NOEXEC
    return None if storage.writable else BlockKind.PLACE_UNWRITABLE


def has_failed(path: str, seen: Observation) -> bool:
    """Whether the last addition there failed, within an hour."""
    at = known_place(seen, path).failed_at
    return at is not None and abs(seen.now - at) < AGAIN_AFTER


def place_news(
    seen: Observation, settings: Settings, found: tuple[Question, ...], added: Iterable[Node] = ()
) -> tuple[PlaceNews, ...]:
    """Return what is to be remembered of storage folders from now on, and which of them get their marker.

    `added` are the nodes that this cycle makes. Folders in question stay as they are.
    """
    identity = seen.remembered.identity
    if identity is None:
        return ()
    asked = {each.path for each in found}
    taking = {dirname(node.root_dir) for node in added}
    news = []
    for storage in seen.storages:
        if storage.path in asked or storage.path not in settings.node_storage:
            continue
        known = known_place(seen, storage.path)
        found_now = _as_found(storage, known, seen)
        if isinstance(storage.marker, Marker) and storage.marker.database == identity:
            latest = replace(found_now, folder=storage.marker.folder)
            if latest != known:
                news.append(PlaceNews(place=latest))
        elif known.folder is None and _may_be_marked(storage, taking):
            news.append(PlaceNews(place=replace(found_now, folder=folder_id(seen, storage.path)), marks=True))
    return tuple(news)


def _as_found(storage: Storage, known: KnownPlace, seen: Observation) -> KnownPlace:
    system = file_system_at(storage.mount_point, seen)
    if system is None:
        return known
    return replace(known, file_system=system.id, device=system.device)


def _may_be_marked(storage: Storage, taking: set[str]) -> bool:
    if storage.read_only or not storage.writable:
        return False
    if isinstance(storage.marker, Marker) and any(stray.born is not None for stray in storage.strays):
        return False  # The other database has nodes here: without its marker it would hold them.
    return storage.present is True or (storage.present is False and storage.path in taking)


def folder_id(seen: Observation, path: str) -> str:
    """A new identity for a storage folder; the same observation always gives the same."""
    return sha256(f"{seen.seed}:{path}".encode()).hexdigest()[:32]
