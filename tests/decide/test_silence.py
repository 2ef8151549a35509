"""Restarts of running nodes that do not answer: after how long, whom first, how many."""

from datetime import timedelta
from typing import Any

from tests.builders import (
    NOW,
    ago,
    ahead,
    briefly,
    cases,
    hung,
    limits,
    node,
    reasons,
    seen,
    settings,
)

from wnm.core.action import RestartNode
from wnm.core.decide.ladder import decide
from wnm.core.node import ProcessState, Reachability, Status
from wnm.core.observation import NodeSeen, Unseen
from wnm.core.sentences import sentence, what


@cases(
    "known, expected",
    {
        "silent for less than its patience": (hung(1, silent_since=ago(29.99)), ""),
        "silent for its patience": (hung(1, silent_since=ago(30)), "restart 1"),
        "just fallen silent": (hung(1), ""),
        "restarted once for it: twice as long": (hung(1, silent_since=ago(59.9), silence_restarts=1), ""),
        "restarted once for it, and then": (hung(1, silent_since=ago(60), silence_restarts=1), "restart 1"),
        "restarted three times: eight times as long": (
            hung(1, silent_since=ago(239.9), silence_restarts=3),
            "",
        ),
        "restarted three times, and then": (hung(1, silent_since=ago(240), silence_restarts=3), "restart 1"),
        "restarted ever so often: not longer than after ten times": (
            hung(1, silent_since=ago(30 * 1024), silence_restarts=99),
            "restart 1",
        ),
        "restarted ten times: that long": (hung(1, silent_since=ago(30 * 1023), silence_restarts=99), ""),
        "its port is closed": (
            node(
                1,
                silent_since=ago(30),
                sees={"reachable": Reachability.REFUSES, "page": Unseen(reason="refused")},
            ),
            "restart 1",
        ),
        "it answers again": (node(1, silent_since=ago(99)), ""),
        "still starting: it gets its time": (
            hung(1, Status.RESTARTING, silent_since=ago(99), status_since=NOW),
            "",
        ),
        "leaving": (hung(1, Status.REMOVING, silent_since=ago(99), status_since=NOW), "retire 1"),
        "disabled": (hung(1, Status.DISABLED, silent_since=ago(99)), ""),
        "its process was not seen": (
            node(
                1,
                silent_since=ago(99),
                sees={"process": Unseen(reason="-"), "reachable": None, "page": Unseen(reason="-")},
            ),
            "",
        ),
        "pausing after a failure": (hung(1, silent_since=ago(99), retry_at=ahead(1)), ""),
        "its pause is over": (hung(1, silent_since=ago(99), retry_at=NOW), "restart 1"),
    },
)
def test_when(known: NodeSeen, expected: str) -> None:
    assert briefly(decide(seen([known]), settings(node_cap=1, cpu_less_than=10.0))) == expected


SILENT = (hung(1, silent_since=ago(40)), hung(2, silent_since=ago(60)), hung(3, silent_since=ago(50)))


@cases(
    "nodes, changes, expected",
    {
        "the longest silent first": (SILENT, {}, "restart 2"),
        "as many as may start": (SILENT, limits(2), "restart 2, restart 3"),
        "who is due first, not who is silent longest": (
            (hung(1, silent_since=ago(70), silence_restarts=1), hung(2, silent_since=ago(41))),
            {},
            "restart 2",
        ),
        "due at one time: the lowest id": (
            (hung(3, silent_since=ago(40)), hung(2, silent_since=ago(40))),
            {},
            "restart 2",
        ),
        "those that start take slots": (
            (*SILENT, node(4, Status.RESTARTING, status_since=NOW)),
            limits(2),
            "restart 2",
        ),
        "no slot": ((*SILENT, node(4, Status.RESTARTING, status_since=NOW)), {}, ""),
    },
)
def test_whom(nodes: tuple[NodeSeen, ...], changes: dict[str, Any], expected: str) -> None:
    decision = decide(seen(nodes), settings(node_cap=len(nodes), **changes))
    assert briefly(decision) == expected
    if len(expected) < 10 and len(nodes) > 2:
        assert "more: waits for a free start slot" in reasons(decision)


def test_it_can_be_switched_off() -> None:
    off = settings(node_cap=3, unresponsive_restart=timedelta(0))
    decision = decide(seen(SILENT), off)
    assert (briefly(decision), reasons(decision)) == ("", "")
    tiny = settings(node_cap=3, unresponsive_restart=timedelta(minutes=0.01))
    assert briefly(decide(seen(SILENT), tiny)) == "restart 2"


def test_it_waits_while_something_must_be_shed() -> None:
    nodes = [*SILENT, hung(4, silent_since=ago(1)), node(5, Status.UPGRADING, status_since=NOW)]
    decision = decide(seen(nodes), settings(node_cap=4))
    assert briefly(decision) == ""
    assert "restart antnode0004: waits for it to answer by itself" in reasons(decision)
    assert "restart 3 silent node(s): waits for 5 nodes with a cap of 4" in reasons(decision)


def test_nobody_who_is_ready_waits_for_nothing() -> None:
    decision = decide(seen([hung(1, silent_since=ago(1)), node(2)]), settings(node_cap=1))
    assert "silent node(s)" not in reasons(decision)


def test_reasons() -> None:
    assert reasons(decide(seen([hung(1, silent_since=ago(30))]), settings(node_cap=1))) == ""
    soon = hung(4, silent_since=ago(20))
    decision = decide(seen([*SILENT, soon]), settings(node_cap=4))
    assert (decision.rule, sentence(decision.because)) == ("silent nodes", "3 node(s) do not answer")
    (action,) = decision.actions
    assert isinstance(action, RestartNode)
    assert (action.silent, sentence(action.because)) == (True, f"has not answered since {ago(60)}")
    waiting = [line for line in reasons(decision).splitlines() if "it to answer by itself" in line]
    assert waiting == ["restart antnode0004: waits for it to answer by itself"]
    assert [each.until for each in decision.held if "antnode0004" in what(each)] == [ahead(10)]
    assert "restart 2 more: waits for a free start slot" in reasons(decision)


def test_a_hung_fleet_of_twenty_is_restarted_slowly_and_never_removed() -> None:
    fleet = [hung(number, silent_since=ago(600)) for number in range(1, 21)]
    assert briefly(decide(seen(fleet), settings(node_cap=20))) == "restart 1"


def test_silence_of_a_stopped_process_is_no_silence() -> None:
    ended = node(1, state=ProcessState.STOPPED, silent_since=ago(600), retry_at=ahead(1), failures=4)
    assert briefly(decide(seen([ended]), settings(node_cap=1))) == ""
