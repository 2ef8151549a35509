"""Writes files that are there completely or not at all, and readable by others only where that is asked for."""

import errno
import os
import shutil
import stat
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext, suppress
from pathlib import Path
from typing import BinaryIO

from wnm.core.errors import NeedsOperator, Permanent, Transient

LONGEST_LINE_BYTES = 4096
CHUNK_BYTES = 1024 * 1024
MARKER_WITHIN_BYTES = 512
OPEN_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC


def place_file(source: str, target: str, mode: int, *, follow_link: bool = True) -> None:
    """Return when `target` is a copy of `source`, safe on disk; before that it is what it was.

    A program at `target` may be running meanwhile. Transient if the source is not a regular file, cannot be read or
    changes while it is copied, or the copy cannot be written.
    """
    with failing(f"cannot read {source}"):
        original = open_regular(source, follow_link=follow_link)
    with original:
        before = stamp_of(os.fstat(original.fileno()))

        def copy(file: BinaryIO) -> None:
            shutil.copyfileobj(original, file, CHUNK_BYTES)
            if stamp_of(os.fstat(original.fileno())) != before:
                raise Transient(f"{source} changed while it was copied: it may be only half there")

        replace_file(target, copy, mode)


def open_regular(path: str, *, follow_link: bool = True, write: bool = False) -> BinaryIO:
    """Open an existing regular file; never waits, as for the other end of a FIFO. OSError if it is none."""
    access = os.O_RDWR if write else os.O_RDONLY
    flags = os.O_CLOEXEC | os.O_NONBLOCK | (0 if follow_link else os.O_NOFOLLOW)
    descriptor = os.open(path, access | flags)
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise OSError(errno.EINVAL, "it is not a regular file", path)
        return os.fdopen(descriptor, "r+b" if write else "rb")
    except BaseException:
        os.close(descriptor)
        raise


def write_private(path: str, content: bytes) -> None:
    """Return when the file has this content and mode 0600, safe on disk; before that it is what it was."""
    write_file(path, content, 0o600)


def write_file(path: str, content: bytes, mode: int) -> None:
    """Return when the file has this content and mode, safe on disk; before that it is what it was.

    Transient if it cannot be written.
    """
    replace_file(path, lambda file: file.write(content), mode)


def keep_beside(source: str, target: str) -> None:
    """Return when `target` names the same content as `source`, which stays as it is. Costs no space if it can."""
    temporary = Path(target).with_name(_temporary(target))
    try:
        temporary.unlink(missing_ok=True)
        os.link(source, temporary, follow_symlinks=False)
        try:
            temporary.replace(target)
            with opened(temporary.parent) as folder:
                os.fsync(folder)
        finally:
            # Renaming a name to another name of the same file leaves both.
            temporary.unlink(missing_ok=True)
    except OSError as error:
        if error.errno not in (errno.EPERM, errno.EOPNOTSUPP, errno.EMLINK, errno.ENOSYS):
            raise Transient(f"cannot keep {source} as {target}: {error.strerror}") from error
        place_file(source, target, stat.S_IMODE(Path(source).stat().st_mode))


def make_private_dir(path: str) -> None:
    """Return when the folder is there with mode 0700; what is missing above it is made the same way.

    Permanent if something else, or a symbolic link, has its name; Transient if it cannot be made.
    """
    folder = Path(path)
    try:
        missing = [parent for parent in folder.parents if not parent.exists()]
        for parent in reversed(missing):
            parent.mkdir(0o700, exist_ok=True)
        folder.mkdir(0o700, exist_ok=True)
        with opened(path, OPEN_FOLDER | os.O_NOFOLLOW) as descriptor:
            if stat.S_IMODE(os.fstat(descriptor).st_mode) != 0o700:
                os.fchmod(descriptor, 0o700)
    except OSError as error:
        if error.errno in (errno.EEXIST, errno.ENOTDIR, errno.ELOOP):
            raise Permanent(f"{path} is not a folder: move away what has its name") from error
        raise Transient(f"cannot make {path}: {error.strerror}: see wnm doctor") from error


def trim_log(path: str, max_bytes: int) -> bool:
    """Keep a log that others append to below a size: the last `max_bytes` go to PATH.1, the file becomes empty.

    True if it was too large. Text written in the instant between copy and cut is lost; a missing file is fine.
    Transient if it cannot be done.
    """
    try:
        log = open_regular(path, follow_link=False, write=True)
    except FileNotFoundError:
        return False
    except OSError as error:
        raise Transient(f"cannot trim {path}: {error.strerror}") from error
    with log:
        if os.fstat(log.fileno()).st_size <= max_bytes:
            return False
        log.seek(-max_bytes, os.SEEK_END)
        log.readline(LONGEST_LINE_BYTES)  # most likely half a line

        def copy(file: BinaryIO) -> None:
            left = max_bytes * 2  # however fast it grows
            while left > 0 and (chunk := log.read(min(CHUNK_BYTES, left))):
                left -= file.write(chunk)
            log.truncate(0)

        replace_file(path + ".1", copy, 0o600)
    return True


def last_lines(path: str, most: int, *, since: int = 0) -> list[str]:
    """The last lines of a log that hold anything, written after the first `since` bytes, fit for a terminal.

    Looks at the last 4 KiB only; none if the file cannot be read.
    """
    try:
        with open_regular(path, follow_link=False, write=False) as file:
            end = file.seek(0, os.SEEK_END)
            file.seek(max(min(since, end), end - LONGEST_LINE_BYTES))
            text = file.read(LONGEST_LINE_BYTES).decode(errors="replace")
    except OSError:
        return []
    lines = ["".join(char for char in line if char.isprintable()).strip() for line in text.splitlines()]
    return [line for line in lines if line][-most:]


def tree_bytes(path: str, *, seconds: float = 60.0) -> int | None:
    """The bytes that a folder and all in it take up on its disk; None if it cannot be read within `seconds`.

    Links are not followed, mount points not crossed, and a file with several names counts once.
    """
    try:
        top = os.lstat(path)
        total, give_up_at = allocated_bytes(top), time.monotonic() + seconds
        several_names: set[int] = set()
        folders = [path]
        while folders:
            with suppress(FileNotFoundError), os.scandir(folders.pop()) as entries:
                for entry in entries:
                    if time.monotonic() > give_up_at:
                        return None
                    try:
                        seen = entry.stat(follow_symlinks=False)
                    except FileNotFoundError:
                        continue
                    if seen.st_dev != top.st_dev or seen.st_ino in several_names:
                        continue
                    total += allocated_bytes(seen)
                    if stat.S_ISDIR(seen.st_mode):
                        folders.append(entry.path)
                    elif seen.st_nlink > 1:
                        several_names.add(seen.st_ino)
    except OSError:
        return None
    return total


def allocated_bytes(seen: os.stat_result) -> int:
    """Return the bytes that a file takes on its disk: `st_blocks` counts 512 bytes on every file system."""
    return seen.st_blocks * 512


def stamp_of(seen: os.stat_result) -> str:
    """A text that changes whenever the file that was looked at does."""
    return f"{seen.st_dev}-{seen.st_ino}-{seen.st_size}-{seen.st_mtime_ns}"


@contextmanager
def failing(what: str) -> Iterator[None]:
    """Errors of the operating system become Transient: what could not be done, and why."""
    try:
        yield
    except OSError as error:
        raise Transient(f"{what}: {error.strerror or error}") from error


@contextmanager
def opened(path: str | Path, flags: int = OPEN_FOLDER, folder: int | None = None) -> Iterator[int]:
    """An open descriptor, of a folder unless `flags` say otherwise; `path` may be a name in an open folder."""
    descriptor = os.open(path, flags, dir_fd=folder)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _temporary(target: str) -> str:
    """Always the same name: what an interrupted attempt left behind is used up by the next one."""
    return f".{Path(target).name}.new"


def replace_file(
    target: str, fill: Callable[[BinaryIO], object], mode: int, open_folder: int | None = None
) -> None:
    """Write a new file beside the target, sync it, and give it the target's name.

    The target's folder is synced too, unless it was opened already.
    """
    temporary = _temporary(target)
    place = opened(Path(target).parent) if open_folder is None else nullcontext(open_folder)
    with failing(f"cannot write {target}"), place as folder:
        with suppress(FileNotFoundError):
            os.unlink(temporary, dir_fd=folder)
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW
        descriptor = os.open(temporary, flags, 0o600, dir_fd=folder)
        try:
            with os.fdopen(descriptor, "wb") as file:
                fill(file)
                file.flush()
                os.fchmod(descriptor, mode)
                os.fsync(descriptor)
            os.rename(temporary, Path(target).name, src_dir_fd=folder, dst_dir_fd=folder)
        except BaseException:
            with suppress(FileNotFoundError):
                os.unlink(temporary, dir_fd=folder)
            raise
        if open_folder is None:
            os.fsync(folder)


def publish(path: str, content: bytes, *, marker: bytes) -> None:
    """Return when the file has this content and may be read by all, also in a folder of somebody else's.

    Before that it is what it was. Only what begins with `marker` (within its first 512 bytes) or is empty gives way.
    NeedsOperator if the folder is missing or something else has the name; Transient if it cannot be written.
    """
    with _place_of_ours(path, marker, "write") as folder:
        # Synced, as one that a power cut left full of zeros would not be recognised as ours any more.
        replace_file(path, lambda file: file.write(content), 0o644, folder)


def withdraw(path: str, *, marker: bytes) -> None:
    """Return when the file is gone, if it is one that `publish` would replace. Errors as there."""
    if Path(path).parent.is_dir():
        with _place_of_ours(path, marker, "remove") as folder, suppress(FileNotFoundError):
            os.unlink(Path(path).name, dir_fd=folder)


@contextmanager
def _place_of_ours(path: str, marker: bytes, verb: str) -> Iterator[int]:
    """The open folder of a file, once it is sure that the file is ours, or missing."""
    remedy = "move it away or give another path"
    name = Path(path).name
    folder = _open_safely(str(Path(path).parent))
    try:
        with failing(f"cannot {verb} {path}"):
            # Looked at before it is opened: opening a device can already do something.
            with suppress(FileNotFoundError):
                if not stat.S_ISREG(os.stat(name, dir_fd=folder, follow_symlinks=False).st_mode):
                    raise NeedsOperator(f"{path} is not a regular file", remedy=remedy)
                flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
                with opened(name, flags, folder) as file:
                    start = os.read(file, MARKER_WITHIN_BYTES)
                if start and marker not in start:
                    raise NeedsOperator(f"{path} was not written by wnm", remedy=remedy)
            yield folder
    finally:
        os.close(folder)


def _open_safely(path: str) -> int:
    # The owner of a folder on the way could make root write somewhere else, by a link; others harm only themselves.
    is_root = os.geteuid() == 0
    folder: int | None = None
    try:
        for step in (is_root and Path(path).parts) or (path,):
            outer = folder
            try:
                folder = os.open(step, OPEN_FOLDER | (os.O_NOFOLLOW if is_root else 0), dir_fd=outer)
            finally:
                if outer is not None:
                    os.close(outer)
    except OSError as error:
        real = os.path.realpath(path)
        if Path(path).is_dir() and real != path:
            raise NeedsOperator(
                f"{path} is reached by a symbolic link", remedy=f"give {real} itself"
            ) from error
        if isinstance(error, FileNotFoundError | NotADirectoryError):
            raise NeedsOperator(
                f"there is no folder {path}", remedy=f"make it (mkdir -p {path}) or give another path"
            ) from error
        raise Transient(f"cannot open the folder {path}: {error.strerror}") from error
    assert folder is not None
    return folder
