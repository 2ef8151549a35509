"""Waiting for something to become true, for a bounded time."""

from collections.abc import Callable
from datetime import timedelta

from wnm.core.contracts import Clock

FIRST_PAUSE_SECONDS = 0.002
LONGEST_PAUSE_SECONDS = 0.1


def until(condition: Callable[[], bool], timeout: timedelta, clock: Clock) -> bool:
    """Ask `condition` with growing pauses until it holds; False if it does not when `timeout` has passed.

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
