"""Waiting for what other processes do."""

import time
from collections.abc import Callable

PATIENCE_SECONDS = 60.0
"""Far more than anything here takes: tests share two busy cores with each other."""


def eventually[T](look: Callable[[], T]) -> T:
    """The first true result of `look`; an AssertionError when there is none in time."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not (result := look()):
        assert time.monotonic() < deadline, f"{look} still gives {result!r}"
        time.sleep(0.02)
    return result
