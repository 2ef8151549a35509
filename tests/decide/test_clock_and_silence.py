"""Times from before the clock was set back, and what is remembered of nodes that do not answer."""

from datetime import timedelta

from tests.builders import (
    NOW,
    ago,
    ahead,
    briefly,
    cases,
    concluded,
    hung,
    node,
    seen,
    settings,
)

from wnm.core.decide.ladder import decide
from wnm.core.node import ProcessState, Reachability, Status
from wnm.core.observation import NodeSeen, Unseen
from wnm.core.sentences import sentence

FULL = settings(node_cap=1)


class TestClockSetBack:
    """Times in the future date from before the clock was set back and start again now."""

    def test_a_transition_begins_again(self) -> None:
        moving = node(1, Status.RESTARTING, status_since=ahead(600))
        assert concluded(decide(seen([moving]), FULL))[1].status_since == NOW

    def test_a_second_is_no_step_of_the_clock(self) -> None:
        moving = node(1, Status.RESTARTING, status_since=NOW + timedelta(seconds=1))
        assert concluded(decide(seen([moving]), FULL)) == {}

    def test_more_than_a_second_is(self) -> None:
        moving = node(1, Status.RESTARTING, status_since=NOW + timedelta(seconds=1.001))
        assert concluded(decide(seen([moving]), FULL))[1].status_since == NOW

    def test_silence_begins_again(self) -> None:
        assert concluded(decide(seen([hung(1, silent_since=ahead(600))]), FULL))[1].silent_since == NOW

    def test_silence_a_second_ago_is_no_step_either(self) -> None:
        silent = hung(1, silent_since=NOW + timedelta(seconds=1))
        assert concluded(decide(seen([silent]), FULL)) == {}

    def test_no_pause_is_longer_than_the_longest(self) -> None:
        resting = node(1, Status.STOPPED, retry_at=ahead(600))
        assert concluded(decide(seen([resting]), FULL))[1].retry_at == ahead(60)

    def test_the_longest_pause_is_kept(self) -> None:
        resting = node(1, Status.STOPPED, retry_at=ahead(60))
        assert concluded(decide(seen([resting]), FULL)) == {}

    def test_a_removal_waits_its_whole_delay_again(self) -> None:
        leaving = node(1, Status.REMOVING, status_since=ahead(600))
        decision = decide(seen([leaving]), settings(node_cap=0))
        assert concluded(decision)[1].status_since == NOW
        assert decision.held[0].until == ahead(10)


@cases(
    "known, expected",
    {
        "silence begins when a running node does not answer": (hung(1), NOW),
        "silence that has begun goes on": (hung(1, silent_since=ago(7)), ago(7)),
        "an answer ends it": (node(1, silent_since=ago(7), silence_restarts=2), None),
        "a page that is no node's is silence": (
            node(1, sees={"reachable": Reachability.ANSWERS, "page": Unseen(reason="garbage")}),
            NOW,
        ),
        "a refused connection is silence": (
            node(1, sees={"reachable": Reachability.REFUSES, "page": Unseen(reason="refused")}),
            NOW,
        ),
        "a node that was not asked is not silent": (
            node(1, sees={"reachable": None, "page": Unseen(reason="not asked")}),
            None,
        ),
        "not being asked does not end silence": (
            node(1, silent_since=ago(7), sees={"reachable": None, "page": Unseen(reason="not asked")}),
            ago(7),
        ),
        "the end of its process ends it": (
            node(1, silent_since=ago(7), state=ProcessState.STOPPED, sees={"page": Unseen(reason="-")}),
            None,
        ),
        "a process that was not seen does not end it": (
            node(
                1,
                silent_since=ago(7),
                sees={"process": Unseen(reason="-"), "reachable": None, "page": Unseen(reason="-")},
            ),
            ago(7),
        ),
    },
)
def test_silence(known: NodeSeen, expected: object) -> None:
    after = concluded(decide(seen([known], cpu=75), FULL)).get(1, known.node)
    assert after.silent_since == expected


def test_an_answer_forgets_earlier_restarts_for_silence() -> None:
    after = concluded(decide(seen([node(1, silent_since=ago(7), silence_restarts=2)]), FULL))[1]
    assert after.silence_restarts == 0


def test_nothing_new_is_nothing_to_write_down() -> None:
    decision = decide(seen([node(1), node(2, Status.DISABLED)]), settings(node_cap=1))
    assert decision.conclusions == ()
    assert (decision.rule, sentence(decision.because), briefly(decision)) == ("idle", "nothing to do", "")
    assert decision.held == ()


@cases(
    "known, forgotten",
    {
        "for an hour": (node(1, failures=3, status_since=ago(60)), True),
        "for less": (node(1, failures=3, status_since=ago(59.9)), False),
        "for an hour since its pause": (node(1, failures=3, retry_at=ago(60)), True),
        "for less since its pause": (node(1, failures=3, retry_at=ago(59.9)), False),
        "with a pause alone": (node(1, retry_at=ago(60)), True),
        "with an error alone": (node(1, last_error="once"), True),
        "and does not answer": (hung(1, failures=3, silent_since=ago(1)), False),
        "and was not asked": (
            node(1, failures=3, sees={"reachable": None, "page": Unseen(reason="not asked")}),
            False,
        ),
        "and answers with what is no node's page": (
            node(1, failures=3, silent_since=ago(1), sees={"page": Unseen(reason="garbage")}),
            False,
        ),
        "and nothing ever went wrong": (node(1), False),
    },
)
def test_trouble_is_forgotten_when_a_node_has_run_well(known: NodeSeen, forgotten: bool) -> None:
    after = concluded(decide(seen([known]), FULL)).get(1)
    assert (after is not None) is forgotten
    if after is not None:
        assert (after.failures, after.retry_at, after.last_error) == (0, None, None)
