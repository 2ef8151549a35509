"""Orders nodes by the age of their identity, and counts how many may enter each transition now."""

from collections.abc import Iterable
from datetime import datetime

from wnm.core.lifecycle import backs_off, runs
from wnm.core.node import TRANSITIONS, Node, NodeId, Status
from wnm.core.observation import NodeSeen
from wnm.core.settings import Settings
from wnm.core.values import Value


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


class Slots(Value, frozen=True, kw_only=True):
    """Free places per kind of transition: its limit less the nodes in it, and never more than the total's."""

    starts: int
    upgrades: int
    removals: int


def free_slots(nodes: Iterable[NodeSeen], settings: Settings, now: datetime) -> Slots:
    """The places that the nodes' present transitions leave free.

    A node that failed on its way out or back and rests takes up none, and neither do crashed nodes that are
    being started again: those have slots of their own.
    """
    statuses = [
        seen.node.status for seen in nodes if not _rests(seen.node, now) and not is_healing(seen.node)
    ]
    total = settings.max_concurrent_operations - sum(status in TRANSITIONS for status in statuses)

    def free(limit: int, status: Status) -> int:
        return max(0, min(limit - statuses.count(status), total))

    return Slots(
        starts=free(settings.max_concurrent_starts, Status.RESTARTING),
        upgrades=free(settings.max_concurrent_upgrades, Status.UPGRADING),
        removals=free(settings.max_concurrent_removals, Status.REMOVING),
    )


def is_healing(node: Node) -> bool:
    """Whether a crashed node is being started again."""
    return node.crashed and node.status is Status.RESTARTING


def _rests(node: Node, now: datetime) -> bool:
    return is_resting_removal(node, now) or (node.trial_failure is not None and backs_off(node, now))


def is_resting_removal(node: Node, now: datetime) -> bool:
    """Whether the node is leaving, but its removal failed and is not tried again yet."""
    return node.status is Status.REMOVING and backs_off(node, now)
