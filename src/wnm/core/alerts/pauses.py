"""When a message that did not arrive is tried again, and when it is given up."""

from datetime import datetime, timedelta

FIRST_PAUSE = timedelta(minutes=1)
LONGEST_PAUSE = timedelta(minutes=30)
GIVEN_UP_AFTER = timedelta(days=3)


def pause(attempts: int) -> timedelta:
    """The pause after so many failed attempts: a minute, doubled each time, half an hour at most."""
    return min(FIRST_PAUSE * (1 << min(max(attempts - 1, 0), 10)), LONGEST_PAUSE)


def is_due(next_try_at: datetime, now: datetime) -> bool:
    """Whether it is time; a pause longer than any of ours dates from before the clock was set back."""
    return next_try_at <= now or next_try_at > now + LONGEST_PAUSE


def is_stale(created_at: datetime, now: datetime) -> bool:
    """Whether a message is so old that trying on makes no sense."""
    return now - created_at > GIVEN_UP_AFTER
