"""What is asked for by hand while versions are unproven, in the gate or halted."""

import pytest
from tests.builders import (
    NEWER,
    NOW,
    VERSION,
    available,
    briefly,
    knowing,
    node,
    proven,
    release,
    seen,
    settings,
)
from tests.decide.gates import GONE, HALTED, NEW, NEWEST, STOPPED, tried, went_back

from wnm.core.action import AddNode
from wnm.core.decide.forced import ForcedAction, Request, forced
from wnm.core.decision import Decision
from wnm.core.errors import NeedsOperator
from wnm.core.node import Status
from wnm.core.observation import NodeSeen, Remembered, Unseen
from wnm.core.release import Release


def ask(
    word: str,
    nodes: tuple[NodeSeen, ...],
    *names: str,
    count: int | None = None,
    remembered: Remembered | None = None,
) -> Decision:
    request = Request(action=ForcedAction(word), names=names, count=count, confirmed=True)
    view = seen(nodes, available=NEW, remembered=remembered or Remembered())
    return forced(view, settings(node_cap=9), request)


def lifted(decision: Decision) -> list[Release]:
    return [each for each in decision.releases if each.version == NEWER]


def test_an_upgrade_lifts_the_halt_of_its_version_and_of_no_other() -> None:
    known = knowing(release(NEWER, passed=2, failed=[1, 2]), release(NEWEST, failed=[3]))
    decision = ask("upgrade", (went_back(1), node(2)), remembered=known)
    assert briefly(decision) == "upgrade 1 to 0.4.8"
    assert [(each.passed, each.failures) for each in lifted(decision)] == [(2, ())]
    assert not any(each.version == NEWEST for each in decision.releases)


@pytest.mark.parametrize("word", ["start", "restart", "stop", "add", "survey"])
def test_nothing_else_lifts_a_halt(word: str) -> None:
    assert lifted(ask(word, (went_back(1), node(2, STOPPED)), remembered=HALTED)) == []


def test_an_upgrade_of_nobody_lifts_nothing() -> None:
    current = node(1, version=NEWER, binary_version=NEWER)
    decision = ask("upgrade", (current,), remembered=HALTED)
    assert (briefly(decision), lifted(decision)) == ("", [])


def test_what_is_learnt_in_the_same_cycle_is_kept() -> None:
    decision = ask("upgrade", (tried(1, 5), node(2)), count=1)
    assert briefly(decision) == "upgrade 2 to 0.4.8"
    assert [each.passed for each in lifted(decision)] == [1]


def test_a_named_node_in_gate_may_be_tried_again() -> None:
    failed = tried(1, 20, gate_failure="it has no peers")
    assert briefly(ask("upgrade", (failed,), "antnode0001")) == "upgrade 1 to 0.4.8"
    assert briefly(ask("upgrade", (failed, node(2)), "antnode0002")) == "roll back 1, upgrade 2 to 0.4.8"


def test_a_halted_version_comes_to_no_node_that_is_only_started() -> None:
    nodes = (node(1, STOPPED), node(2, STOPPED))
    assert briefly(ask("start", nodes, "antnode0001", remembered=HALTED)) == "start 1"
    assert (
        briefly(ask("start", nodes, count=2, remembered=proven())) == "start 1 with 0.4.8, start 2 with 0.4.8"
    )
    assert briefly(ask("start", nodes, count=2)) == "start 1 with 0.4.8, start 2"
    assert briefly(ask("start", (*nodes, node(3)), count=2)) == "start 1, start 2"


def test_a_started_node_without_a_program_gets_one_that_works() -> None:
    bare = node(1, STOPPED, sees={"program": Unseen(reason="not there")})
    assert (
        briefly(ask("start", (bare, went_back(2)), "antnode0001", remembered=HALTED)) == "start 1 with 0.4.7"
    )
    assert briefly(ask("start", (bare,), "antnode0001", remembered=HALTED)) == "start 1"
    assert briefly(ask("start", (bare,), "antnode0001")) == "start 1 with 0.4.8"


def test_a_new_node_gets_one_that_works() -> None:
    for known, version in ((HALTED, VERSION), (Remembered(), VERSION), (proven(), NEWER)):
        (action,) = ask("add", (went_back(1),), remembered=known).actions
        assert isinstance(action, AddNode)
        assert action.program.version == version
    with pytest.raises(NeedsOperator, match=r"0\.4\.8 is halted") as caught:
        ask("add", (node(1, Status.DISABLED, state=GONE),), remembered=HALTED)
    assert "--force_action upgrade" in caught.value.remedy


def test_a_version_is_written_down_by_hand_too() -> None:
    decision = forced(
        seen((node(1),), available=available(NEWEST)), settings(), Request(action=ForcedAction.SURVEY)
    )
    assert decision.releases == (Release(version=NEWEST, first_seen_at=NOW),)
