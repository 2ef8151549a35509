"""How many nodes may enter each transition now."""

from collections.abc import Iterable
from dataclasses import dataclass

from wnm.core.node import TRANSITIONS, Status
from wnm.core.observation import NodeSeen
from wnm.core.settings import Settings


@dataclass(frozen=True, slots=True, kw_only=True)
class Slots:
    """Free places per kind of transition: its limit less the nodes in it, and never more than the total's."""

    starts: int
    upgrades: int
    removals: int


def free_slots(nodes: Iterable[NodeSeen], settings: Settings) -> Slots:
    """The places that the nodes' present transitions leave free."""
    statuses = [seen.node.status for seen in nodes]
    total = settings.max_concurrent_operations - sum(status in TRANSITIONS for status in statuses)

    def free(limit: int, status: Status) -> int:
        return max(0, min(limit - statuses.count(status), total))

    return Slots(
        starts=free(settings.max_concurrent_starts, Status.RESTARTING),
        upgrades=free(settings.max_concurrent_upgrades, Status.UPGRADING),
        removals=free(settings.max_concurrent_removals, Status.REMOVING),
    )
