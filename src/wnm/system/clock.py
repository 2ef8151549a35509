"""Tells the time, counts since the start of the machine, and waits for a bounded time."""

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from wnm.core.contracts import Clock


class SystemClock:
    """The real time; implements `wnm.core.contracts.Clock`."""

    monotonic = staticmethod(time.monotonic)

    def now(self) -> datetime:
        """The time of day, aware, in UTC."""
        return datetime.now(UTC)

    def sleep(self, seconds: float) -> None:
        """Return after so many seconds."""
        time.sleep(seconds)


def seconds_since_boot() -> float:
    """Seconds since a moment that stays the same until the machine is started again."""
    # Elsewhere than on Linux, CLOCK_MONOTONIC goes on while the machine sleeps.
    return time.clock_gettime(getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC))


FIRST_PAUSE_SECONDS = 0.002
LONGEST_PAUSE_SECONDS = 0.1


def until(condition: Callable[[], bool], timeout: timedelta, clock: Clock) -> bool:
    """Ask `condition` at growing intervals until it holds; False if it does not when `timeout` has passed.

    It is asked at least once, and a last time at the end.
    """
    deadline = clock.monotonic() + timeout.total_seconds()
    pause = FIRST_PAUSE_SECONDS
    while not condition():
        left = deadline - clock.monotonic()
        if left <= 0:
            return False
        clock.sleep(min(pause, left))
        pause = min(pause * 1.5, LONGEST_PAUSE_SECONDS)
    return True
