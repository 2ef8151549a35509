"""Brings to its end what was begun on a machine: no signal and no terminal that is gone stops it."""

import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager

SIGNALS = (signal.SIGHUP, signal.SIGTERM, signal.SIGINT)


def say(text: str) -> None:
    """Tell it at once. A terminal that is gone, a reader that has seen enough or a full disk stops nothing."""
    try:
        print(text, flush=True)
    except OSError:
        nothing = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nothing, sys.stdout.fileno())
        os.close(nothing)


@contextmanager
def undisturbed() -> Iterator[None]:
    """Nothing but the end of the process itself interrupts this, nor the programs that it starts."""
    before = {each: signal.signal(each, signal.SIG_IGN) for each in SIGNALS}
    try:
        yield
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)
