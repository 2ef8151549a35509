"""The drop-ins beside a unit file of systemd."""

from pathlib import Path

from wnm.core.errors import Transient
from wnm.system.files import open_regular

LARGEST_BYTES = 4 * 1024 * 1024


def drop_ins_of(path: Path) -> list[tuple[str, bytes]]:
    """Name and content of each, in the order in which systemd reads them. Transient if they cannot be read."""
    folder = path.with_name(f"{path.name}.d")
    try:
        names = sorted(each.name for each in folder.iterdir() if each.name.endswith(".conf"))
    except (FileNotFoundError, NotADirectoryError):
        return []
    except OSError as error:
        raise Transient(f"cannot look into {folder}: {error.strerror}") from error
    found = []
    for name in names:
        try:
            with open_regular(str(folder / name)) as file:
                found.append((name, file.read(LARGEST_BYTES)))
        except OSError as error:
            raise Transient(f"cannot read {folder / name}: {error.strerror}") from error
    return found
