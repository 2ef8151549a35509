"""Brings an older database to the newest schema: a copy first, then all or nothing.

Only imported when the schema is behind.
"""

import logging
import os
import shutil
import sqlite3
from contextlib import closing, suppress
from datetime import UTC, datetime
from pathlib import Path

from alembic import command
from alembic.config import Config
from sqlalchemy import NullPool, create_engine

from wnm.core.errors import NeedsOperator
from wnm.storage.creation import sync
from wnm.storage.database import connect, look, uri_of
from wnm.storage.errors import database_errors
from wnm.storage.schema import Schema


def migrate(path: str, revision: str, schema: Schema) -> str:
    """Replace the database by a migrated copy and return the path of the copy of what was there.

    The copy carries the time of the last change. The caller holds the cycle's lock, so nobody writes
    meanwhile. Raises NeedsOperator when anything fails; the database is then as it was, and no copy is left,
    lest a minutely cron fill the disk with them.
    """
    target = Path(path)
    migrating = target.with_name(f".{target.name}.migrating")
    with database_errors(path):
        changed = datetime.fromtimestamp(target.stat().st_mtime, UTC)
    before = target.with_name(f"{target.name}.before-{revision}-{changed:%Y%m%dT%H%M%S}Z")
    try:
        with database_errors(path):
            _discard(migrating)
            copy_out(path, before)
            os.close(os.open(migrating, os.O_CREAT | os.O_TRUNC | os.O_RDWR, 0o600))
            shutil.copyfile(before, migrating)
        upgrade(migrating, schema, name=path)
        with database_errors(path):
            sync(migrating)
            # Beside the new file its write-ahead log would be taken for that one's: it is emptied.
            with closing(connect(uri_of(path, "mode=rw"))) as connection:
                if connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0]:
                    raise sqlite3.OperationalError("another program has the database open")
            os.replace(migrating, target)  # noqa: PTH105
    except BaseException:
        before.unlink(missing_ok=True)
        _discard(migrating)
        raise
    with suppress(OSError):
        sync(target.parent)
    return str(before)


def _discard(file: Path) -> None:
    for suffix in ("", "-journal", "-wal", "-shm"):
        Path(f"{file}{suffix}").unlink(missing_ok=True)


def copy_out(path: str, copy: Path) -> None:
    """Write a private, complete copy of the database, what waits in its write-ahead log included.

    Raises sqlite3.Error and OSError, and leaves no copy then.
    """

    def back_up(source: sqlite3.Connection) -> None:
        # A copy of that name is one that was cut off: the same database, at the same moment.
        copy.unlink(missing_ok=True)
        os.close(os.open(copy, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))
        with closing(connect(uri_of(copy, "mode=rw"))) as target:
            source.backup(target)

    try:
        look(path, back_up)
        sync(copy)
    except BaseException:
        copy.unlink(missing_ok=True)
        raise


def upgrade(file: Path, schema: Schema, *, name: str) -> None:
    """Bring `file`, which nobody else uses, to the head of `schema` and verify it.

    `name` is the database that it is a copy of. Raises NeedsOperator that names the cause.
    """
    # Alembic tells each step at INFO; these are not lines of wnm's.
    logger = logging.getLogger("alembic")
    level = logger.level
    logger.setLevel(logging.WARNING)
    config = Config()
    config.set_main_option("script_location", str(schema.scripts).replace("%", "%%"))
    engine = create_engine("sqlite://", creator=lambda: connect(uri_of(file, "mode=rw")), poolclass=NullPool)
    try:
        with engine.connect() as connection:
            # Rebuilding a table would otherwise delete the rows that refer to it.
            connection.exec_driver_sql("PRAGMA foreign_keys = OFF")
            connection.exec_driver_sql("BEGIN IMMEDIATE")
            config.attributes["connection"] = connection
            command.upgrade(config, schema.head)
            connection.commit()
        _verify(file, schema)
    except Exception as error:
        cause = " ".join(str(error).split()) or type(error).__name__
        raise NeedsOperator(
            f"{name} could not be brought to schema {schema.head} ({cause:.200})",
            remedy="it is as it was; make room if the disk is full, else go back to the wnm that wrote it",
        ) from error
    finally:
        logger.setLevel(level)
        engine.dispose()


def _verify(file: Path, schema: Schema) -> None:
    with closing(connect(uri_of(file, "mode=rw"))) as connection:
        for check in ("integrity_check", "foreign_key_check"):
            complaints = [row for row in connection.execute(f"PRAGMA {check}") if row != ("ok",)]
            if complaints:
                raise sqlite3.DatabaseError(f"{check}: {complaints[0]}")
        if connection.execute("SELECT version_num FROM alembic_version").fetchall() != [(schema.head,)]:
            raise sqlite3.DatabaseError("the migration did not reach its end")
