"""Who is first: nodes by the age of their identity."""

from collections.abc import Iterable

from wnm.core.lifecycle import runs
from wnm.core.node import NodeId, Status
from wnm.core.observation import NodeSeen


def youngest_first(nodes: Iterable[NodeSeen]) -> list[NodeSeen]:
    """Most recent birth first; ties by highest id."""
    return sorted(nodes, key=lambda seen: (seen.node.born, seen.node.id), reverse=True)


def oldest_first(nodes: Iterable[NodeSeen]) -> list[NodeSeen]:
    """Earliest birth first; ties by lowest id."""
    return sorted(nodes, key=lambda seen: (seen.node.born, seen.node.id))


def removal_order(nodes: Iterable[NodeSeen]) -> list[NodeSeen]:
    """Whom a removal costs least: youngest stopped first, then youngest running."""
    ranked = youngest_first(nodes)
    stopped = [seen for seen in ranked if is_stopped(seen)]
    others = [seen for seen in ranked if not is_stopped(seen)]
    return stopped + others


def ids_of(nodes: Iterable[NodeSeen]) -> tuple[NodeId, ...]:
    """Their ids, in the same order."""
    return tuple(each.node.id for each in nodes)


def has_crashed(seen: NodeSeen) -> bool:
    """Whether the node is down though nobody stopped it."""
    return is_stopped(seen) and seen.node.crashed


def is_stopped(seen: NodeSeen) -> bool:
    """Whether the node rests: held to be stopped, and no process seen that says otherwise."""
    return seen.node.status is Status.STOPPED and not runs(seen.reading)
