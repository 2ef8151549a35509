"""Stops or removes nodes when a reading is above its removal limit or there are more nodes than the cap."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from operator import attrgetter

from wnm.core.action import RetireNode, StopNode
from wnm.core.decision import Proposal
from wnm.core.lifecycle import backs_off, runs
from wnm.core.node import TRANSITIONS, Node, NodeId, Status
from wnm.core.observation import FileSystem, Load, MachineReading, NodeSeen, Observation
from wnm.core.readings import Gauge, disk_gauge, gauges, in_crisis
from wnm.core.reasons import Blocked, BlockKind, Reason, ReasonKind, Remedy, RemedyKind, Task, TaskKind
from wnm.core.settings import Settings

LONGEST_SETTLING = timedelta(minutes=2)
USELESS_SHARE = 0.01
A_MOMENT_SECONDS = 0.5
UNCOUNTED = (Status.DISABLED, Status.REMOVING, Status.DEAD)


def relieve_pressure(seen: Observation, settings: Settings) -> Proposal:
    """Remove for the cap and the disk, stop for everything else; one relief at a time."""
    removals = _remove(seen, settings)
    high = high_gauges(seen, settings)
    if removals.actions or not high:
        return removals
    stops = _stop(seen, settings, high)
    return Proposal(actions=stops.actions, held=removals.held + stops.held, because=stops.because)


def must_shed(task: Task, seen: Observation, settings: Settings) -> Blocked | None:
    """Return why this task waits for a stop or a removal; None when nothing has to be stopped or removed."""
    if excess(seen, settings) > 0:
        return over_cap(task, seen, settings)
    full = short_file_systems(seen, settings)
    return short(task, full[0], settings) if full else high_reading(task, seen, settings)


def over_cap(task: Task, seen: Observation, settings: Settings) -> Blocked:
    """Return the task as blocked because there are more nodes than the cap."""
    return Blocked(kind=BlockKind.OVER_CAP, action=task, count=counted(seen), limit=settings.node_cap)


def high_reading(task: Task, seen: Observation, settings: Settings) -> Blocked | None:
    """Return the task as blocked by a machine reading, disks apart, that is above its removal limit."""
    for gauge in high_gauges(seen, settings):
        return Blocked(kind=BlockKind.READING_HIGH, action=task, reading=gauge.against(gauge.remove))
    return None


def too_high_to_grow(task: Task, machine: MachineReading, settings: Settings) -> Blocked | None:
    """Return the task as blocked by a reading, disks apart, that is not below its limit for growth."""
    for gauge in gauges(machine, settings):
        if not gauge.allows_growth:
            return Blocked(kind=BlockKind.READING_HIGH, action=task, reading=gauge.against(gauge.allow))
    return None


def short(task: Task, system: FileSystem, settings: Settings) -> Blocked:
    """Return the task as blocked because a file system is too full."""
    why = _shortage(system, settings)
    kind = BlockKind.DISK_CRISIS if why.reading is None else BlockKind.DISK_HIGH
    return Blocked(
        kind=kind, action=task, reading=why.reading, path=why.path, count=why.count, limit=why.limit
    )


def cap_removes(seen: Observation, settings: Settings) -> frozenset[NodeId]:
    """The nodes that have to go for the cap."""
    over = excess(seen, settings)
    return frozenset(ids_of(_removable(seen)[:over])) if over > 0 else frozenset()


def counted(seen: Observation) -> int:
    """The nodes that count towards the cap."""
    return len([each for each in seen.nodes if each.node.status not in UNCOUNTED])


def excess(seen: Observation, settings: Settings) -> int:
    """Return how many nodes there are above the cap; negative while nodes may be added."""
    return counted(seen) - settings.node_cap


def high_gauges(seen: Observation, settings: Settings) -> tuple[Gauge, ...]:
    """The readings, disks apart, that are above their removal limit.

    Rates that were taken over a moment, as in the very first cycle, are no reason to stop anything.
    """
    window = seen.machine.window_seconds
    momentary = window is not None and window < A_MOMENT_SECONDS
    found = [gauge for gauge in gauges(seen.machine, settings) if gauge.too_high]
    return tuple([gauge for gauge in found if not (momentary and gauge.is_rate)])


def short_file_systems(seen: Observation, settings: Settings) -> list[FileSystem]:
    """The file systems with node data that are too full."""
    systems = seen.machine.file_systems
    return [each for each in systems if disk_gauge(each, settings).too_high or in_crisis(each, settings)]


def _remove(seen: Observation, settings: Settings) -> Proposal:
    candidates = _removable(seen)
    wanted: dict[NodeId, RetireNode] = {}
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
    actions = tuple(wanted.values())[: free_slots(seen, settings, Status.REMOVING)]
    rest = tuple(wanted)[len(actions) :]
    if rest:
        more = Task(kind=TaskKind.REMOVE_MORE, nodes=rest, count=len(rest))
        held.append(Blocked(kind=BlockKind.REMOVAL_SLOT, action=more))
    because = next(iter(wanted.values())).because
    return Proposal(actions=actions, held=tuple(held), because=because)


def _removable(seen: Observation) -> list[NodeSeen]:
    """The nodes that may be removed, the one that is missed least first."""
    found = [each for each in removal_order(seen.nodes) if each.node.status not in UNCOUNTED]
    return [each for each in found if is_stopped(each) or not backs_off(each.node, seen.now)]


def _pick_for_disk(
    seen: Observation, settings: Settings, file_system: FileSystem, candidates: list[NodeSeen]
) -> RetireNode | Blocked:
    """One node at a time: what a removal frees is known only when it is done."""
    because, path, last = _shortage(file_system, settings), file_system.mount_point, seen.remembered
    task = Task(kind=TaskKind.REMOVE_FROM_DISK, path=path)
    on_it = [each for each in seen.nodes if each.node.mount_point == path]
    under_way = [each for each in on_it if each.node.status is Status.REMOVING]
    if under_way:
        return Blocked(kind=BlockKind.REMOVAL_ON_DISK, action=task, waits_on=ids_of(under_way))
    remedy = Remedy(kind=RemedyKind.FREE_SPACE, path=path, reason=because)
    freed, freed_at = last.last_freed_bytes, last.last_freed_at
    if freed is not None and freed_at is not None and last.last_freed_mount_point == path:
        over_percent = file_system.used_percent - settings.hd_remove
        lacking = settings.crisis_bytes - file_system.free_bytes
        missing = max(over_percent / 100 * file_system.total_bytes, lacking)
        lately = timedelta(0) <= seen.now - freed_at <= timedelta(days=1)
        if lately and freed < missing * USELESS_SHARE:
            # The last removal here gave back next to nothing of what is missing.
            return Blocked(kind=BlockKind.SPACE_NOT_OURS, action=task, count=freed, remedy=remedy)
    for each in candidates:
        if each.node.mount_point == path:
            return RetireNode(node=each.node.id, because=because)
    return Blocked(kind=BlockKind.NO_CANDIDATE, action=task, remedy=remedy)


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


def _stop(seen: Observation, settings: Settings, high: tuple[Gauge, ...]) -> Proposal:
    settled_at, load = _settled_at(seen), seen.machine.load
    task = Task(kind=TaskKind.STOP)
    if settled_at is not None and settled_at > seen.now:
        return Proposal(held=(Blocked(kind=BlockKind.LAST_STOP, action=task, until=settled_at),))
    falling = isinstance(load, Load) and load.one < settings.desired_load_average
    if falling and not [gauge for gauge in high if not gauge.is_load]:
        # Load averages lag: when the last minute is already fine, only time brings the others down.
        return Proposal(held=(Blocked(kind=BlockKind.LOAD_LAG, action=task),))
    running = [each for each in youngest_first(seen.nodes) if runs(each.reading)]
    for each in running:
        stoppable = each.node.status in (Status.RUNNING, Status.RESTARTING)
        if stoppable and not backs_off(each.node, seen.now):
            because = Reason(kind=ReasonKind.READING_HIGH, reading=high[0].against(high[0].remove))
            stop = StopNode(node=each.node.id, shed=True, because=because)
            return Proposal(actions=(stop,), because=because)
    return Proposal(held=(Blocked(kind=BlockKind.NOTHING_TO_STOP, action=task),) if running else ())


def _settled_at(seen: Observation) -> datetime | None:
    """Two whole windows after the last stop its effect is in the readings; more stops before that would overshoot."""
    last, window = seen.remembered.last_shed_at, seen.machine.window_seconds
    if [each for each in seen.interrupted if isinstance(each.action, StopNode) and each.action.shed]:
        last = seen.now  # As far as anybody knows, it ended when that cycle did.
    if last is None or last > seen.now:
        return None
    two_windows = LONGEST_SETTLING if window is None else 2 * timedelta(seconds=window)
    return last + min(two_windows, LONGEST_SETTLING)


def youngest_first(nodes: Iterable[NodeSeen]) -> list[NodeSeen]:
    """Most recent birth first; ties by highest id."""
    return oldest_first(nodes)[::-1]


def oldest_first(nodes: Iterable[NodeSeen]) -> list[NodeSeen]:
    """Earliest birth first; ties by lowest id."""
    return sorted(nodes, key=attrgetter("node.born", "node.id"))


def removal_order(nodes: Iterable[NodeSeen]) -> list[NodeSeen]:
    """Whom a removal costs least: youngest stopped first, then youngest running."""
    ranked = youngest_first(nodes)
    return [each for each in ranked if is_stopped(each)] + [each for each in ranked if not is_stopped(each)]


def ids_of(nodes: Iterable[NodeSeen]) -> tuple[NodeId, ...]:
    """Their ids, in the same order."""
    return tuple([each.node.id for each in nodes])


def is_stopped(seen: NodeSeen) -> bool:
    """Whether the node rests: held to be stopped, and no process seen that says otherwise."""
    return seen.node.status is Status.STOPPED and not runs(seen.reading)


def free_slots(seen: Observation, settings: Settings, status: Status) -> int:
    """The places for more nodes in this transition: its limit less the nodes in it, never more than the total's.

    A node that failed on its way out or back and rests takes up none, and neither do crashed nodes that are
    being started again: those have slots of their own.
    """
    limits = {
        Status.RESTARTING: settings.max_concurrent_starts,
        Status.UPGRADING: settings.max_concurrent_upgrades,
        Status.REMOVING: settings.max_concurrent_removals,
    }
    busy = []
    for each in seen.nodes:
        node = each.node
        failed = node.status is Status.REMOVING or node.gate_failure is not None
        if node.status in TRANSITIONS and not is_healing(node) and not (failed and backs_off(node, seen.now)):
            busy.append(node.status)
    total = settings.max_concurrent_operations - len(busy)
    return max(0, min(limits[status] - busy.count(status), total))


def is_healing(node: Node) -> bool:
    """Whether a crashed node is being started again."""
    return node.crashed and node.status is Status.RESTARTING


def is_resting_removal(node: Node, now: datetime) -> bool:
    """Whether the node is leaving, but its removal failed and is not tried again yet."""
    return node.status is Status.REMOVING and backs_off(node, now)
