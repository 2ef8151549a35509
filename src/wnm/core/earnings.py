"""Computes the earnings of nodes from counters that begin again with every process; amounts are whole attos."""

from datetime import date

from wnm.core.observation import NodePage, Observation, ProcessReading
from wnm.core.values import Value

ATTOS_PER_ANT = 10**18
FULL_COUNTER_ATTOS = 2**63 - 1
"""The highest value of a node's counter (9.22 ANT): earnings above it are not counted until the node restarts."""
PROCESS_AGE_SLACK_SECONDS = 5
OF_THE_CLOCK = "started-at-"
"""The prefix of a boot id made from the start time of a system, which shifts when its clock is set."""


class CounterSeen(Value, frozen=True, kw_only=True):
    """A node's counter as it was last seen, and the process that it belonged to, as far as that was seen."""

    attos: int
    boot_id: str | None = None
    pid: int | None = None
    uptime_seconds: int | None = None


FROM_ZERO = CounterSeen(attos=0)
"""The counter of a node that was just made: everything that its first process counts was earned under wnm."""


class EarningRecord(Value, frozen=True, kw_only=True):
    """The amount credited to a wallet by a node on a day, in attos.

    `day` is in UTC; None stands for what was on the counter of a node when it was first seen, which it had
    earned before wnm looked.
    """

    day: date | None
    node: str
    wallet: str
    attos: int


def counters_of(seen: Observation) -> dict[int, CounterSeen]:
    """The counters of all nodes that showed theirs, by id."""
    boot_id = None if seen.machine.boot_id.startswith(OF_THE_CLOCK) else seen.machine.boot_id
    counters = {}
    for each in seen.nodes:
        page, process = each.reading.page, each.reading.process
        if not isinstance(page, NodePage) or page.rewards_attos is None:
            continue
        uptime, pid = page.uptime_seconds, None
        if isinstance(process, ProcessReading):
            pid = process.pid
            if uptime is not None and process.started_at is not None:
                age = (seen.now - process.started_at).total_seconds()
                # The page may be that of an older process that is just ending.
                pid = None if uptime > age + PROCESS_AGE_SLACK_SECONDS else pid
        counters[int(each.node.id)] = CounterSeen(
            attos=page.rewards_attos, boot_id=boot_id, pid=pid, uptime_seconds=uptime
        )
    return counters


def earned(before: CounterSeen | None, now: CounterSeen) -> int:
    """Return the amount credited since the counter was last seen, in attos; never negative.

    A counter that was never seen is a baseline: nobody knows when it was earned. A process that is not the one
    from before counts from zero.
    """
    if before is None:
        return 0
    return now.attos - before.attos if is_same_process(before, now) else now.attos


def is_same_process(before: CounterSeen, now: CounterSeen) -> bool:
    """Whether nothing speaks for another process than the one from before.

    A process's start time is not asked: it shifts when the clock is set. An unseen value says nothing.
    """
    for was, is_now in ((before.boot_id, now.boot_id), (before.pid, now.pid)):
        if None not in (was, is_now) and was != is_now:
            return False
    known = before.uptime_seconds is not None and now.uptime_seconds is not None
    younger = known and (now.uptime_seconds or 0) < (before.uptime_seconds or 0)
    return now.attos >= before.attos and not younger


def to_remember(before: CounterSeen | None, now: CounterSeen) -> CounterSeen | None:
    """Return the counter for the next cycle to compare with; None if the remembered one still serves.

    A growing uptime is no news by itself, or every cycle would write down every node. It is written down when it
    has doubled: often enough to tell a process from a later one with the same pid.
    """
    if before is None or not is_same_process(before, now):
        return now
    pid = before.pid if now.pid is None else now.pid
    uptime = before.uptime_seconds if now.uptime_seconds is None else now.uptime_seconds
    has_doubled = (uptime or 0) >= 2 * (before.uptime_seconds or 0) + 60
    if (now.attos, now.boot_id, pid) == (before.attos, before.boot_id, before.pid) and not has_doubled:
        return None
    return CounterSeen(attos=now.attos, boot_id=now.boot_id, pid=pid, uptime_seconds=uptime)


def has_filled_up(before: CounterSeen | None, now: CounterSeen) -> bool:
    """Whether the counter is full and was not when it was last seen."""
    was_full = before is not None and before.attos >= FULL_COUNTER_ATTOS and is_same_process(before, now)
    return now.attos >= FULL_COUNTER_ATTOS and not was_full


def ant_text(attos: int) -> str:
    """An amount in ANT, exact, without zeros at its end: `0.015`."""
    whole, rest = divmod(attos, ATTOS_PER_ANT)
    return f"{whole}.{rest:018d}".rstrip("0").rstrip(".")
