"""Kill -9 at any moment: the ledger is as before a step or as after it, never between."""

import time
from contextlib import closing
from pathlib import Path
from random import Random

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
from tests.storage.processes import kill_in, writing

from wnm.core.action import Outcome, Result
from wnm.core.node import Status
from wnm.storage.database import connect, open_for_writing, uri_of
from wnm.storage.ledger import Ledger


def numbers(path: str, query: str) -> set[int]:
    with closing(connect(uri_of(path, "mode=rw"))) as connection:
        return {row[0] for row in connection.execute(query)}


def check(path: str) -> None:
    """Rows, operations, cycles and samples tell one story."""
    with closing(connect(uri_of(path, "mode=rw"))) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        assert connection.execute("PRAGMA foreign_key_check").fetchall() == []
    shed = numbers(path, "SELECT node_id FROM operation WHERE kind = 'StopNode' AND result = 'done'")
    assert numbers(path, "SELECT id FROM node WHERE status = 'STOPPED'") == shed
    added = numbers(path, "SELECT node_id FROM operation WHERE kind = 'AddNode'")
    assert numbers(path, "SELECT id FROM node") == added
    concluded = numbers(path, "SELECT cycle_id FROM operation WHERE result = 'done'")
    assert numbers(path, "SELECT id FROM cycle WHERE ended_at IS NOT NULL") == concluded
    assert numbers(path, "SELECT cycle_id FROM sample") == concluded
    with open_for_writing(path) as database:
        assert {each.id for each in Ledger(database).load().nodes} == added


def test_between_intention_and_deed(tmp_path: Path) -> None:
    store = Store(tmp_path)
    kill_in(store.path, "intended")
    with open_for_writing(store.path) as database:
        ledger = Ledger(database)
        found = ledger.load()
        assert [left.action for left in found.interrupted] == [add(1)]
        assert [each.status for each in found.nodes] == [Status.RESTARTING]
        intention = ledger.intend(observation(interrupted=found.interrupted), SETTINGS, decision(add(1)), NOW)
        done = Outcome(action=add(1), result=Result.DONE, ended_at=NOW)
        ledger.conclude(intention, (done,), ending(NOW + MINUTE, counters=counters()))
        assert ledger.load().interrupted == ()
        assert len(ledger.load().nodes) == 1


def test_after_the_conclusion(tmp_path: Path) -> None:
    store = Store(tmp_path)
    kill_in(store.path, "concluded")
    with open_for_writing(store.path) as database:
        state = Ledger(database).load()
    assert state.interrupted == ()
    assert state.boot_id == "boot-1"
    assert [each.id for each in state.nodes] == [1]


def test_in_the_middle_of_a_transaction(tmp_path: Path) -> None:
    store = Store(tmp_path)
    store.insert(node(1))
    kill_in(store.path, "uncommitted")
    with open_for_writing(store.path) as database:
        assert [each.id for each in Ledger(database).load().nodes] == [1]


@pytest.mark.slow
def test_at_any_moment(tmp_path: Path) -> None:
    chance = Random(7)
    store = Store(tmp_path)
    for _ in range(12):
        with writing(store.path, "busy"):
            time.sleep(chance.uniform(0, 0.15))
        check(store.path)
    assert store.nodes()
