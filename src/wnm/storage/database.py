"""Opens the database file for writing, or for reading without changing one byte, and checks that it is ours."""

import os
import sqlite3
import stat
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, closing, contextmanager, suppress
from functools import partial
from pathlib import Path
from sqlite3 import Connection
from typing import TYPE_CHECKING, Self
from urllib.parse import quote

from wnm.core import codec
from wnm.core.errors import BadInput, Bug, NeedsOperator, Transient
from wnm.storage import errors
from wnm.storage.schema import APPLICATION_ID, SCHEMA, Schema, tables

if TYPE_CHECKING:
    from tempfile import TemporaryDirectory

MAGIC = b"SQLite format 3\0"
HEADER_BYTES = 100
ATTEMPTS = 100
BUSY_SECONDS = 5.0
HELPERS = ("-wal", "-journal")
"""The files beside a database in which changes may wait."""


class Database(ABC):
    """An open database; reading and writing are transactions, and any error undoes one whole."""

    path: str

    @abstractmethod
    def read[T](self, work: Callable[[Connection], T]) -> T:
        """Return what `work` reads. It may be called more than once."""

    @abstractmethod
    def writing(self) -> AbstractContextManager[Connection]:
        """A block after which everything that it wrote is safely on disk."""

    @abstractmethod
    def close(self) -> None:
        """Let go of the file."""

    def write[T](self, work: Callable[[Connection], T]) -> T:
        """Return the result of `work` after a block of `writing`."""
        with self.writing() as connection:
            return work(connection)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()


def open_for_writing(path: str, *, schema: Schema = SCHEMA) -> Database:
    """The database, brought to the newest schema first. The caller holds the cycle's lock.

    Raises NeedsOperator, with the file untouched, for one that is missing, damaged, not ours or newer.
    """
    revision = revision_of(path, schema)
    if revision != schema.head:
        # Alembic takes longer to import than a cycle takes to run.
        from wnm.storage.migrate import migrate

        migrate(path, revision, schema)
    return _Writable(path)


def open_as_it_is(path: str) -> Database:
    """The database for short transactions beside running cycles. The caller need not hold their lock.

    NeedsOperator if it would have to be migrated, besides all that `open_for_writing` raises.
    """
    if revision_of(path, SCHEMA) != SCHEMA.head:
        raise NeedsOperator(f"{path} is of an older wnm", remedy="let the next cycle see to it")
    return _Writable(path)


def open_for_reading(path: str, *, schema: Schema = SCHEMA) -> Database:
    """The database as it is, without changing one byte; one with an older schema is migrated in a private copy.

    Raises NeedsOperator like `open_for_writing`, Transient while somebody keeps writing to it.
    """
    revision = revision_of(path, schema)
    if revision == schema.head:
        return _Readable(path, path)
    from tempfile import TemporaryDirectory

    from wnm.storage.migrate import copy_out, upgrade

    folder = TemporaryDirectory(prefix="wnm-")
    try:
        copy = Path(folder.name, Path(path).name)
        with errors.database_errors(path):
            copy_out(path, copy)
        upgrade(copy, schema, name=path)
        return _Readable(path, str(copy), folder)
    except BaseException:
        folder.cleanup()
        raise


# Opening a database tells why it cannot be read.
_UNREADABLE = (sqlite3.Error, OSError, TypeError, BadInput, Transient)


def stored_settings(path: str) -> Mapping[str, str]:
    """The settings that the database at `path` was given, whatever its revision; none if they cannot be read."""

    def work(connection: Connection) -> Mapping[str, str]:
        if columns_of(connection, "setting"):
            found = connection.execute("SELECT name, text FROM setting WHERE layer = 'database'")
            return {str(name): str(text) for name, text in found}
        (text,) = connection.execute("SELECT settings FROM machine").fetchone()
        return codec.from_json(dict[str, str], text)

    with suppress(*_UNREADABLE):
        return look(path, work)
    return {}


def stored_absent(path: str) -> tuple[str, ...]:
    """The folders and accounts that were not there before --init; none if that cannot be read."""
    wanted = "SELECT absent_before FROM machine"
    with suppress(*_UNREADABLE):
        (text,) = look(path, lambda connection: connection.execute(wanted).fetchone())
        return codec.from_json(tuple[str, ...], text or "[]")
    return ()


class _Writable(Database):
    """One connection; writing takes the write lock at its start, so that no transaction fails half-way for it."""

    def __init__(self, path: str) -> None:
        self.path = path
        with errors.database_errors(path):
            self._connection = connect(uri_of(path, "mode=rw"))
            self._connection.row_factory = sqlite3.Row
            self._connection.execute("PRAGMA journal_mode = WAL")
            self._connection.execute("PRAGMA synchronous = FULL")
            self._connection.execute("PRAGMA foreign_keys = ON")

    def read[T](self, work: Callable[[Connection], T]) -> T:
        with self._transaction("BEGIN") as connection:
            return work(connection)

    def writing(self) -> AbstractContextManager[Connection]:
        return self._transaction("BEGIN IMMEDIATE")

    @contextmanager
    def _transaction(self, begin: str) -> Iterator[Connection]:
        with errors.database_errors(self.path):
            self._connection.execute(begin)
            try:
                yield self._connection
                self._connection.execute("COMMIT")
            except BaseException:
                # Some errors, such as a full disk, have undone everything already.
                if self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")
                raise

    def close(self) -> None:
        with errors.database_errors(self.path):
            self._connection.close()


class _Readable(Database):
    """A connection for each reading, to the file `at` as it stands then; its `folder` goes with it."""

    def __init__(self, path: str, at: str, folder: "TemporaryDirectory[str] | None" = None) -> None:
        self.path, self._at, self._folder = path, at, folder

    def read[T](self, work: Callable[[Connection], T]) -> T:
        with errors.database_errors(self.path):
            return look(self._at, work)

    def writing(self) -> AbstractContextManager[Connection]:
        raise Bug(f"{self.path} was opened for reading only")

    def close(self) -> None:
        if self._folder is not None:
            self._folder.cleanup()


# The one read-only opening


def uri_of(path: str | Path, mode: str) -> str:
    """The SQLite URI of a file; any byte of its name is taken literally."""
    return f"file:{quote(os.fsencode(os.path.abspath(path)))}?{mode}"  # noqa: PTH100 - links stay as they are


def connect(uri: str) -> Connection:
    """A plain connection that leaves transactions to its user."""
    return sqlite3.connect(uri, uri=True, timeout=BUSY_SECONDS, isolation_level=None)


def look[T](path: str, work: Callable[[Connection], T]) -> T:
    """Return what `work` reads of the database while it stands still, without changing one byte beside it.

    `work` is called again when a cycle wrote to the database meanwhile, so it must only read. It gets the
    file itself, opened without locks and helper files, when nothing waits in its write-ahead log; else
    private copies of both. Raises Transient when the database never stands still.
    """
    for _ in range(ATTEMPTS):
        before = _stamps(path)
        if any(before[1:]):
            from tempfile import TemporaryDirectory

            with TemporaryDirectory(prefix="wnm-") as folder:
                copy = Path(folder, "colony.db")
                if not copied(path, copy):
                    continue
                with closing(connect(uri_of(copy, "mode=rw"))) as connection:
                    connection.row_factory = sqlite3.Row
                    return work(connection)
        try:
            with closing(connect(uri_of(path, "mode=ro&immutable=1"))) as connection:
                connection.row_factory = sqlite3.Row
                result = work(connection)
        except (sqlite3.Error, errors.UnreadableError, OSError):
            # What was seen may be half of each state.
            if _stamps(path) == before:
                raise
            continue
        if _stamps(path) == before:
            return result
    raise Transient(f"{path} is being written to all the time; try again")


def copied(path: str, copy: Path) -> bool:
    """Whether the database stood still while it was copied, with what waits beside it."""
    import shutil

    before = _stamps(path)
    shutil.copyfile(path, copy)
    for suffix in HELPERS:
        Path(f"{copy}{suffix}").unlink(missing_ok=True)
        # When it is not there any more a cycle has just ended, and the stamps tell.
        with suppress(FileNotFoundError):
            shutil.copyfile(f"{path}{suffix}", f"{copy}{suffix}")
    return _stamps(path) == before


def _stamps(path: str) -> list[tuple[int, ...] | None]:
    """Return values that change when the file or what waits beside it is written to; an empty helper is none."""
    stamps: list[tuple[int, ...] | None] = []
    for suffix in ("", *HELPERS):
        try:
            found = os.stat(f"{path}{suffix}")  # noqa: PTH116 - on the way of every cycle
        except FileNotFoundError:
            stamps.append(None)
        else:
            is_empty = suffix and found.st_size == 0
            now = found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns
            stamps.append(None if is_empty else now)
    return stamps


# Whether a file is ours


def revision_of(path: str, schema: Schema) -> str:
    """The schema revision of the database at `path`, one of `schema.revisions`; the look-up changes nothing.

    Raises NeedsOperator when there is none, when it is not ours or damaged, or when a newer wnm wrote it.
    """
    header = header_of(path)
    if header[: len(MAGIC)] != MAGIC:
        raise errors.foreign(path)
    if int.from_bytes(header[68:72]) != APPLICATION_ID:
        is_earlier = False
        # An earlier tool had tables of the same names in a file of the same name.
        with suppress(sqlite3.Error, NeedsOperator):
            is_earlier = all(
                look(path, lambda each: [columns_of(each, name) for name in ("machine", "node")])
            )
        raise errors.foreign(path, earlier=is_earlier)
    if is_cut_short(path, header):
        raise errors.damaged(path, "its end is missing")
    with errors.database_errors(path):
        revision, lacking = look(path, partial(_revision_and_lack, schema=schema))
    if revision is None:
        raise errors.damaged(path, "its schema revision is missing")
    if revision not in schema.revisions:
        raise errors.newer(path, revision)
    if lacking is not None:
        raise errors.damaged(path, f"its table {lacking} cannot be read")
    return revision


def header_of(path: str, where: str | None = None) -> bytes:
    """The first bytes of a plain file, looked at without SQLite; none of anything else.

    NeedsOperator, with the remedy `where`, if nothing is there.
    """
    try:
        if not stat.S_ISREG(os.stat(path).st_mode):  # noqa: PTH116 - Path is slower
            return b""
        with open(path, "rb") as file:  # noqa: PTH123
            return file.read(HEADER_BYTES)
    except (FileNotFoundError, NotADirectoryError):
        raise errors.missing(path, where) from None
    except OSError as error:
        raise errors.unusable(path, error.strerror or str(error)) from None


def is_cut_short(path: str, header: bytes) -> bool:
    """Whether the file is smaller than its header says (https://www.sqlite.org/fileformat.html, 1.3).

    While changes wait beside it the end may lawfully be only there.
    """
    found, *waiting = _stamps(path)
    if found is None or any(waiting) or header[24:28] != header[92:96]:
        return False
    page_bytes = int.from_bytes(header[16:18])
    return found[1] < (65536 if page_bytes == 1 else page_bytes) * int.from_bytes(header[28:32])


def _revision_and_lack(connection: Connection, schema: Schema) -> tuple[str | None, str | None]:
    """The revision, and for the newest one the first table that is not there as it should be.

    Reads the last page or so of each table: damage elsewhere shows when it is met. sqlite3.Error for a table that
    cannot be read.
    """
    if not columns_of(connection, "alembic_version"):
        return None, None
    rows = connection.execute("SELECT version_num FROM alembic_version").fetchall()
    revision = str(rows[0][0]) if len(rows) == 1 else None
    if revision != schema.head:
        return revision, None
    for table, columns in tables().items():
        if not columns <= columns_of(connection, table):
            return revision, table
        connection.execute(f'SELECT max(rowid) FROM "{table}"').fetchall()
    is_one = len(connection.execute("SELECT * FROM machine").fetchall()) == 1
    return revision, None if is_one else "machine"


def columns_of(connection: Connection, table: str) -> set[str]:
    """The names of a table's columns, generated ones left out; none where there is no such table."""
    return {str(row[1]) for row in connection.execute(f'PRAGMA table_info("{table}")')}
