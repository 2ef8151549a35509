"""Whether messages wait, told before anything is loaded that sending them needs."""

import os
import sqlite3
from contextlib import closing, suppress
from datetime import datetime
from urllib.parse import quote

from wnm.core.alerts import LONGEST_PAUSE

# Of each channel the oldest message decides, as in `wnm.core.alerts.due`.
_DUE = """
SELECT 1 FROM alert_message AS one
WHERE delivered_at IS NULL AND given_up_at IS NULL AND (next_try_at <= ? OR next_try_at > ?)
AND NOT EXISTS (
    SELECT 1 FROM alert_message AS older
    WHERE older.channel = one.channel AND older.id < one.id
    AND older.delivered_at IS NULL AND older.given_up_at IS NULL
)
LIMIT 1
"""


def has_due(path: str, now: datetime) -> bool:
    """Whether a message should be sent now; False where that cannot be told. Nothing is written.

    What still waits in the write-ahead log is not seen.
    """
    uri = f"file:{quote(os.fsencode(path))}?mode=ro&immutable=1"
    with suppress(sqlite3.Error), closing(sqlite3.connect(uri, uri=True)) as connection:
        return connection.execute(_DUE, (_text(now), _text(now + LONGEST_PAUSE))).fetchone() is not None
    return False


def _text(moment: datetime) -> str:
    """As `wnm.storage.columns.Moment` writes it, given a time in UTC."""
    return moment.isoformat(timespec="microseconds")
