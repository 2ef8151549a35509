"""Opens the database file for writing, or for reading without changing one byte, and checks that it is ours."""

import os
import sqlite3
import stat
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from sqlite3 import Connection
from types import TracebackType
from typing import TYPE_CHECKING, Protocol, Self
from urllib.parse import quote

from wnm.core import codec
from wnm.core.errors import BadInput, Bug, NeedsOperator, Transient
from wnm.storage import errors
from wnm.storage.location import database_path
from wnm.storage.schema import APPLICATION_ID, SCHEMA, TABLES, Schema

if TYPE_CHECKING:
    from tempfile import TemporaryDirectory

__all__ = ["Connection", "Database", "database_path", "open_for_reading", "open_for_writing"]

MAGIC = b"SQLite format 3\0"
HEADER_BYTES = 100
ATTEMPTS = 100
BUSY_SECONDS = 5.0


class Database(Protocol):
    """An open database; both verbs run `work` in one transaction, and any error undoes it whole."""

    path: str

    def read[T](self, work: Callable[[Connection], T]) -> T:
        """Return what `work` reads. It may be called more than once."""

    def write[T](self, work: Callable[[Connection], T]) -> T:
        """Return the result of `work`, after everything that it wrote is safely on disk."""

    def close(self) -> None:
        """Let go of the file."""

    def __enter__(self) -> Self: ...
    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...


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
        return _Readable(path)
    from tempfile import TemporaryDirectory

    from wnm.storage.migrate import copy_out, upgrade

    folder = TemporaryDirectory(prefix="wnm-")
    try:
        copy = Path(folder.name, Path(path).name)
        with errors.database_errors(path):
            copy_out(path, copy)
        upgrade(copy, schema, name=path)
        return _Readable(path, at=str(copy), folder=folder)
    except BaseException:
        folder.cleanup()
        raise


def stored_settings(path: str) -> Mapping[str, str]:
    """The settings that the database at `path` was given, whatever its revision; none if they cannot be read."""

    def work(connection: Connection) -> Mapping[str, str]:
        if _columns(connection, "setting"):
            found = connection.execute("SELECT name, text FROM setting WHERE layer = 'database'")
            return {str(name): str(text) for name, text in found}
        (text,) = connection.execute("SELECT settings FROM machine").fetchone()
        return codec.from_json(dict[str, str], text)

    return _look_in_passing(path, work) or {}


def stored_absent(path: str) -> tuple[str, ...]:
    """The folders and accounts that were not there before --init; none if that cannot be read."""

    def work(connection: Connection) -> tuple[str, ...]:
        (text,) = connection.execute("SELECT absent_before FROM machine").fetchone()
        return () if text is None else codec.from_json(tuple[str, ...], text)

    return _look_in_passing(path, work) or ()


def _look_in_passing[T](path: str, work: Callable[[Connection], T]) -> T | None:
    """Return what `work` reads of a database of any revision. None if it cannot: opening the file tells why."""

    def look_through(uri: str) -> T:
        with closing(connect(uri)) as connection:
            return work(connection)

    with suppress(sqlite3.Error, OSError, TypeError, BadInput, Transient):
        return look(path, look_through)
    return None


class _Closing(ABC):
    """The `with` block of both kinds of database."""

    @abstractmethod
    def close(self) -> None:
        """Let go of the file."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class _Writable(_Closing):
    """One connection; every transaction takes the write lock at its start, so none fails half-way for it."""

    def __init__(self, path: str) -> None:
        self.path = path
        with errors.database_errors(path):
            self._connection = connect(uri_of(path, "mode=rw"))
            self._connection.row_factory = sqlite3.Row
            self._connection.execute("PRAGMA journal_mode = WAL")
            self._connection.execute("PRAGMA synchronous = FULL")
            self._connection.execute("PRAGMA foreign_keys = ON")

    def read[T](self, work: Callable[[Connection], T]) -> T:
        return self._run("BEGIN", work)

    def write[T](self, work: Callable[[Connection], T]) -> T:
        return self._run("BEGIN IMMEDIATE", work)

    def _run[T](self, begin: str, work: Callable[[Connection], T]) -> T:
        with errors.database_errors(self.path):
            self._connection.execute(begin)
            try:
                result = work(self._connection)
                self._connection.execute("COMMIT")
            except BaseException:
                # Some errors, such as a full disk, have undone everything already.
                if self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")
                raise
            return result

    def close(self) -> None:
        with errors.database_errors(self.path):
            self._connection.close()


class _Readable(_Closing):
    """A connection for each reading, to the file as it stands then."""

    def __init__(
        self, path: str, *, at: str | None = None, folder: "TemporaryDirectory[str] | None" = None
    ) -> None:
        self.path = path
        self._at = at or path
        self._folder = folder

    def read[T](self, work: Callable[[Connection], T]) -> T:
        def look_through(uri: str) -> T:
            with closing(connect(uri)) as connection:
                connection.row_factory = sqlite3.Row
                connection.execute("BEGIN")
                return work(connection)

        with errors.database_errors(self.path):
            return look(self._at, look_through)

    def write[T](self, work: Callable[[Connection], T]) -> T:
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


type _Stamp = tuple[int, int, int, int]
type _Stamps = tuple[_Stamp | None, _Stamp | None]


def look[T](path: str, work: Callable[[str], T]) -> T:
    """Return what `work` makes of a URI under which the database stands still, without changing one byte beside it.

    `work` is called again when a cycle wrote to the database meanwhile, so it must only read. It gets the
    file itself, opened without locks and helper files, when nothing waits in its write-ahead log; else
    private copies of both. Raises Transient when the database never stands still.
    """
    for _ in range(ATTEMPTS):
        before = _stamps(path)
        if before[1] is None:
            seen = _look_once(path, before, work)
            if seen is not None:
                return seen[0]
        else:
            with _copy(path) as copy:
                if _stamps(path) == before:
                    return work(uri_of(copy, "mode=rw"))
    raise Transient(f"{path} is being written to all the time; try again")


def _look_once[T](path: str, before: _Stamps, work: Callable[[str], T]) -> tuple[T] | None:
    """None when the file changed meanwhile: what was seen may then be half of each state."""
    try:
        result = work(uri_of(path, "mode=ro&immutable=1"))
    except (sqlite3.Error, errors.UnreadableError, OSError):
        if _stamps(path) != before:
            return None
        raise
    return (result,) if _stamps(path) == before else None


@contextmanager
def _copy(path: str) -> Iterator[Path]:
    import shutil
    from tempfile import TemporaryDirectory

    with TemporaryDirectory(prefix="wnm-") as folder:
        copy = Path(folder, "colony.db")
        shutil.copyfile(path, copy)
        # When it is not there any more a cycle has just ended, and the stamps tell.
        with suppress(FileNotFoundError):
            shutil.copyfile(f"{path}-wal", f"{copy}-wal")
        yield copy


def _stamps(path: str) -> _Stamps:
    """Return values that change when the file or its write-ahead log is written to; an empty log is no log."""
    log = _stamp(f"{path}-wal")
    return _stamp(path), None if log is not None and log[1] == 0 else log


def _stamp(path: str) -> _Stamp | None:
    try:
        found = os.stat(path)  # noqa: PTH116 - on the way of every cycle
    except FileNotFoundError:
        return None
    return found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns


# Whether a file is ours


def revision_of(path: str, schema: Schema) -> str:
    """The schema revision of the database at `path`, one of `schema.revisions`; the look-up changes nothing.

    Raises NeedsOperator when there is none, when it is not ours or damaged, or when a newer wnm wrote it.
    """
    header = _header(path)
    if header[: len(MAGIC)] != MAGIC:
        raise errors.foreign(path)
    if int.from_bytes(header[68:72]) != APPLICATION_ID:
        raise errors.foreign(path, earlier=_is_of_an_earlier_tool(path))
    if _is_cut_short(path, header):
        raise errors.damaged(path, "its end is missing")
    with errors.database_errors(path):
        revision, lacking = look(path, lambda uri: _revision_and_lack(uri, schema))
    if revision is None:
        raise errors.damaged(path, "its schema revision is missing")
    if revision not in schema.revisions:
        raise errors.newer(path, revision)
    if lacking is not None:
        raise errors.damaged(path, f"its table {lacking} cannot be read")
    return revision


def _header(path: str) -> bytes:
    """The first bytes of a plain file, looked at without SQLite."""
    try:
        if not stat.S_ISREG(Path(path).stat().st_mode):
            raise errors.foreign(path)
        with open(path, "rb") as file:  # noqa: PTH123 - Path.open is slower
            return file.read(HEADER_BYTES)
    except (FileNotFoundError, NotADirectoryError):
        raise errors.missing(path) from None
    except OSError as error:
        raise errors.unusable(path, error.strerror or str(error)) from None


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


def _revision_and_lack(uri: str, schema: Schema) -> tuple[str | None, str | None]:
    """The revision, and for the newest one the first table that is not there as it should be."""
    with closing(connect(uri)) as connection:
        if not _columns(connection, "alembic_version"):
            return None, None
        rows = connection.execute("SELECT version_num FROM alembic_version").fetchall()
        revision = str(rows[0][0]) if len(rows) == 1 else None
        return revision, _lacking_table(connection) if revision == schema.head else None


def _lacking_table(connection: Connection) -> str | None:
    """The first table that is not there or lacks a column; raises sqlite3.Error when one cannot be read.

    Reads the last page or so of each table: damage elsewhere shows when it is met.
    """
    for table, columns in TABLES.items():
        if not columns <= _columns(connection, table):
            return table
        connection.execute(f'SELECT max(rowid) FROM "{table}"').fetchall()
    return None if len(connection.execute("SELECT * FROM machine").fetchall()) == 1 else "machine"


def _is_of_an_earlier_tool(path: str) -> bool:
    """An earlier tool had tables of the same names in a file of the same name."""

    def has_its_tables(uri: str) -> bool:
        with closing(connect(uri)) as connection:
            return all(_columns(connection, name) for name in ("machine", "node"))

    try:
        return look(path, has_its_tables)
    except (sqlite3.Error, NeedsOperator):
        return False


def _columns(connection: Connection, table: str) -> set[str]:
    return {row[1] for row in connection.execute(f'PRAGMA table_info("{table}")')}
