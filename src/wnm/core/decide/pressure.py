"""Rule 5: shed when a reading is above its removal limit or there are more nodes than the cap."""

from datetime import datetime, timedelta

from wnm.core.action import RetireNode, StopNode
from wnm.core.decide.budget import free_slots
from wnm.core.decide.gauges import Gauge, disk_gauge, gauges, in_crisis
from wnm.core.decide.rank import removal_order, youngest_first
from wnm.core.decision import Held, Proposal
from wnm.core.lifecycle import backs_off, runs
from wnm.core.node import Status
from wnm.core.observation import FileSystem, Load, NodeSeen, Observation
from wnm.core.settings import Settings

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


def must_shed(seen: Observation, settings: Settings) -> str | None:
    """Why something has to be stopped or removed, for people; None when nothing has to."""
    if excess(seen, settings) > 0:
        return f"{counted(seen)} nodes with a cap of {settings.node_cap}"
    short = short_file_systems(seen, settings)
    if short:
        return _shortage(short[0], settings)
    high = high_gauges(seen, settings)
    return high[0].to_fall(high[0].remove) if high else None


def counted(seen: Observation) -> int:
    """The nodes that count towards the cap."""
    return sum(each.node.status not in UNCOUNTED for each in seen.nodes)


def excess(seen: Observation, settings: Settings) -> int:
    """How many nodes there are above the cap; negative is room."""
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
    candidates = [
        each
        for each in removal_order(seen.nodes)
        if each.node.status not in UNCOUNTED and not backs_off(each.node, seen.now)
    ]
    wanted: dict[int, RetireNode] = {}
    held: list[Held] = []
    over = f"{counted(seen)} nodes with a cap of {settings.node_cap}"
    for each in candidates[: max(0, excess(seen, settings))]:
        wanted[each.node.id] = RetireNode(node=each.node.id, because=over)
    for file_system in short_file_systems(seen, settings):
        pick = _pick_for_disk(seen, settings, file_system, candidates)
        if isinstance(pick, Held):
            held.append(pick)
        else:
            wanted.setdefault(pick.node, pick)  # One that leaves for the cap leaves this disk too.
    if not wanted:
        return Proposal(held=tuple(held))
    actions = tuple(wanted.values())[: free_slots(seen.nodes, settings, seen.now).removals]
    if len(actions) < len(wanted):
        count = len(wanted) - len(actions)
        held.append(Held(what=f"remove {count} more", waiting_for="a free removal slot"))
    because = next(iter(wanted.values())).because
    return Proposal(actions=actions, held=tuple(held), because=because)


def _pick_for_disk(
    seen: Observation, settings: Settings, file_system: FileSystem, candidates: list[NodeSeen]
) -> RetireNode | Held:
    """One node at a time: what a removal frees is known only when it is done."""
    because = _shortage(file_system, settings)
    what = f"remove a node from {file_system.mount_point}"
    if any(each.node.status is Status.REMOVING and _is_on(each, file_system) for each in seen.nodes):
        return Held(what=what, waiting_for="the removal under way there to free its space")
    if _removing_is_useless(seen, settings, file_system):
        return Held(
            what=what,
            waiting_for="space that nodes do not hold: the last removal freed "
            f"{seen.remembered.last_freed_bytes} bytes",
            remedy=f"free space on {file_system.mount_point} by hand: {because}",
        )
    on_it = [each for each in candidates if _is_on(each, file_system)]
    if not on_it:
        return Held(
            what=what,
            waiting_for="a node that may be removed",
            remedy=f"free space on {file_system.mount_point} by hand: {because}",
        )
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


def _shortage(file_system: FileSystem, settings: Settings) -> str:
    gauge = disk_gauge(file_system, settings)
    if gauge.too_high:
        return gauge.against(gauge.remove)
    return f"{file_system.free_bytes} bytes free on {file_system.mount_point} (crisis_bytes {settings.crisis_bytes})"


def _is_on(each: NodeSeen, file_system: FileSystem) -> bool:
    return each.node.mount_point == file_system.mount_point


def _stop(seen: Observation, settings: Settings, high: tuple[Gauge, ...]) -> Proposal:
    because = high[0].against(high[0].remove)
    settled_at = _settled_at(seen)
    what = "stop a node"
    if settled_at is not None and settled_at > seen.now:
        return Proposal(
            held=(Held(what=what, waiting_for="the last stop to show in the readings", until=settled_at),)
        )
    if _load_is_falling(seen, settings, high):
        return Proposal(
            held=(Held(what=what, waiting_for="the longer load averages to follow the shortest"),)
        )
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
        return Proposal(held=(Held(what=what, waiting_for="a running node that may be stopped"),))
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
