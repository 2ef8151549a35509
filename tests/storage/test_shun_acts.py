"""What was done about shunned nodes is recalled: the budget of a day depends on it, whatever became of it."""

from datetime import timedelta
from pathlib import Path

import pytest
from tests.storage.builders import MINUTE, NOW, SETTINGS, Store, decision, ending, node, observation

from wnm.core.action import NodeAction, Outcome, RestartNode, Result, RetireNode
from wnm.core.node import NodeId
from wnm.core.observation import ShunAct
from wnm.core.reasons import legacy
from wnm.storage.database import open_for_writing
from wnm.storage.ledger import MOST_SHUN_ACTS, Ledger

RESTART = RestartNode(
    node=NodeId(1), silent=False, shunned=True, because=legacy("shunned 31 times within a day")
)
RETIRE = RetireNode(node=NodeId(2), shunned=True, because=legacy("shunned 31 times within a day"))


@pytest.fixture
def store(tmp_path: Path) -> Store:
    made = Store(tmp_path)
    made.insert(node(1), node(2))
    return made


def act(store: Store, action: NodeAction, result: Result | None, minute: int = 0) -> None:
    """A cycle that does this; with None for its result wnm is killed while it does."""
    with open_for_writing(store.path) as database:
        ledger, now = Ledger(database), NOW + minute * MINUTE
        intention = ledger.intend(observation(now=now), SETTINGS, decision(action), now)
        if result is not None:
            outcome = Outcome(action=action, result=result, ended_at=now)
            ledger.conclude(intention, (outcome,), ending(now + timedelta(seconds=9)))


def recalled(store: Store) -> tuple[ShunAct, ...]:
    with open_for_writing(store.path) as database:
        return Ledger(database).load().remembered.shun_acts


@pytest.mark.parametrize("result", [Result.DONE, Result.FAILED, Result.UNFINISHED, None])
@pytest.mark.parametrize("action", [RESTART, RETIRE])
def test_what_was_begun_counts(store: Store, action: RestartNode | RetireNode, result: Result | None) -> None:
    act(store, action, result)
    assert recalled(store) == (ShunAct(node=action.node, at=NOW),)


def test_what_was_never_begun_does_not_count(store: Store) -> None:
    act(store, RESTART, Result.DEFERRED)
    assert recalled(store) == ()


def test_other_reasons_do_not_count(store: Store) -> None:
    act(store, RestartNode(node=NodeId(1), silent=True, because=legacy("it is silent")), Result.DONE)
    act(store, RetireNode(node=NodeId(2), because=legacy("over the cap")), Result.DONE)
    assert recalled(store) == ()


def test_they_come_in_their_order_and_not_more_than_any_budget_needs(store: Store) -> None:
    for minute in range(MOST_SHUN_ACTS + 3):
        act(store, RESTART, Result.DONE, minute)
    found = recalled(store)
    assert len(found) == MOST_SHUN_ACTS
    assert found[0].at == NOW + 3 * MINUTE
    assert list(found) == sorted(found, key=lambda each: each.at)
