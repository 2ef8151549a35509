"""Making a new database: whole or not at all, and never over one that is there."""

import os
import secrets
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path

from sqlalchemy import NullPool, create_engine, insert

from wnm import __version__
from wnm.core.errors import BadInput, NeedsOperator
from wnm.core.node import Node as NodeValue
from wnm.storage import trouble
from wnm.storage.mapping import node_row
from wnm.storage.models import APPLICATION_ID, HEAD, Machine, Node, metadata
from wnm.storage.snapshot import connect, uri_of

# As alembic writes it, so that alembic finds its own.
VERSION_TABLE = """
CREATE TABLE alembic_version (
	version_num VARCHAR(32) NOT NULL, 
	CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num)
)
"""  # noqa: W291 - the text is compared with alembic's


def create(
    path: str,
    *,
    settings: Mapping[str, str],
    now: datetime,
    absent_before: Sequence[str] = (),
    nodes: Sequence[NodeValue] = (),
) -> None:
    """Make the database at `path`, with these settings as canonical texts by name.

    `absent_before` are the folders and accounts that the machine lacks; see `wnm.system.traces`. `nodes` are those
    that are taken over from elsewhere.

    It is built under another name and then linked to its own, so that whoever comes second is refused.
    Raises BadInput when there is one already, NeedsOperator when it cannot be written; either leaves no trace.
    """
    target = Path(path)
    if os.path.lexists(target):
        raise already_there(path)
    for leftover in (f"{path}-wal", f"{path}-journal"):
        if os.path.lexists(leftover):
            raise NeedsOperator(
                f"{leftover} is left over from another database and would be mixed into this one",
                remedy="move it away, then try again",
            )
    with trouble.database_errors(path), _folder(target.parent):
        temporary = target.with_name(f".{target.name}.new-{secrets.token_hex(4)}")
        try:
            _build(temporary, settings, now, absent_before, nodes)
            try:
                os.link(temporary, target)
            except FileExistsError:
                raise already_there(path) from None
        finally:
            for suffix in ("", "-journal", "-wal", "-shm"):
                with suppress(FileNotFoundError):
                    os.unlink(f"{temporary}{suffix}")  # noqa: PTH108
        sync_folder(target.parent)


def clear_leftovers(path: str) -> None:
    """Delete what a killed `create` left beside the database. Only for whoever holds its lock."""
    target = Path(path)
    for leftover in target.parent.glob(f".{target.name}.new-*"):
        leftover.unlink(missing_ok=True)


def already_there(path: str) -> BadInput:
    """The refusal of a second --init."""
    return BadInput(
        f"{path} is there already: a plain `wnm` goes on with it if wnm made it, else give another --dbpath"
    )


@contextmanager
def _folder(folder: Path) -> Iterator[None]:
    """The folder is there, private if it had to be made; what was made goes again when the body fails."""
    made: list[Path] = []
    try:
        for level in reversed([folder, *folder.parents]):
            if not level.exists():
                level.mkdir(mode=0o700)
                made.append(level)
        yield
    except BaseException:
        for level in reversed(made):
            with suppress(OSError):
                level.rmdir()
        raise


def _build(
    file: Path,
    settings: Mapping[str, str],
    now: datetime,
    absent_before: Sequence[str],
    nodes: Sequence[NodeValue],
) -> None:
    os.close(os.open(file, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))
    engine = create_engine("sqlite://", creator=lambda: connect(uri_of(file, "mode=rw")), poolclass=NullPool)
    with engine.connect() as connection:
        connection.exec_driver_sql("PRAGMA synchronous = FULL")
        connection.exec_driver_sql(f"PRAGMA application_id = {APPLICATION_ID}")
        connection.exec_driver_sql("BEGIN IMMEDIATE")
        metadata.create_all(connection, checkfirst=False)
        connection.exec_driver_sql(VERSION_TABLE.strip())
        connection.exec_driver_sql("INSERT INTO alembic_version VALUES (?)", (HEAD,))
        connection.execute(
            insert(Machine).values(
                id=1,
                initialised_at=now,
                wnm_version=__version__,
                settings=dict(settings),
                add_failures=0,
                absent_before=list(absent_before),
            )
        )
        if nodes:
            connection.execute(insert(Node), [node_row(node) for node in nodes])
        connection.commit()
        connection.exec_driver_sql("PRAGMA journal_mode = WAL")
    engine.dispose()
    sync(file)


def sync(file: Path) -> None:
    """Return when what was written to the file would survive a power cut."""
    handle = os.open(file, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def sync_folder(folder: Path) -> None:
    """Return when the names in the folder would survive a power cut."""
    sync(folder)
