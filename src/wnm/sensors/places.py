"""Reads storage folders: what lies in them, their marker, and the facts of the file system below them."""

import errno
import os
from datetime import UTC, datetime
from pathlib import Path

from msgspec import Struct

from wnm.core.node import id_in_name
from wnm.core.observation import FileSystem, Storage, Unseen
from wnm.core.places import MARKER_NAME, UNREADABLE, Marker, Stray, marker_of

UNREMARKABLE = frozenset({"lost+found", MARKER_NAME})
MOST_MARKER_BYTES = 4096
MOST_STRAYS = 500
_READ_ONLY = getattr(os, "ST_RDONLY", 1)
_NOEXEC = getattr(os, "ST_NOEXEC", 8)


class StorageSeen(Struct, frozen=True, kw_only=True):
    """A storage folder, the names in it, and the file system under it."""

    storage: Storage
    names: frozenset[str]
    file_system: FileSystem | Unseen


def look_at(path: str) -> StorageSeen:
    """Look at a storage folder, strays apart. May hang as long as its disk does; see `read_with_timeout`.

    Raises OSError if its names cannot be read. It costs a listing, a statvfs and one small file.
    """
    names = _names_in(path)
    storage = Storage(
        path=path,
        present=names is not None,
        empty=not (names or frozenset()) - UNREMARKABLE,
        mount_point=None,
        marker=_marker_in(path) if names and MARKER_NAME in names else None,
    )
    try:
        place = _nearest(Path(path))
        status = os.statvfs(place)
        file_system = _file_system(path, place, status)
        storage = _with_facts(storage, place, status, file_system)
    except (OSError, ValueError, RuntimeError) as error:
        file_system = _unseen(path, error)
    return StorageSeen(storage=storage, names=names or frozenset(), file_system=file_system)


def _with_facts(
    storage: Storage, place: Path, status: os.statvfs_result, file_system: FileSystem | Unseen
) -> Storage:
    return Storage(
        path=storage.path,
        present=storage.present,
        empty=storage.empty,
        mount_point=None if isinstance(file_system, Unseen) else file_system.mount_point,
        marker=storage.marker,
        read_only=bool(status.f_flag & _READ_ONLY),
        noexec=bool(status.f_flag & _NOEXEC),
        writable=os.access(place, os.W_OK | os.X_OK),
    )


def _names_in(path: str) -> frozenset[str] | None:
    """The names in a folder; None if there is no such folder."""
    try:
        with os.scandir(path) as entries:
            return frozenset(entry.name for entry in entries)
    except (FileNotFoundError, NotADirectoryError):
        return None


def _marker_in(path: str) -> Marker | Unseen | None:
    try:
        descriptor = os.open(
            f"{path}/{MARKER_NAME}", os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOFOLLOW
        )
    except FileNotFoundError:
        return None
    except OSError as error:
        return _no_marker(path, error)
    try:
        return marker_of(os.read(descriptor, MOST_MARKER_BYTES).decode(errors="replace"))
    except OSError as error:
        return _no_marker(path, error)
    finally:
        os.close(descriptor)


def _no_marker(path: str, error: OSError) -> Marker | Unseen:
    """What no later look can change, something else of that name or one that is not for us, is not our marker."""
    if error.errno in (errno.ELOOP, errno.EISDIR, errno.EACCES, errno.EPERM):
        return UNREADABLE
    return Unseen(reason=f"{path}/{MARKER_NAME}: {error.strerror}")


def strays_in(
    path: str, names: frozenset[str], known: frozenset[str], key_names: dict[str, str]
) -> tuple[Stray, ...]:
    """The folders with nodes' names whose paths are not `known`; `key_names` are the names of key files by kind.

    At most 500 of them: whoever has more knows it by then.
    """
    found = []
    for name in sorted(names):
        if f"{path}/{name}" in known or id_in_name(name) is None:
            continue
        found.append(_stray(name, f"{path}/{name}", key_names))
        if len(found) == MOST_STRAYS:
            break
    return tuple(found)


def _stray(name: str, path: str, key_names: dict[str, str]) -> Stray:
    for kind, key_name in key_names.items():
        try:
            born = os.lstat(f"{path}/{key_name}").st_mtime
        except OSError:
            continue
        return Stray(name=name, path=path, kind=kind, born=datetime.fromtimestamp(born, UTC))
    return Stray(name=name, path=path)


def file_system_of(path: str) -> FileSystem | Unseen:
    """The file system that holds `path`, or would hold it: what is missing is looked for further up.

    Percent as df counts them: of what ordinary users can have. May hang as long as the disk does; see
    `read_with_timeout`.
    """
    try:
        place = _nearest(Path(path))
        return _file_system(path, place, os.statvfs(place))
    except (OSError, ValueError, RuntimeError) as error:
        return _unseen(path, error)


def _unseen(path: str, error: Exception) -> Unseen:
    return Unseen(reason=f"{path}: {getattr(error, 'strerror', None) or error}")


def _file_system(path: str, place: Path, status: os.statvfs_result) -> FileSystem | Unseen:
    used = status.f_blocks - status.f_bfree
    if used + status.f_bavail <= 0:
        return Unseen(reason=f"{path}: its file system has no size")
    # Some file systems make inodes as they need them and count none, or as many as bytes allow.
    inodes_used = status.f_files - status.f_ffree
    counts_inodes = status.f_files > 0 and inodes_used + status.f_favail > 0
    device = place.stat().st_dev
    return FileSystem(
        mount_point=str(_mount_point(place, device)),
        total_bytes=status.f_blocks * status.f_frsize,
        free_bytes=status.f_bavail * status.f_frsize,
        used_percent=100 * used / (used + status.f_bavail),
        free_inodes=status.f_favail if counts_inodes else None,
        inodes_used_percent=100 * inodes_used / (inodes_used + status.f_favail) if counts_inodes else None,
        id=f"{status.f_fsid & 0xFFFFFFFFFFFFFFFF:x}" if status.f_fsid else None,
        device=f"{os.major(device)}:{os.minor(device)}",
    )


def _nearest(path: Path) -> Path:
    """The path itself, or the nearest folder above it that exists; without symlinks."""
    place = path.resolve()
    for candidate in (place, *place.parents):
        try:
            candidate.stat()
        except (FileNotFoundError, NotADirectoryError):
            continue
        return candidate
    raise FileNotFoundError(f"{path} is on no file system")


def _mount_point(place: Path, device: int) -> Path:
    """The topmost folder on the way up that is still on the same device."""
    for parent in place.parents:
        if parent.stat().st_dev != device:
            break
        place = parent
    return place
