"""A terminal for tests: a pseudo terminal with a screen behind it, on which a program runs."""

import fcntl
import os
import pty
import select
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import pyte

PATIENCE_SECONDS = 60.0
# Only the leader of a session can make a terminal its own, and signals of keys need that.
TAKE_TERMINAL = (
    "import fcntl, os, sys, termios; "
    "fcntl.ioctl(0, termios.TIOCSCTTY, 0); os.execv(sys.argv[1], sys.argv[1:])"
)


class Terminal:
    """Runs a program in a session of its own on a screen of `columns` × `rows`, and presses keys."""

    def __init__(
        self, words: Sequence[str], environment: Mapping[str, str], *, columns: int = 80, rows: int = 24
    ) -> None:
        self.screen = pyte.Screen(columns, rows)
        self._stream = pyte.ByteStream(self.screen)
        self.seen = b""
        self._ours, self._theirs = pty.openpty()
        self.resize(columns, rows)
        self.settings = termios.tcgetattr(self._theirs)
        self._program = subprocess.Popen(
            [sys.executable, "-c", TAKE_TERMINAL, *words],
            env=dict(environment),
            stdin=self._theirs,
            stdout=self._theirs,
            stderr=self._theirs,
            start_new_session=True,
        )
        self.pid = self._program.pid

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._program.poll() is None:
            self._program.kill()
            self._program.wait()
        os.close(self._ours)
        os.close(self._theirs)

    @property
    def code(self) -> int | None:
        """The exit code, None while the program runs."""
        return self._program.poll()

    @property
    def lines(self) -> list[str]:
        """The screen as it is, without blanks at the ends of lines."""
        return [line.rstrip() for line in self.screen.display]

    @property
    def text(self) -> str:
        """The screen as it is."""
        return "\n".join(self.lines)

    def resize(self, columns: int, rows: int) -> None:
        """Give the terminal another size, as a window does."""
        self.screen.resize(rows, columns)
        fcntl.ioctl(self._ours, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def press(self, keys: str | bytes) -> None:
        """Type keys."""
        os.write(self._ours, keys.encode() if isinstance(keys, str) else keys)

    def until(self, holds: Callable[[Self], object]) -> str:
        """Go on until that is so; the screen then. An AssertionError with the screen if it never is."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not holds(self):
            assert time.monotonic() < deadline, f"it never came to that:\n{self.text}"
            self._pump()
        return self.text

    def until_shown(self, *words: str) -> str:
        """Go on until all these words are on the screen."""
        return self.until(lambda terminal: all(word in terminal.text for word in words))

    def ended(self) -> int:
        """The exit code, negative for a signal, when the program has ended and everything it wrote was seen."""
        self.until(lambda terminal: terminal.code is not None)
        while self._pump():
            pass
        return self._program.wait()

    def state(self) -> list[Any]:
        """How the terminal is set: whether it echoes, waits for lines, and so on."""
        return termios.tcgetattr(self._theirs)

    def _pump(self) -> bool:
        ready, _, _ = select.select([self._ours], [], [], 0.05)
        if not ready:
            return False
        data = os.read(self._ours, 65536)
        self.seen += data
        self._stream.feed(data)
        return bool(data)


def environment(home: Path, **more: str) -> dict[str, str]:
    """What a program on a terminal sees of its surroundings."""
    return {
        "PATH": "/usr/bin:/bin",
        "HOME": str(home),
        "TERM": "xterm-256color",
        "LANG": "C.UTF-8",
        "TZ": "UTC",
        **more,
    }
