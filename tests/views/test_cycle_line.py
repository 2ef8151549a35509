"""The one line that a cycle ends with."""

import pytest
from tests.builders import choice, node, row
from tests.views.builders import adding, colony, held, outcome, rows

from wnm.core.action import Action, Outcome, RemoveNode, Result, StartNode, UpgradeNode
from wnm.core.decision import Conclusion, Decision
from wnm.core.node import Node, NodeId, Status
from wnm.core.reasons import legacy
from wnm.views.actions import cycle_line


def decided(rule: str, *actions: Action, **changes: object) -> Decision:
    values = {"because": "", "conclusions": (), "held": (), **changes}
    values["because"] = legacy(str(values["because"]))
    return Decision(rule=rule, actions=actions, **values)  # type: ignore[arg-type]


def starting(number: int) -> StartNode:
    return StartNode(node=NodeId(number), program=None, because=legacy("stopped"))


@pytest.mark.parametrize(
    ("rule", "outcomes", "nodes", "line"),
    [
        ("idle", (), rows(colony(3)), "idle: 3 of 3 nodes running"),
        ("idle", (), (), "idle: 0 of 0 nodes running"),
        (
            "growth",
            (outcome(adding(2)),),
            (row(1), row(2, Status.RESTARTING)),
            "growth: added antnode0002; 1 of 2 nodes running",
        ),
        (
            "growth",
            (outcome(starting(1)), outcome(adding(2), Result.FAILED, error="x"), outcome(starting(3))),
            (row(1), row(3)),
            "growth: started antnode0001, antnode0003; failed to add antnode0002; 2 of 2 nodes running",
        ),
        (
            "upgrades",
            (outcome(UpgradeNode(node=NodeId(1), program=choice(), because=legacy("")), Result.UNFINISHED),),
            (row(1, Status.UPGRADING),),
            "upgrades: unfinished: antnode0001; 0 of 1 nodes running",
        ),
        (
            "growth",
            tuple(outcome(starting(number), Result.DEFERRED) for number in range(1, 8)),
            (),
            "growth: left for later: antnode0001, antnode0002, antnode0003, antnode0004 and 3 more; "
            "0 of 0 nodes running",
        ),
    ],
)
def test_the_line(rule: str, outcomes: tuple[Outcome, ...], nodes: tuple[Node, ...], line: str) -> None:
    assert cycle_line(decided(rule), outcomes, nodes) == line


def test_a_removed_node_keeps_the_name_it_had() -> None:
    before = row(4, Status.REMOVING, name="antnode-four")
    removal = RemoveNode(node=NodeId(4), because=legacy(""))
    decision = decided("bookkeeping", removal, conclusions=(Conclusion(before=before, after=before),))
    assert cycle_line(decision, (outcome(removal),), ()).startswith("bookkeeping: removed antnode-four;")


@pytest.mark.parametrize(("count", "end"), [(1, ""), (3, " (and 2 more)")])
def test_the_first_that_is_held_back_is_named_and_the_others_are_counted(count: int, end: str) -> None:
    first = held(what="add a node", waiting_for="cpu to fall")
    line = cycle_line(decided("idle", held=(first, *[held()] * (count - 1))), (), rows((node(1),)))
    assert line == f"idle: 1 of 1 nodes running; held back: add a node, waits for cpu to fall{end}"


@pytest.mark.parametrize(("count", "words"), [(1, "1 thing needs you"), (2, "2 things need you")])
def test_what_needs_somebody_is_counted(count: int, words: str) -> None:
    waiting = tuple(held(remedy="do it") for _ in range(count))
    line = cycle_line(decided("idle", held=(*waiting, held())), (), rows((node(1),)))
    assert line == f"idle: 1 of 1 nodes running; {words}, see wnm explain"
