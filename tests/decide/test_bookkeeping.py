"""Rules 3 and 4: what is filled in, and delays that ran out."""

from datetime import timedelta
from typing import Any

from tests.builders import (
    NEWER,
    NOW,
    VERSION,
    ago,
    ahead,
    briefly,
    cases,
    concluded,
    folderless,
    hung,
    node,
    reasons,
    seen,
    settings,
)

from wnm.core.decide.ladder import decide
from wnm.core.node import ProcessState, Reachability, Status
from wnm.core.observation import NodePage, NodeSeen, ProcessReading, ProgramReading, Unseen
from wnm.core.sentences import sentence, waiting_for

FULL = settings(node_cap=1)
PAGE_WITHOUT_VERSION = NodePage()


@cases(
    "known, expected",
    {
        "a version in a page replaces the one that was known": (
            node(1, sees={"page": NodePage(version=NEWER)}),
            NEWER,
        ),
        "a page that names none leaves the version as it was": (node(1, sees={"page": NodePage()}), VERSION),
        "a page that did not come leaves the version as it was": (hung(1), VERSION),
        "a running node without a version has its binary's": (
            node(1, version=None, sees={"page": PAGE_WITHOUT_VERSION}),
            VERSION,
        ),
        "a version from the page counts before the binary's": (
            node(1, version=None, sees={"page": NodePage(version="0.4.6")}),
            "0.4.6",
        ),
        "a stopped node without a version has none": (node(1, Status.STOPPED, version=None), None),
    },
)
def test_version(known: NodeSeen, expected: str | None) -> None:
    after = concluded(decide(seen([known]), FULL)).get(1, known.node)
    assert after.version == expected


@cases(
    "sees, field, expected",
    {
        "the binary's version": (
            {"program": ProgramReading(path="p", stamp="s", version="9.9.9")},
            "binary_version",
            "9.9.9",
        ),
        "the binary's stamp": (
            {"program": ProgramReading(path="p", stamp="s", version="9.9.9")},
            "binary_stamp",
            "s",
        ),
        "a binary that does not say its version keeps what was known": (
            {"program": ProgramReading(path="p", stamp="s", version=Unseen(reason="slow"))},
            "binary_stamp",
            f"stamp of {VERSION}",
        ),
        "a binary that is not there keeps what was known": (
            {"program": Unseen(reason="gone")},
            "binary_version",
            VERSION,
        ),
        "the peer id": ({"page": NodePage(peer_id="12D3")}, "peer_id", "12D3"),
        "the birth": ({"born": ago(99)}, "born", ago(99)),
        "a birth that was not seen": ({"born": None}, "born", node(1).node.born),
        "the disk": ({"mount_point": "/mnt/d2"}, "mount_point", "/mnt/d2"),
        "a disk that was not seen": ({"mount_point": None}, "mount_point", "/"),
        "the bytes on disk": ({"disk_bytes": 5}, "disk_bytes", 5),
        "when they were measured": ({"disk_bytes": 5}, "disk_measured_at", NOW),
        "bytes that take too long to measure are what they were": (
            {"disk_bytes": Unseen(reason="slow")},
            "disk_bytes",
            None,
        ),
        "and wait for their turn": ({"disk_bytes": Unseen(reason="slow")}, "disk_measured_at", NOW),
        "bytes that were not measured": ({"disk_bytes": None}, "disk_measured_at", None),
        "the process": (
            {"process": ProcessReading(state=ProcessState.RUNNING, pid=5, started_at=ago(1))},
            "pid",
            5,
        ),
        "the process's start": (
            {"process": ProcessReading(state=ProcessState.RUNNING, pid=5, started_at=ago(1))},
            "process_started_at",
            ago(1),
        ),
        "a start that wavers by a second is the same": (
            {
                "process": ProcessReading(
                    state=ProcessState.RUNNING, pid=1001, started_at=ago(600) + timedelta(seconds=1)
                )
            },
            "process_started_at",
            ago(600),
        ),
        "a start of another process is another, however near": (
            {
                "process": ProcessReading(
                    state=ProcessState.RUNNING, pid=5, started_at=ago(600) + timedelta(seconds=1)
                )
            },
            "process_started_at",
            ago(600) + timedelta(seconds=1),
        ),
        "a start two seconds away is another": (
            {
                "process": ProcessReading(
                    state=ProcessState.RUNNING, pid=1001, started_at=ago(600) + timedelta(seconds=2)
                )
            },
            "process_started_at",
            ago(600) + timedelta(seconds=2),
        ),
        "a process that was not seen": ({"process": Unseen(reason="no answer")}, "pid", 1001),
    },
)
def test_what_is_filled_in(sees: dict[str, Any], field: str, expected: object) -> None:
    known = node(1, sees=sees)
    after = concluded(decide(seen([known]), FULL)).get(1, known.node)
    assert getattr(after, field) == expected


MOVING = {
    "RESTARTING after a start waits 5 minutes": (Status.RESTARTING, {"restarted": False}, 5),
    "RESTARTING after a restart waits 10 minutes": (Status.RESTARTING, {"restarted": True}, 10),
    "UPGRADING waits 5 minutes": (Status.UPGRADING, {}, 5),
}
DELAYS = settings(
    node_cap=1,
    delay_start=timedelta(minutes=5),
    delay_restart=timedelta(minutes=10),
    delay_upgrade=timedelta(minutes=5),
    delay_remove=timedelta(minutes=10),
)


@cases("status, changes, delay", MOVING)
class TestDelay:
    """A node in a transition, before and after its delay, before and after three times its delay."""

    def test_is_kept_although_the_node_answers(self, status: Status, changes: Any, delay: int) -> None:
        moving = node(1, status, status_since=ago(delay - 0.01), **changes)
        decision = decide(seen([moving]), DELAYS)
        assert concluded(decision) == {}
        assert f"antnode0001 is {status}: waits for its delay to run out" in reasons(decision)
        assert decision.held[0].until == ahead(0.01)

    def test_ends_in_running_when_the_node_answers(self, status: Status, changes: Any, delay: int) -> None:
        moving = node(1, status, status_since=ago(delay), failures=2, last_error="once", **changes)
        decision = decide(seen([moving]), DELAYS)
        after = concluded(decision)[1]
        assert (after.status, after.status_since, after.because) == (Status.RUNNING, NOW, "answers")
        assert (after.failures, after.retry_at, after.last_error) == (0, None, None)
        assert decision.actions == ()

    def test_goes_on_while_the_node_is_silent(self, status: Status, changes: Any, delay: int) -> None:
        moving = hung(1, status, status_since=ago(3 * delay - 0.01), silent_since=ago(1), **changes)
        assert concluded(decide(seen([moving]), DELAYS)) == {}

    def test_that_outlives_three_times_is_stuck(self, status: Status, changes: Any, delay: int) -> None:
        moving = hung(1, status, status_since=ago(3 * delay), silent_since=ago(1), failures=2, **changes)
        after = concluded(decide(seen([moving]), DELAYS))[1]
        assert after.status is Status.RUNNING
        assert after.failures == 2
        assert after.because.startswith(f"stuck {status.value.lower()} for {3 * delay}.0 minutes")

    def test_with_a_page_that_is_no_nodes_is_not_over(self, status: Status, changes: Any, delay: int) -> None:
        garbage = {"reachable": Reachability.ANSWERS, "page": Unseen(reason="garbage")}
        moving = node(1, status, status_since=ago(2 * delay), silent_since=ago(1), sees=garbage, **changes)
        assert concluded(decide(seen([moving]), DELAYS)) == {}

    def test_ends_in_stopped_when_the_process_ended(self, status: Status, changes: Any, delay: int) -> None:
        words = {"last_words": "no space left"}
        moving = node(1, status, state=ProcessState.STOPPED, status_since=ago(1), sees=words, **changes)
        decision = decide(seen([moving], cpu=75), DELAYS)
        after = concluded(decision)[1]
        assert after.status is Status.STOPPED
        assert after.last_error == after.because
        assert after.because == f"its process ended while {status.value.lower()}: no space left"
        assert after.failures == 1

    def test_goes_on_while_the_process_is_not_seen(self, status: Status, changes: Any, delay: int) -> None:
        blind = {"process": Unseen(reason="no answer"), "reachable": None, "page": Unseen(reason="not asked")}
        moving = node(1, status, status_since=ago(100 * delay), sees=blind, **changes)
        decision = decide(seen([moving]), DELAYS)
        assert concluded(decision) == {}
        assert f"antnode0001 is {status}: waits for its process to be seen" in reasons(decision)


@cases(
    "known, expected",
    {
        "a running node whose process stopped is STOPPED": (
            node(1, state=ProcessState.STOPPED),
            "its process ended unexpectedly",
        ),
        "a running node whose process failed is STOPPED": (
            node(1, state=ProcessState.FAILED, sees={"last_words": "out of memory"}),
            "its process ended unexpectedly: out of memory",
        ),
        "a running node whose process state is unknown stays": (node(1, state=ProcessState.UNKNOWN), None),
        "a running node whose process was not seen stays": (
            node(1, sees={"process": Unseen(reason="-"), "reachable": None}),
            None,
        ),
        "a running node that times out is not stopped": (hung(1, silent_since=ago(1)), None),
        "a stopped node stays": (node(1, Status.STOPPED), None),
        "a stopped node that failed stays": (node(1, Status.STOPPED, state=ProcessState.FAILED), None),
        "a disabled node is left alone, stopped": (node(1, Status.DISABLED), None),
        "a disabled node is left alone, running": (
            node(1, Status.DISABLED, state=ProcessState.RUNNING),
            None,
        ),
    },
)
def test_processes_that_ended(known: NodeSeen, expected: str | None) -> None:
    after = concluded(decide(seen([known], cpu=75), FULL)).get(1)
    moved = after is not None and after.status is not known.node.status
    assert (after.because if after and moved else None) == expected


def test_the_first_crash_costs_no_pause() -> None:
    after = concluded(decide(seen([node(1, state=ProcessState.STOPPED)], cpu=75), FULL))[1]
    assert (after.failures, after.retry_at) == (1, None)


def test_further_crashes_cost_growing_pauses() -> None:
    crashed = node(1, state=ProcessState.STOPPED, failures=2)
    decision = decide(seen([crashed]), FULL)
    after = concluded(decision)[1]
    assert (after.failures, after.retry_at) == (3, ahead(2))
    assert briefly(decision) == ""


def test_a_crashed_node_is_started_in_the_same_cycle() -> None:
    assert briefly(decide(seen([node(1, state=ProcessState.STOPPED)]), FULL)) == "start 1"


def test_a_stopped_node_found_running_is_running() -> None:
    found = node(1, Status.STOPPED, state=ProcessState.RUNNING)
    after = concluded(decide(seen([found]), FULL))[1]
    assert (after.status, after.because) == (Status.RUNNING, "found running")


@cases(
    "known, expected",
    {
        "not due: waits": (node(1, Status.REMOVING, status_since=ago(9.99)), ""),
        "due: is deleted": (node(1, Status.REMOVING, status_since=ago(10)), "remove 1"),
        "due and still running: is deleted, which ends it": (
            node(1, Status.REMOVING, state=ProcessState.RUNNING, status_since=ago(10)),
            "remove 1",
        ),
        "still running before that: is stopped again": (
            node(1, Status.REMOVING, state=ProcessState.RUNNING, status_since=ago(1)),
            "retire 1",
        ),
        "process not seen: waits": (
            node(1, Status.REMOVING, status_since=ago(1), sees={"process": Unseen(reason="-")}),
            "",
        ),
        "due, process not seen: is deleted": (
            node(1, Status.REMOVING, status_since=ago(10), sees={"process": Unseen(reason="-")}),
            "remove 1",
        ),
        "pausing after a failure: waits": (
            node(1, Status.REMOVING, status_since=ago(99), retry_at=ahead(1)),
            "",
        ),
        "pause over: is deleted": (node(1, Status.REMOVING, status_since=ago(99), retry_at=NOW), "remove 1"),
        "folder already gone: is deleted at once, by the rule for dead nodes": (
            folderless(1, Status.REMOVING, status_since=ago(1)),
            "remove 1",
        ),
        "folder gone and still running: one action, not two": (
            folderless(1, Status.REMOVING, state=ProcessState.RUNNING, status_since=ago(1)),
            "remove 1",
        ),
    },
)
def test_removing(known: NodeSeen, expected: str) -> None:
    neighbour = node(2)  # keeps the storage from looking empty
    assert briefly(decide(seen([known, neighbour]), DELAYS)) == expected


def test_removing_says_when_it_is_due() -> None:
    decision = decide(seen([node(1, Status.REMOVING, status_since=ago(4))]), settings(node_cap=0))
    assert decision.held[0].until == ahead(6)
    assert "its delay to run out" in waiting_for(decision.held[0])


def test_what_bookkeeping_concludes_holds_for_the_rules_below_and_uses_up_no_cycle() -> None:
    leaving = node(1, Status.REMOVING, status_since=ago(10))
    settled = node(2, Status.RESTARTING, status_since=ago(5))
    decision = decide(seen([leaving, settled]), settings(node_cap=2))
    assert (decision.rule, briefly(decision)) == ("growth", "remove 1, add 3")


def test_the_id_and_ports_of_a_node_that_leaves_are_not_given_away_in_the_same_cycle() -> None:
    leaving = folderless(1, Status.REMOVING, status_since=ago(10), port=55003)
    decision = decide(seen([leaving, node(4)]), settings(node_cap=2))
    assert briefly(decision) == "remove 1, add 2"
    elsewhere = folderless(9, Status.REMOVING, status_since=ago(10), port=55001, metrics_port=13002)
    decision = decide(seen([elsewhere, node(4)]), settings(node_cap=2))
    assert briefly(decision) == "remove 9, add 3"


def test_a_node_that_is_retired_again_keeps_its_slot() -> None:
    again = node(1, Status.REMOVING, state=ProcessState.RUNNING, status_since=ago(1))
    decision = decide(seen([again, node(2), node(3)]), settings(node_cap=1))
    assert briefly(decision) == "retire 1"


def test_bookkeeping_alone_names_itself_as_the_rule() -> None:
    decision = decide(
        seen([node(1, Status.REMOVING, status_since=ago(10), because="over cap")], cpu=75), FULL
    )
    assert (decision.rule, sentence(decision.because)) == ("bookkeeping", "over cap")
