"""Turns values of the core into rows of the tables, and rows back into values."""

import zlib
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from sqlite3 import Connection, Row
from typing import Any

import msgspec
from msgspec import Struct
from msgspec.structs import astuple

from wnm.core import codec
from wnm.core.action import NodeAction
from wnm.core.decision import Decision
from wnm.core.errors import BadInput, Bug
from wnm.core.node import Node
from wnm.core.observation import Observation
from wnm.core.timeline import Recording
from wnm.storage.errors import UnreadableError
from wnm.storage.schema import PROSE

# The quickest level: recordings are many and short-lived.
_COMPRESSION = 1
_LISTS: Mapping[str, Any] = {
    "environment": tuple[tuple[str, str], ...],
    "start_args": tuple[str, ...],
    "command": tuple[str, ...],
}


def moment_text(value: datetime) -> str:
    """An aware time as ISO 8601 text in UTC, of one width so that it sorts."""
    if value.tzinfo is None:
        raise Bug(f"{value} has no time zone")
    return value.astimezone(UTC).isoformat(timespec="microseconds")


def moment_of(text: Any) -> datetime:
    """The time in a column. Raises UnreadableError."""
    try:
        moment = datetime.fromisoformat(text)
    except (TypeError, ValueError):
        raise UnreadableError(f"{text!r:.60} is not a time") from None
    if moment.tzinfo is None:
        raise UnreadableError(f"{text!r:.60} has no time zone")
    return moment


def moment_or_none(text: Any) -> datetime | None:
    """The time in a column that may be empty. Raises UnreadableError."""
    return None if text is None else moment_of(text)


def json_of[T](kind: type[T], text: Any, name: str) -> T:
    """The value in a JSON column, of that type; `name` says in errors which. Raises UnreadableError."""
    try:
        return codec.from_json(kind, text)
    except (BadInput, TypeError) as error:
        raise UnreadableError(f"{name}: {error}") from None


def remembered_value[T](kind: type[T], text: Any) -> T | None:
    """A value that is kept only to save work, or None: one that an older wnm wrote differently is no loss.

    Raises UnreadableError for a text that is no JSON at all.
    """
    if text is None:
        return None
    try:
        data = codec.load(text)
    except (BadInput, TypeError):
        raise UnreadableError(f"{text!r:.60} is not JSON") from None
    try:
        return codec.decode(kind, data)
    except BadInput:
        return None


def value_of[T: Struct](kind: type[T], row: Row, name: str, **known: object) -> T:
    """The value in a row, whose columns are called as its fields, but for those that are known already.

    `name` says in errors which row it is. Raises UnreadableError.
    """
    values = {field: row[field] for field in kind.__struct_encode_fields__ if field not in known}
    try:
        return msgspec.convert(values | known, kind)
    except msgspec.ValidationError as error:
        raise UnreadableError(f"{name}: {error}") from None


def node_of_row(row: Row) -> Node:
    """The node in a row of the node table. Raises UnreadableError."""
    name = f"node {row['id']}"
    known: dict[str, object] = {}
    for column, kind in _LISTS.items():
        text = row[column]
        is_plain = text is None or text == "[]"
        known[column] = (text and ()) if is_plain else json_of(kind, text, f"{name}: {column}")
    for column in ("no_upnp", "restarted", "crashed"):
        known[column] = bool(row[column])
    return value_of(Node, row, name, **known)


def action_of(text: Any, operation_id: int) -> NodeAction:
    """The action of an operation row. Raises UnreadableError."""
    union: Any = NodeAction
    action: NodeAction = json_of(union, text, f"operation {operation_id}")
    return action


def insert(connection: Connection, table: str, row: Mapping[str, object]) -> int:
    """Insert a row and return its id."""
    values = [_stored(name, value) for name, value in row.items()]
    statement = f"INSERT INTO {table} ({', '.join(row)}) VALUES ({marks(values)})"
    return connection.execute(statement, values).lastrowid or 0


def put(connection: Connection, table: str, rows: Iterable[Mapping[str, object] | Struct]) -> None:
    """Insert rows that all have the same columns, or replace those of the same key."""
    found = [
        dict(zip(row.__struct_encode_fields__, astuple(row), strict=True)) if isinstance(row, Struct) else row
        for row in rows
    ]
    if found:
        statement = f"INSERT OR REPLACE INTO {table} ({', '.join(found[0])}) VALUES ({marks(found[0])})"
        connection.executemany(
            statement, [[_stored(name, value) for name, value in row.items()] for row in found]
        )


def update(
    connection: Connection,
    table: str,
    values: Mapping[str, object],
    where: str = "TRUE",
    parameters: Sequence[object] = (),
) -> None:
    """Give the rows that fulfil the condition these values."""
    columns = ", ".join([f"{name} = ?" for name in values])
    stored = [_stored(name, value) for name, value in values.items()]
    stored += [_stored("", value) for value in parameters]
    connection.execute(f"UPDATE {table} SET {columns} WHERE {where}", stored)


def marks(values: Iterable[object]) -> str:
    """Placeholders for a list in a statement: `?, ?, ?`."""
    return ", ".join(["?" for _ in values])


def _stored(column: str, value: object) -> Any:
    """The value as it lies in a column; what is not a number, a text or a time is JSON."""
    if value is None or isinstance(value, int | float | bytes):
        return value
    if isinstance(value, str):
        is_plain = column not in PROSE or value.isascii()
        return value if is_plain else value.encode("utf-8", "backslashreplace").decode("utf-8")
    return moment_text(value) if isinstance(value, datetime) else codec.to_json(value)


class _Packed(Struct, frozen=True, kw_only=True):
    """A recording as it is written."""

    observation: Observation
    settings: Mapping[str, str]
    decision: Decision


class _OnlySeen(Struct, frozen=True, kw_only=True):
    """The part of a recording that is asked for most."""

    observation: Observation


def pack(seen: Observation, settings: Mapping[str, str], decision: Decision) -> bytes:
    """A cycle as it can be planned again: compressed JSON of its inputs and its result."""
    recording = _Packed(observation=seen, settings=settings, decision=decision)
    return zlib.compress(codec.to_json_bytes(recording), _COMPRESSION)


def unpack(packed: bytes) -> Recording:
    """The cycle that `pack` packed. Raises UnreadableError."""
    found = _unpacked(_Packed, packed)
    settings = tuple(found.settings.items())
    return Recording(observation=found.observation, settings=settings, decision=found.decision)


def unpack_observation(packed: bytes) -> Observation:
    """The observation alone, without reading the rest. Raises UnreadableError."""
    return _unpacked(_OnlySeen, packed).observation


def _unpacked[T](kind: type[T], packed: bytes) -> T:
    try:
        return codec.from_json(kind, zlib.decompress(packed))
    except (BadInput, zlib.error, TypeError) as error:
        raise UnreadableError(f"a recorded cycle: {error}") from None
