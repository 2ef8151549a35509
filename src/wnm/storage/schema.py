"""The schema's revisions, and what a cycle has to know of its tables; `schema.sql` beside it declares them."""

from pathlib import Path

from msgspec import Struct

APPLICATION_ID = 0x776E6D31
"""In the header of every database of ours: "wnm1"."""


class Schema(Struct, frozen=True, kw_only=True):
    """The revisions that the tables went through, oldest first, and the folder with the scripts between them."""

    revisions: tuple[str, ...]
    scripts: Path

    @property
    def head(self) -> str:
        return self.revisions[-1]


SCHEMA = Schema(
    revisions=("0001", "0002", "0003", "0004", "0005", "0006", "0007", "0008"),
    scripts=Path(__file__).with_name("migrations"),
)
HEAD = SCHEMA.head
TABLES_SQL = Path(__file__).with_name("schema.sql")

TABLES = (
    "machine",
    "node",
    "cycle",
    "operation",
    "sample",
    "state_change",
    "counter",
    "earning",
    "alert",
    "alert_message",
    "disk_level",
    "alert_clock",
    "setting",
    "reservation",
    "foreign_reading",
)
"""The tables of the newest revision."""

PROSE = frozenset(
    {
        "because",
        "binary_stamp",
        "binary_version",
        "boot_id",
        "channel",
        "error",
        "failed_version",
        "firewall_note",
        "former_version",
        "last_error",
        "add_last_error",
        "note",
        "peer_id",
        "remedy",
        "rule",
        "subject",
        "text",
        "trial",
        "trial_failure",
        "version",
        "wnm_version",
    }
)
"""Columns with text for people: characters that UTF-8 cannot hold are written as escapes, never refused."""
