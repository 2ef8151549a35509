"""Changes of state are written down with the cycle that saw them, and what happened can be read again."""

from datetime import timedelta
from pathlib import Path

import pytest
from msgspec.structs import replace
from tests.storage.builders import MINUTE, NOW, SETTINGS, Store, add, decision, ending, node, observation

from wnm.core.action import Outcome, Result, StartNode, StopNode
from wnm.core.decision import Conclusion
from wnm.core.errors import BadInput
from wnm.core.node import NodeId, Status
from wnm.core.reasons import legacy
from wnm.core.timeline import ChangeRecord
from wnm.storage.database import open_for_reading, open_for_writing
from wnm.storage.ledger import Ledger
from wnm.storage.timeline import Timeline

STOP = StopNode(node=NodeId(1), shed=True, because=legacy("the load is high"))
START = StartNode(node=NodeId(1), program=None, because=legacy("there is room"))
CRASH = Conclusion(before=node(1), after=replace(node(1), status=Status.STOPPED, because="it ended: [31m"))


@pytest.fixture
def store(tmp_path: Path) -> Store:
    made = Store(tmp_path)
    made.insert(node(1), node(2))
    return made


def act(store: Store, *outcomes: Outcome, minutes: int = 0, conclusions: tuple[Conclusion, ...] = ()) -> int:
    """A whole cycle that acts."""
    now = NOW + minutes * MINUTE
    with open_for_writing(store.path) as database:
        decided = decision(*(each.action for each in outcomes), conclusions=conclusions)
        intention = Ledger(database).intend(observation((node(1),), now=now), SETTINGS, decided, now)
        Ledger(database).conclude(intention, outcomes, ending(now + MINUTE))
    return intention.cycle_id


def done(action: StopNode | StartNode, result: Result = Result.DONE) -> Outcome:
    return Outcome(action=action, result=result, ended_at=NOW)


def changes(store: Store) -> tuple[ChangeRecord, ...]:
    with open_for_reading(store.path) as database:
        return Timeline(database).events().changes


def test_a_change_of_status_is_written_down_with_its_cycle(store: Store) -> None:
    number = store.idle(decision(conclusions=(CRASH,)), now=NOW + MINUTE)
    assert changes(store) == (
        ChangeRecord(
            id=1,
            cycle=number,
            at=NOW + MINUTE,
            node_id=NodeId(1),
            node="antnode0001",
            was=Status.RUNNING,
            became=Status.STOPPED,
            because="it ended: [31m",
        ),
    )


def test_other_news_of_a_node_is_no_change(store: Store) -> None:
    news = Conclusion(before=node(1), after=replace(node(1), peer_id="12D3KooWnew", because="another reason"))
    store.idle(decision(conclusions=(news,)))
    assert changes(store) == ()


def test_what_an_action_changes_is_told_by_the_action_alone(store: Store) -> None:
    act(store, done(STOP))
    assert changes(store) == ()


def test_a_cycle_that_was_not_written_leaves_no_change(store: Store) -> None:
    with open_for_writing(store.path) as database, pytest.raises(BadInput, match="UTF-8"):
        Ledger(database).record_idle(
            observation(),
            {"node_cap": "3"},
            decision(conclusions=(CRASH, Conclusion(before=node(2), after=replace(node(2), name="\udcff")))),
            NOW,
            ending(NOW + MINUTE),
        )
    assert changes(store) == ()


def test_changes_are_forgotten_with_their_cycles(store: Store) -> None:
    store.idle(decision(conclusions=(CRASH,)))
    later = NOW + timedelta(days=2)
    store.idle(decision(), now=later, history_days=3)
    assert len(changes(store)) == 1
    store.idle(decision(), now=later + MINUTE, history_days=1)
    assert changes(store) == ()


def test_a_change_comes_before_the_action_of_its_cycle_and_the_latest_are_kept(store: Store) -> None:
    first = act(store, done(STOP))
    second = act(store, done(START), minutes=1, conclusions=(CRASH,))
    with open_for_reading(store.path) as database:
        whole, two, one = (Timeline(database).events(limit=limit) for limit in (None, 2, 1))
    assert ([each.cycle for each in whole.operations], len(whole.changes), whole.earlier) == (
        [second, first],
        1,
        0,
    )
    assert (len(two.operations), len(two.changes), two.earlier) == (1, 1, 1)
    assert (len(one.operations), len(one.changes), one.earlier) == (1, 0, 2)
    assert whole.cycles[second].rule == "growth"
    assert set(one.cycles) == {second}


def test_events_of_one_node_since_a_moment(store: Store) -> None:
    act(store, done(STOP))
    act(store, done(START), minutes=5)
    with open_for_reading(store.path) as database:
        late = Timeline(database).events(node_id=1, since=NOW + MINUTE)
        nobody = Timeline(database).events(node_id=2)
    assert [type(each.action).__name__ for each in late.operations] == ["StartNode"]
    assert (nobody.operations, nobody.changes, nobody.earlier) == ((), (), 0)


def test_the_latest_action_on_each_node_leaves_out_what_was_put_off(store: Store) -> None:
    act(store, done(STOP))
    act(store, done(START, Result.DEFERRED), minutes=1)
    fresh = Outcome(action=add(7), result=Result.DONE, ended_at=NOW)
    act(store, fresh, minutes=2)
    with open_for_reading(store.path) as database:
        latest = Timeline(database).latest_operations()
    assert {number: type(each.action).__name__ for number, each in latest.items()} == {
        1: "StopNode",
        7: "AddNode",
    }


def test_the_sample_of_a_cycle(store: Store) -> None:
    number = store.idle(decision(), now=NOW + MINUTE)
    with open_for_reading(store.path) as database:
        found, missing = Timeline(database).sample_of(number), Timeline(database).sample_of(99)
    assert found is not None
    assert (found.cpu_percent, found.nodes_total, missing) == (12.5, 2, None)
