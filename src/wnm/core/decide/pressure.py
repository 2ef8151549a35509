"""Stops or removes nodes when a reading is above its removal limit or there are more nodes than the cap."""

from collections.abc import Iterable
from datetime import datetime, timedelta

from wnm.core.action import RetireNode, StopNode
from wnm.core.decision import Proposal
from wnm.core.lifecycle import backs_off, runs
from wnm.core.node import TRANSITIONS, Node, NodeId, Status
from wnm.core.observation import FileSystem, Load, NodeSeen, Observation
from wnm.core.readings import Gauge, disk_gauge, gauges, in_crisis
from wnm.core.reasons import Blocked, BlockKind, Reason, ReasonKind, Remedy, RemedyKind, Task, TaskKind
from wnm.core.settings import Settings
from wnm.core.values import Value

LONGEST_SETTLING = timedelta(minutes=2)
USELESS_SHARE = 0.01
A_MOMENT_SECONDS = 0.5
UNCOUNTED = (Status.DISABLED, Status.REMOVING, Status.DEAD)


def relieve_pressure(seen: Observation, settings: Settings) -> Proposal:
    """Remove for the cap and the disk, stop for everything else; one relief at a time."""
    removals = _remove(seen, settings)
    high = high_gauges(seen, settings)
    if removals.actions:
        return removals
    if not high:
        return removals
    stops = _stop(seen, settings, high)
    return Proposal(actions=stops.actions, held=removals.held + stops.held, because=stops.because)


def must_shed(task: Task, seen: Observation, settings: Settings) -> Blocked | None:
    """Return why this task waits for a stop or a removal; None when nothing has to be stopped or removed."""
    if excess(seen, settings) > 0:
        return Blocked(kind=BlockKind.OVER_CAP, action=task, count=counted(seen), limit=settings.node_cap)
    full = short_file_systems(seen, settings)
    return short(task, full[0], settings) if full else high_reading(task, seen, settings)


def high_reading(task: Task, seen: Observation, settings: Settings) -> Blocked | None:
    """Return the task as blocked by a machine reading, disks apart, that is above its removal limit."""
    high = high_gauges(seen, settings)
    if not high:
        return None
    return Blocked(kind=BlockKind.READING_HIGH, action=task, reading=high[0].against(high[0].remove))


def short(task: Task, system: FileSystem, settings: Settings) -> Blocked:
    """Return the task as blocked because a file system is too full."""
    why = _shortage(system, settings)
    kind = BlockKind.DISK_CRISIS if why.reading is None else BlockKind.DISK_HIGH
    return Blocked(
        kind=kind, action=task, reading=why.reading, path=why.path, count=why.count, limit=why.limit
    )


def cap_removes(seen: Observation, settings: Settings) -> frozenset[NodeId]:
    """The nodes that have to go for the cap."""
    over = max(0, excess(seen, settings))
    return frozenset(ids_of(_removable(seen)[:over])) if over else frozenset()


def counted(seen: Observation) -> int:
    """The nodes that count towards the cap."""
    return sum(each.node.status not in UNCOUNTED for each in seen.nodes)


def excess(seen: Observation, settings: Settings) -> int:
    """Return how many nodes there are above the cap; negative while nodes may be added."""
    return counted(seen) - settings.node_cap


def high_gauges(seen: Observation, settings: Settings) -> tuple[Gauge, ...]:
    """The readings, disks apart, that are above their removal limit.

    Rates that were taken over a moment, as in the very first cycle, are no reason to stop anything.
    """
    window = seen.machine.window_seconds
    momentary = window is not None and window < A_MOMENT_SECONDS
    return tuple(
        gauge
        for gauge in gauges(seen.machine, settings)
        if gauge.too_high and not (momentary and gauge.is_rate)
    )


def short_file_systems(seen: Observation, settings: Settings) -> tuple[FileSystem, ...]:
    """The file systems with node data that are too full."""
    return tuple(
        each
        for each in seen.machine.file_systems
        if disk_gauge(each, settings).too_high or in_crisis(each, settings)
    )


def _remove(seen: Observation, settings: Settings) -> Proposal:
    candidates = _removable(seen)
    wanted: dict[int, RetireNode] = {}
    held: list[Blocked] = []
    over = Reason(kind=ReasonKind.OVER_CAP, count=counted(seen), limit=settings.node_cap)
    for each in candidates[: max(0, excess(seen, settings))]:
        wanted[each.node.id] = RetireNode(node=each.node.id, because=over)
    for file_system in short_file_systems(seen, settings):
        pick = _pick_for_disk(seen, settings, file_system, candidates)
        if isinstance(pick, Blocked):
            held.append(pick)
        else:
            wanted.setdefault(pick.node, pick)  # One that leaves for the cap leaves this disk too.
    if not wanted:
        return Proposal(held=tuple(held))
    actions = tuple(wanted.values())[: free_slots(seen.nodes, settings, seen.now).removals]
    if len(actions) < len(wanted):
        rest = tuple(NodeId(each) for each in tuple(wanted)[len(actions) :])
        more = Task(kind=TaskKind.REMOVE_MORE, nodes=rest, count=len(rest))
        held.append(Blocked(kind=BlockKind.REMOVAL_SLOT, action=more))
    because = next(iter(wanted.values())).because
    return Proposal(actions=actions, held=tuple(held), because=because)


def _removable(seen: Observation) -> list[NodeSeen]:
    """The nodes that may be removed, the one that is missed least first."""
    return [
        each
        for each in removal_order(seen.nodes)
        if each.node.status not in UNCOUNTED and (is_stopped(each) or not backs_off(each.node, seen.now))
    ]


def _pick_for_disk(
    seen: Observation, settings: Settings, file_system: FileSystem, candidates: list[NodeSeen]
) -> RetireNode | Blocked:
    """One node at a time: what a removal frees is known only when it is done."""
    because = _shortage(file_system, settings)
    path = file_system.mount_point
    task = Task(kind=TaskKind.REMOVE_FROM_DISK, path=path)
    under_way = [
        each for each in seen.nodes if each.node.status is Status.REMOVING and _is_on(each, file_system)
    ]
    if under_way:
        return Blocked(kind=BlockKind.REMOVAL_ON_DISK, action=task, waits_on=ids_of(under_way))
    remedy = Remedy(kind=RemedyKind.FREE_SPACE, path=path, reason=because)
    if _removing_is_useless(seen, settings, file_system):
        freed = seen.remembered.last_freed_bytes
        return Blocked(kind=BlockKind.SPACE_NOT_OURS, action=task, count=freed, remedy=remedy)
    on_it = [each for each in candidates if _is_on(each, file_system)]
    if not on_it:
        return Blocked(kind=BlockKind.NO_CANDIDATE, action=task, remedy=remedy)
    return RetireNode(node=on_it[0].node.id, because=because)


def _removing_is_useless(seen: Observation, settings: Settings, file_system: FileSystem) -> bool:
    """Whether the last removal here, within a day, gave back next to nothing of what is missing."""
    last = seen.remembered
    if last.last_freed_bytes is None or last.last_freed_at is None:
        return False
    if last.last_freed_mount_point != file_system.mount_point:
        return False
    if not timedelta(0) <= seen.now - last.last_freed_at <= timedelta(days=1):
        return False
    over_percent = file_system.used_percent - settings.hd_remove
    missing = max(
        over_percent / 100 * file_system.total_bytes, settings.crisis_bytes - file_system.free_bytes
    )
    return last.last_freed_bytes < missing * USELESS_SHARE


def _shortage(file_system: FileSystem, settings: Settings) -> Reason:
    gauge = disk_gauge(file_system, settings)
    if gauge.too_high:
        return Reason(kind=ReasonKind.READING_HIGH, reading=gauge.against(gauge.remove))
    return Reason(
        kind=ReasonKind.DISK_CRISIS,
        count=file_system.free_bytes,
        path=file_system.mount_point,
        limit=settings.crisis_bytes,
    )


def _is_on(each: NodeSeen, file_system: FileSystem) -> bool:
    return each.node.mount_point == file_system.mount_point


def _stop(seen: Observation, settings: Settings, high: tuple[Gauge, ...]) -> Proposal:
    because = Reason(kind=ReasonKind.READING_HIGH, reading=high[0].against(high[0].remove))
    settled_at = _settled_at(seen)
    task = Task(kind=TaskKind.STOP)
    if settled_at is not None and settled_at > seen.now:
        return Proposal(held=(Blocked(kind=BlockKind.LAST_STOP, action=task, until=settled_at),))
    if _load_is_falling(seen, settings, high):
        return Proposal(held=(Blocked(kind=BlockKind.LOAD_LAG, action=task),))
    candidates = [
        each
        for each in youngest_first(seen.nodes)
        if each.node.status in (Status.RUNNING, Status.RESTARTING)
        and runs(each.reading)
        and not backs_off(each.node, seen.now)
    ]
    if not candidates and not any(runs(each.reading) for each in seen.nodes):
        return Proposal()
    if not candidates:
        return Proposal(held=(Blocked(kind=BlockKind.NOTHING_TO_STOP, action=task),))
    stop = StopNode(node=candidates[0].node.id, shed=True, because=because)
    return Proposal(actions=(stop,), because=because)


def _settled_at(seen: Observation) -> datetime | None:
    """Two whole windows after the last stop its effect is in the readings; more stops before that would overshoot."""
    last = seen.remembered.last_shed_at
    if any(isinstance(each.action, StopNode) and each.action.shed for each in seen.interrupted):
        last = seen.now  # As far as anybody knows, it ended when that cycle did.
    if last is None or last > seen.now:
        return None
    window = seen.machine.window_seconds
    if window is None:
        return last + LONGEST_SETTLING
    return last + min(2 * timedelta(seconds=window), LONGEST_SETTLING)


def _load_is_falling(seen: Observation, settings: Settings, high: tuple[Gauge, ...]) -> bool:
    """Load averages lag: when the last minute is already fine, only time brings the others down."""
    load = seen.machine.load
    if not all(gauge.is_load for gauge in high) or not isinstance(load, Load):
        return False
    return load.one < settings.desired_load_average


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
    return is_resting_removal(node, now) or (node.gate_failure is not None and backs_off(node, now))


def is_resting_removal(node: Node, now: datetime) -> bool:
    """Whether the node is leaving, but its removal failed and is not tried again yet."""
    return node.status is Status.REMOVING and backs_off(node, now)
