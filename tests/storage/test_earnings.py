"""The earnings ledger in a real database: booked once, with the cycle that saw it, and kept when nodes go."""

import logging
import sqlite3
from contextlib import closing
from datetime import date, timedelta
from pathlib import Path
from sqlite3 import Connection
from typing import Any

import pytest
from msgspec.structs import replace
from tests.storage.builders import MINUTE, NOW, SETTINGS, Store, add, decision, ending, node, observation

from wnm.core.action import AddNode, Outcome, RemoveNode, Result, StopNode
from wnm.core.earnings import FULL_COUNTER_ATTOS, EarningRecord
from wnm.core.node import Node, NodeId
from wnm.core.observation import NodePage, Observation, ProcessReading, Unseen
from wnm.core.reasons import legacy
from wnm.storage.database import open_for_reading, open_for_writing
from wnm.storage.earnings import Earnings
from wnm.storage.ledger import Ledger, begin_cycle

WALLET = "0x" + "2" * 40
TODAY = NOW.date()
STOP = StopNode(node=NodeId(1), shed=True, because=legacy("the load is high"))
REMOVE = RemoveNode(node=NodeId(1), because=legacy("the cap shrank"))


def sight(counts: dict[int, int | None], *, at: Any = NOW, pid: int = 4001, age: int = 60) -> Observation:
    """Nodes 1, 2, … whose counters stand like that; None is one that does not answer."""
    view = observation(tuple(node(number) for number in counts), now=at)
    nodes = []
    for each in view.nodes:
        count, process = counts[each.node.id], each.reading.process
        assert isinstance(process, ProcessReading)
        page: NodePage | Unseen = Unseen(reason="timed out")
        if count is not None:
            page = NodePage(rewards_attos=count, uptime_seconds=age)
        process = replace(process, pid=pid, started_at=at - timedelta(seconds=age))
        nodes.append(replace(each, reading=replace(each.reading, page=page, process=process)))
    return replace(view, nodes=tuple(nodes))


class Till(Store):
    """A store that sees counters, cycle after cycle."""

    def idle_cycle(self, seen: Observation) -> None:
        with open_for_writing(self.path) as database:
            Ledger(database).record_idle(seen, SETTINGS, decision(), seen.now, ending(seen.now + MINUTE))

    def act(self, seen: Observation, action: Any, result: Result | None = Result.DONE) -> None:
        """A cycle that does something; with None for its result it is killed before the end."""
        with open_for_writing(self.path) as database:
            ledger = Ledger(database)
            intention = ledger.intend(seen, SETTINGS, decision(action), seen.now)
            if result is not None:
                outcome = Outcome(action=action, result=result, ended_at=seen.now, running_after=False)
                ledger.conclude(intention, (outcome,), ending(seen.now + MINUTE))

    def earned(self) -> dict[tuple[date | None, str], int]:
        return {(each.day, each.node): each.attos for each in self.records()}

    def records(self) -> tuple[EarningRecord, ...]:
        with open_for_reading(self.path) as database:
            return Earnings(database).all()

    def rows(self, table: str) -> list[tuple[Any, ...]]:
        with closing(sqlite3.connect(f"file:{self.path}?mode=ro", uri=True)) as connection:
            return connection.execute(f"SELECT * FROM {table}").fetchall()


@pytest.fixture
def till(tmp_path: Path) -> Till:
    return Till(tmp_path)


def made(till: Till, number: int = 1) -> Node:
    """A node that wnm has made."""
    till.act(observation(), add(number))
    return node(number)


def test_a_node_that_wnm_made_counts_from_zero(till: Till) -> None:
    made(till)
    till.idle_cycle(sight({1: 500}))
    till.idle_cycle(sight({1: 800}, at=NOW + MINUTE, age=120))
    assert till.records() == (EarningRecord(day=TODAY, node="antnode0001", wallet=WALLET, attos=800),)


def test_a_node_that_ran_before_begins_with_a_baseline_that_is_no_days(till: Till) -> None:
    till.insert(node(1))
    till.idle_cycle(sight({1: 500}))
    till.idle_cycle(sight({1: 800}, at=NOW + MINUTE, age=120))
    till.idle_cycle(sight({1: 40}, at=NOW + 2 * MINUTE, pid=4002, age=20))
    assert till.earned() == {(TODAY, "antnode0001"): 340, (None, "antnode0001"): 500}


def test_days_are_those_of_utc_and_what_is_seen_late_counts_for_the_day_it_was_seen(till: Till) -> None:
    made(till)
    till.idle_cycle(sight({1: 500}))
    till.idle_cycle(sight({1: 800}, at=NOW + timedelta(hours=13), age=50_000))
    assert till.earned() == {
        (TODAY, "antnode0001"): 500,
        (TODAY + timedelta(days=1), "antnode0001"): 300,
    }


def test_those_since_a_day(till: Till) -> None:
    till.insert(node(1))
    for day in range(4):
        till.idle_cycle(sight({1: 100 + 10 * day}, at=NOW + timedelta(days=day), age=60 + 86400 * day))
    with open_for_reading(till.path) as database:
        ledger = Earnings(database)
        assert [each.day for each in ledger.all(since=TODAY + timedelta(days=2))] == [
            TODAY + timedelta(days=2),
            TODAY + timedelta(days=3),
        ]
        assert len(ledger.all(since=TODAY)) == 3
        assert [each.day for each in ledger.all()][-1] is None


def test_restarts_count_on(till: Till) -> None:
    made(till)
    for count, pid, age in [(500, 1, 60), (500, 2, 10), (600, 2, 70), (10, 2, 20), (10, 2, 80)]:
        till.idle_cycle(sight({1: count}, pid=pid, age=age))
    assert till.earned() == {(TODAY, "antnode0001"): 1110}


def test_what_was_not_seen_is_not_lost(till: Till) -> None:
    made(till)
    for count in (500, None, None, 900):
        till.idle_cycle(sight({1: count}))
    assert till.earned() == {(TODAY, "antnode0001"): 900}


def test_a_kill_after_the_intention_books_nothing_twice(till: Till) -> None:
    made(till)
    till.act(sight({1: 500}), STOP, result=None)
    till.act(sight({1: 500}), STOP, result=None)
    till.act(sight({1: 700}), STOP)
    assert till.earned() == {(TODAY, "antnode0001"): 700}


def test_a_transaction_that_is_cut_off_books_nothing(till: Till) -> None:
    made(till)

    def cut_off(connection: Connection) -> None:
        begin_cycle(connection, sight({1: 500}), SETTINGS, decision(), NOW)
        raise KeyboardInterrupt

    with open_for_writing(till.path) as database, pytest.raises(KeyboardInterrupt):
        database.write(cut_off)
    assert till.records() == ()
    till.idle_cycle(sight({1: 500}))
    assert till.earned() == {(TODAY, "antnode0001"): 500}


def test_what_a_removed_node_earned_stays_and_its_successor_counts_on(till: Till) -> None:
    made(till)
    till.act(sight({1: 500}), REMOVE)
    assert till.rows("counter") == []
    assert till.earned() == {(TODAY, "antnode0001"): 500}
    made(till)
    till.idle_cycle(sight({1: 501}))
    assert till.earned() == {(TODAY, "antnode0001"): 1001}


def test_another_wallet_has_a_line_of_its_own(till: Till) -> None:
    made(till)
    till.idle_cycle(sight({1: 500}))
    view = sight({1: 800}, age=120)
    other = replace(view.nodes[0], node=replace(view.nodes[0].node, wallet="0xother"))
    till.idle_cycle(replace(view, nodes=(other,)))
    assert [(each.wallet, each.attos) for each in till.records()] == [(WALLET, 500), ("0xother", 300)]


def test_an_addition_that_fails_leaves_no_counter(till: Till) -> None:
    till.act(observation(), add(1), result=Result.FAILED)
    assert till.rows("counter") == []
    till.act(observation(), add(1), result=None)
    assert [row[0] for row in till.rows("counter")] == [1]


def test_earnings_outlive_the_history(till: Till) -> None:
    made(till)
    till.idle_cycle(sight({1: 500}))
    later = NOW + timedelta(days=400)
    for _ in range(3):
        till.idle(decision(), now=later, history_days=1)
    assert till.earned()[TODAY, "antnode0001"] == 500


def test_sums_are_exact_beyond_what_sqlite_counts_in(till: Till) -> None:
    made(till)
    for life in range(3):
        till.idle_cycle(sight({1: FULL_COUNTER_ATTOS}, pid=life))
    assert till.earned() == {(TODAY, "antnode0001"): 3 * FULL_COUNTER_ATTOS}


def test_a_full_counter_is_told_once(till: Till, caplog: pytest.LogCaptureFixture) -> None:
    made(till)
    with caplog.at_level(logging.WARNING):
        for _ in range(3):
            till.idle_cycle(sight({1: FULL_COUNTER_ATTOS}))
    (told,) = [record.getMessage() for record in caplog.records]
    assert told.startswith("antnode0001: its rewards counter is full")


def test_a_quiet_minute_writes_no_row(till: Till) -> None:
    """A trigger counts: only rows that have something new are written."""
    for number in range(1, 21):
        made(till, number)
    counts: dict[int, int | None] = dict.fromkeys(range(1, 21), 500)
    till.idle_cycle(sight(counts, age=3600))
    with closing(sqlite3.connect(till.path)) as connection:
        connection.execute("CREATE TABLE written (what TEXT)")
        for table in ("counter", "earning"):
            connection.execute(
                f"CREATE TRIGGER t_{table} AFTER INSERT ON {table} BEGIN INSERT INTO written VALUES ('{table}'); END"
            )
        connection.commit()
    till.idle_cycle(sight(counts, at=NOW + MINUTE, age=3660))
    assert till.rows("written") == []
    till.idle_cycle(sight({**counts, 7: 501}, at=NOW + 2 * MINUTE, age=3720))
    assert sorted(till.rows("written")) == [("counter",), ("earning",)]


def test_adding_is_what_makes_a_counter_begin_at_zero(till: Till) -> None:
    assert isinstance(add(1), AddNode)
    made(till)
    assert [row[1] for row in till.rows("counter")] == ["0"]
