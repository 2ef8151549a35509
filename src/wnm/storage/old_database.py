"""Reads the database of an older wnm (up to 0.6) without changing it, from a private copy."""

import re
import shutil
import sqlite3
import stat
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Literal

from msgspec import Struct

from wnm.core.errors import NeedsOperator, Transient, WnmError, shortened
from wnm.core.node import node_name
from wnm.storage.database import HEADER_BYTES, MAGIC, connect, uri_of
from wnm.storage.errors import unusable
from wnm.storage.schema import APPLICATION_ID

REMEDY = "look for a copy of it, or take over the nodes alone, from their services, with: wnm --init --import"
ATTEMPTS = 20
_HELPERS = ("-wal", "-journal")
_DIGITS = re.compile(r"[0-9]{1,6}")

# Columns that tell the tables of that tool from others of the same names; the first version wrote `NodeCap`.
_MACHINE_HAS = {"nodecap", "nodestorage", "rewardsaddress"}
_NODE_HAS = {"rootdir", "metricsport", "nodename"}

type OldValue = int | float | str | None
"""A value as SQLite holds it; blobs count as None."""


class OldMachine(Struct, frozen=True, kw_only=True):
    """The settings there, by the names of the latest older version, in the units that were meant.

    `delays_in` is the unit of the four delays, which the first version counted in minutes.
    """

    values: Mapping[str, OldValue]
    delays_in: Literal["seconds", "minutes"]


class OldNode(Struct, frozen=True, kw_only=True):
    """One row of a node. A value that is missing there, or is not of the right type, is None.

    `name` is as in the unit, `antnode0001`. `status` is the word there, `age` when the node was made, in
    seconds since 1970.
    """

    id: int | None = None
    name: str | None = None
    manager: str | None = None
    root_dir: str | None = None
    port: int | None = None
    metrics_port: int | None = None
    wallet: str | None = None
    network: str | None = None
    version: str | None = None
    peer_id: str | None = None
    status: str | None = None
    age: int | None = None


class OldColony(Struct, frozen=True, kw_only=True):
    """A whole database. `machine` is None where `wnm --init` of the older version failed half-way."""

    machine: OldMachine | None
    nodes: tuple[OldNode, ...]


def is_old_colony(path: str) -> bool:
    """Whether the file is a database of an older wnm. Nothing is changed.

    False also for what cannot be read: whoever opens it says why.
    """
    try:
        if not _may_be_old(path):
            return False
        with _open_copy(path) as connection:
            return _is_old(connection)
    except (WnmError, sqlite3.Error, UnicodeError, OSError):
        return False


def read_old_colony(path: str) -> OldColony:
    """Read the database, also what waits in a write-ahead log or has to be rolled back.

    Raises NeedsOperator, with the remedy, for a file that is missing, damaged, or not of an older wnm, and
    Transient while somebody keeps writing to it. The file and its folder are left as they are.
    """
    if not _may_be_old(path):
        raise _not_old(path)
    try:
        with _open_copy(path) as connection:
            if not _is_old(connection):
                raise _not_old(path)
            machines, nodes = _rows(connection, "machine"), _rows(connection, "node")
    except UnicodeError as error:  # in the name of a column, or in what SQLite quotes of it
        raise NeedsOperator(f"{path} is damaged (it holds names that are no text)", remedy=REMEDY) from error
    except sqlite3.Error as error:
        # SQLite quotes names of a damaged schema, line breaks and all.
        raise NeedsOperator(f"{path} is damaged ({shortened(str(error))[1:-1]})", remedy=REMEDY) from error
    except OSError as error:
        raise unusable(path, error.strerror or str(error)) from error
    return OldColony(
        machine=_machine(machines[0]) if machines else None,
        nodes=tuple(_node(row) for row in nodes),
    )


def files_of(path: str) -> tuple[str, ...]:
    """The database and what may lie beside it: whoever moves it has to move all of them."""
    return (path, *(f"{path}{suffix}" for suffix in (*_HELPERS, "-shm")))


def _may_be_old(path: str) -> bool:
    """Whether it is worth a copy: a plain SQLite file, not ours. NeedsOperator if it cannot be read."""
    try:
        found = Path(path).stat()
        if not stat.S_ISREG(found.st_mode):
            return False
        with Path(path).open("rb") as file:
            header = file.read(HEADER_BYTES)
    except (FileNotFoundError, NotADirectoryError):
        raise NeedsOperator(
            f"there is no database at {path}", remedy="give the path of its colony.db"
        ) from None
    except OSError as error:
        raise unusable(path, error.strerror or str(error)) from None
    if header[: len(MAGIC)] != MAGIC or int.from_bytes(header[68:72]) == APPLICATION_ID:
        return False
    # While a log or a journal waits, the end may lawfully be only there.
    if found.st_size < _expected_size(header) and not any(
        each is not None and each[1] for each in _stamps(path)[1:]
    ):
        raise NeedsOperator(f"{path} is damaged (its end is missing)", remedy=REMEDY)
    return True


def _expected_size(header: bytes) -> int:
    """In bytes, by the header (https://www.sqlite.org/fileformat.html, 1.3); 0 where it does not say."""
    page_bytes = int.from_bytes(header[16:18])
    pages = int.from_bytes(header[28:32]) if header[24:28] == header[92:96] else 0
    return pages * (65536 if page_bytes == 1 else page_bytes)


def _not_old(path: str) -> NeedsOperator:
    return NeedsOperator(
        f"{path} is not a database of an older wnm",
        remedy="give the path of its colony.db, or leave the option out",
    )


@contextmanager
def _open_copy(path: str) -> Iterator[sqlite3.Connection]:
    """A private copy with its log and journal, which SQLite may roll back and check-point there."""
    with tempfile.TemporaryDirectory(prefix="wnm-") as folder:
        copy = Path(folder, "colony.db")
        for _ in range(ATTEMPTS):
            before = _stamps(path)
            shutil.copyfile(path, copy)
            for suffix in _HELPERS:
                Path(f"{copy}{suffix}").unlink(missing_ok=True)
                with suppress(FileNotFoundError):
                    shutil.copyfile(f"{path}{suffix}", f"{copy}{suffix}")
            if _stamps(path) == before:
                break
        else:
            raise Transient(f"{path} is being written to all the time; stop the older wnm, then try again")
        with closing(connect(uri_of(copy, "mode=rw"))) as connection:
            # Text that is not UTF-8 must not stop the reading; the readers of settings refuse it.
            connection.text_factory = lambda raw: raw.decode("utf-8", "surrogateescape")
            connection.execute("PRAGMA trusted_schema = OFF")
            yield connection


def _stamps(path: str) -> Sequence[tuple[int, int, int] | None]:
    """Return values that change when the file, its log or its journal is written to."""
    return [_stamp(name) for name in (path, *(f"{path}{suffix}" for suffix in _HELPERS))]


def _stamp(path: str) -> tuple[int, int, int] | None:
    try:
        found = Path(path).stat()
    except FileNotFoundError:
        return None
    return found.st_ino, found.st_size, found.st_mtime_ns


def _is_old(connection: sqlite3.Connection) -> bool:
    """By tables and columns; views do not count, for they could run for ever."""
    found = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
    if not {"machine", "node"} <= {name for (name,) in found}:
        return False
    return _MACHINE_HAS.issubset(_plain_columns(connection, "machine")) and _NODE_HAS.issubset(
        _plain_columns(connection, "node")
    )


def _plain_columns(connection: sqlite3.Connection, table: str) -> set[str]:
    return {name.replace("_", "").lower() for name in _columns(connection, table)}


def _columns(connection: sqlite3.Connection, table: str) -> set[str]:
    return {str(row[1]) for row in connection.execute(f'PRAGMA table_info("{table}")')}


def _rows(connection: sqlite3.Connection, table: str) -> list[dict[str, OldValue]]:
    cursor = connection.execute(f'SELECT * FROM "{table}" ORDER BY rowid')
    names = [str(column[0]) for column in cursor.description]
    return [
        {
            name: value if isinstance(value, int | float | str) else None
            for name, value in zip(names, row, strict=True)
        }
        for row in cursor
    ]


def _machine(row: Mapping[str, OldValue]) -> OldMachine:
    """In the first version, which wrote `NodeCap` for `node_cap`, delays were minutes."""
    values = {_later_name(name): value for name, value in row.items()}
    return OldMachine(values=values, delays_in="minutes" if "NodeCap" in row else "seconds")


def _later_name(name: str) -> str:
    words = re.sub(r"(?<=[a-z])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", name)
    return words.lower().replace("net_io", "netio")


def _node(row: Mapping[str, OldValue]) -> OldNode:
    number = _whole(row.get("id"))
    return OldNode(
        id=number,
        name=_name(_text(row.get("node_name", row.get("nodename"))), number),
        manager=_text(row.get("manager_type")),
        root_dir=_text(row.get("root_dir")),
        port=_whole(row.get("port")),
        metrics_port=_whole(row.get("metrics_port")),
        wallet=_text(row.get("wallet")),
        network=_text(row.get("network")),
        version=_text(row.get("version")),
        peer_id=_text(row.get("peer_id")),
        status=_text(row.get("status")),
        age=_whole(row.get("age")),
    )


def _name(text: str | None, number: int | None) -> str | None:
    """`0001` there is `antnode0001` here; antctl's `antnode1` stays."""
    if text is None:
        return node_name(number) if number is not None and number > 0 else None
    return f"antnode{text}" if _DIGITS.fullmatch(text) else text


def _whole(value: OldValue) -> int | None:
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return value if isinstance(value, int) else None


def _text(value: OldValue) -> str | None:
    return value if isinstance(value, str) and value else None
