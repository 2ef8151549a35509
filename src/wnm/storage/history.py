"""Reading what earlier cycles did, for reports."""

from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, Select, case, select

from wnm.core import codec
from wnm.core.decision import Held
from wnm.core.errors import BadInput
from wnm.core.history import CycleRecord, OperationRecord, Recording, SampleRecord
from wnm.core.node import Node, NodeId, Status
from wnm.core.observation import Observation
from wnm.storage import models
from wnm.storage.columns import UnreadableError
from wnm.storage.database import Database
from wnm.storage.mapping import action_of, node_of_row, unpack


class History:
    """The past of one machine, newest first unless said otherwise."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def nodes(self) -> tuple[Node, ...]:
        """Every node that has a row, by id."""
        wanted = select(models.Node).order_by(models.Node.c.id)
        return self._database.read(lambda connection: tuple(map(node_of_row, connection.execute(wanted))))

    def cycle(self, number: int | None = None) -> CycleRecord | None:
        """The cycle of this number, else the latest, with its recording while it is kept. None: no such cycle."""
        wanted = _cycles(with_recording=True)
        if number is None:
            wanted = wanted.order_by(models.Cycle.c.id.desc()).limit(1)
        else:
            wanted = wanted.where(models.Cycle.c.id == number)

        def work(connection: Connection) -> CycleRecord | None:
            row = connection.execute(wanted).first()
            return None if row is None else _cycle_record(row)

        return self._database.read(work)

    def cycles(self, limit: int) -> tuple[CycleRecord, ...]:
        """The latest cycles, without their recordings."""
        wanted = _cycles(with_recording=False).order_by(models.Cycle.c.id.desc()).limit(limit)
        return self._database.read(lambda connection: tuple(map(_cycle_record, connection.execute(wanted))))

    def operations(self, cycle: int) -> tuple[OperationRecord, ...]:
        """The operations of a cycle, in the order of its actions."""
        wanted = select(models.Operation).where(models.Operation.c.cycle_id == cycle)
        return self._operations(wanted.order_by(models.Operation.c.id))

    def operations_of(self, node_id: int, limit: int) -> tuple[OperationRecord, ...]:
        """The latest operations of a node."""
        wanted = select(models.Operation).where(models.Operation.c.node_id == node_id)
        return self._operations(wanted.order_by(models.Operation.c.id.desc()).limit(limit))

    def samples(self, since: datetime) -> tuple[SampleRecord, ...]:
        """The samples taken at or after `since`, oldest first."""
        columns = [column for column in models.Sample.c if column.name != "cycle_id"]
        wanted = select(*columns).where(models.Sample.c.at >= since).order_by(models.Sample.c.at)
        return self._database.read(
            lambda connection: tuple(SampleRecord(**row._mapping) for row in connection.execute(wanted))
        )

    def last_reading(self) -> Observation | None:
        """The newest observation that is kept."""
        cycle = models.Cycle
        wanted = select(cycle.c.recording).where(cycle.c.recording.is_not(None))
        newest = wanted.order_by(cycle.c.id.desc()).limit(1)

        def work(connection: Connection) -> Observation | None:
            recording = connection.execute(newest).scalar()
            return None if recording is None else unpack(recording)[0]

        return self._database.read(work)

    def _operations(self, wanted: Select[Any]) -> tuple[OperationRecord, ...]:
        return self._database.read(
            lambda connection: tuple(map(operation_record, connection.execute(wanted)))
        )


def _cycles(*, with_recording: bool) -> Select[Any]:
    cycle = models.Cycle
    columns: list[Any] = [column for column in cycle.c if column.name != "recording"]
    columns.append(case((cycle.c.recording.is_not(None), True), else_=False).label("is_recorded"))
    return select(*columns, cycle.c.recording) if with_recording else select(*columns)


def _cycle_record(row: Row[Any]) -> CycleRecord:
    values = dict(row._mapping)
    recording = values.get("recording")
    try:
        held = codec.decode(tuple[Held, ...], row.held)
        counts = row.counts and tuple((Status(status), int(row.counts[status])) for status in row.counts)
    except (BadInput, ValueError, TypeError) as error:
        raise UnreadableError(f"cycle {row.id}: {error}") from None
    return CycleRecord(
        number=row.id,
        started_at=row.started_at,
        ended_at=row.ended_at,
        rule=row.rule,
        because=row.because,
        exit_code=row.exit_code,
        seconds=row.seconds,
        held=held,
        counts=counts,
        actions=row.actions,
        is_recorded=bool(row.is_recorded),
        recording=None if recording is None else _recording(recording),
    )


def _recording(packed: bytes) -> Recording:
    observation, settings, decision = unpack(packed)
    return Recording(observation=observation, settings=tuple(settings.items()), decision=decision)


def operation_record(row: Row[Any]) -> OperationRecord:
    """The operation in a row of its table. Raises UnreadableError."""
    return OperationRecord(
        id=row.id,
        cycle=row.cycle_id,
        node_id=NodeId(row.node_id),
        action=action_of(row.action, row.id),
        intended_at=row.intended_at,
        ended_at=row.ended_at,
        result=row.result,
        error=row.error,
        note=row.note,
        freed_bytes=row.freed_bytes,
    )
