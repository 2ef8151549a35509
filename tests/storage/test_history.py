"""What reports can read of the past, and how much of it is kept."""

from datetime import timedelta
from pathlib import Path

import pytest
from tests.storage.builders import (
    MINUTE,
    NOW,
    SETTINGS,
    Store,
    add,
    counters,
    decision,
    ending,
    node,
    observation,
)

from wnm.core.action import Outcome, Result, StopNode
from wnm.core.node import NodeId, Status
from wnm.core.reasons import legacy, legacy_blocked
from wnm.core.timeline import CycleRecord
from wnm.storage.database import open_for_reading, open_for_writing
from wnm.storage.ledger import FORGOTTEN_PER_CYCLE, KEPT_IDLE_RECORDINGS, Ledger
from wnm.storage.timeline import Timeline

STOP = StopNode(node=NodeId(1), shed=True, because=legacy("the load is high"))
HELD = legacy_blocked("growth", "the load to fall", NOW + MINUTE, None)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    made = Store(tmp_path)
    made.insert(node(1), node(2, Status.STOPPED))
    return made


def act(store: Store, *outcomes: Outcome) -> int:
    """A whole cycle that acts."""
    with open_for_writing(store.path) as database:
        decided = decision(*(outcome.action for outcome in outcomes), held=(HELD,))
        intention = Ledger(database).intend(observation((node(1),)), SETTINGS, decided, NOW)
        Ledger(database).conclude(
            intention,
            outcomes,
            ending(NOW + timedelta(seconds=4.5), exit_code=1, counters=counters(), history_days=30),
        )
    return intention.cycle_id


def latest(store: Store) -> CycleRecord:
    with open_for_reading(store.path) as database:
        found = Timeline(database).cycle()
    assert found is not None
    return found


def count(store: Store, table: str, *, recorded: bool = False) -> int:
    wanted = f"SELECT count(*) FROM {table} {'WHERE recording IS NOT NULL' if recorded else ''}"
    with open_for_reading(store.path) as database:
        return int(database.read(lambda connection: connection.execute(wanted).fetchone()[0]))


def test_before_the_first_cycle(tmp_path: Path) -> None:
    store = Store(tmp_path)
    with open_for_reading(store.path) as database:
        history = Timeline(database)
        assert (history.cycle(), history.cycle(7), history.last_reading()) == (None, None, None)
        assert (history.cycles(5), history.operations(1), history.samples(NOW)) == ((), (), ())


def test_a_cycle_with_everything_needed_to_plan_it_again(store: Store) -> None:
    number = act(store, Outcome(action=STOP, result=Result.DONE, ended_at=NOW))
    cycle = latest(store)
    assert cycle.number == number
    assert (cycle.rule, cycle.exit_code, cycle.seconds, cycle.actions) == ("growth", 1, 4.5, 1)
    assert (cycle.started_at, cycle.ended_at) == (NOW, NOW + timedelta(seconds=4.5))
    assert cycle.held == (HELD,)
    assert cycle.counts == ((Status.STOPPED, 2),)
    assert cycle.recording is not None
    assert cycle.recording.observation == observation((node(1),))
    assert cycle.recording.decision == decision(STOP, held=(HELD,))
    assert dict(cycle.recording.settings) == SETTINGS


def test_a_cycle_that_was_killed_while_acting(store: Store) -> None:
    with open_for_writing(store.path) as database:
        Ledger(database).intend(observation(), SETTINGS, decision(STOP), NOW)
    cycle = latest(store)
    assert (cycle.ended_at, cycle.exit_code, cycle.seconds, cycle.counts) == (None, None, None, None)
    assert cycle.recording is not None


def test_cycles_newest_first(store: Store) -> None:
    numbers = [store.idle(decision(), now=NOW + minute * MINUTE) for minute in range(4)]
    with open_for_reading(store.path) as database:
        found = Timeline(database).cycles(3)
        third = Timeline(database).cycle(numbers[1])
    assert [cycle.number for cycle in found] == numbers[:0:-1]
    assert all(cycle.is_recorded and cycle.recording is None for cycle in found)
    assert third is not None
    assert third.started_at == NOW + MINUTE


def test_operations_of_a_cycle_and_of_a_node(store: Store) -> None:
    failed = Outcome(action=add(3), result=Result.FAILED, ended_at=NOW, error="no space", note="tried twice")
    first = act(store, Outcome(action=STOP, result=Result.DONE, ended_at=NOW), failed)
    second = act(store, Outcome(action=STOP, result=Result.DEFERRED, ended_at=NOW))
    with open_for_reading(store.path) as database:
        history = Timeline(database)
        of_cycle, of_node = history.operations(first), history.operations_of(1, 10)
        newest_of_node = history.operations_of(1, 1)
    assert [operation.action for operation in of_cycle] == [STOP, add(3)]
    assert [operation.result for operation in of_cycle] == ["done", "failed"]
    assert (of_cycle[1].error, of_cycle[1].note, of_cycle[1].intended_at) == ("no space", "tried twice", NOW)
    assert [(operation.cycle, operation.result) for operation in of_node] == [
        (second, "deferred"),
        (first, "done"),
    ]
    assert newest_of_node == of_node[:1]


def test_a_sample_says_null_for_what_was_not_seen(store: Store) -> None:
    with open_for_reading(store.path) as database:
        (sample,) = Timeline(database).samples(NOW)
        assert Timeline(database).samples(NOW + MINUTE) == ()
    assert (sample.at, sample.cpu_percent, sample.disk_used_percent) == (NOW, 12.5, 75.0)
    assert (sample.load1, sample.load5, sample.load15) == (0.5, 0.25, 0.125)
    assert sample.netio_read_bytes_per_second == 1000.0
    assert sample.netio_write_bytes_per_second is None
    assert sample.hdio_read_bytes_per_second == 0.0
    assert (sample.nodes_running, sample.nodes_total) == (1, 2)


def test_the_newest_reading_that_is_kept(store: Store) -> None:
    store.idle(decision(), now=NOW + MINUTE)
    with open_for_reading(store.path) as database:
        reading = Timeline(database).last_reading()
    assert reading == observation(now=NOW + MINUTE)


def test_idle_recordings_are_dropped_and_acting_ones_kept(store: Store) -> None:
    acting = act(store, Outcome(action=STOP, result=Result.DONE, ended_at=NOW))
    extra = 15
    for _ in range(KEPT_IDLE_RECORDINGS + extra):
        store.idle(decision())
    assert count(store, "cycle", recorded=True) == KEPT_IDLE_RECORDINGS + 1
    assert count(store, "cycle") == KEPT_IDLE_RECORDINGS + extra + 2
    with open_for_reading(store.path) as database:
        kept, dropped = Timeline(database).cycle(acting), Timeline(database).cycle(1)
    assert kept is not None
    assert kept.recording is not None
    assert dropped is not None
    assert (dropped.is_recorded, dropped.recording) == (False, None)


def test_old_cycles_go_with_all_that_hangs_on_them(store: Store) -> None:
    act(store, Outcome(action=STOP, result=Result.DONE, ended_at=NOW))
    store.idle(decision(), now=NOW + timedelta(days=29))
    assert [count(store, table) for table in ("cycle", "operation", "sample")] == [3, 1, 3]
    store.idle(decision(), now=NOW + timedelta(days=31))
    assert [count(store, table) for table in ("cycle", "operation", "sample")] == [2, 0, 2]


def test_an_operation_that_nobody_concluded_is_never_forgotten(store: Store) -> None:
    with open_for_writing(store.path) as database:
        Ledger(database).intend(observation(), SETTINGS, decision(STOP), NOW)
    store.idle(decision(), now=NOW + timedelta(days=400))
    with open_for_reading(store.path) as database:
        assert [found.action for found in Ledger(database).load().interrupted] == [STOP]


def test_a_cycle_after_a_long_rest_forgets_only_so_many(store: Store) -> None:
    for _ in range(FORGOTTEN_PER_CYCLE + 10):
        store.idle(decision())
    store.idle(decision(), now=NOW + timedelta(days=90))
    assert count(store, "cycle") == 12
    store.idle(decision(), now=NOW + timedelta(days=90))
    assert count(store, "cycle") == 2
