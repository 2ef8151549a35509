"""How many nodes may enter each transition now."""

from collections.abc import Iterable
from datetime import datetime

from wnm.core.lifecycle import backs_off
from wnm.core.node import TRANSITIONS, Node, Status
from wnm.core.observation import NodeSeen
from wnm.core.settings import Settings
from wnm.core.values import Value


class Slots(Value, frozen=True, kw_only=True):
    """Free places per kind of transition: its limit less the nodes in it, and never more than the total's."""

    starts: int
    upgrades: int
    removals: int


def free_slots(nodes: Iterable[NodeSeen], settings: Settings, now: datetime) -> Slots:
    """The places that the nodes' present transitions leave free.

    What failed on its way out or back and rests for a while takes up none, and neither do crashed nodes that are
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
