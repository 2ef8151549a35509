"""One stored setting, read before anything is loaded that a cycle needs."""

import json
import os
import sqlite3
from collections.abc import Mapping
from contextlib import closing, suppress
from urllib.parse import quote

ATTEMPTS = 3


def stored_settings(path: str, *, attempts: int = ATTEMPTS) -> Mapping[str, str]:
    """The settings that the database at `path` holds, as texts by name; none if they cannot be read.

    What still waits in the write-ahead log is not seen: good for what never changes after --init. Whoever opens
    the database afterwards says what is wrong with it. Nothing is written.
    """
    uri = f"file:{quote(os.fsencode(path))}?mode=ro&immutable=1"
    for _ in range(attempts):  # it may be written to just now
        with suppress(sqlite3.Error, ValueError), closing(sqlite3.connect(uri, uri=True)) as connection:
            (text,) = connection.execute("SELECT settings FROM machine").fetchone()
            return {str(name): str(value) for name, value in json.loads(text).items()}
    return {}
