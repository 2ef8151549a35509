"""Rule 2: nodes whose folder is gone are removed; nodes whose whole disk is gone are not."""

from datetime import datetime
from posixpath import dirname

from msgspec.structs import replace

from wnm.core.action import AddNode, RemoveNode, node_of
from wnm.core.decision import Held, Proposal
from wnm.core.lifecycle import backs_off
from wnm.core.node import Node, Status
from wnm.core.observation import NodeSeen, Observation, Storage
from wnm.core.settings import Settings


def remove_dead(seen: Observation, settings: Settings) -> Proposal:
    """Remove every node whose root directory is missing, at once and beyond any limit."""
    dead = [each for each in seen.nodes if is_dead(each)]
    ready = tuple(
        RemoveNode(node=each.node.id, because=f"its folder {each.node.root_dir} is gone")
        for each in dead
        if not backs_off(each.node, seen.now)
    )
    held = tuple(
        Held(
            what=f"remove {each.node.name}",
            waiting_for=f"its pause after: {each.node.last_error}",
            until=each.node.retry_at,
        )
        for each in dead
        if backs_off(each.node, seen.now)
    )
    return Proposal(actions=ready, held=held, because=f"{len(dead)} node(s) without their folder")


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


def missing_storage(remembered: Observation, settled: Observation) -> tuple[Held, ...]:
    """The storage folders that rows name and that are not there, are empty, or lie on another disk than before.

    `remembered` holds the nodes as they were before this cycle's bookkeeping, `settled` those that stay.
    """
    staying = {each.node.id for each in settled.nodes}
    added = {node_of(each.action) for each in remembered.interrupted if isinstance(each.action, AddNode)}
    missing: dict[str, tuple[str, list[str]]] = {}
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
            missing.setdefault(path, (problem, []))[1].append(node.name)
    return tuple(_ask(path, problem, names) for path, (problem, names) in missing.items())


def _problem(storage: Storage, node: Node, *, had_folder: bool, has_folder: bool) -> str | None:
    """What is wrong with the folder that the node should be in, as far as the node's own state does not explain it.

    An addition that was cut short may not have made the storage folder yet; a removal may have emptied it.
    """
    if storage.present is False and had_folder:
        return "is not there"
    if storage.present is True and storage.empty and has_folder:
        return "is empty"
    if node.mount_point is not None and storage.mount_point not in (None, node.mount_point):
        return f"lies on {storage.mount_point}, not on {node.mount_point} as before"
    return None


def _ask(path: str, problem: str, names: list[str]) -> Held:
    return Held(
        what="manage this machine",
        waiting_for=f"the storage folder {path}, which {problem} although {names[0]} should be in it",
        remedy="mount the disk again, or, if its nodes are lost, run wnm --force_action remove --confirm "
        f"--service_name {','.join(names)}",
    )
