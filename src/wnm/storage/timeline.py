"""Reads the timeline of a machine: its cycles, the actions on its nodes, changes of state, and readings."""

import json
from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import datetime
from sqlite3 import Connection, Row

from wnm.core.node import Node, Status
from wnm.core.observation import Observation
from wnm.core.reasons import Blocked
from wnm.core.timeline import (
    MEASURES,
    RANGES,
    Bucket,
    ChangeRecord,
    CycleRecord,
    Events,
    OperationRecord,
    Past,
    PastCycle,
    Range,
    SampleRecord,
    Spread,
)
from wnm.storage import rows
from wnm.storage.database import Database
from wnm.storage.ledger import all_nodes

MOST_OPERATIONS = 120
MOST_CYCLES = 180
"""Three hours of cycles, idle ones too; those of the latest operations are there however old they are."""
MOST_EVENTS = 5000
"""Of each kind, however long ago one asks for: a text that long is read by nobody, and has to fit into memory."""

_CYCLE = "id, started_at, ended_at, rule, because, exit_code, seconds, held, counts, actions, recording IS NOT NULL"
_SAMPLE = ", ".join(SampleRecord.__struct_fields__)


class Timeline:
    """The past of one machine, newest first unless said otherwise. Every verb is one transaction."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def nodes(self) -> tuple[Node, ...]:
        """Every node that has a row, by id."""
        return self._database.read(all_nodes)

    def cycle(self, number: int | None = None) -> CycleRecord | None:
        """The cycle of this number, else the latest, with its recording while it is kept. None: no such cycle."""
        which = "WHERE id = ?" if number is not None else "ORDER BY id DESC LIMIT 1"
        found = self._rows(
            f"SELECT {_CYCLE} AS is_recorded, recording FROM cycle {which}",
            () if number is None else (number,),
            _cycle_record,
        )
        return found[0] if found else None

    def cycles(self, limit: int) -> tuple[CycleRecord, ...]:
        """The latest cycles, without their recordings."""
        wanted = f"SELECT {_CYCLE} AS is_recorded, NULL AS recording FROM cycle ORDER BY id DESC LIMIT ?"
        return self._rows(wanted, (limit,), _cycle_record)

    def operations(self, cycle: int) -> tuple[OperationRecord, ...]:
        """The operations of a cycle, in the order of its actions."""
        return self._rows("SELECT * FROM operation WHERE cycle_id = ? ORDER BY id", (cycle,), _operation)

    def operations_of(self, node_id: int, limit: int) -> tuple[OperationRecord, ...]:
        """The latest operations of a node."""
        wanted = "SELECT * FROM operation WHERE node_id = ? ORDER BY id DESC LIMIT ?"
        return self._rows(wanted, (node_id, limit), _operation)

    def latest_operations(self) -> Mapping[int, OperationRecord]:
        """The latest action on each node, by the node's id; those that were only put off are none."""
        newest = "SELECT max(id) FROM operation WHERE result IS NOT 'deferred' GROUP BY node_id"
        found = self._rows(f"SELECT * FROM operation WHERE id IN ({newest})", (), _operation)
        return {int(each.node_id): each for each in found}

    def samples(self, since: datetime) -> tuple[SampleRecord, ...]:
        """The samples taken at or after `since`, oldest first."""
        wanted = f"SELECT {_SAMPLE} FROM sample WHERE at >= ? ORDER BY at"
        return self._rows(wanted, (rows.moment_text(since),), _sample)

    def sample_of(self, cycle: int) -> SampleRecord | None:
        """The readings that were kept of a cycle."""
        found = self._rows(f"SELECT {_SAMPLE} FROM sample WHERE cycle_id = ?", (cycle,), _sample)
        return found[0] if found else None

    def last_reading(self) -> Observation | None:
        """The newest observation that is kept."""
        newest = "SELECT recording FROM cycle WHERE recording IS NOT NULL ORDER BY id DESC LIMIT 1"
        found = self._rows(newest, (), lambda row: rows.unpack_observation(row["recording"]))
        return found[0] if found else None

    def past(self, now: datetime) -> Past:
        """The ranges that end now, summed up by the database, and the latest cycles and operations."""

        def work(connection: Connection) -> Past:
            newest = "SELECT * FROM operation ORDER BY id DESC LIMIT ?"
            operations = tuple(map(_operation, connection.execute(newest, (MOST_OPERATIONS,))))
            latest = connection.execute("SELECT id FROM cycle ORDER BY id DESC LIMIT ?", (MOST_CYCLES,))
            numbers = {each.cycle for each in operations} | {row["id"] for row in latest}
            return Past(
                until=now,
                cycles=_cycles_of(connection, numbers),
                operations=operations,
                trends={each.name: _trend(connection, each, now) for each in RANGES},
            )

        return self._database.read(work)

    def events(
        self, *, node_id: int | None = None, since: datetime | None = None, limit: int | None = None
    ) -> Events:
        """Actions on this node, or on all, and what became of them by themselves: the latest `limit` of both kinds."""
        most = min(limit or MOST_EVENTS, MOST_EVENTS)

        def work(connection: Connection) -> Events:
            done, done_in_all = _newest(connection, "operation", "intended_at", node_id, since, most)
            changed, changed_in_all = _newest(connection, "state_change", "at", node_id, since, most)
            operations, changes = _latest(tuple(map(_operation, done)), tuple(map(_change, changed)), most)
            numbers = {each.cycle for each in operations} | {each.cycle for each in changes}
            return Events(
                operations=operations,
                changes=changes,
                cycles={each.number: each for each in _cycles_of(connection, numbers)},
                earlier=done_in_all + changed_in_all - len(operations) - len(changes),
            )

        return self._database.read(work)

    def _rows[T](
        self, wanted: str, parameters: Sequence[object], of_row: Callable[[Row], T]
    ) -> tuple[T, ...]:
        return self._database.read(
            lambda connection: tuple(map(of_row, connection.execute(wanted, parameters)))
        )


def _cycle_record(row: Row) -> CycleRecord:
    name, counts, recording = f"cycle {row['id']}", row["counts"], row["recording"]
    return rows.value_of(
        CycleRecord,
        row,
        name,
        number=row["id"],
        held=rows.json_of(tuple[Blocked, ...], row["held"], name),
        counts=None if counts is None else list(rows.json_of(dict[Status, int], counts, name).items()),
        is_recorded=bool(row["is_recorded"]),
        recording=None if recording is None else rows.unpack(recording),
    )


def _operation(row: Row) -> OperationRecord:
    """The operation in a row of its table. Raises UnreadableError."""
    action = rows.action_of(row["action"], row["id"])
    name = f"operation {row['id']}"
    return rows.value_of(OperationRecord, row, name, cycle=row["cycle_id"], action=action)


def _change(row: Row) -> ChangeRecord:
    name = f"state change {row['id']}"
    return rows.value_of(ChangeRecord, row, name, cycle=row["cycle_id"], node=row["node_name"])


def _sample(row: Row) -> SampleRecord:
    return rows.value_of(SampleRecord, row, f"sample of {row['at']!r:.60}")


def _newest(
    connection: Connection, table: str, at: str, node_id: int | None, since: datetime | None, most: int
) -> tuple[list[Row], int]:
    """The newest rows that fulfil the conditions, and how many do in all."""
    where = f"WHERE (?1 IS NULL OR node_id = ?1) AND (?2 IS NULL OR {at} >= ?2)"
    conditions = (node_id, None if since is None else rows.moment_text(since))
    found = connection.execute(
        f"SELECT * FROM {table} {where} ORDER BY id DESC LIMIT ?3", (*conditions, most)
    )
    newest = found.fetchall()
    (in_all,) = connection.execute(f"SELECT count(*) FROM {table} {where}", conditions).fetchone()
    return newest, in_all


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


def _cycles_of(connection: Connection, numbers: Collection[int]) -> tuple[PastCycle, ...]:
    """The cycles of these numbers in short, newest first."""
    found = connection.execute(
        "SELECT id AS number, started_at, rule, because, exit_code FROM cycle "
        "WHERE id IN (SELECT value FROM json_each(?)) ORDER BY id DESC",
        (json.dumps(sorted(numbers)),),
    )
    return tuple([rows.value_of(PastCycle, row, f"cycle {row['number']}") for row in found])


def _trend(connection: Connection, range_: Range, now: datetime) -> tuple[Bucket, ...]:
    since = now - range_.length
    figures = ", ".join(f"min({name}), avg({name}), max({name})" for name in MEASURES)
    # A sample of this very moment belongs to the last bucket, one of a clock that went wrong to none.
    found = connection.execute(
        "SELECT min(CAST((CAST(strftime('%s', at) AS INTEGER) - ?) / ? AS INTEGER), ?) AS bucket, "
        f"{figures} FROM sample WHERE at >= ? AND at <= ? GROUP BY bucket ORDER BY bucket",
        (
            int(since.timestamp()),
            range_.bucket_seconds,
            range_.buckets - 1,
            rows.moment_text(since),
            rows.moment_text(now),
        ),
    )
    return tuple(map(_bucket, found))


def _bucket(row: Row) -> Bucket:
    index, *figures = row
    spreads = {}
    for measure, low, mean, high in zip(MEASURES, figures[::3], figures[1::3], figures[2::3], strict=True):
        if mean is not None:
            spreads[measure] = Spread(low=low, mean=mean, high=high)
    return Bucket(index=max(0, index), spreads=spreads)
