"""Rows of the ledger as values of the core, and back."""

import json
import zlib
from collections.abc import Mapping, Sequence
from typing import Any

from msgspec.structs import fields
from sqlalchemy import Row

from wnm.core import codec
from wnm.core.action import NodeAction, node_of
from wnm.core.decision import Decision
from wnm.core.errors import BadInput
from wnm.core.node import Node, Status
from wnm.core.observation import FileSystem, MachineReading, Observation, Unseen
from wnm.storage.columns import UnreadableError

_NODE_FIELDS = tuple(field.name for field in fields(Node))
# The quickest level: recordings are many and short-lived.
_COMPRESSION = 1


def node_row(node: Node) -> dict[str, Any]:
    """The columns of a node."""
    row = {name: getattr(node, name) for name in _NODE_FIELDS}
    row["status"] = node.status.value
    return row


def node_of_row(row: Row[Any]) -> Node:
    """The node in a row of the node table. Raises UnreadableError."""
    values = dict(row._mapping)
    try:
        values["status"] = Status(values["status"])
        values["environment"] = tuple((str(name), str(value)) for name, value in values["environment"])
        values["start_args"] = tuple(str(argument) for argument in values["start_args"])
        if values["command"] is not None:
            values["command"] = tuple(str(argument) for argument in values["command"])
        return Node(**values)
    except (ValueError, TypeError) as error:
        raise UnreadableError(f"node {values.get('id')}: {error}") from None


def action_of(data: object, operation_id: int) -> NodeAction:
    """The action of an operation row. Raises UnreadableError."""
    try:
        action: NodeAction = codec.decode(NodeAction, data)
    except BadInput as error:
        raise UnreadableError(f"operation {operation_id}: {error}") from None
    return action


def operation_row(action: NodeAction, before: Node | None) -> dict[str, Any]:
    """The columns of an operation that follow from the action; `before` is its node's row so far."""
    return {
        "node_id": int(node_of(action)),
        "kind": type(action).__name__,
        "action": codec.encode(action),
        "mount_point": before.mount_point if before is not None else None,
    }


def remembered_value[T](kind: type[T], data: object) -> T | None:
    """A value that is kept only to save work, or None: one that an older wnm wrote differently is no loss."""
    if data is None:
        return None
    try:
        return codec.decode(kind, data)
    except BadInput:
        return None


def pack(seen: Observation, settings: Mapping[str, str], decision: Decision) -> bytes:
    """A cycle as it can be planned again: compressed JSON of its inputs and its result."""
    recording = {
        "observation": codec.encode(seen),
        "settings": dict(settings),
        "decision": codec.encode(decision),
    }
    return zlib.compress(json.dumps(recording, separators=(",", ":")).encode(), _COMPRESSION)


def unpack(recording: bytes) -> tuple[Observation, dict[str, str], Decision]:
    """What `pack` packed. Raises UnreadableError."""
    try:
        data = json.loads(zlib.decompress(recording))
        settings = {str(name): str(text) for name, text in data["settings"].items()}
        seen = codec.decode(Observation, data["observation"])
        return seen, settings, codec.decode(Decision, data["decision"])
    except (BadInput, zlib.error, ValueError, KeyError, TypeError, AttributeError) as error:
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
