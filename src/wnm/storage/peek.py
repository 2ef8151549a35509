"""What is stored of the machine itself, read before anything is loaded that a cycle needs."""

import json
import os
import sqlite3
from collections.abc import Mapping
from contextlib import closing, suppress
from urllib.parse import quote

ATTEMPTS = 3


def stored_settings(path: str) -> Mapping[str, str]:
    """The settings that the database at `path` holds, as texts by name; none if they cannot be read."""
    found = _stored(path, "settings")
    return {str(name): str(value) for name, value in found.items()} if isinstance(found, dict) else {}


def stored_absent(path: str) -> tuple[str, ...]:
    """The folders and accounts that were not there before --init; none if that cannot be read."""
    found = _stored(path, "absent_before")
    return tuple(str(each) for each in found) if isinstance(found, list) else ()


def _stored(path: str, column: str, *, attempts: int = ATTEMPTS) -> object:
    """The JSON in a column of the machine's row, None if it cannot be read.

    What still waits in the write-ahead log is not seen: good for what never changes after --init. Whoever opens
    the database afterwards says what is wrong with it. Nothing is written.
    """
    uri = f"file:{quote(os.fsencode(path))}?mode=ro&immutable=1"
    for _ in range(attempts):  # it may be written to just now
        with suppress(sqlite3.Error, ValueError), closing(sqlite3.connect(uri, uri=True)) as connection:
            (text,) = connection.execute(f"SELECT {column} FROM machine").fetchone()
            return json.loads(text) if text is not None else None
    return None
