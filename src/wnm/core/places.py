"""Defines storage folders as values: the marker in each, what is remembered of it, and nodes' folders found there."""

import json
from collections.abc import Iterable
from datetime import datetime

from msgspec.structs import replace

from wnm.core.values import Moment, Value

MARKER_NAME = ".wnm-storage"
"""The file in a storage folder that says whose it is."""
_ABOUT = "wnm keeps nodes in this folder: leave this file here, it tells this disk from others"


class Marker(Value, frozen=True, kw_only=True):
    """The content of a marker: the identity of the database that the folder belongs to, and that of the folder."""

    database: str
    folder: str


UNREADABLE = Marker(database="", folder="")
"""Stands for a marker that says neither: it is not ours."""


class KnownPlace(Value, frozen=True, kw_only=True):
    """The database's memory of a storage folder.

    `folder` is the identity in its marker, None while it never had one. `file_system` and `device` are those that it
    was last seen on with all its nodes. `failed_at` is when an addition there last failed, with `failure`, and None
    once one succeeded.
    """

    path: str
    folder: str | None = None
    file_system: str | None = None
    device: str | None = None
    failed_at: Moment | None = None
    failure: str | None = None


class PlaceNews(Value, frozen=True, kw_only=True):
    """A storage folder as it is to be remembered; `marks` says that its marker has to be written first."""

    place: KnownPlace
    marks: bool = False


class Stray(Value, frozen=True, kw_only=True):
    """A folder with a node's name that no row names. `born` is the time of its key, None where it has none."""

    name: str
    path: str
    kind: str | None = None
    born: Moment | None = None


def after_additions_in(
    places: Iterable[KnownPlace], ended: Iterable[tuple[str, str | None]], at: datetime
) -> tuple[KnownPlace, ...]:
    """Return the storage folders that are to be remembered otherwise, since additions ended in them.

    `ended` are the folders that nodes were added to and what went wrong, None where nothing did.
    """
    before = {each.path: each for each in places}
    after = dict(before)
    for path, failure in ended:
        place = after.get(path, KnownPlace(path=path))
        after[path] = replace(place, failed_at=None if failure is None else at, failure=failure)
    return tuple(each for path, each in after.items() if each != before.get(path))


def marker_text(marker: Marker) -> str:
    """The content of the marker's file: one JSON object."""
    return (
        json.dumps({"about": _ABOUT, "database": marker.database, "folder": marker.folder}, indent=2) + "\n"
    )


def marker_of(text: str) -> Marker:
    """The marker in a file; UNREADABLE for anything that is none."""
    try:
        found = json.loads(text)
        return Marker(database=str(found["database"]), folder=str(found["folder"]))
    except (ValueError, TypeError, KeyError):
        return UNREADABLE
