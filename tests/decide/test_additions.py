"""What keeps new nodes from being added while old ones may start."""

from typing import Any

from tests.builders import (
    NEWER,
    VERSION,
    ahead,
    available,
    briefly,
    cases,
    limits,
    node,
    reasons,
    seen,
    settings,
)

from wnm.core.decide.ladder import decide
from wnm.core.node import Status
from wnm.core.observation import Remembered, Unseen
from wnm.core.sentences import waiting_for, what

STOPPED = Status.STOPPED
NEW = available(NEWER)


@cases(
    "program, changes, words",
    {
        "there is none": (Unseen(reason="/opt/antnode: not there"), {}, "/opt/antnode: not there"),
        "it does not say what it is": (available(Unseen(reason="it hangs")), {}, "it hangs"),
        "it is above the pin": (NEW, {"node_version": VERSION}, "the pin node_version 0.4.7"),
        "it is of the other kind": (
            available(kind="ant-node"),
            {},
            "/opt/antnode is ant-node, this machine runs antnode",
        ),
    },
)
def test_nothing_is_added_when_the_program_is_not_usable(program: Any, changes: Any, words: str) -> None:
    decision = decide(seen([], available=program), settings(**changes))
    assert briefly(decision) == ""
    (held,) = decision.held
    assert (what(held), waiting_for(held)) == ("add a node", words)
    assert held.remedy is not None


@cases(
    "minutes, expected",
    {
        "an addition that failed pauses": (1, ""),
        "a pause that is over is over": (0, "add 1"),
        "the longest pause is kept": (60, ""),
        "a longer one was before the clock was set back": (60.1, "add 1"),
    },
)
def test_pause_of_additions(minutes: float, expected: str) -> None:
    last = Remembered(add_failures=3, add_retry_at=ahead(minutes), add_last_error="no port")
    decision = decide(seen([], remembered=last), settings())
    assert briefly(decision) == expected
    if not expected:
        assert reasons(decision) == "add a node: waits for the pause after: no port"
        assert decision.held[0].until == ahead(minutes)


def test_a_pause_of_additions_keeps_no_start_back() -> None:
    last = Remembered(add_failures=3, add_retry_at=ahead(5), add_last_error="no port")
    decision = decide(seen([node(1, STOPPED)], remembered=last), settings(**limits(9)))
    assert briefly(decision) == "start 1"
