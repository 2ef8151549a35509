"""Reads the drop-ins beside a unit file of systemd."""

import os
from collections.abc import Sequence
from pathlib import Path

from wnm.core.errors import Transient
from wnm.system.files import open_regular

LARGEST_BYTES = 4 * 1024 * 1024


def all_drop_ins(path: Path, folders: Sequence[str]) -> list[tuple[str, bytes]]:
    """The drop-ins of a unit in every folder of units, those for all services too, in the order of their names.

    `folders` come with the strongest first: of two with one name that in the stronger folder counts, and one for the
    unit itself more than one for all.
    """
    found: dict[str, bytes] = {}
    for kind in ("service.d", f"{path.name}.d"):
        for folder in reversed(folders):
            found.update(_in_folder(Path(folder, kind)))
    return sorted(found.items())


def drop_ins_of(path: Path) -> list[tuple[str, bytes]]:
    """Name and content of those beside it, in the order of their names. Transient if they cannot be read."""
    return _in_folder(path.with_name(f"{path.name}.d"))


def _in_folder(folder: Path) -> list[tuple[str, bytes]]:
    try:
        names = sorted(each.name for each in folder.iterdir() if each.name.endswith(".conf"))
    except (FileNotFoundError, NotADirectoryError):
        return []
    except OSError as error:
        raise Transient(f"cannot look into {folder}: {error.strerror}") from error
    found = []
    for name in names:
        # systemd takes such a link as an empty file, which hides one of its name in a weaker folder.
        if os.path.realpath(folder / name) == os.devnull:
            found.append((name, b""))
            continue
        try:
            with open_regular(str(folder / name)) as file:
                found.append((name, file.read(LARGEST_BYTES)))
        except OSError as error:
            raise Transient(f"cannot read {folder / name}: {error.strerror}") from error
    return found
