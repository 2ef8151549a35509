"""Keeps what wnm remembers from cycle to cycle: written before the action, concluded after it."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from functools import partial
from sqlite3 import Connection, Row
from typing import Any

from msgspec import Struct

from wnm import __version__
from wnm.core.action import AddNode, AdoptNode, NodeAction, Outcome, Result, Resurvey, node_of
from wnm.core.decision import Decision
from wnm.core.earnings import FROM_ZERO
from wnm.core.errors import Bug
from wnm.core.layers import Layer
from wnm.core.lifecycle import after, after_additions, during
from wnm.core.node import Node, NodeId, Status
from wnm.core.node_log import KeptLog
from wnm.core.observation import (
    Counters,
    FirewallReading,
    Identity,
    Interrupted,
    LedgerState,
    MachineReading,
    Observation,
    ProgramReading,
    Remembered,
    ShunAct,
    Unseen,
)
from wnm.core.places import KnownPlace
from wnm.core.release import Release, after_outcomes, merged
from wnm.core.sentences import sentence
from wnm.core.timeline import MEASURES
from wnm.storage import earnings, handed_over, rows
from wnm.storage.database import Database

MOST_SHUN_ACTS = 100
"""The largest budget that there may be for a day."""
INTERRUPTED = "interrupted"
KEPT_IDLE_RECORDINGS = 120
KEPT_ACTING_RECORDINGS = 2000
KEPT_FOR_FLEET = timedelta(days=30)
"""The extra time beyond `history_days` that a cycle is kept if a fleet has not fetched it."""
# A cycle after a long rest must not be slow; the next ones go on with the rest.
FORGOTTEN_PER_CYCLE = 50


class Intended(Struct, frozen=True, kw_only=True):
    """One action that was written down: its operation, and its node's row before the action and during it.

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
    """The facts at the end of a cycle besides its outcomes; `counters` are those that the next one compares with."""

    ended_at: datetime
    exit_code: int
    counters: Counters | None
    history_days: float


class Ledger:
    """The ledger of one machine. Every verb is one transaction: all of it is on disk, or nothing.

    Nobody else writes rows of nodes while the cycle's lock is held, so those that were read once are read again only
    after this ledger wrote them.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._known: dict[int, Node] | None = None
        self._written: set[int] = set()

    def settings(self) -> dict[str, str]:
        """The settings that were given and are kept, as canonical texts by name."""
        return self._database.read(handed_over.given_settings)

    def layers(self) -> tuple[Layer, ...]:
        """The layers of settings that are kept, highest first: wishes of a fleet, and what was given here."""
        return self._database.read(handed_over.layers)

    def change_settings(self, changes: Mapping[str, str | None], at: datetime) -> None:
        """Keep these settings from now on; None forgets one, so that its default holds again."""
        with self._database.writing() as connection:
            handed_over.change_settings(connection, changes, at)

    def identity(self) -> Identity:
        """The identity of this machine."""
        machine = self._database.read(machine_row)
        return rows.value_of(Identity, machine, "machine", uuid=machine["identity"])

    def note_places(self, places: Sequence[KnownPlace]) -> None:
        """Remember these storage folders as they are now; the others stay as they were."""
        with self._database.writing() as connection:
            rows.put(connection, "place", places)

    def note(self, **news: object) -> None:
        """Remember facts about the machine: `system_id`, the system that this is; `noticed_system_id`, another one that
        the operator was told of; `synced_through`, the cycle up to which a fleet has fetched everything.
        """
        with self._database.writing() as connection:
            rows.update(connection, "machine", news)

    def absent_before(self) -> tuple[str, ...]:
        """The folders and accounts that were not there before wnm was told to use them."""
        return self._database.read(_absent_before)

    def note_absent(self, absent: Sequence[str]) -> None:
        """Remember that these folders or accounts are not there yet."""
        if absent:
            with self._database.writing() as connection:
                merged = list(dict.fromkeys([*_absent_before(connection), *absent]))
                rows.update(connection, "machine", {"absent_before": merged})

    def nodes(self) -> tuple[Node, ...]:
        """The rows of all nodes, by id."""
        known, written = self._known, sorted(self._written)
        if known is None:
            self._known = {node.id: node for node in self._database.read(all_nodes)}
        else:
            others = {number: node for number, node in known.items() if number not in self._written}
            self._known = others | self._database.read(partial(_nodes_with, ids=written))
        self._written.clear()
        return tuple([self._known[number] for number in sorted(self._known)])

    def load(self) -> LedgerState:
        """Everything that an observation needs of the past."""
        found = self._database.read(_load)
        self._known = {node.id: node for node in found.nodes}
        self._written.clear()
        return found

    def intend(
        self, seen: Observation, settings: Mapping[str, str], decision: Decision, started_at: datetime
    ) -> Intention:
        """Write down what was concluded and what is about to be done, before doing it.

        `settings` are all settings in force, as canonical texts, so that the cycle can be planned again.
        Operations that were found open are concluded as interrupted. Raises Bug for an action on a node
        without a row.
        """
        with self._database.writing() as connection:
            number = begin_cycle(connection, seen, settings, decision, started_at)
            intended = _write_operations(connection, number, decision, started_at)
            # All that nodes which are about to be made will ever show was earned under wnm.
            new = {int(item.during.id): FROM_ZERO for item in intended if item.before is None}
            earnings.remember(connection, new)
            rows.put(connection, "node", [item.during for item in intended])
        intention = Intention(cycle_id=number, started_at=started_at, seen=seen, intended=intended)
        self._written |= {item.after.id for item in decision.conclusions if item.after != item.before}
        self._written |= intention.rows.keys()
        return intention

    def conclude(self, intention: Intention, outcomes: Sequence[Outcome], ending: Ending) -> None:
        """Write down what became of the actions, and what the next cycle needs to know.

        An action without an outcome counts as unfinished: its operation stays open for the next cycle.
        Raises Bug for an outcome of something that was never intended.
        """
        self._written |= intention.rows.keys()
        with self._database.writing() as connection:
            _write_outcomes(connection, intention, outcomes)
            _end(connection, intention, outcomes, ending)

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
        self._written |= {item.after.id for item in decision.conclusions if item.after != item.before}
        with self._database.writing() as connection:
            number = begin_cycle(connection, seen, settings, decision, started_at)
            intention = Intention(cycle_id=number, started_at=started_at, seen=seen, intended=())
            _end(connection, intention, (), ending)
        return number


# Reading


def machine_row(connection: Connection) -> Row:
    """The one row of the machine."""
    row: Row = connection.execute("SELECT * FROM machine").fetchone()
    return row


def all_nodes(connection: Connection) -> tuple[Node, ...]:
    """The rows of all nodes, by id."""
    return tuple(map(rows.node_of_row, connection.execute("SELECT * FROM node ORDER BY id")))


def _nodes_with(connection: Connection, ids: Sequence[int]) -> dict[int, Node]:
    """The nodes of these ids that have a row."""
    found = connection.execute(f"SELECT * FROM node WHERE id IN ({rows.marks(ids)})", ids)
    return {row["id"]: rows.node_of_row(row) for row in found}


def _absent_before(connection: Connection) -> tuple[str, ...]:
    text = machine_row(connection)["absent_before"]
    return () if text is None else rows.json_of(tuple[str, ...], text, "absent_before")


def _load(connection: Connection) -> LedgerState:
    machine = machine_row(connection)
    left_open = connection.execute("SELECT id, action FROM operation WHERE result IS NULL ORDER BY id")
    initialised_at = rows.moment_of(machine["initialised_at"])
    # What an older wnm wrote differently is read again from the end of the log.
    kept = connection.execute("SELECT kept FROM node_log ORDER BY node_id")
    logs = [rows.remembered_value(KeptLog, text) for (text,) in kept]
    return rows.value_of(
        LedgerState,
        machine,
        "machine",
        nodes=all_nodes(connection),
        interrupted=[
            Interrupted(operation_id=number, action=rows.action_of(action, number))
            for number, action in left_open
        ],
        remembered=_remembered(connection, machine),
        counters=rows.remembered_value(Counters, machine["counters"]),
        available=rows.remembered_value(ProgramReading, machine["available"]),
        # A number that stays this machine's: no two are initialised in the same microsecond, as good as never.
        machine_seed=int(initialised_at.timestamp() * 1_000_000),
        reservations=handed_over.reservations(connection),
        foreign_readings=handed_over.readings(connection),
        logs=[log for log in logs if log is not None],
    )


_NEWEST_DONE = (
    "SELECT ended_at, freed_bytes, mount_point FROM operation WHERE result = 'done' AND {} "
    "ORDER BY ended_at DESC, id DESC LIMIT 1"
)


def _remembered(connection: Connection, machine: Row) -> Remembered:
    was_shed = "kind = 'StopNode' AND json_extract(action, '$.shed') = 1"
    shed = connection.execute(_NEWEST_DONE.format(was_shed)).fetchone() or (None,)
    has_freed = "kind = 'RemoveNode' AND freed_bytes IS NOT NULL"
    freed = connection.execute(_NEWEST_DONE.format(has_freed)).fetchone() or (None, None, None)
    # The latest actions on shunned nodes; one that was never begun is none, whatever else it became.
    shunned = connection.execute(
        "SELECT node_id, intended_at FROM operation WHERE kind IN ('RestartNode', 'RetireNode') "
        "AND result IS NOT 'deferred' AND json_extract(action, '$.shunned') = 1 ORDER BY id DESC LIMIT ?",
        (MOST_SHUN_ACTS,),
    )
    acts = [ShunAct(node=NodeId(number), at=rows.moment_of(at)) for number, at in shunned]
    return rows.value_of(
        Remembered,
        machine,
        "machine",
        last_shed_at=shed[0],
        last_freed_at=freed[0],
        last_freed_bytes=freed[1],
        last_freed_mount_point=freed[2],
        releases=_releases_of(machine),
        shun_acts=acts[::-1],
        places=[
            rows.value_of(KnownPlace, row, f"place {row['path']}")
            for row in connection.execute("SELECT * FROM place ORDER BY path")
        ],
    )


def _releases_of(machine: Row) -> tuple[Release, ...]:
    """Return the records of versions; none if an older wnm wrote them differently."""
    return rows.remembered_value(tuple[Release, ...], machine["releases"]) or ()


# Writing: each on a connection in a transaction of the caller's


def begin_cycle(
    connection: Connection,
    seen: Observation,
    settings: Mapping[str, str],
    decision: Decision,
    started_at: datetime,
) -> int:
    """Write the cycle's row, what was concluded of the nodes and what they earned; return the cycle's number.

    The operations that were found open are answered by this cycle's decision.
    """
    cycle = {
        "started_at": started_at,
        "rule": decision.rule,
        "because": sentence(decision.because, {each.node.id: each.node.name for each in seen.nodes}),
        "held": decision.held,
        "actions": len(decision.actions),
        "recording": rows.pack(seen, settings, decision),
    }
    number = rows.insert(connection, "cycle", cycle)
    _keep_releases(connection, decision.releases)
    rows.put(connection, "node", [item.after for item in decision.conclusions if item.after != item.before])
    earnings.note(connection, seen)
    # Changes of status that no action made; other news of nodes is no change.
    changes = [
        {
            "cycle_id": number,
            "at": seen.now,
            "node_id": int(each.after.id),
            "node_name": each.after.name,
            "was": each.before.status.value,
            "became": each.after.status.value,
            "because": each.after.because,
        }
        for each in decision.conclusions
        if each.before.status is not each.after.status
    ]
    rows.put(connection, "state_change", changes)
    found = [interrupted.operation_id for interrupted in seen.interrupted]
    still_open = f"id IN ({rows.marks(found)}) AND result IS NULL"
    rows.update(connection, "operation", {"result": INTERRUPTED, "ended_at": started_at}, still_open, found)
    return number


def _keep_releases(connection: Connection, news: Sequence[Release]) -> None:
    """Write what is newly known of versions."""
    if news:
        whole = merged(_releases_of(machine_row(connection)), tuple(news))
        rows.update(connection, "machine", {"releases": whole})


def _write_operations(
    connection: Connection, number: int, decision: Decision, now: datetime
) -> tuple[Intended, ...]:
    actions = [action for action in decision.actions if not isinstance(action, Resurvey)]
    present = _nodes_with(connection, [node_of(action) for action in actions])
    intended = []
    for action in actions:
        before = present.get(node_of(action))
        if before is None and not isinstance(action, AddNode | AdoptNode):
            raise Bug(f"{type(action).__name__} was decided for node {node_of(action)}, which has no row")
        row = {
            "cycle_id": number,
            "intended_at": now,
            "subject_kind": "node",
            "subject_id": str(int(node_of(action))),
            "kind": type(action).__name__,
            "action": action,
            "mount_point": before.mount_point if before is not None else None,
        }
        operation, while_it_lasts = rows.insert(connection, "operation", row), during(action, before, now)
        intended.append(Intended(operation_id=operation, action=action, before=before, during=while_it_lasts))
    return tuple(intended)


def _write_outcomes(connection: Connection, intention: Intention, outcomes: Sequence[Outcome]) -> None:
    by_node = {node_of(item.action): item for item in intention.intended}
    kept: list[Node] = []
    gone: list[int] = []
    finished: list[tuple[Node, Outcome]] = []
    for outcome in outcomes:
        item = by_node.pop(node_of(outcome.action), None)
        if item is None or type(item.action) is not type(outcome.action):
            raise Bug(f"{type(outcome.action).__name__} of node {node_of(outcome.action)} was never intended")
        finished.append((item.during, outcome))
        row = after(outcome, item.during, item.before)
        if row is None:
            gone.append(node_of(outcome.action))
        else:
            kept.append(row)
        values: dict[str, object] = {
            "error": outcome.error,
            "note": outcome.note,
            "freed_bytes": outcome.freed_bytes,
        }
        # An operation that outlived the cycle stays open, with what is known of it so far.
        if outcome.result is not Result.UNFINISHED:
            values |= {"result": outcome.result.value, "ended_at": outcome.ended_at}
        rows.update(connection, "operation", values, "id = ?", [item.operation_id])
    _keep_releases(connection, after_outcomes(_releases_of(machine_row(connection)), finished))
    rows.put(connection, "node", kept)
    connection.execute(f"DELETE FROM node WHERE id IN ({rows.marks(gone)})", gone)
    connection.execute(f"DELETE FROM node_log WHERE node_id IN ({rows.marks(gone)})", gone)
    earnings.forget(connection, gone)


def _end(connection: Connection, intention: Intention, outcomes: Sequence[Outcome], ending: Ending) -> None:
    """Conclude the cycle's row, take its sample, and write what the next cycle needs to know of this one."""
    seen = intention.seen
    counts = dict(map(tuple, connection.execute("SELECT status, count(*) FROM node GROUP BY status")))
    concluded = {
        "ended_at": ending.ended_at,
        "exit_code": ending.exit_code,
        "seconds": (ending.ended_at - intention.started_at).total_seconds(),
        "counts": counts,
    }
    rows.update(connection, "cycle", concluded, "id = ?", [intention.cycle_id])
    sample = sample_of(seen.machine, counts)
    rows.insert(connection, "sample", {"cycle_id": intention.cycle_id, "at": seen.now, **sample})
    remembered: dict[str, Any] = {
        "boot_id": seen.machine.boot_id,
        "last_cycle_at": intention.started_at,
        "wnm_version": __version__,
        **after_additions(machine_row(connection)["add_failures"], outcomes, ending.ended_at),
    }
    if ending.counters is not None:
        remembered["counters"] = ending.counters
    if isinstance(seen.available, ProgramReading):
        remembered["available"] = seen.available
    if isinstance(seen.firewall, FirewallReading):
        remembered["firewall_note"] = seen.firewall.note
    rows.update(connection, "machine", remembered)
    there = {number for (number,) in connection.execute("SELECT id FROM node")}
    logs = [each.reading.log for each in seen.nodes if each.node.id in there and each.reading.log is not None]
    rows.put(connection, "node_log", [{"node_id": log.node, "kept": log} for log in logs])
    _forget(connection, now=ending.ended_at, history_days=ending.history_days)


def sample_of(machine: MachineReading, counts: Mapping[str, int]) -> dict[str, Any]:
    """The readings of a cycle as columns; what was not seen is NULL. `counts` is nodes by status."""
    load = None if isinstance(machine.load, Unseen) else machine.load
    names = [name for name in MEASURES if name in MachineReading.__struct_fields__]
    readings = {name: getattr(machine, name) for name in names}
    return {
        **{name: None if isinstance(value, Unseen) else value for name, value in readings.items()},
        "load1": load and load.one,
        "load5": load and load.five,
        "load15": load and load.fifteen,
        "disk_used_percent": max([each.used_percent for each in machine.file_systems], default=None),
        "nodes_running": counts.get(Status.RUNNING, 0),
        "nodes_total": sum(counts.values()),
    }


def _forget(connection: Connection, *, now: datetime, history_days: float) -> None:
    """Drop cycles older than `history_days` and the recordings that are too many, a bounded number at a time.

    A cycle with an operation that nobody concluded is kept, and for `KEPT_FOR_FLEET` longer one that a fleet has not
    fetched yet.
    """
    for is_kind, kept in (("actions = 0", KEPT_IDLE_RECORDINGS), ("actions > 0", KEPT_ACTING_RECORDINGS)):
        connection.execute(
            "UPDATE cycle SET recording = NULL WHERE id IN (SELECT id FROM cycle "
            f"WHERE {is_kind} AND recording IS NOT NULL ORDER BY id DESC LIMIT ? OFFSET ?)",
            (FORGOTTEN_PER_CYCLE, kept),
        )
    too_old = now - timedelta(days=history_days)
    connection.execute(
        "DELETE FROM cycle WHERE id IN (SELECT id FROM cycle WHERE started_at < ? "
        "AND (started_at < ? OR id <= (SELECT ifnull(synced_through, cycle.id) FROM machine)) AND NOT EXISTS "
        "(SELECT 1 FROM operation WHERE operation.cycle_id = cycle.id AND operation.result IS NULL) "
        "ORDER BY started_at LIMIT ?)",
        (rows.moment_text(too_old), rows.moment_text(too_old - KEPT_FOR_FLEET), FORGOTTEN_PER_CYCLE),
    )
