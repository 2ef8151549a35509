"""Replaces a file that other programs read as a whole, also in a folder that belongs to somebody else."""

import os
import stat
from contextlib import suppress
from pathlib import Path

from wnm.core.errors import NeedsOperator, Transient

MARKER_WITHIN_BYTES = 512
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC


def publish(path: str, content: bytes, *, marker: bytes) -> None:
    """Return when the file has this content and may be read by all; before that it is what it was.

    Only what begins with `marker` (within its first 512 bytes) or is empty gives way. NeedsOperator if the folder
    is missing or something else has the name; Transient if it cannot be written.
    """
    folder = _open_folder(str(Path(path).parent))
    try:
        name = Path(path).name
        _refuse_what_is_not_ours(folder, name, path, marker)
        _replace(folder, name, content)
    except OSError as error:
        raise Transient(f"cannot write {path}: {error.strerror}") from error
    finally:
        os.close(folder)


def _open_folder(path: str) -> int:
    # The owner of a folder on the way could make root write somewhere else, by a link; others harm only themselves.
    steps = Path(path).parts if os.geteuid() == 0 else (path,)
    follow = os.O_NOFOLLOW if os.geteuid() == 0 else 0
    folder: int | None = None
    for step in steps:
        try:
            inner = os.open(step, _FOLDER | follow, dir_fd=folder)
        except OSError as error:
            raise _no_folder(path, error) from error
        finally:
            if folder is not None:
                os.close(folder)
        folder = inner
    if folder is None:
        raise Transient(f"cannot open the folder {path}: it has no name")
    return folder


def _no_folder(path: str, error: OSError) -> NeedsOperator | Transient:
    real = os.path.realpath(path)
    if Path(path).is_dir() and real != path:
        return NeedsOperator(f"{path} is reached by a symbolic link", remedy=f"give {real} itself")
    if isinstance(error, FileNotFoundError | NotADirectoryError):
        return NeedsOperator(
            f"there is no folder {path}", remedy=f"make it (mkdir -p {path}) or give another path"
        )
    return Transient(f"cannot open the folder {path}: {error.strerror}")


def _refuse_what_is_not_ours(folder: int, name: str, path: str, marker: bytes) -> None:
    remedy = "move it away or give another path"
    try:
        # Looked at before it is opened: opening a device can already do something.
        there = os.stat(name, dir_fd=folder, follow_symlinks=False)
        if not stat.S_ISREG(there.st_mode):
            raise NeedsOperator(f"{path} is not a regular file", remedy=remedy)
        descriptor = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=folder)
    except FileNotFoundError:
        return
    with os.fdopen(descriptor, "rb") as file:
        start = file.read(MARKER_WITHIN_BYTES)
    if start and marker not in start:
        raise NeedsOperator(f"{path} was not written by wnm", remedy=remedy)


def _replace(folder: int, name: str, content: bytes) -> None:
    temporary = f".{name}.new"
    with suppress(FileNotFoundError):
        os.unlink(temporary, dir_fd=folder)
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    descriptor = os.open(temporary, flags, 0o600, dir_fd=folder)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fchmod(file.fileno(), 0o644)
            # A file that a power cut left full of zeros would not be recognised as ours any more.
            os.fsync(file.fileno())
        os.rename(temporary, name, src_dir_fd=folder, dst_dir_fd=folder)
    except BaseException:
        with suppress(FileNotFoundError):
            os.unlink(temporary, dir_fd=folder)
        raise


def withdraw(path: str, *, marker: bytes) -> None:
    """Return when the file is gone, if it is one that `publish` would replace. Errors as there."""
    if not Path(path).parent.is_dir():
        return
    folder = _open_folder(str(Path(path).parent))
    try:
        _refuse_what_is_not_ours(folder, Path(path).name, path, marker)
        with suppress(FileNotFoundError):
            os.unlink(Path(path).name, dir_fd=folder)
    except OSError as error:
        raise Transient(f"cannot remove {path}: {error.strerror}") from error
    finally:
        os.close(folder)
