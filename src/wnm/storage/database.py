"""The database file: where it is, and opening it for reading or for writing."""

import sqlite3
import tempfile
from abc import ABC, abstractmethod
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Protocol, Self

from sqlalchemy import Connection, Engine, NullPool, StaticPool, create_engine

from wnm.core.errors import Bug
from wnm.storage import trouble
from wnm.storage.checks import revision_of
from wnm.storage.creation import create
from wnm.storage.location import database_path
from wnm.storage.models import SCHEMA, Schema
from wnm.storage.snapshot import connect, look, uri_of

__all__ = ["Database", "create", "database_path", "open_for_reading", "open_for_writing"]


class Database(Protocol):
    """An open database; both verbs run `work` in one transaction, and any error undoes it whole."""

    path: str

    def read[T](self, work: Callable[[Connection], T]) -> T:
        """What `work` reads. It may be called more than once."""

    def write[T](self, work: Callable[[Connection], T]) -> T:
        """What `work` returns, after everything that it wrote is safely on disk."""

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


def open_for_reading(path: str, *, schema: Schema = SCHEMA) -> Database:
    """The database as it is, without changing one byte; one with an older schema is migrated in a private copy.

    Raises NeedsOperator like `open_for_writing`, Transient while somebody keeps writing to it.
    """
    revision = revision_of(path, schema)
    if revision == schema.head:
        return _Readable(path)
    from wnm.storage.migrate import copy_out, upgrade

    folder = tempfile.TemporaryDirectory(prefix="wnm-")
    try:
        copy = Path(folder.name, Path(path).name)
        with trouble.database_errors(path):
            copy_out(path, copy)
        upgrade(copy, schema, name=path)
        return _Readable(path, at=str(copy), folder=folder)
    except BaseException:
        folder.cleanup()
        raise


class _Closing(ABC):
    """What both kinds of database have in common: a `with` block closes them."""

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
        self._engine = create_engine(
            "sqlite://", creator=self._connect, poolclass=StaticPool, hide_parameters=True
        )

    def _connect(self) -> sqlite3.Connection:
        connection = connect(uri_of(self.path, "mode=rw"))
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("PRAGMA foreign_keys = ON")
        return connection

    def read[T](self, work: Callable[[Connection], T]) -> T:
        return self._run("BEGIN", work)

    def write[T](self, work: Callable[[Connection], T]) -> T:
        return self._run("BEGIN IMMEDIATE", work)

    def _run[T](self, begin: str, work: Callable[[Connection], T]) -> T:
        with trouble.database_errors(self.path), self._engine.connect() as connection:
            connection.exec_driver_sql(begin)
            result = work(connection)
            connection.commit()
            return result

    def close(self) -> None:
        with trouble.database_errors(self.path):
            self._engine.dispose()


class _Readable(_Closing):
    """A connection for each reading, to the file as it stands then."""

    def __init__(
        self, path: str, *, at: str | None = None, folder: tempfile.TemporaryDirectory[str] | None = None
    ) -> None:
        self.path = path
        self._at = at or path
        self._folder = folder

    def read[T](self, work: Callable[[Connection], T]) -> T:
        def look_through(uri: str) -> T:
            engine = create_engine(
                "sqlite://", creator=lambda: connect(uri), poolclass=NullPool, hide_parameters=True
            )
            return _read_once(engine, work)

        with trouble.database_errors(self.path):
            return look(self._at, look_through)

    def write[T](self, work: Callable[[Connection], T]) -> T:
        raise Bug(f"{self.path} was opened for reading only")

    def close(self) -> None:
        if self._folder is not None:
            self._folder.cleanup()


def _read_once[T](engine: Engine, work: Callable[[Connection], T]) -> T:
    try:
        with engine.connect() as connection:
            connection.exec_driver_sql("BEGIN")
            return work(connection)
    finally:
        engine.dispose()
