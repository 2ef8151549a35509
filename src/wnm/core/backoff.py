"""Computes exponential backoff: how long to wait after failures, and whether a wait still holds."""

from datetime import datetime, timedelta

MOST_DOUBLINGS = 16  # beyond any limit of ours, and never too long for a timedelta


def backoff(attempts: int, *, first: timedelta, longest: timedelta) -> timedelta:
    """The pause after so many failed attempts: `first`, doubled with each further one, `longest` at most."""
    return min(first * (1 << min(max(attempts - 1, 0), MOST_DOUBLINGS)), longest)


def holds(until: datetime | None, now: datetime, *, longest: timedelta) -> bool:
    """Whether a pause until then goes on; one longer than any of ours dates from before the clock was set back."""
    return until is not None and now < until <= now + longest
