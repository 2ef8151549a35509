"""Makes a new database: whole or not at all, and never over one that is there."""

import os
import re
import secrets
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from datetime import datetime
from pathlib import Path
from uuid import uuid4

from wnm import __version__
from wnm.core.errors import BadInput, NeedsOperator
from wnm.core.node import Node
from wnm.storage import handed_over, rows
from wnm.storage.database import connect, uri_of
from wnm.storage.errors import database_errors
from wnm.storage.schema import APPLICATION_ID, HEAD, TABLES_SQL


def create(
    path: str,
    *,
    settings: Mapping[str, str],
    now: datetime,
    absent_before: Sequence[str] = (),
    nodes: Sequence[Node] = (),
    system_id: str | None = None,
    identity: str | None = None,
) -> None:
    """Make the database at `path` with these settings as canonical texts by name.

    `absent_before` are the folders and accounts that the machine lacks; see `wnm.system.removal`. `nodes` are those
    that are taken over from elsewhere. `system_id` is what the operating system is known by, empty where it has
    no such name; None leaves it to the first cycle. `identity` is the one that markers of storage folders will say.

    It is built under another name and then linked to its own, so that whoever comes second is refused. Raises
    BadInput when there is one already, NeedsOperator when it cannot be written; either leaves no trace.
    """
    target = Path(path)
    if os.path.lexists(target):
        raise already_there(path)
    for leftover in [each for each in (f"{path}-wal", f"{path}-journal") if os.path.lexists(each)]:
        raise NeedsOperator(
            f"{leftover} is left over from another database and would be mixed into this one",
            remedy="move it away, then try again",
        )
    with database_errors(path), _folder(target.parent):
        temporary = target.with_name(f".{target.name}.new-{secrets.token_hex(4)}")
        try:
            machine = {
                "id": 1,
                "initialised_at": now,
                "wnm_version": __version__,
                "add_failures": 0,
                "absent_before": list(absent_before),
                "identity": identity or str(uuid4()),
                "system_id": system_id,
            }
            _build(temporary, machine, settings, nodes)
            try:
                os.link(temporary, target)
            except FileExistsError:
                raise already_there(path) from None
        finally:
            for suffix in ("", "-journal", "-wal", "-shm"):
                with suppress(FileNotFoundError):
                    os.unlink(f"{temporary}{suffix}")  # noqa: PTH108
        sync(target.parent)


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
    machine: Mapping[str, object],
    settings: Mapping[str, str],
    nodes: Sequence[Node],
) -> None:
    os.close(os.open(file, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))
    with closing(connect(uri_of(file, "mode=rw"))) as connection:
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        connection.execute("BEGIN IMMEDIATE")
        for statement in re.sub(r" *--.*", "", TABLES_SQL.read_text(encoding="utf-8")).split(";\n"):
            connection.execute(statement)
        connection.execute("INSERT INTO alembic_version VALUES (?)", (HEAD,))
        rows.insert(connection, "machine", machine)
        handed_over.put_settings(connection, settings, machine["initialised_at"])
        rows.put(connection, "node", nodes)
        connection.execute("COMMIT")
        connection.execute("PRAGMA journal_mode = WAL")
    sync(file)


def sync(file: Path) -> None:
    """Return when what was written to the file, or the names in the folder, would survive a power cut."""
    handle = os.open(file, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
