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
from wnm.core.action import NodeAction, node_of
from wnm.core.decision import Decision
from wnm.core.errors import BadInput, Bug
from wnm.core.node import Node, Status
from wnm.core.observation import FileSystem, MachineReading, Observation, Unseen
from wnm.core.timeline import Recording
from wnm.storage.errors import UnreadableError
from wnm.storage.schema import PROSE

NODE = "node"
"""The kind of subject of an operation on a node."""
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
    """The value in a JSON column; `name` says in errors which. Raises UnreadableError."""
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


def insert(connection: Connection, table: str, row: Mapping[str, object]) -> int:
    """Insert a row and return its id."""
    columns, marks = ", ".join(row), ", ".join("?" * len(row))
    values = [_stored(name, value) for name, value in row.items()]
    return connection.execute(f"INSERT INTO {table} ({columns}) VALUES ({marks})", values).lastrowid or 0


def put(connection: Connection, table: str, rows: Iterable[Mapping[str, object]]) -> None:
    """Insert rows that all have the same columns, or replace those of the same key."""
    found = list(rows)
    if found:
        columns, marks = ", ".join(found[0]), ", ".join("?" * len(found[0]))
        connection.executemany(
            f"INSERT OR REPLACE INTO {table} ({columns}) VALUES ({marks})",
            ([_stored(name, value) for name, value in row.items()] for row in found),
        )


def update(
    connection: Connection,
    table: str,
    values: Mapping[str, object],
    where: str = "TRUE",
    parameters: Sequence[object] = (),
) -> None:
    """Give the rows that fulfil the condition these values."""
    columns = ", ".join(f"{name} = ?" for name in values)
    stored = [_stored(name, value) for name, value in values.items()]
    connection.execute(f"UPDATE {table} SET {columns} WHERE {where}", [*stored, *map(_plain, parameters)])


def marks(values: Sequence[object]) -> str:
    """Placeholders for a list in a statement: `?, ?, ?`."""
    return ", ".join("?" * len(values))


def _stored(column: str, value: object) -> Any:
    """The value as it lies in a column; what is not a number, a text or a time is JSON."""
    if isinstance(value, str) and column in PROSE and not value.isascii():
        return value.encode("utf-8", "backslashreplace").decode("utf-8")
    return _plain(value)


def _plain(value: object) -> Any:
    if value is None or isinstance(value, str | int | float | bytes):
        return value
    return moment_text(value) if isinstance(value, datetime) else codec.to_json(value)


def node_row(node: Node) -> dict[str, Any]:
    """The columns of a node."""
    return dict(zip(Node.__struct_encode_fields__, astuple(node), strict=True))


def node_of_row(row: Row) -> Node:
    """The node in a row of the node table. Raises UnreadableError."""
    values = dict(zip(row.keys(), row, strict=True))
    for name, kind in _LISTS.items():
        text = values[name]
        if text == "[]":
            values[name] = ()
        elif text is not None:
            values[name] = json_of(kind, text, f"node {values['id']}: {name}")
    for name in ("no_upnp", "restarted", "crashed"):
        values[name] = bool(values[name])
    try:
        return msgspec.convert(values, Node)
    except msgspec.ValidationError as error:
        raise UnreadableError(f"node {values['id']}: {error}") from None


def action_of(text: Any, operation_id: int) -> NodeAction:
    """The action of an operation row. Raises UnreadableError."""
    try:
        action: NodeAction = codec.from_json(NodeAction, text)
    except (BadInput, TypeError) as error:
        raise UnreadableError(f"operation {operation_id}: {error}") from None
    return action


def operation_row(action: NodeAction, before: Node | None) -> dict[str, Any]:
    """The columns of an operation that follow from the action; `before` is its node's row so far."""
    return {
        "subject_kind": NODE,
        "subject_id": str(int(node_of(action))),
        "kind": type(action).__name__,
        "action": action,
        "mount_point": before.mount_point if before is not None else None,
    }


class _Packed(Struct, frozen=True, kw_only=True):
    """A recording as it is written."""

    observation: Observation
    settings: Mapping[str, str]
    decision: Decision


def pack(seen: Observation, settings: Mapping[str, str], decision: Decision) -> bytes:
    """A cycle as it can be planned again: compressed JSON of its inputs and its result."""
    recording = _Packed(observation=seen, settings=settings, decision=decision)
    return zlib.compress(codec.to_json_bytes(recording), _COMPRESSION)


def unpack(packed: bytes) -> Recording:
    """The cycle that `pack` packed. Raises UnreadableError."""
    try:
        found = codec.from_json(_Packed, zlib.decompress(packed))
    except (BadInput, zlib.error, TypeError) as error:
        raise UnreadableError(f"a recorded cycle: {error}") from None
    return Recording(
        observation=found.observation, settings=tuple(found.settings.items()), decision=found.decision
    )


class _OnlySeen(Struct, frozen=True, kw_only=True):
    """The part of a recording that is asked for most."""

    observation: Observation


def unpack_observation(packed: bytes) -> Observation:
    """The observation alone, without reading the rest. Raises UnreadableError."""
    try:
        return codec.from_json(_OnlySeen, zlib.decompress(packed)).observation
    except (BadInput, zlib.error, TypeError) as error:
        raise UnreadableError(f"a recorded cycle: {error}") from None


def sample_row(machine: MachineReading, counts: Mapping[str, int]) -> dict[str, Any]:
    """The readings of a cycle as columns; what was not seen is NULL. `counts` is nodes by status."""
    load = None if isinstance(machine.load, Unseen) else machine.load
    return {
        "cpu_percent": _number(machine.cpu_percent),
        "memory_percent": _number(machine.memory_percent),
        "load1": load and load.one,
        "load5": load and load.five,
        "load15": load and load.fifteen,
        "disk_used_percent": _fullest(machine.file_systems),
        "netio_read_bytes_per_second": _number(machine.netio_read_bytes_per_second),
        "netio_write_bytes_per_second": _number(machine.netio_write_bytes_per_second),
        "hdio_read_bytes_per_second": _number(machine.hdio_read_bytes_per_second),
        "hdio_write_bytes_per_second": _number(machine.hdio_write_bytes_per_second),
        "nodes_running": counts.get(Status.RUNNING, 0),
        "nodes_total": sum(counts.values()),
    }


def _number(reading: float | Unseen) -> float | None:
    return None if isinstance(reading, Unseen) else reading


def _fullest(file_systems: Sequence[FileSystem]) -> float | None:
    return max((system.used_percent for system in file_systems), default=None)
