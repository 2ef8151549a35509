"""Locks a database for one cycle at a time; the kernel holds the lock, so any death of its holder frees it."""

import errno
import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from wnm.core.errors import BadInput, Busy, NeedsOperator

# Asking for the holder takes the lock for an instant, and must not turn away a cycle by that.
ATTEMPTS = 4
PAUSE_SECONDS = 0.01
DISK_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


@contextmanager
def only_one(path: str) -> Iterator[None]:
    """Hold the lock of the file `path` (0600, made if missing, stays) and write our pid in it.

    Busy, naming the pid, while somebody else holds it. NeedsOperator if the file cannot be made, written or locked.
    A body that is refused (BadInput, NeedsOperator) leaves no file where there was none.
    """
    missing = not os.path.lexists(path)
    descriptor = _acquire(path)
    try:
        try:
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
        except OSError as error:
            raise _unusable(path, error) from error
        yield
    except (BadInput, NeedsOperator):
        if missing:
            Path(path).unlink(missing_ok=True)
        raise
    finally:
        with suppress(OSError):
            os.ftruncate(descriptor, 0)
        os.close(descriptor)


def holder(path: str) -> int | None:
    """The pid of the process that holds the lock, None if nobody does; 0 if it has not written its pid yet."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise _unusable(path, error) from error
    try:
        for _ in range(ATTEMPTS):
            if _lock(descriptor, fcntl.LOCK_SH, path):
                return None
            written = os.pread(descriptor, 32, 0).strip()
            if written.isdigit():
                return int(written)
            time.sleep(PAUSE_SECONDS)
        return 0
    finally:
        os.close(descriptor)


def release_stale(path: str) -> None:
    """Return when there is no lock file any more. Busy, naming the pid, while a live process holds the lock."""
    if not os.path.lexists(path):
        return
    descriptor = _acquire(path)
    try:
        # Under the lock: whoever opened the file before sees that its name is gone, and begins again.
        Path(path).unlink(missing_ok=True)
    finally:
        os.close(descriptor)


def _acquire(path: str) -> int:
    """An open, locked descriptor of the file that `path` names at this moment."""
    for attempt in range(ATTEMPTS):
        if attempt:
            time.sleep(PAUSE_SECONDS)
        try:
            descriptor = os.open(
                path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK, 0o600
            )
        except OSError as error:
            raise _unusable(path, error) from error
        try:
            # A lock on a file whose name was removed or taken over in the meantime excludes nobody.
            with suppress(FileNotFoundError):
                if _lock(descriptor, fcntl.LOCK_EX, path) and os.path.samestat(
                    os.fstat(descriptor), os.lstat(path)
                ):
                    return descriptor
        except BaseException:
            os.close(descriptor)
            raise
        os.close(descriptor)
    pid = holder(path)
    who = f"process {pid}" if pid else "another process"
    raise Busy(f"another cycle is running: {who} holds {path}")


def _lock(descriptor: int, kind: int, path: str) -> bool:
    try:
        fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError as error:
        raise _unusable(path, error) from error
    return True


def _unusable(path: str, error: OSError) -> NeedsOperator:
    folder = str(Path(path).parent)
    problem, remedy = {
        errno.ENOENT: (f"no folder {folder} for the lock file", "make it, or run wnm --init first"),
        errno.ELOOP: (f"the lock file {path} is a symbolic link", "remove it"),
        errno.EISDIR: (f"the lock file {path} is a folder", "remove it"),
        **dict.fromkeys(DISK_FULL, (f"there is no room to write {path}", f"free some space in {folder}")),
    }.get(
        error.errno or 0,
        (f"cannot lock {path} ({error.strerror})", f"let this user write in {folder}, on a local disk"),
    )
    return NeedsOperator(problem, remedy=remedy)
