"""Writes and takes away the markers of storage folders."""

from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from wnm.core.errors import Transient, WnmError
from wnm.core.places import MARKER_NAME, KnownPlace, Marker, PlaceNews, marker_of, marker_text
from wnm.system.files import write_file

READABLE = 0o644
"""Whoever may look into the folder may know whose it is."""


def mark(path: str, marker: Marker, *, passable: bool = False) -> None:
    """Return when the folder is there and carries the marker. Transient if it cannot.

    Folders that had to be made are private, or `passable` for the account that nodes run as.
    """
    folder = Path(path)
    try:
        for missing in reversed([each for each in (folder, *folder.parents) if not each.exists()]):
            missing.mkdir(0o700, exist_ok=True)
            if passable:
                missing.chmod(0o755)  # whatever the umask is
    except OSError as error:
        raise Transient(f"cannot make {path}: {error.strerror}") from error
    write_file(f"{path}/{MARKER_NAME}", marker_text(marker).encode(), READABLE)


def unmark(path: str, database: str) -> None:
    """Take the marker of this database away, if the folder carries it; another's stays."""
    file = Path(path, MARKER_NAME)
    with suppress(OSError):
        if marker_of(file.read_text(errors="replace")).database == database:
            file.unlink()


def mark_all(
    news: Iterable[PlaceNews], database: str, *, passable: bool
) -> tuple[list[KnownPlace], list[str]]:
    """Write the markers that are wanted; return what is to be remembered then, and what went wrong, a line each.

    The marker comes before its row: one that carries our identity and has no row is taken for what it is, but a row
    without a marker would say that the disk is another one.
    """
    done, problems = [], []
    for each in news:
        try:
            if each.marks and each.place.folder is not None:
                marker = Marker(database=database, folder=each.place.folder)
                mark(each.place.path, marker, passable=passable)
        except WnmError as error:
            problems.append(f"{each.place.path} is not marked as a storage folder: {error}")
        else:
            done.append(each.place)
    return done, problems
