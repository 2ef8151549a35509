"""Signals that wake a selector, so that a node stops at once and not at its next tick."""

import selectors
import signal
import socket
from collections.abc import Callable


class SignalBell:
    """Calls `rung` with the signals' names inside the selector loop, never inside a handler."""

    def __init__(self, selector: selectors.BaseSelector, rung: Callable[[str], None]) -> None:
        self._rung = rung
        self._bell, self._rope = socket.socketpair()
        self._bell.setblocking(False)
        self._rope.setblocking(False)
        signal.set_wakeup_fd(self._rope.fileno())
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda _number, _frame: None)
        selector.register(self._bell, selectors.EVENT_READ, self._heard)

    def _heard(self, _events: int) -> None:
        numbers = self._bell.recv(64)
        self._rung(", ".join(signal.Signals(number).name for number in numbers))
