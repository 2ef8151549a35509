"""The end of a run that hangs: whatever holds it up, the process is gone when its time is over.

What it was doing stays written down as begun, and the next cycle finishes or undoes it.
"""

import logging
import os
import threading

log = logging.getLogger(__name__)


class Watchdog:
    """Ends this process `seconds` after it began (on the monotonic clock), unless it is called off before."""

    def __init__(self, began: float, seconds: float, now: float) -> None:
        self._began = began
        self._timer = self._armed(seconds, now)

    def allow(self, seconds: float, now: float) -> None:
        """Give the run another time in all."""
        self._timer.cancel()
        self._timer = self._armed(seconds, now)

    def call_off(self) -> None:
        """The run is over."""
        self._timer.cancel()

    def _armed(self, seconds: float, now: float) -> threading.Timer:
        timer = threading.Timer(max(0.0, self._began + seconds - now), _give_up, (seconds,))
        timer.daemon = True
        timer.start()
        return timer


def _give_up(seconds: float) -> None:
    log.error("cycle_timeout: not done after %g s; the next cycle goes on from what is written down", seconds)
    logging.shutdown()
    os._exit(1)
