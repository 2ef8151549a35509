"""What wnm remembers from cycle to cycle: written before the deed, concluded after it."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from msgspec import Struct
from sqlalchemy import Connection, func, insert, select, update

from wnm.core.action import AddNode, NodeAction, Resurvey, node_of
from wnm.core.decision import Decision
from wnm.core.deeds import after, during
from wnm.core.errors import Bug
from wnm.core.node import Node, NodeId
from wnm.core.observation import Interrupted, Observation, ProgramReading, Remembered, ShunAct
from wnm.core.outcome import Outcome, Result
from wnm.core.rates import Counters
from wnm.core.recall import Recall
from wnm.core.release import after_outcomes
from wnm.storage import earnings, models, writing
from wnm.storage.database import Database
from wnm.storage.mapping import action_of, node_of_row, operation_row, remembered_value

MOST_SHUN_ACTS = 100
"""The largest budget that there may be for a day."""


class Intended(Struct, frozen=True, kw_only=True):
    """One action that was written down: its operation, and its node's row before the deed and during it.

    `before` holds what was concluded of the node in the same cycle; None when it had no row.
    """

    operation_id: int
    action: NodeAction
    before: Node | None
    during: Node


class Intention(Struct, frozen=True, kw_only=True):
    """A cycle that was written down before acting; `intended` is in the order of the decision's actions."""

    cycle_id: int
    started_at: datetime
    seen: Observation
    intended: tuple[Intended, ...]

    @property
    def rows(self) -> Mapping[NodeId, Node]:
        """The nodes that are about to be acted on, as they are written down while it lasts."""
        return {item.during.id: item.during for item in self.intended}


class Ending(Struct, frozen=True, kw_only=True):
    """What is known at the end of a cycle besides its outcomes; `counters` are those the next one compares with."""

    ended_at: datetime
    exit_code: int
    counters: Counters | None
    history_days: float


class Ledger:
    """The ledger of one machine. Every verb is one transaction: all of it is on disk, or nothing."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def settings(self) -> dict[str, str]:
        """The settings that were given and are kept, as canonical texts by name."""
        return self._database.read(_settings)

    def change_settings(self, changes: Mapping[str, str | None]) -> None:
        """Keep these settings from now on; None forgets one, so that its default holds again."""

        def work(connection: Connection) -> None:
            merged: dict[str, str | None] = {**_settings(connection), **changes}
            kept = {name: text for name, text in merged.items() if text is not None}
            connection.execute(update(models.Machine).values(settings=kept))

        self._database.write(work)

    def absent_before(self) -> tuple[str, ...]:
        """The folders and accounts that were not there before wnm was told to use them."""
        return self._database.read(_absent_before)

    def note_absent(self, absent: Sequence[str]) -> None:
        """Remember that these folders or accounts are not there yet."""

        def work(connection: Connection) -> None:
            known = _absent_before(connection)
            merged = list(dict.fromkeys([*known, *absent]))
            connection.execute(update(models.Machine).values(absent_before=merged))

        if absent:
            self._database.write(work)

    def nodes(self) -> tuple[Node, ...]:
        """The rows of all nodes, by id."""
        return self._database.read(_nodes)

    def recall(self) -> Recall:
        """Everything that an observation needs of the past."""
        return self._database.read(_recall)

    def intend(
        self, seen: Observation, settings: Mapping[str, str], decision: Decision, started_at: datetime
    ) -> Intention:
        """Write down what was concluded and what is about to be done, before doing it.

        `settings` are all settings in force, as canonical texts, so that the cycle can be planned again.
        Operations that were found open are concluded as interrupted. Raises Bug for an action on a node
        without a row.
        """

        def work(connection: Connection) -> Intention:
            number = writing.begin_cycle(connection, seen, settings, decision, started_at)
            writing.close_interrupted(connection, seen, started_at)
            intended = _write_operations(connection, number, decision, started_at)
            earnings.begin(connection, [item.during for item in intended if item.before is None])
            writing.write_nodes(connection, [item.during for item in intended])
            return Intention(cycle_id=number, started_at=started_at, seen=seen, intended=intended)

        return self._database.write(work)

    def conclude(self, intention: Intention, outcomes: Sequence[Outcome], ending: Ending) -> None:
        """Write down what became of the actions, and what the next cycle needs to know.

        An action without an outcome counts as unfinished: its operation stays open for the next cycle.
        Raises Bug for an outcome of something that was never intended.
        """

        def work(connection: Connection) -> None:
            _write_outcomes(connection, intention, outcomes)
            _end(connection, intention, outcomes, ending)

        self._database.write(work)

    def record_idle(
        self,
        seen: Observation,
        settings: Mapping[str, str],
        decision: Decision,
        started_at: datetime,
        ending: Ending,
    ) -> int:
        """`intend` and `conclude` in one transaction, for a cycle without actions; return its number."""
        if any(not isinstance(action, Resurvey) for action in decision.actions):
            raise Bug("a cycle with actions must be written down before it acts")

        def work(connection: Connection) -> int:
            number = writing.begin_cycle(connection, seen, settings, decision, started_at)
            writing.close_interrupted(connection, seen, started_at)
            intention = Intention(cycle_id=number, started_at=started_at, seen=seen, intended=())
            _end(connection, intention, (), ending)
            return number

        return self._database.write(work)


def _settings(connection: Connection) -> dict[str, str]:
    kept = writing.machine_row(connection).settings
    return {str(name): str(text) for name, text in kept.items()}


def _seed_of(initialised_at: datetime) -> int:
    """A number that stays this machine's: no two are initialised in the same microsecond, as good as never."""
    return int(initialised_at.timestamp() * 1_000_000)


def _absent_before(connection: Connection) -> tuple[str, ...]:
    return tuple(str(each) for each in writing.machine_row(connection).absent_before or ())


def _nodes(connection: Connection) -> tuple[Node, ...]:
    return tuple(map(node_of_row, connection.execute(select(models.Node).order_by(models.Node.c.id))))


def _recall(connection: Connection) -> Recall:
    machine = writing.machine_row(connection)
    operation = models.Operation
    left_open = select(operation).where(operation.c.result.is_(None)).order_by(operation.c.id)
    return Recall(
        nodes=_nodes(connection),
        interrupted=tuple(
            Interrupted(operation_id=row.id, action=action_of(row.action, row.id))
            for row in connection.execute(left_open)
        ),
        remembered=_remembered(connection, machine),
        boot_id=machine.boot_id,
        counters=remembered_value(Counters, machine.counters),
        available=remembered_value(ProgramReading, machine.available),
        last_cycle_at=machine.last_cycle_at,
        firewall_note=machine.firewall_note,
        machine_seed=_seed_of(machine.initialised_at),
    )


def _remembered(connection: Connection, machine: Any) -> Remembered:
    operation = models.Operation
    done = select(operation).where(operation.c.result == Result.DONE.value)
    newest = done.order_by(operation.c.ended_at.desc(), operation.c.id.desc()).limit(1)
    shed = connection.execute(
        newest.where(operation.c.kind == "StopNode", func.json_extract(operation.c.action, "$.shed") == 1)
    ).first()
    freed = connection.execute(
        newest.where(operation.c.kind == "RemoveNode", operation.c.freed_bytes.is_not(None))
    ).first()
    return Remembered(
        last_shed_at=shed.ended_at if shed is not None else None,
        last_freed_bytes=freed.freed_bytes if freed is not None else None,
        last_freed_at=freed.ended_at if freed is not None else None,
        last_freed_mount_point=freed.mount_point if freed is not None else None,
        add_failures=machine.add_failures,
        add_retry_at=machine.add_retry_at,
        add_last_error=machine.add_last_error,
        releases=writing.releases_of(machine),
        shun_acts=_shun_acts(connection),
    )


def _shun_acts(connection: Connection) -> tuple[ShunAct, ...]:
    """The latest actions on shunned nodes, oldest first; one that was never begun is none, whatever else it became."""
    operation = models.Operation
    begun = operation.c.result.is_distinct_from(Result.DEFERRED.value)
    wanted = (
        select(operation.c.node_id, operation.c.intended_at)
        .where(operation.c.kind.in_(["RestartNode", "RetireNode"]), begun)
        .where(func.json_extract(operation.c.action, "$.shunned") == 1)
        .order_by(operation.c.id.desc())
        .limit(MOST_SHUN_ACTS)
    )
    found = [ShunAct(node=NodeId(row.node_id), at=row.intended_at) for row in connection.execute(wanted)]
    return tuple(reversed(found))


def _write_operations(
    connection: Connection, number: int, decision: Decision, now: datetime
) -> tuple[Intended, ...]:
    actions = [action for action in decision.actions if not isinstance(action, Resurvey)]
    present = writing.nodes_with(connection, (node_of(action) for action in actions))
    intended = []
    for action in actions:
        before = present.get(node_of(action))
        if before is None and not isinstance(action, AddNode):
            raise Bug(f"{type(action).__name__} was decided for node {node_of(action)}, which has no row")
        row = operation_row(action, before)
        inserted = connection.execute(
            insert(models.Operation).values(cycle_id=number, intended_at=now, **row)
        ).inserted_primary_key
        if inserted is None:
            raise Bug("an operation was written without an id")
        intended.append(
            Intended(
                operation_id=int(inserted[0]),
                action=action,
                before=before,
                during=during(action, before, now),
            )
        )
    return tuple(intended)


def _write_outcomes(connection: Connection, intention: Intention, outcomes: Sequence[Outcome]) -> None:
    by_node = {node_of(item.action): item for item in intention.intended}
    kept: list[Node] = []
    gone: list[int] = []
    judged: list[tuple[Node, Outcome]] = []
    for outcome in outcomes:
        item = by_node.pop(node_of(outcome.action), None)
        if item is None or type(item.action) is not type(outcome.action):
            raise Bug(f"{type(outcome.action).__name__} of node {node_of(outcome.action)} was never intended")
        judged.append((item.during, outcome))
        row = after(outcome, item.during, item.before)
        if row is None:
            gone.append(node_of(outcome.action))
        else:
            kept.append(row)
        _write_outcome(connection, item.operation_id, outcome)
    known = writing.releases_of(writing.machine_row(connection))
    writing.keep_releases(connection, after_outcomes(known, judged))
    writing.write_nodes(connection, kept)
    writing.delete_nodes(connection, gone)


def _write_outcome(connection: Connection, operation_id: int, outcome: Outcome) -> None:
    """An operation that outlived the cycle stays open, with what is known of it so far."""
    ended: dict[str, Any] = {"result": outcome.result.value, "ended_at": outcome.ended_at}
    if outcome.result is Result.UNFINISHED:
        ended = {}
    connection.execute(
        update(models.Operation)
        .where(models.Operation.c.id == operation_id)
        .values(error=outcome.error, note=outcome.note, freed_bytes=outcome.freed_bytes, **ended)
    )


def _end(connection: Connection, intention: Intention, outcomes: Sequence[Outcome], ending: Ending) -> None:
    seen, started_at, ended_at = intention.seen, intention.started_at, ending.ended_at
    writing.end_cycle(
        connection,
        intention.cycle_id,
        seen,
        started_at=started_at,
        ended_at=ended_at,
        exit_code=ending.exit_code,
    )
    writing.remember(
        connection, seen, outcomes, counters=ending.counters, started_at=started_at, ended_at=ended_at
    )
    writing.forget(connection, now=ended_at, history_days=ending.history_days)
