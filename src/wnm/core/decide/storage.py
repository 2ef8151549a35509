"""Removes nodes whose folder is gone, and stands still when their whole disk is."""

from datetime import datetime
from posixpath import dirname

from msgspec.structs import replace

from wnm.core.action import AddNode, RemoveNode, node_of
from wnm.core.decision import Proposal
from wnm.core.lifecycle import backing_off, backs_off
from wnm.core.node import Node, NodeId, Status
from wnm.core.observation import NodeSeen, Observation, Storage
from wnm.core.reasons import Blocked, BlockKind, Reason, ReasonKind, Remedy, RemedyKind, Task, TaskKind
from wnm.core.settings import Settings
from wnm.core.values import Value


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


def missing_storage(remembered: Observation, settled: Observation) -> tuple[Blocked, ...]:
    """The storage folders that rows name and that are not there, are empty, or lie on another disk than before.

    `remembered` holds the nodes as they were before this cycle's bookkeeping, `settled` those that stay.
    """
    staying = {each.node.id for each in settled.nodes}
    added = {node_of(each.action) for each in remembered.interrupted if isinstance(each.action, AddNode)}
    missing: dict[str, tuple[_Problem, list[NodeId]]] = {}
    for each in remembered.nodes:
        node = each.node
        if not is_dead(each):
            continue
        path = dirname(node.root_dir)
        storage = next((one for one in remembered.storages if one.path == path), None)
        if storage is None:
            continue
        expected = node.id in staying and node.status is not Status.REMOVING
        problem = _problem(storage, node, had_folder=node.id not in added, has_folder=expected)
        if problem is not None:
            missing.setdefault(path, (problem, []))[1].append(node.id)
    return tuple(_ask(path, problem, tuple(nodes)) for path, (problem, nodes) in missing.items())


class _Problem(Value, frozen=True, kw_only=True):
    """A fault of a storage folder; one that moved lies on `now`, and lay on `before`."""

    kind: BlockKind
    now: str | None = None
    before: str | None = None


def _problem(storage: Storage, node: Node, *, had_folder: bool, has_folder: bool) -> _Problem | None:
    """Return the fault of the folder that the node should be in, as far as the node's state does not explain it.

    An addition that was cut short may not have made the storage folder yet; a removal may have emptied it.
    """
    if storage.present is False and had_folder:
        return _Problem(kind=BlockKind.STORAGE_ABSENT)
    if storage.present is True and storage.empty and has_folder:
        return _Problem(kind=BlockKind.STORAGE_EMPTY)
    if node.mount_point is not None and storage.mount_point not in (None, node.mount_point):
        return _Problem(kind=BlockKind.STORAGE_MOVED, now=storage.mount_point, before=node.mount_point)
    return None


def _ask(path: str, problem: _Problem, nodes: tuple[NodeId, ...]) -> Blocked:
    return Blocked(
        kind=problem.kind,
        action=Task(kind=TaskKind.MANAGE, nodes=nodes),
        path=path,
        other_path=problem.now,
        than=problem.before,
        remedy=Remedy(kind=RemedyKind.MOUNT_DISK, nodes=nodes),
    )
