"""Whether cycles ran when they should have, and whether the clock can be believed."""

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from itertools import pairwise
from statistics import median

from wnm.core.alerts import rules
from wnm.core.alerts.messages import in_words
from wnm.core.alerts.values import Condition, Severity
from wnm.core.observation import Observation

SHORTEST_GAP = timedelta(minutes=15)
USUAL_TIMES = 5
JUMP = timedelta(minutes=2)


def gap(starts: Sequence[datetime], seen: Observation, clock_jump: timedelta) -> Iterator[Condition]:
    """No cycle ran for much longer than usual. `starts` are those of the cycles before, newest first."""
    if not starts:
        return
    passed = seen.now - starts[0] - max(clock_jump, timedelta(0))
    if passed < longest_usual(starts):
        return
    why = "; the machine was restarted meanwhile" if seen.rebooted else ""
    yield Condition(
        key=rules.CYCLE_GAP,
        subject="cycles",
        severity=Severity.WARNING,
        text=f"no cycle ran between {_minute(starts[0])} and {_minute(seen.now)}, for {in_words(passed)}{why}",
        remedy="see wnm cron show, and whether the machine was on",
    )


def longest_usual(starts: Sequence[datetime]) -> timedelta:
    """The pause between two cycles that is still an ordinary one on this machine."""
    seconds = [(later - earlier).total_seconds() for later, earlier in pairwise(starts) if later > earlier]
    return max(SHORTEST_GAP, timedelta(seconds=USUAL_TIMES * median(seconds))) if seconds else SHORTEST_GAP


def clock(starts: Sequence[datetime], seen: Observation, clock_jump: timedelta) -> Iterator[Condition]:
    """The clock was set by more than a little since the last cycle, or the last cycle lies in the future."""
    ahead = starts[0] - seen.now if starts else timedelta(0)
    if abs(clock_jump) < JUMP and ahead < JUMP:
        return
    back = ahead >= JUMP or clock_jump < timedelta(0)
    by = in_words(max(ahead, abs(clock_jump)))
    yield Condition(
        key=rules.CLOCK,
        subject="clock",
        severity=Severity.WARNING,
        text=f"the clock went {'back' if back else 'forward'} by {by} between two cycles",
        remedy="see that the time is kept by NTP: timedatectl status",
    )


def _minute(at: datetime) -> str:
    return f"{at:%Y-%m-%d %H:%M} UTC"
