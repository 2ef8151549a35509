"""Reading what happened to nodes: the actions on them, and what became of them by themselves."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, func, select

from wnm.core.events import Events
from wnm.core.history import ChangeRecord, OperationRecord, SampleRecord
from wnm.core.node import NodeId, Status
from wnm.core.past import PastCycle
from wnm.storage import models
from wnm.storage.columns import UnreadableError
from wnm.storage.database import Database
from wnm.storage.history import operation_record

MOST_EVENTS = 5000
"""Of each kind, however long ago one asks for: a text that long is read by nobody, and has to fit into memory."""


def read_events(
    database: Database, *, node_id: int | None = None, since: datetime | None = None, limit: int | None = None
) -> Events:
    """What happened to this node, or to all; the latest `limit` of both kinds together, in the order of time."""
    most = min(limit or MOST_EVENTS, MOST_EVENTS)

    def work(connection: Connection) -> Events:
        operation, change = models.Operation, models.StateChange
        of_operations = _conditions(operation, operation.c.intended_at, node_id, since)
        of_changes = _conditions(change, change.c.at, node_id, since)
        newest = select(operation).where(*of_operations).order_by(operation.c.id.desc()).limit(most)
        latest = select(change).where(*of_changes).order_by(change.c.id.desc()).limit(most)
        operations = tuple(map(operation_record, connection.execute(newest)))
        changes = tuple(map(_change, connection.execute(latest)))
        kept = _latest(operations, changes, most)
        all_of_them = _count(connection, operation, of_operations) + _count(connection, change, of_changes)
        found = {each.cycle for each in kept[0]} | {each.cycle for each in kept[1]}
        return Events(
            operations=kept[0],
            changes=kept[1],
            cycles=_cycles(connection, found),
            earlier=all_of_them - len(kept[0]) - len(kept[1]),
        )

    return database.read(work)


def latest_operations(database: Database) -> Mapping[int, OperationRecord]:
    """The latest action on each node, by the node's id; those that were only put off are none."""
    operation = models.Operation
    was_done = operation.c.result.is_distinct_from("deferred")
    newest = select(func.max(operation.c.id)).where(was_done).group_by(operation.c.node_id)
    wanted = select(operation).where(operation.c.id.in_(newest))
    return database.read(
        lambda connection: {int(row.node_id): operation_record(row) for row in connection.execute(wanted)}
    )


def sample_of(database: Database, cycle: int) -> SampleRecord | None:
    """The readings that were kept of a cycle."""
    columns = [column for column in models.Sample.c if column.name != "cycle_id"]
    wanted = select(*columns).where(models.Sample.c.cycle_id == cycle)

    def work(connection: Connection) -> SampleRecord | None:
        row = connection.execute(wanted).first()
        return None if row is None else SampleRecord(**row._mapping)

    return database.read(work)


def _conditions(
    table: Any, at: ColumnElement[Any], node_id: int | None, since: datetime | None
) -> list[ColumnElement[bool]]:
    found = [] if node_id is None else [table.c.node_id == node_id]
    return found if since is None else [*found, at >= since]


def _count(connection: Connection, table: Any, conditions: list[ColumnElement[bool]]) -> int:
    return int(connection.execute(select(func.count()).select_from(table).where(*conditions)).scalar_one())


def _latest(
    operations: tuple[OperationRecord, ...], changes: tuple[ChangeRecord, ...], most: int
) -> tuple[tuple[OperationRecord, ...], tuple[ChangeRecord, ...]]:
    """The latest of both together: in a cycle the changes come before the actions."""
    both = sorted(
        [(each.cycle, 1, each.id) for each in operations] + [(each.cycle, 0, each.id) for each in changes]
    )
    kept = {(kind, number) for _, kind, number in both[-most:]}
    return (
        tuple(each for each in operations if (1, each.id) in kept),
        tuple(each for each in changes if (0, each.id) in kept),
    )


def _cycles(connection: Connection, numbers: set[int]) -> dict[int, PastCycle]:
    cycle = models.Cycle
    columns = (cycle.c.id, cycle.c.started_at, cycle.c.rule, cycle.c.because, cycle.c.exit_code)
    wanted = select(*columns).where(cycle.c.id.in_(numbers))
    return {
        row.id: PastCycle(
            number=row.id,
            started_at=row.started_at,
            rule=row.rule,
            because=row.because,
            exit_code=row.exit_code,
        )
        for row in connection.execute(wanted)
    }


def _change(row: Row[Any]) -> ChangeRecord:
    try:
        was, became = Status(row.was), Status(row.became)
    except ValueError as error:
        raise UnreadableError(f"state change {row.id}: {error}") from None
    return ChangeRecord(
        id=row.id,
        cycle=row.cycle_id,
        at=row.at,
        node_id=NodeId(row.node_id),
        node=row.node_name,
        was=was,
        became=became,
        because=row.because,
    )
