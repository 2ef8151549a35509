"""Whether a file is a database of ours that this wnm can read; looking changes nothing."""

import os
import sqlite3
import stat
from contextlib import closing
from pathlib import Path

from wnm.core.errors import NeedsOperator
from wnm.storage import trouble
from wnm.storage.models import APPLICATION_ID, Schema, metadata
from wnm.storage.snapshot import connect, look

MAGIC = b"SQLite format 3\0"
HEADER_BYTES = 100


def revision_of(path: str, schema: Schema) -> str:
    """The schema revision of the database at `path`, one of `schema.revisions`.

    Raises NeedsOperator when there is none, when it is not ours or damaged, or when a newer wnm wrote it.
    """
    header = _header(path)
    if header[: len(MAGIC)] != MAGIC:
        raise trouble.foreign(path)
    if int.from_bytes(header[68:72]) != APPLICATION_ID:
        raise trouble.foreign(path, earlier=_is_of_an_earlier_tool(path))
    if _is_cut_short(path, header):
        raise trouble.damaged(path, "its end is missing")
    with trouble.database_errors(path):
        revision = look(path, _read_revision)
    if revision is None:
        raise trouble.damaged(path, "its schema revision is missing")
    if revision not in schema.revisions:
        raise trouble.newer(path, revision)
    if revision == schema.head:
        with trouble.database_errors(path):
            lacking = look(path, _lacking_table)
        if lacking is not None:
            raise trouble.damaged(path, f"its table {lacking} cannot be read")
    return revision


def _header(path: str) -> bytes:
    """The first bytes of a plain file, looked at without SQLite."""
    try:
        if not stat.S_ISREG(Path(path).stat().st_mode):
            raise trouble.foreign(path)
        with open(path, "rb") as file:  # noqa: PTH123 - Path.open is slower
            return file.read(HEADER_BYTES)
    except (FileNotFoundError, NotADirectoryError):
        raise trouble.missing(path) from None
    except OSError as error:
        raise trouble.unusable(path, error.strerror or str(error)) from None


def _is_cut_short(path: str, header: bytes) -> bool:
    """Whether the file is smaller than its header says (https://www.sqlite.org/fileformat.html, 1.3).

    While a write-ahead log waits the end may lawfully be only there.
    """
    try:
        if os.path.getsize(f"{path}-wal") > 0:  # noqa: PTH202
            return False
    except OSError:
        pass
    page_bytes = int.from_bytes(header[16:18])
    page_bytes = 65536 if page_bytes == 1 else page_bytes
    is_valid = header[24:28] == header[92:96]
    return is_valid and Path(path).stat().st_size < page_bytes * int.from_bytes(header[28:32])


def _read_revision(uri: str) -> str | None:
    with closing(connect(uri)) as connection:
        if not _columns(connection, "alembic_version"):
            return None
        rows = connection.execute("SELECT version_num FROM alembic_version").fetchall()
    return str(rows[0][0]) if len(rows) == 1 else None


def _lacking_table(uri: str) -> str | None:
    """The first table that is not there as it should be; raises sqlite3.Error when one cannot be read.

    Reads the small tables whole and the last page or so of the others: damage elsewhere shows when it is met.
    """
    with closing(connect(uri)) as connection:
        for table in metadata.sorted_tables:
            if not {column.name for column in table.columns} <= _columns(connection, table.name):
                return table.name
            connection.execute(f'SELECT max(rowid) FROM "{table.name}"').fetchall()
        machines = connection.execute("SELECT * FROM machine").fetchall()
        connection.execute("SELECT * FROM node").fetchall()
    return None if len(machines) == 1 else "machine"


def _is_of_an_earlier_tool(path: str) -> bool:
    """An earlier tool had tables of the same names in a file of the same name."""
    try:
        return look(path, lambda uri: _has_tables(uri, "machine", "node"))
    except (sqlite3.Error, NeedsOperator):
        return False


def _has_tables(uri: str, *names: str) -> bool:
    with closing(connect(uri)) as connection:
        return all(_columns(connection, name) for name in names)


def _columns(connection: sqlite3.Connection, table: str) -> set[str]:
    return {row[1] for row in connection.execute(f'PRAGMA table_info("{table}")')}
