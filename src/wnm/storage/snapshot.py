"""Reading a database without changing one byte beside it, although a cycle may be writing to it."""

import os
import shutil
import sqlite3
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from urllib.parse import quote

from wnm.core.errors import Transient
from wnm.storage.trouble import is_about_the_file

ATTEMPTS = 100
BUSY_SECONDS = 5.0

type _Stamp = tuple[int, int, int, int]
type _Stamps = tuple[_Stamp | None, _Stamp | None]


def uri_of(path: str | Path, mode: str) -> str:
    """The SQLite URI of a file; any byte of its name is taken literally."""
    return f"file:{quote(os.fsencode(os.path.abspath(path)))}?{mode}"  # noqa: PTH100 - links stay as they are


def connect(uri: str) -> sqlite3.Connection:
    """A plain connection that leaves transactions to whoever uses it."""
    return sqlite3.connect(uri, uri=True, timeout=BUSY_SECONDS, isolation_level=None)


def look[T](path: str, work: Callable[[str], T]) -> T:
    """What `work` makes of a URI under which the database stands still.

    `work` is called again when a cycle wrote to the database meanwhile, so it must only read. It gets the
    file itself, opened without locks and helper files, when nothing waits in its write-ahead log; else
    private copies of both. Raises Transient when the database never stands still.
    """
    for _ in range(ATTEMPTS):
        before = _stamps(path)
        if before[1] is None:
            seen = _look_once(path, before, work)
            if seen is not None:
                return seen[0]
        else:
            with _copy(path) as copy:
                if _stamps(path) == before:
                    return work(uri_of(copy, "mode=rw"))
    raise Transient(f"{path} is being written to all the time; try again")


def _look_once[T](path: str, before: _Stamps, work: Callable[[str], T]) -> tuple[T] | None:
    """None when the file changed meanwhile: what was seen may then be half of each state."""
    try:
        result = work(uri_of(path, "mode=ro&immutable=1"))
    except Exception as error:
        if is_about_the_file(error) and _stamps(path) != before:
            return None
        raise
    return (result,) if _stamps(path) == before else None


@contextmanager
def _copy(path: str) -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="wnm-") as folder:
        copy = Path(folder, "colony.db")
        shutil.copyfile(path, copy)
        # When it is not there any more a cycle has just ended, and the stamps tell.
        with suppress(FileNotFoundError):
            shutil.copyfile(f"{path}-wal", f"{copy}-wal")
        yield copy


def _stamps(path: str) -> _Stamps:
    """What changes when the file or its write-ahead log is written to; an empty log is no log."""
    log = _stamp(f"{path}-wal")
    return _stamp(path), None if log is not None and log[1] == 0 else log


def _stamp(path: str) -> _Stamp | None:
    try:
        found = os.stat(path)  # noqa: PTH116 - on the way of every cycle
    except FileNotFoundError:
        return None
    return found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns
