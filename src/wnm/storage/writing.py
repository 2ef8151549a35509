"""The statements that a cycle writes with, each on a connection in a transaction of the caller's."""

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Row, delete, func, insert, select, update

from wnm import __version__
from wnm.core import codec
from wnm.core.action import AddNode
from wnm.core.decision import Decision
from wnm.core.lifecycle import retry_at
from wnm.core.node import Node
from wnm.core.observation import FirewallReading, Observation, ProgramReading
from wnm.core.outcome import Outcome, Result
from wnm.core.rates import Counters
from wnm.core.release import Release, merged
from wnm.storage import changes, earnings, models
from wnm.storage.mapping import node_of_row, node_row, pack, remembered_value, sample_row

INTERRUPTED = "interrupted"
KEPT_IDLE_RECORDINGS = 120
KEPT_ACTING_RECORDINGS = 2000
# A cycle after a long rest must not be slow; the next ones go on with the rest.
FORGOTTEN_PER_CYCLE = 50


def machine_row(connection: Connection) -> Row[Any]:
    return connection.execute(select(models.Machine)).one()


def nodes_with(connection: Connection, ids: Iterable[int]) -> dict[int, Node]:
    """The nodes of these ids that have a row."""
    rows = connection.execute(select(models.Node).where(models.Node.c.id.in_(list(ids))))
    return {row.id: node_of_row(row) for row in rows}


def write_nodes(connection: Connection, nodes: Iterable[Node]) -> None:
    """Insert or replace the rows of these nodes."""
    rows = [node_row(node) for node in nodes]
    if rows:
        connection.execute(insert(models.Node).prefix_with("OR REPLACE"), rows)


def delete_nodes(connection: Connection, ids: Iterable[int]) -> None:
    gone = list(ids)
    if gone:
        connection.execute(delete(models.Node).where(models.Node.c.id.in_(gone)))
        earnings.forget(connection, gone)


def begin_cycle(
    connection: Connection,
    seen: Observation,
    settings: Mapping[str, str],
    decision: Decision,
    started_at: datetime,
) -> int:
    """Write the cycle's row, what was concluded of the nodes and what they earned; return the cycle's number."""
    number = connection.execute(
        insert(models.Cycle).values(
            started_at=started_at,
            rule=decision.rule,
            because=decision.because,
            held=codec.encode(decision.held),
            actions=len(decision.actions),
            recording=pack(seen, settings, decision),
        )
    ).inserted_primary_key
    keep_releases(connection, decision.releases)
    changed = [item.after for item in decision.conclusions if item.after != item.before]
    write_nodes(connection, changed)
    earnings.note(connection, seen)
    cycle_id = int(number[0]) if number is not None else 0
    changes.note(connection, cycle_id, decision, seen.now)
    return cycle_id


def keep_releases(connection: Connection, news: Iterable[Release]) -> None:
    """Write what is newly known of versions."""
    newer = tuple(news)
    if newer:
        whole = merged(releases_of(machine_row(connection)), newer)
        connection.execute(update(models.Machine).values(releases=codec.encode(whole)))


def releases_of(machine: Row[Any]) -> tuple[Release, ...]:
    """What is known of versions; none if an older wnm wrote it differently."""
    return remembered_value(tuple[Release, ...], machine.releases) or ()


def close_interrupted(connection: Connection, seen: Observation, at: datetime) -> None:
    """The operations that were found open are answered by this cycle's decision."""
    found = [interrupted.operation_id for interrupted in seen.interrupted]
    if found:
        connection.execute(
            update(models.Operation)
            .where(models.Operation.c.id.in_(found), models.Operation.c.result.is_(None))
            .values(result=INTERRUPTED, ended_at=at)
        )


def end_cycle(
    connection: Connection,
    number: int,
    seen: Observation,
    *,
    started_at: datetime,
    ended_at: datetime,
    exit_code: int,
) -> None:
    """Conclude the cycle's row and take its sample."""
    tally = select(models.Node.c.status, func.count()).group_by(models.Node.c.status)
    counts: dict[str, int] = {row[0]: row[1] for row in connection.execute(tally)}
    connection.execute(
        update(models.Cycle)
        .where(models.Cycle.c.id == number)
        .values(
            ended_at=ended_at,
            exit_code=exit_code,
            seconds=(ended_at - started_at).total_seconds(),
            counts=counts,
        )
    )
    sample = sample_row(seen.machine, counts)
    connection.execute(insert(models.Sample).values(cycle_id=number, at=seen.now, **sample))


def remember(
    connection: Connection,
    seen: Observation,
    outcomes: Iterable[Outcome],
    *,
    counters: Counters | None,
    started_at: datetime,
    ended_at: datetime,
) -> None:
    """Write what the next cycle needs to know of this one."""
    values: dict[str, Any] = {
        "boot_id": seen.machine.boot_id,
        "last_cycle_at": started_at,
        "wnm_version": __version__,
    }
    if counters is not None:
        values["counters"] = codec.encode(counters)
    if isinstance(seen.available, ProgramReading):
        values["available"] = codec.encode(seen.available)
    if isinstance(seen.firewall, FirewallReading):
        values["firewall_note"] = seen.firewall.note
    values |= _additions(connection, outcomes, ended_at)
    connection.execute(update(models.Machine).values(**values))


def _additions(connection: Connection, outcomes: Iterable[Outcome], ended_at: datetime) -> dict[str, Any]:
    """How additions go on: one step back for a cycle in which any failed, however many did."""
    results = [outcome for outcome in outcomes if isinstance(outcome.action, AddNode)]
    failed = [outcome for outcome in results if outcome.result is Result.FAILED]
    succeeded = any(outcome.result is Result.DONE for outcome in results)
    if failed:
        earlier = 0 if succeeded else machine_row(connection).add_failures
        failures = earlier + 1
        return {
            "add_failures": failures,
            "add_retry_at": retry_at(failures, ended_at, failed[-1].retry),
            "add_last_error": failed[-1].error,
        }
    if succeeded:
        return {"add_failures": 0, "add_retry_at": None, "add_last_error": None}
    return {}


def forget(connection: Connection, *, now: datetime, history_days: float) -> None:
    """Drop cycles older than `history_days` and the recordings that are too many, a bounded number at a time.

    A cycle with an operation that nobody concluded is kept.
    """
    cycle, operation = models.Cycle, models.Operation
    for is_kind, kept in (
        (cycle.c.actions == 0, KEPT_IDLE_RECORDINGS),
        (cycle.c.actions > 0, KEPT_ACTING_RECORDINGS),
    ):
        recorded = select(cycle.c.id).where(is_kind, cycle.c.recording.is_not(None))
        too_many = recorded.order_by(cycle.c.id.desc()).limit(FORGOTTEN_PER_CYCLE).offset(kept)
        connection.execute(update(cycle).where(cycle.c.id.in_(too_many)).values(recording=None))
    is_open = select(operation.c.id).where(operation.c.cycle_id == cycle.c.id, operation.c.result.is_(None))
    too_old = (
        select(cycle.c.id)
        .where(cycle.c.started_at < now - timedelta(days=history_days), ~is_open.exists())
        .order_by(cycle.c.started_at)
        .limit(FORGOTTEN_PER_CYCLE)
    )
    connection.execute(delete(cycle).where(cycle.c.id.in_(too_old)))
