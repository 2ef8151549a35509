"""A terminal that is borrowed for a full-screen view, and given back as it was whatever happens."""

import os
import select
import signal
import sys
import termios
import tty
from collections.abc import Iterable
from contextlib import suppress
from types import FrameType, TracebackType
from typing import Any, Self

from rich.console import Console

from wnm.app.paint import text_of
from wnm.tui.keys import Keys
from wnm.views.tones import Line, cut

ENTER = "\x1b[?1049h\x1b[?25l\x1b[?7l\x1b[2J"
LEAVE = "\x1b[?7h\x1b[?25h\x1b[0m\x1b[?1049l"
_ESCAPE_SECONDS = 0.05
_CHUNK = 4096
_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGTSTP, signal.SIGWINCH)


class Terminal:
    """The terminal of this process, used through a `with` block.

    `ended_by` is the signal that asks for the end, None so far.
    """

    def __init__(self) -> None:
        self.ended_by: int | None = None
        self._keys = Keys()
        self._before: list[Any] = []
        self._handlers: dict[int, Any] = {}
        self._suspends = False
        self._woken, self._wakes = os.pipe()
        self._console = Console(file=sys.stdout, highlight=False, emoji=False, markup=False)

    def __enter__(self) -> Self:
        os.set_blocking(self._wakes, False)
        self._before = termios.tcgetattr(sys.stdin)
        # From here on the end of the block puts everything back.
        signal.set_wakeup_fd(self._wakes, warn_on_full_buffer=False)
        for number in _SIGNALS:
            self._handlers[number] = signal.signal(number, self._note)
        try:
            self._borrow()
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._give_back()
        signal.set_wakeup_fd(-1)
        for number, handler in self._handlers.items():
            signal.signal(number, handler)
        os.close(self._woken)
        os.close(self._wakes)

    def size(self) -> tuple[int, int]:
        """Columns and rows, as they are now."""
        found = os.get_terminal_size(sys.stdout.fileno())
        return max(found.columns, 20), max(found.lines, 5)

    def draw(self, lines: Iterable[Line]) -> None:
        """Put the lines on the screen, from the top, and nothing else."""
        columns, rows = self.size()
        with self._console.capture() as capture:
            for each in list(lines)[:rows]:
                self._console.print(text_of(cut(each, columns)), soft_wrap=True)
        frame = capture.get().rstrip("\n").replace("\n", "\x1b[K\r\n")
        self._write(f"\x1b[H{frame}\x1b[K\x1b[J")

    def keys(self, timeout_seconds: float) -> list[str] | None:
        """The keys that were pressed within that time, none where something else wants attention; None at the end."""
        ready = self._wait(timeout_seconds)
        if self._suspends:
            self._suspend()
        if self.ended_by is not None:
            return None
        if sys.stdin.fileno() not in ready:
            return []
        data = self._read()
        if not data:
            return None
        found = self._keys.feed(data)
        while self._keys.is_waiting:
            ready = self._wait(_ESCAPE_SECONDS)
            more = self._read() if sys.stdin.fileno() in ready else b""
            found += self._keys.feed(more) if more else self._keys.end()
        return found

    def _wait(self, timeout_seconds: float) -> list[int]:
        ready, _, _ = select.select([sys.stdin.fileno(), self._woken], [], [], max(0.0, timeout_seconds))
        if self._woken in ready:
            os.read(self._woken, _CHUNK)
        return list(ready)

    def _read(self) -> bytes:
        try:
            return os.read(sys.stdin.fileno(), _CHUNK)
        except OSError:
            # The terminal is gone, and with it whoever watched.
            return b""

    def _note(self, number: int, frame: FrameType | None) -> None:
        if number == signal.SIGTSTP:
            self._suspends = True
        elif number != signal.SIGWINCH:
            self.ended_by = number

    def _suspend(self) -> None:
        """Stop as the shell wants it, with the terminal as it was, and go on when it says so."""
        self._suspends = False
        self._give_back()
        signal.signal(signal.SIGTSTP, signal.SIG_DFL)
        os.kill(os.getpid(), signal.SIGTSTP)
        signal.signal(signal.SIGTSTP, self._note)
        self._borrow()

    def _borrow(self) -> None:
        tty.setcbreak(sys.stdin.fileno())
        self._write(ENTER)

    def _give_back(self) -> None:
        # Where the terminal is gone there is nothing to give back.
        with suppress(OSError, termios.error):
            self._write(LEAVE)
        with suppress(OSError, termios.error):
            termios.tcsetattr(sys.stdin, termios.TCSADRAIN, self._before)

    def _write(self, text: str) -> None:
        sys.stdout.write(text)
        sys.stdout.flush()
