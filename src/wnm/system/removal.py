"""Removes folders, files and accounts without ever leaving the place where that is allowed."""

import os
import re
import stat
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from wnm.core.errors import Permanent, Transient, WnmError
from wnm.system import accounts
from wnm.system.files import OPEN_FOLDER, allocated_bytes, opened

DEEPEST = 100
FOLDER_ITSELF = OPEN_FOLDER | os.O_NOFOLLOW


def require_inside(path: str, inside: Sequence[str]) -> None:
    """Return when `path` is strictly inside one of the folders, with no symbolic link on the way there.

    A link in the allowed folder's own path is the operator's wish and fine. Nothing needs to exist. Permanent,
    naming the path, otherwise.
    """
    with _parent(path, inside):
        return


def remove_tree(path: str, *, inside: Sequence[str]) -> int:
    """Return, when the folder with all that is in it is gone, the bytes that this freed; 0 if it was gone before.

    Permanent, before anything is removed, if it is not strictly inside one of the folders `inside`, is reached
    through a symbolic link, is not a folder, or something is mounted in it. Transient if something cannot be
    removed. Links in it are removed, never followed.
    """
    with _parent(path, inside) as found:
        if found is None:
            return 0
        parent, name = found
        try:
            descriptor = os.open(name, FOLDER_ITSELF, dir_fd=parent)
        except FileNotFoundError:
            return 0
        except OSError as error:
            raise Permanent(
                f"{path} is not a folder that can be opened ({error.strerror}): it stays"
            ) from error
        try:
            seen = os.fstat(descriptor)
            if seen.st_dev != os.fstat(parent).st_dev:
                raise Permanent(f"{path} is a mount point: unmount it first")
            _require_unmounted(path, descriptor)
            freed = allocated_bytes(seen) + _empty(descriptor, seen.st_dev, path, DEEPEST)
            with suppress(FileNotFoundError):
                os.rmdir(name, dir_fd=parent)
            os.fsync(parent)
        except OSError as error:
            raise Transient(f"cannot remove all of {path}: {error.strerror} ({error.filename})") from error
        finally:
            os.close(descriptor)
        return freed


def remove_file(path: str, *, inside: Sequence[str]) -> int:
    """Return, when the file is gone, the bytes that this freed; 0 if it was gone before.

    A link is removed, not what it points to. Permanent if it is not strictly inside one of the folders `inside`
    or is a folder. Transient if it cannot be removed.
    """
    require_inside(str(Path(path).parent / "file"), inside)
    try:
        freed = allocated_bytes(os.lstat(path))
        Path(path).unlink()
    except (FileNotFoundError, NotADirectoryError):
        return 0
    except IsADirectoryError as error:
        raise Permanent(f"{path} is a folder: move it away") from error
    except OSError as error:
        raise Transient(f"cannot remove {path}: {error.strerror}") from error
    return freed


@contextmanager
def _parent(path: str, inside: Sequence[str]) -> Iterator[tuple[int, str] | None]:
    """The open folder that holds `path`, and the name in it; None if that folder does not exist."""
    root = _root_of(path, inside)
    *between, name = Path(path).relative_to(root).parts
    with ExitStack() as descriptors:
        try:
            folder = os.open(root, OPEN_FOLDER)
            descriptors.callback(os.close, folder)
        except FileNotFoundError:
            yield None
            return
        except OSError as error:
            raise Transient(f"cannot open {root}: {error.strerror}") from error
        found: tuple[int, str] | None = None
        try:
            for part in between:
                folder = os.open(part, FOLDER_ITSELF, dir_fd=folder)
                descriptors.callback(os.close, folder)
            found = folder, name
            is_link = stat.S_ISLNK(os.stat(name, dir_fd=folder, follow_symlinks=False).st_mode)
        except FileNotFoundError:
            is_link = False
        except OSError as error:
            raise Permanent(
                f"{path} is reached through something that is not a folder: it is not touched"
            ) from error
        if is_link:
            raise Permanent(f"{path} is a symbolic link: what it points to is not touched")
        yield found


def _root_of(path: str, inside: Sequence[str]) -> Path:
    """The allowed folder that a path is strictly inside of, going by the texts and by where that folder really is."""
    plain = Path(path.rstrip("/"))
    if (
        path.startswith("/")
        and "\0" not in path
        and str(plain) == path.rstrip("/")
        and ".." not in plain.parts
    ):
        for root in inside:
            for spelling in (Path(root), Path(os.path.realpath(root))):
                if spelling.is_absolute() and ".." not in spelling.parts and spelling in plain.parents:
                    return spelling
    allowed = ", ".join(inside) or "any allowed folder"
    raise Permanent(f"{path!r} is not strictly inside {allowed}: it is not touched")


def _require_unmounted(path: str, descriptor: int) -> None:
    """A folder mounted into the tree holds somebody else's data, even when it comes from the same disk."""
    try:
        lines = Path("/proc/self/mountinfo").read_bytes().splitlines()
        place = str(Path(f"/proc/self/fd/{descriptor}").readlink())
    except FileNotFoundError:
        return  # no Linux: a change of device on the way down has to do
    for line in lines:
        mounted = os.fsdecode(re.sub(rb"\\([0-7]{3})", lambda m: bytes([int(m[1], 8)]), line.split()[4]))
        if f"{mounted}/".startswith(f"{place}/"):
            raise Permanent(f"{mounted} is a mount point inside {path}: unmount it first")


def _empty(folder: int, device: int, path: str, deeper: int) -> int:
    """Remove all that is in an open folder; returns the bytes freed. A file that vanishes by itself is fine."""
    if deeper == 0:
        raise Permanent(f"{path} holds folders nested more than {DEEPEST} deep: remove it by hand")
    freed = 0
    with os.scandir(folder) as found:
        entries = list(found)
    for entry in entries:
        with suppress(FileNotFoundError):
            seen = os.stat(entry.name, dir_fd=folder, follow_symlinks=False)
            if not stat.S_ISDIR(seen.st_mode):
                os.unlink(entry.name, dir_fd=folder)
                freed += allocated_bytes(seen) if seen.st_nlink == 1 else 0
                continue
            with opened(entry.name, FOLDER_ITSELF, folder) as inner:
                if os.fstat(inner).st_dev != device:
                    raise Permanent(f"{path} holds a mount point, {entry.name}: unmount it first")
                freed += _empty(inner, device, path, deeper - 1)
            os.rmdir(entry.name, dir_fd=folder)
            freed += allocated_bytes(seen)
    return freed


ACCOUNT = "account:"


def absent_folders(folders: Iterable[str]) -> list[str]:
    """Of these folders (absolute) and all above them, those that are not there."""
    every = {str(each) for folder in folders for each in (Path(folder), *Path(folder).parents)}
    return sorted({folder for folder in every if not os.path.lexists(folder)})


def absent_account(name: str) -> list[str]:
    """The account, if there is none of that name but one that wnm made, which goes with the last database."""
    return [f"{ACCOUNT}{name}"] if accounts.find(name) is None or accounts.made_here(name) else []


def clear_away(absent_before: Sequence[str]) -> list[str]:
    """Remove the folders that are empty now and the account if wnm made it; returns what went wrong, a line each.

    A folder that holds anything, such as keys that were backed up, stays, and so does an account that is in use.
    """
    for folder in sorted((each for each in absent_before if each.startswith("/")), key=len, reverse=True):
        with suppress(OSError):
            Path(folder).rmdir()
    problems = []
    for name in (each.removeprefix(ACCOUNT) for each in absent_before if each.startswith(ACCOUNT)):
        try:
            accounts.remove_if_made_here(name)
        except WnmError as error:
            problems.append(str(error))
    return problems
