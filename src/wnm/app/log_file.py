"""Appends what a cycle says to the file of `--log_file` too, and keeps the file small.

The line for cron both redirects to the file and names it here. The redirection catches what nothing here could: a
wnm that cannot start. Where it took effect, the output goes to the file already and only the size is seen to. Where
sh could not open the file, as after /var/log was emptied, this makes it anew, and cron has the output as well.

Everybody appends (O_APPEND), so cutting the file under another run loses no more than what that one wrote in the
same instant; a lock on the file leaves the cutting to one of several runs. A full disk costs the log, not the cycle.
"""

import fcntl
import io
import logging
import os
import stat
import sys
from collections.abc import Buffer
from contextlib import suppress
from pathlib import Path
from typing import TextIO

from wnm.app.invocation import Command, Invocation
from wnm.core.errors import Transient
from wnm.system.files import trim_log

MOST_BYTES = 10 * 1024 * 1024
# A command that only reads changes no byte anywhere, and its output is a result, not a log.
LOGGED = frozenset({Command.CYCLE, Command.FORCE})


def log_path(text: str) -> str:
    """The absolute path that `--log_file` means; `~` and `$VAR` count, as for `--dbpath`."""
    return os.path.abspath(os.path.expandvars(os.path.expanduser(text)))  # noqa: PTH100, PTH111


def keep_log(asked: Invocation) -> None:
    """Append to the log file, from now on, all that this run writes to stdout and stderr.

    A file that cannot be written is one line on stderr, and the run goes on.
    """
    if asked.log_file is None or asked.dry_run or asked.command not in LOGGED:
        return
    path = log_path(asked.log_file)
    flags = (
        os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
    )
    try:
        make_log_folder(path)
        descriptor = os.open(path, flags, 0o600)
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            os.close(descriptor)
            raise OSError(0, "it is not an ordinary file", path)
    except OSError as error:
        _tell(sys.stderr, path, error)
        return
    try:
        if os.fstat(descriptor).st_size > MOST_BYTES:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            trim_log(path, MOST_BYTES)
            fcntl.flock(descriptor, fcntl.LOCK_UN)
    except BlockingIOError:
        pass  # another run cuts it
    except (OSError, Transient) as error:
        _tell(sys.stderr, path, error)
    sys.stdout = _copied(sys.stdout, descriptor, path)
    sys.stderr = _copied(sys.stderr, descriptor, path)
    for handler in logging.getLogger("wnm").handlers:
        if isinstance(handler, logging.StreamHandler):
            handler.setStream(sys.stderr)


def make_log_folder(path: str) -> None:
    """Return when the folder of the file is there; what is missing of it is made 0700. OSError if it cannot be."""
    folder = Path(path).parent
    missing = [each for each in (folder, *folder.parents) if not each.exists()]
    for each in reversed(missing):
        each.mkdir(0o700, exist_ok=True)


def _copied(stream: TextIO, descriptor: int, path: str) -> TextIO:
    """The stream with a copy of everything in the file, unless that is where it goes anyway."""
    if not isinstance(stream, io.TextIOWrapper):
        return stream
    with suppress(OSError):
        if os.path.samestat(os.fstat(stream.fileno()), os.fstat(descriptor)):
            return stream
    stream.flush()
    both = _Both(stream, descriptor, path)
    return io.TextIOWrapper(both, encoding=stream.encoding, errors=stream.errors, write_through=True)


class _Both(io.BufferedIOBase):
    """Writes to a stream, and whole lines to a file."""

    def __init__(self, shown: io.TextIOWrapper, descriptor: int, path: str) -> None:
        self._shown, self._descriptor, self._path = shown, descriptor, path
        self._line = b""
        self._line_by_line = shown.line_buffering

    @property
    def name(self) -> str:
        return self._shown.name

    def writable(self) -> bool:
        return True

    def fileno(self) -> int:
        return self._shown.fileno()

    def isatty(self) -> bool:
        return self._shown.isatty()

    def write(self, data: Buffer, /) -> int:
        written = bytes(data)
        lines, feed, self._line = (self._line + written).rpartition(b"\n")
        self._keep(lines + feed)
        self._shown.buffer.write(written)
        if feed and self._line_by_line:
            self._shown.buffer.flush()
        return len(written)

    def flush(self) -> None:
        self._keep(self._line)
        self._line = b""
        self._shown.buffer.flush()

    def _keep(self, data: bytes) -> None:
        try:
            while data and self._descriptor >= 0:
                data = data[os.write(self._descriptor, data) :]
        except OSError as error:
            self._descriptor = -1
            _tell(self._shown, self._path, error)


def _tell(stream: TextIO, path: str, error: Exception) -> None:
    reason = error.strerror if isinstance(error, OSError) else str(error)
    with suppress(OSError):
        print(
            f"wnm: --log_file {path} cannot be written ({reason}): this run goes on without it", file=stream
        )
