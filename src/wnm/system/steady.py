"""A clock that nobody can set: it counts from the start of the machine, its sleep included."""

import time


def seconds_since_boot() -> float:
    """Seconds since a moment that stays the same until the machine is started again."""
    # Elsewhere than on Linux, CLOCK_MONOTONIC goes on while the machine sleeps.
    return time.clock_gettime(getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC))
