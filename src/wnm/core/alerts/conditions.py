"""What is wrong on the machine in this cycle, one small function a rule."""

from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta

from msgspec.structs import replace

from wnm.core.alerts import rules, schedule, trend
from wnm.core.alerts.messages import in_words
from wnm.core.alerts.room import has_room
from wnm.core.alerts.values import Condition, DiskLevel, Findings, Severity
from wnm.core.decide.gauges import gauges, in_crisis
from wnm.core.decide.ladder import MISSING_STORAGE
from wnm.core.decide.pressure import high_gauges, short_file_systems
from wnm.core.decide.releases import halted, held_by_halt
from wnm.core.decision import Decision
from wnm.core.node import Node, Status
from wnm.core.observation import FileSystem, Observation, ProgramReading, Unseen
from wnm.core.settings import Settings
from wnm.core.values import Value

REPEATEDLY = 3
_DISK_RULES = frozenset({rules.DISK_CRISIS, rules.DISK_FULL_SOON})
_ROOM_RULES = frozenset({rules.PRESSURE, rules.NO_GROWTH})


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
    """Everything that is wrong, and the rules that could not be judged this time."""
    found = (
        *_halted(look, settings),
        *_pressure(look, settings),
        *_failing(look.nodes),
        *_disks(look, settings),
        *_growth(look, settings),
        *_storage(look),
        *schedule.gap(look.starts, look.seen, look.clock_jump),
        *schedule.clock(look.starts, look.seen, look.clock_jump),
    )
    return Findings(
        conditions=tuple(replace(each, subject=in_utf8(each.subject)) for each in found),
        blind=_blind(look, settings),
    )


def in_utf8(name: str) -> str:
    """A name as the database keeps it, or an alert would not be found again under the name of its disk."""
    return name.encode("utf-8", "backslashreplace").decode()


def _blind(look: Look, settings: Settings) -> frozenset[str]:
    unread = look.seen.available
    no_version = isinstance(unread, Unseen) or isinstance(unread.version, Unseen)
    unseen_disks = any(not isinstance(each.present, bool) for each in look.seen.storages)
    unseen = any(
        each.is_on and isinstance(each.value, Unseen) for each in gauges(look.seen.machine, settings)
    )
    # A disk that is as good as full does not get fuller: its trend is over, and what was told of it is not.
    full = any(in_crisis(each, settings) for each in look.seen.machine.file_systems)
    return (
        frozenset({rules.UPGRADE_HALTED} if no_version else ())
        | frozenset({rules.DISK_FULL_SOON} if full else ())
        | (_DISK_RULES if unseen_disks else frozenset())
        | (_ROOM_RULES if unseen_disks or unseen else frozenset())
    )


def _halted(look: Look, settings: Settings) -> Iterator[Condition]:
    available = look.seen.available
    if not isinstance(available, ProgramReading) or not isinstance(available.version, str):
        return
    record = halted(available.version, look.seen, settings)
    if record is None:
        return
    held = held_by_halt("upgrade", record, settings)
    last = record.failures[-1]
    yield Condition(
        key=rules.UPGRADE_HALTED,
        subject=record.version,
        severity=Severity.WARNING,
        text=f"version {record.version} is halted here: {last.node} failed its gate: {last.reason}",
        remedy=held.remedy or "",
    )


def _pressure(look: Look, settings: Settings) -> Iterator[Condition]:
    high = high_gauges(look.seen, settings)
    if high:
        readings = "; ".join(gauge.against(gauge.remove) for gauge in high)
        yield Condition(
            key=rules.PRESSURE,
            subject="machine",
            severity=Severity.WARNING,
            text=f"the machine stays under pressure although nodes are stopped: {readings}",
            remedy="see what else runs on it, or lower node_cap",
        )
    for system in short_file_systems(look.seen, settings):
        if not in_crisis(system, settings):
            yield Condition(
                key=rules.PRESSURE,
                subject=system.mount_point,
                severity=Severity.WARNING,
                text=f"{system.mount_point} stays {system.used_percent:.1f} % full (hd_remove "
                f"{settings.hd_remove:g} %) although nodes are removed",
                remedy=f"free space on {system.mount_point}",
            )


def _failing(nodes: Iterable[Node]) -> Iterator[Condition]:
    failing = [each for each in nodes if each.failures >= REPEATEDLY and each.status is not Status.DISABLED]
    for node in failing:
        yield Condition(
            key=rules.NODE_FAILING,
            subject=node.name,
            severity=Severity.WARNING,
            text=f"{node.name} failed {node.failures} times in a row: {node.last_error or 'no reason is known'}",
            remedy=f"see its logs in {node.log_dir}",
        )
    if len(failing) > rules.MOST_NODES:
        yield Condition(
            key=rules.MANY_FAILING,
            subject="machine",
            severity=Severity.CRITICAL,
            text=f"{len(failing)} nodes fail repeatedly, {failing[0].name} because: "
            f"{failing[0].last_error or 'no reason is known'}",
            remedy="see wnm --report node-status",
        )


def _disks(look: Look, settings: Settings) -> Iterator[Condition]:
    for system in look.seen.machine.file_systems:
        if in_crisis(system, settings):
            yield Condition(
                key=rules.DISK_CRISIS,
                subject=system.mount_point,
                severity=Severity.CRITICAL,
                text=f"only {_gigabytes(system.free_bytes)} are free on {system.mount_point} (crisis_bytes is "
                f"{_gigabytes(settings.crisis_bytes)}): nothing is added there and nodes are removed",
                remedy=f"free space on {system.mount_point}",
            )
        else:
            yield from _soon_full(look, system, settings)


def _soon_full(look: Look, system: FileSystem, settings: Settings) -> Iterator[Condition]:
    if not settings.alert_disk_days:
        return
    levels = [each for each in look.levels if each.mount_point == in_utf8(system.mount_point)]
    days = trend.days_left(levels, look.seen.now, floor_bytes=settings.crisis_bytes)
    if days is not None and days < settings.alert_disk_days:
        yield Condition(
            key=rules.DISK_FULL_SOON,
            subject=system.mount_point,
            severity=Severity.WARNING,
            text=f"{system.mount_point} will be full in about {in_words(timedelta(days=days))} if it goes on "
            f"as over the last day; {_gigabytes(system.free_bytes)} are free",
            remedy=f"free space on {system.mount_point}, or lower node_cap",
        )


def _growth(look: Look, settings: Settings) -> Iterator[Condition]:
    if look.did or look.decision.rule == MISSING_STORAGE or not has_room(look.seen, settings):
        return
    last = look.seen.remembered
    available = look.seen.available
    reason = "wnm explain says what is waited for"
    if last.add_failures and last.add_last_error:
        reason = f"the last addition failed: {last.add_last_error}"
    elif isinstance(available, Unseen):
        reason = f"there is no node program: {available.reason}"
    yield Condition(
        key=rules.NO_GROWTH,
        subject="machine",
        severity=Severity.WARNING,
        text=f"no node is added or started although there is room for one; {reason}",
        remedy="see wnm explain and wnm doctor",
    )


def _storage(look: Look) -> Iterator[Condition]:
    """With a disk away wnm stands still, and only somebody can bring it back."""
    if look.decision.rule != MISSING_STORAGE:
        return
    for held in look.decision.held:
        if held.remedy is not None:
            yield Condition(
                key=rules.MISSING_STORAGE,
                subject="machine",
                severity=Severity.CRITICAL,
                text=f"nothing is managed: wnm waits for {held.waiting_for}",
                remedy=held.remedy,
            )
            return


def _gigabytes(count: int) -> str:
    return f"{count / 1e9:.1f} GB"
