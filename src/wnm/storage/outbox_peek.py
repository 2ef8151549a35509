"""Whether messages wait, told before anything is loaded that sending them needs."""

import sqlite3
from contextlib import closing, suppress
from datetime import datetime

from wnm.core.alerts import LONGEST_PAUSE
from wnm.core.errors import Transient
from wnm.storage.database import connect, look
from wnm.storage.rows import moment_text

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
    """Whether a message should be sent now; False where that cannot be told. Nothing is written."""

    def work(uri: str) -> bool:
        with closing(connect(uri)) as connection:
            times = (moment_text(now), moment_text(now + LONGEST_PAUSE))
            return connection.execute(_DUE, times).fetchone() is not None

    with suppress(sqlite3.Error, OSError, Transient):
        return look(path, work)
    return False
