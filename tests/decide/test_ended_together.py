"""A node in its gate that ends for a cause outside of it: its version is not to blame."""

from datetime import timedelta

from tests.builders import (
    NEWER,
    ago,
    briefly,
    cases,
    concluded,
    limits,
    node,
    seen,
    settings,
)
from tests.decide.gates import GONE, QUIET, showing, tried

from wnm.core.decide.ladder import decide
from wnm.core.decision import Decision
from wnm.core.node import Status
from wnm.core.observation import NodeSeen, ProcessReading

DEAD = {"process": ProcessReading(state=GONE)}


def look(*nodes: NodeSeen) -> Decision:
    chosen = settings(node_cap=len(nodes), delay_upgrade=timedelta(minutes=5), **limits(9))
    return decide(seen(list(nodes), cpu=QUIET), chosen)


def failures(decision: Decision) -> list[str]:
    return [
        each.reason for record in decision.releases if record.version == NEWER for each in record.failures
    ]


def test_a_canary_that_is_killed_with_all_others_is_started_again_and_its_gate_goes_on() -> None:
    decision = look(tried(1, state=GONE), node(2, sees=DEAD), node(3, sees=DEAD))
    row = concluded(decision)[1]
    assert (row.status, row.gate_version, row.gate_failure, row.crashed) == (
        Status.STOPPED,
        NEWER,
        None,
        True,
    )
    assert failures(decision) == []
    assert "start" in briefly(decision)
    assert "roll back" not in briefly(decision)


def test_a_canary_that_ends_alone_goes_back() -> None:
    decision = look(tried(1, state=GONE), node(2), node(3))
    assert failures(decision) == ["its process ended while upgrading"]
    assert briefly(decision) == "roll back 1"


def test_nodes_that_end_on_the_new_version_alone_go_back() -> None:
    decision = look(tried(1, state=GONE), tried(2, state=GONE), node(3))
    assert len(failures(decision)) == 2


def test_one_that_was_stopped_before_is_no_shared_cause() -> None:
    decision = look(tried(1, state=GONE), node(2, status=Status.STOPPED, sees=DEAD), node(3))
    assert failures(decision) == ["its process ended while upgrading"]


def test_a_canary_whose_former_process_was_told_to_stop_goes_back() -> None:
    decision = look(tried(1, minutes=2, state=GONE, sees={**showing(stopping_at=ago(2.1)), **DEAD}), node(2))
    assert failures(decision) == ["its process ended while upgrading"]


@cases("ends", {"upgrading": Status.UPGRADING, "restarting": Status.RESTARTING})
def test_a_canary_that_was_told_to_stop_is_started_again(ends: Status) -> None:
    told = {**showing(stopping_at=ago(1)), **DEAD}
    decision = look(tried(1, status=ends, sees=told), node(2), node(3))
    row = concluded(decision)[1]
    assert (row.status, row.gate_version, row.because) == (
        Status.STOPPED,
        NEWER,
        "it was told to stop, and not by wnm",
    )
    assert failures(decision) == []
