"""Reading the last weeks in one go, summed up by the database: a month is more rows than a cycle has time for."""

from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Integer, cast, func, or_, select

from wnm.core.history import OperationRecord
from wnm.core.node import NodeId
from wnm.core.past import MEASURES, RANGES, Bucket, Past, PastCycle, Range, Spread
from wnm.storage import models
from wnm.storage.database import Database
from wnm.storage.mapping import action_of

MOST_OPERATIONS = 120
MOST_CYCLES = 180
"""Three hours of cycles, idle ones too; those of the latest operations are there however old they are."""


def read_past(database: Database, now: datetime) -> Past:
    """The ranges that end now, and the latest cycles and operations."""

    def work(connection: Connection) -> Past:
        operations = _operations(connection)
        return Past(
            until=now,
            cycles=_cycles(connection, {each.cycle for each in operations}),
            operations=operations,
            trends={each.name: _trend(connection, each, now) for each in RANGES},
        )

    return database.read(work)


def _operations(connection: Connection) -> tuple[OperationRecord, ...]:
    operation = models.Operation
    wanted = select(operation).order_by(operation.c.id.desc()).limit(MOST_OPERATIONS)
    return tuple(
        OperationRecord(
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
        for row in connection.execute(wanted)
    )


def _cycles(connection: Connection, numbers: set[int]) -> tuple[PastCycle, ...]:
    cycle = models.Cycle
    latest = select(cycle.c.id).order_by(cycle.c.id.desc()).limit(MOST_CYCLES)
    columns = (cycle.c.id, cycle.c.started_at, cycle.c.rule, cycle.c.because, cycle.c.exit_code)
    wanted = select(*columns).where(or_(cycle.c.id.in_(latest), cycle.c.id.in_(numbers)))
    return tuple(
        PastCycle(
            number=row.id,
            started_at=row.started_at,
            rule=row.rule,
            because=row.because,
            exit_code=row.exit_code,
        )
        for row in connection.execute(wanted.order_by(cycle.c.id.desc()))
    )


def _trend(connection: Connection, range_: Range, now: datetime) -> tuple[Bucket, ...]:
    sample, since = models.Sample, now - range_.length
    seconds = cast(func.strftime("%s", sample.c.at), Integer) - int(since.timestamp())
    # A sample of this very moment belongs to the last bucket, one of a clock that went wrong to none.
    index = func.min(cast(seconds / range_.bucket_seconds, Integer), range_.buckets - 1)
    figures = [figure(sample.c[measure]) for measure in MEASURES for figure in (func.min, func.avg, func.max)]
    within = (sample.c.at >= since, sample.c.at <= now)
    wanted = select(index, *figures).where(*within).group_by(index).order_by(index)
    return tuple(_bucket(row[0], list(row[1:])) for row in connection.execute(wanted))


def _bucket(index: int, figures: list[Any]) -> Bucket:
    spreads = {}
    for place, measure in enumerate(MEASURES):
        low, mean, high = figures[3 * place : 3 * place + 3]
        if mean is not None:
            spreads[measure] = Spread(low=low, mean=mean, high=high)
    return Bucket(index=max(0, index), spreads=spreads)
