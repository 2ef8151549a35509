"""Finds what is wrong on the machine in this cycle, one small function a rule."""

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from itertools import pairwise
from statistics import median, median_high

from msgspec.structs import replace

from wnm.core.alerts import MOST_NODES, Condition, Findings, Key, Severity, in_words
from wnm.core.decide.growth import after_starting, node_cost, place_for_one_more
from wnm.core.decide.ladder import MISSING_STORAGE
from wnm.core.decide.pressure import excess, high_gauges, is_stopped, must_shed, short_file_systems
from wnm.core.decide.storage import ASKED_ABOUT
from wnm.core.decide.upgrades import halted, held_by_halt
from wnm.core.decision import Decision
from wnm.core.node import TRANSITIONS, Node, Status
from wnm.core.observation import Observation, ProgramReading, Unseen
from wnm.core.readings import gauges, in_crisis
from wnm.core.reasons import Blocked, Task, TaskKind
from wnm.core.sentences import is_at, remedy, waiting_for
from wnm.core.settings import Settings
from wnm.core.values import Moment, Value

REPEATEDLY = 3
SHORTEST_GAP = timedelta(minutes=15)
USUAL_TIMES = 5
CLOCK_JUMP = timedelta(minutes=2)
TREND_WINDOW = timedelta(hours=24)
LEVEL_EVERY = timedelta(minutes=30)
FEWEST_LEVELS = 8
SHORTEST_SPAN = timedelta(hours=6)
_DISK_RULES = frozenset({Key.DISK_CRISIS, Key.DISK_FULL_SOON})
_CAPACITY_RULES = frozenset({Key.PRESSURE, Key.NO_GROWTH})


class DiskLevel(Value, frozen=True, kw_only=True):
    """The free bytes of a file system at some time."""

    mount_point: str
    at: Moment
    free_bytes: int


class Look(Value, frozen=True, kw_only=True):
    """A cycle and what is remembered of those before it.

    `nodes` are the rows after it; `did` says whether any action came to a good end. `starts` are when the latest
    cycles before it began, newest first, `levels` what was free on the disks within the last day. `clock_jump` is by
    how much the clock was set since the last cycle, as far as that can be told.
    """

    seen: Observation
    decision: Decision
    nodes: tuple[Node, ...]
    did: bool
    starts: tuple[datetime, ...] = ()
    levels: tuple[DiskLevel, ...] = ()
    clock_jump: timedelta = timedelta(0)


def find(look: Look, settings: Settings) -> Findings:
    """Everything that is wrong, and the rules that could not be evaluated this time."""
    rules = (_halted, _pressure, _failing, _disks, _growth, _storage, _gap, _clock)
    found = [each for rule in rules for each in rule(look, settings)]
    conditions = tuple(replace(each, subject=in_utf8(each.subject)) for each in found)
    return Findings(conditions=conditions, blind=_blind(look.seen, settings))


def in_utf8(name: str) -> str:
    """A name as the database keeps it, or an alert would not be found again under the name of its disk."""
    return name.encode("utf-8", "backslashreplace").decode()


def _blind(seen: Observation, settings: Settings) -> frozenset[str]:
    blind: frozenset[str] = frozenset()
    if isinstance(seen.available, Unseen) or isinstance(seen.available.version, Unseen):
        blind |= {Key.UPGRADE_HALTED}
    # A disk that is as good as full does not get fuller: its trend is over, and what was told of it is not.
    if any(in_crisis(each, settings) for each in seen.machine.file_systems):
        blind |= {Key.DISK_FULL_SOON}
    unseen_disks = any(not isinstance(each.present, bool) for each in seen.storages)
    if unseen_disks:
        blind |= _DISK_RULES
    if unseen_disks or any(
        each.is_on and isinstance(each.value, Unseen) for each in gauges(seen.machine, settings)
    ):
        blind |= _CAPACITY_RULES
    return blind


def _halted(look: Look, settings: Settings) -> Iterator[Condition]:
    available = look.seen.available
    if not isinstance(available, ProgramReading) or not isinstance(available.version, str):
        return
    record = halted(available.version, look.seen, settings)
    if record is not None:
        last = record.failures[-1]
        text = f"version {record.version} is halted here: {last.node} failed its gate: {last.reason}"
        way_out = remedy(held_by_halt(Task(kind=TaskKind.UPGRADE), record, settings)) or ""
        yield Condition(Key.UPGRADE_HALTED, record.version, text, way_out)


def _pressure(look: Look, settings: Settings) -> Iterator[Condition]:
    high = high_gauges(look.seen, settings)
    if high:
        readings = "; ".join(is_at(gauge.against(gauge.remove)) for gauge in high)
        text = f"the machine stays under pressure although nodes are stopped: {readings}"
        yield Condition(Key.PRESSURE, "machine", text, "see what else runs on it, or lower node_cap")
    for system in short_file_systems(look.seen, settings):
        if not in_crisis(system, settings):
            where, share = system.mount_point, f"{system.used_percent:.1f} % full"
            text = f"{where} stays {share} (hd_remove {settings.hd_remove:g} %) although nodes are removed"
            yield Condition(Key.PRESSURE, where, text, f"free space on {where}")


def _failing(look: Look, settings: Settings) -> Iterator[Condition]:
    failing = [
        each for each in look.nodes if each.failures >= REPEATEDLY and each.status is not Status.DISABLED
    ]
    errors = [node.last_error or "no reason is known" for node in failing]
    for node, error in zip(failing, errors, strict=True):
        text = f"{node.name} failed {node.failures} times in a row: {error}"
        yield Condition(Key.NODE_FAILING, node.name, text, f"see its logs in {node.log_dir}")
    if len(failing) > MOST_NODES:
        text = f"{len(failing)} nodes fail repeatedly, {failing[0].name} because: {errors[0]}"
        yield Condition(Key.MANY_FAILING, "machine", text, "see wnm --report node-status", Severity.CRITICAL)


def _disks(look: Look, settings: Settings) -> Iterator[Condition]:
    for system in look.seen.machine.file_systems:
        where, free = system.mount_point, _gigabytes(system.free_bytes)
        if in_crisis(system, settings):
            crisis = f"crisis_bytes is {_gigabytes(settings.crisis_bytes)}"
            text = f"only {free} are free on {where} ({crisis}): nothing is added there and nodes are removed"
            yield Condition(Key.DISK_CRISIS, where, text, f"free space on {where}", Severity.CRITICAL)
        elif settings.alert_disk_days:
            levels = [each for each in look.levels if each.mount_point == in_utf8(where)]
            days = days_left(levels, look.seen.now, floor_bytes=settings.crisis_bytes)
            if days is not None and days < settings.alert_disk_days:
                soon = f"will be full in about {in_words(timedelta(days=days))}"
                text = f"{where} {soon} if it goes on as over the last day; {free} are free"
                yield Condition(Key.DISK_FULL_SOON, where, text, f"free space on {where}, or lower node_cap")


def _growth(look: Look, settings: Settings) -> Iterator[Condition]:
    if look.did or look.decision.rule == MISSING_STORAGE or not _has_capacity(look.seen, settings):
        return
    last = look.seen.remembered
    available = look.seen.available
    reason = "wnm explain says what is waited for"
    if last.add_failures and last.add_last_error:
        reason = f"the last addition failed: {last.add_last_error}"
    elif isinstance(available, Unseen):
        reason = f"there is no node program: {available.reason}"
    text = f"no node is added or started although there is capacity for one; {reason}"
    yield Condition(Key.NO_GROWTH, "machine", text, "see wnm explain and wnm doctor")


def _has_capacity(seen: Observation, settings: Settings) -> bool:
    """Whether a node is missing, nothing is under way, and every reading would stay below its limit with it.

    These are the very limits that growth goes by.
    """
    wanted = excess(seen, settings) < 0 or any(is_stopped(each) for each in seen.nodes)
    if not wanted or any(each.node.status in TRANSITIONS for each in seen.nodes):
        return False
    if must_shed(Task(kind=TaskKind.ADD), seen, settings) is not None:
        return False
    cost = node_cost(seen)
    return not isinstance(place_for_one_more(after_starting(seen, cost), seen, settings, cost), Blocked)


def _storage(look: Look, settings: Settings) -> Iterator[Condition]:
    """What lies on a disk in question is left alone, and only somebody can say whether it is the right one."""
    names = {int(each.id): each.name for each in look.nodes}
    whole = look.decision.rule == MISSING_STORAGE and not look.decision.actions
    for held in look.decision.held:
        if held.kind in ASKED_ABOUT:
            what = "nothing is" if whole else f"{len(held.nodes)} node(s) are not"
            text = f"{what} managed: wnm waits for {waiting_for(held, names)}"
            way_out = remedy(held, names) or ""
            yield Condition(Key.MISSING_STORAGE, "machine", text, way_out, Severity.CRITICAL)
            return


def _gap(look: Look, settings: Settings) -> Iterator[Condition]:
    """No cycle ran for much longer than usual."""
    if not look.starts:
        return
    last, now = look.starts[0], look.seen.now
    passed = now - last - max(look.clock_jump, timedelta(0))
    pauses = [
        (later - earlier).total_seconds() for later, earlier in pairwise(look.starts) if later > earlier
    ]
    usual = timedelta(seconds=USUAL_TIMES * median(pauses)) if pauses else timedelta(0)
    if passed >= max(SHORTEST_GAP, usual):
        why = "; the machine was restarted meanwhile" if look.seen.rebooted else ""
        between = f"{last:%Y-%m-%d %H:%M} UTC and {now:%Y-%m-%d %H:%M} UTC"
        text = f"no cycle ran between {between}, for {in_words(passed)}{why}"
        yield Condition(Key.CYCLE_GAP, "cycles", text, "see wnm cron show, and whether the machine was on")


def _clock(look: Look, settings: Settings) -> Iterator[Condition]:
    """The clock was set by more than a little since the last cycle, or the last cycle lies in the future."""
    ahead = look.starts[0] - look.seen.now if look.starts else timedelta(0)
    if abs(look.clock_jump) < CLOCK_JUMP and ahead < CLOCK_JUMP:
        return
    way = "back" if ahead >= CLOCK_JUMP or look.clock_jump < timedelta(0) else "forward"
    text = f"the clock went {way} by {in_words(max(ahead, abs(look.clock_jump)))} between two cycles"
    yield Condition(Key.CLOCK, "clock", text, "see that the time is kept by NTP: timedatectl status")


def days_left(levels: Sequence[DiskLevel], now: datetime, *, floor_bytes: int) -> float | None:
    """Days until no more than `floor_bytes` are free, if it goes on as over the last day.

    The levels are those of one file system. None if it does not get fuller, or is not known for long enough. One
    download, or one removed node, is no trend, whenever it was.
    """
    recent = [each for each in levels if timedelta(0) <= now - each.at <= TREND_WINDOW]
    points = sorted((each.at.timestamp(), each.free_bytes) for each in recent)
    if len(points) < FEWEST_LEVELS or points[-1][0] - points[0][0] < SHORTEST_SPAN.total_seconds():
        return None
    # A jump in the middle lies between most pairs of all points; between those of the later half it lies then not.
    slope = max(_slope(points), _slope(points[len(points) // 2 :]))
    return max(0.0, (points[-1][1] - floor_bytes) / -slope / 86400) if slope < 0 else None


def _slope(points: Sequence[tuple[float, int]]) -> float:
    """The median of the slopes between all pairs (Theil-Sen), in bytes per second; 0 where there is no pair."""
    slopes = [
        (later[1] - earlier[1]) / (later[0] - earlier[0])
        for place, earlier in enumerate(points)
        for later in points[place + 1 :]
        if later[0] > earlier[0]
    ]
    return median_high(slopes) if slopes else 0.0


def is_level_due(levels: Sequence[DiskLevel], now: datetime) -> bool:
    """Whether it is time to note the next level of a file system."""
    latest = max((each.at for each in levels), default=None)
    return latest is None or not timedelta(0) <= now - latest < LEVEL_EVERY


def _gigabytes(count: int) -> str:
    return f"{count / 1e9:.1f} GB"
