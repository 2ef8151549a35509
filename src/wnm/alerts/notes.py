"""A small file beside the database, for when the database cannot be read: where messages go, and what is told so."""

import json
import os
import stat
from pathlib import Path

from wnm.core import codec
from wnm.core.alerts.trouble import Notes
from wnm.core.errors import BadInput
from wnm.system.files import write_private

LARGEST_BYTES = 100_000


def notes_path(database_path: str) -> str:
    """The file of that database; its name begins with the database's, so it belongs to whom that belongs to."""
    return f"{database_path}.alerts"


def lock_path(database_path: str) -> str:
    """What the sender of messages holds, so that there is one at a time; gone when it has ended."""
    return f"{database_path}.alerting"


def read_notes(database_path: str) -> Notes:
    """What the file says; nothing at all if it is not there, or not of our making."""
    try:
        descriptor = os.open(notes_path(database_path), os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError:
        return Notes()
    with os.fdopen(descriptor, "rb") as file:
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            return Notes()
        content = file.read(LARGEST_BYTES)
    try:
        return codec.from_json(Notes, content)
    except BadInput:
        return Notes()


def keep_notes(database_path: str, notes: Notes) -> None:
    """Return when the file says this; it is gone when there is nothing to say. Transient if it cannot be written."""
    path = notes_path(database_path)
    if notes == Notes():
        Path(path).unlink(missing_ok=True)
    elif notes != read_notes(database_path):
        write_private(path, f"{json.dumps(codec.encode(notes))}\n".encode())


def forget_notes(database_path: str) -> None:
    """Return when nothing is left of them, for when the database goes."""
    for path in (notes_path(database_path), lock_path(database_path)):
        Path(path).unlink(missing_ok=True)
