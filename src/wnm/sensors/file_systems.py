"""File systems: where a path is mounted and how full that is."""

import os
from pathlib import Path

from wnm.core.observation import FileSystem, Unseen


def file_system_of(path: str) -> FileSystem | Unseen:
    """The file system that holds `path`, or would hold it: what is missing is looked for further up.

    Percent as df counts them: of what ordinary users can have. May hang as long as the disk does; see
    `read_with_timeout`.
    """
    try:
        place = _nearest(Path(path))
        mount_point = _mount_point(place)
        room = os.statvfs(place)
    except (OSError, ValueError, RuntimeError) as error:
        return Unseen(reason=f"{path}: {getattr(error, 'strerror', None) or error}")
    used = room.f_blocks - room.f_bfree
    if used + room.f_bavail <= 0:
        return Unseen(reason=f"{path}: its file system has no size")
    return FileSystem(
        mount_point=str(mount_point),
        total_bytes=room.f_blocks * room.f_frsize,
        free_bytes=room.f_bavail * room.f_frsize,
        used_percent=100 * used / (used + room.f_bavail),
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


def _mount_point(place: Path) -> Path:
    """The topmost folder on the way up that is still on the same device."""
    device = place.stat().st_dev
    for parent in place.parents:
        if parent.stat().st_dev != device:
            break
        place = parent
    return place
