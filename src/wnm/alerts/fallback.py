"""Keeps a small file beside the database, for when the database cannot be read: where messages go, what was told."""

import json
import os
import stat
from pathlib import Path

from wnm.core import codec
from wnm.core.alerts import FallbackState
from wnm.core.errors import BadInput
from wnm.system.files import write_private

LARGEST_BYTES = 100_000


def fallback_path(database_path: str) -> str:
    """The file of that database; its name begins with the database's, so it belongs to whom that belongs to."""
    return f"{database_path}.alerts"


def lock_path(database_path: str) -> str:
    """Return the path of the sender's lock, so that one sender runs at a time; gone when it has ended."""
    return f"{database_path}.alerting"


def read_fallback(database_path: str) -> FallbackState:
    """Return the content of the file; an empty state if it is not there, or not of our making."""
    try:
        descriptor = os.open(fallback_path(database_path), os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError:
        return FallbackState()
    with os.fdopen(descriptor, "rb") as file:
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            return FallbackState()
        content = file.read(LARGEST_BYTES)
    try:
        return codec.from_json(FallbackState, content)
    except BadInput:
        return FallbackState()


def keep_fallback(database_path: str, state: FallbackState) -> None:
    """Return when the file says this; it is gone when there is nothing to say. Transient if it cannot be written."""
    path = fallback_path(database_path)
    if state == FallbackState():
        Path(path).unlink(missing_ok=True)
    elif state != read_fallback(database_path):
        write_private(path, f"{json.dumps(codec.encode(state))}\n".encode())


def forget_fallback(database_path: str) -> None:
    """Return when nothing is left of it, for when the database goes."""
    for path in (fallback_path(database_path), lock_path(database_path)):
        Path(path).unlink(missing_ok=True)
