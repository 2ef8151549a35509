"""Reads the database of an older wnm (up to 0.6) without changing it, from a private copy."""

import re
import sqlite3
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, Literal

from msgspec import Struct

from wnm.core.errors import NeedsOperator, Transient, WnmError, shortened
from wnm.core.node import node_name
from wnm.storage.database import HELPERS, MAGIC, columns_of, connect, copied, header_of, is_cut_short, uri_of
from wnm.storage.errors import unusable
from wnm.storage.schema import APPLICATION_ID

REMEDY = "look for a copy of it, or take over the nodes alone, from their services, with: wnm --init --import"
ATTEMPTS = 20
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
        with _opened(path):
            return True
    except (WnmError, sqlite3.Error, UnicodeError, OSError):
        return False


def read_old_colony(path: str) -> OldColony:
    """Read the database, also what waits in a write-ahead log or has to be rolled back.

    Raises NeedsOperator, with the remedy, for a file that is missing, damaged, or not of an older wnm, and
    Transient while somebody keeps writing to it. The file and its folder are left as they are.
    """
    try:
        with _opened(path) as connection:
            machines, nodes = _rows(connection, "machine"), _rows(connection, "node")
    except UnicodeError as error:  # in the name of a column, or in what SQLite quotes of it
        raise NeedsOperator(f"{path} is damaged (it holds names that are no text)", remedy=REMEDY) from error
    except sqlite3.Error as error:
        # SQLite quotes names of a damaged schema, line breaks and all.
        raise NeedsOperator(f"{path} is damaged ({shortened(str(error))[1:-1]})", remedy=REMEDY) from error
    except OSError as error:
        raise unusable(path, error.strerror or str(error)) from error
    return OldColony(machine=_machine(machines[0]) if machines else None, nodes=tuple(map(_node, nodes)))


def files_of(path: str) -> tuple[str, ...]:
    """The database and what may lie beside it: whoever moves it has to move all of them."""
    return (path, *(f"{path}{suffix}" for suffix in (*HELPERS, "-shm")))


@contextmanager
def _opened(path: str) -> Iterator[sqlite3.Connection]:
    """A private copy with its log and journal, which SQLite may roll back and check-point there.

    NeedsOperator for what cannot be read or is no database of an older wnm.
    """
    foreign = NeedsOperator(
        f"{path} is not a database of an older wnm",
        remedy="give the path of its colony.db, or leave the option out",
    )
    header = header_of(path, where="give the path of its colony.db")
    if header[: len(MAGIC)] != MAGIC or int.from_bytes(header[68:72]) == APPLICATION_ID:
        raise foreign
    if is_cut_short(path, header):
        raise NeedsOperator(f"{path} is damaged (its end is missing)", remedy=REMEDY)
    with tempfile.TemporaryDirectory(prefix="wnm-") as folder:
        copy = Path(folder, "colony.db")
        if not any(copied(path, copy) for _ in range(ATTEMPTS)):
            raise Transient(f"{path} is being written to all the time; stop the older wnm, then try again")
        with closing(connect(uri_of(copy, "mode=rw"))) as connection:
            # Text that is not UTF-8 must not stop the reading; the readers of settings refuse it.
            connection.text_factory = lambda raw: raw.decode("utf-8", "surrogateescape")
            connection.execute("PRAGMA trusted_schema = OFF")
            # Views do not count, for they could run for ever.
            names = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
            for table, has in (("machine", _MACHINE_HAS), ("node", _NODE_HAS)):
                found = columns_of(connection, table) if (table,) in names else ()
                if not has.issubset(name.replace("_", "").lower() for name in found):
                    raise foreign
            yield connection


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
    values = {}
    for name, value in row.items():
        words = re.sub(r"(?<=[a-z])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", name)
        values[words.lower().replace("net_io", "netio")] = value
    return OldMachine(values=values, delays_in="minutes" if "NodeCap" in row else "seconds")


def _node(row: Mapping[str, OldValue]) -> OldNode:
    """`0001` there is `antnode0001` here; antctl's `antnode1` stays."""
    values: dict[str, Any] = {}
    for name in OldNode.__struct_fields__:
        value = row.get("manager_type" if name == "manager" else name)
        if name in ("id", "port", "metrics_port", "age"):
            whole = int(value) if isinstance(value, float) and value.is_integer() else value
            values[name] = whole if isinstance(whole, int) else None
        else:
            values[name] = value if isinstance(value, str) and value else None
    written, number = row.get("node_name", row.get("nodename")), values["id"]
    if isinstance(written, str) and written:
        values["name"] = f"antnode{written}" if _DIGITS.fullmatch(written) else written
    else:
        values["name"] = node_name(number) if number is not None and number > 0 else None
    return OldNode(**values)
