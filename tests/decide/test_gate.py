"""The gate after an upgrade: who passes, who goes back, and what is still waited for."""

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
    knowing,
    release,
)
from tests.decide.gates import BACK, GONE, SILENT, after, look, process_of, showing, tried

from wnm.core.decide.upgrades import passed_gates
from wnm.core.node import Reachability, Status
from wnm.core.observation import NodePage, NodeSeen, Unseen
from wnm.core.sentences import waiting_for, what


@cases(
    "known, delay",
    {
        "after its delay, with peers": (tried(minutes=5), 5),
        "long after its delay": (tried(minutes=500), 5),
        "with one peer": (tried(minutes=5, sees={"page": NodePage(version=NEWER, connected_peers=1)}), 5),
        "a page that never spoke of peers": (tried(minutes=15, sees={"page": NodePage(version=NEWER)}), 5),
        "a page that does not speak of its version": (
            tried(minutes=5, sees={"page": NodePage(connected_peers=3)}),
            5,
        ),
        "at its first look, when there is no delay": (tried(minutes=0, pid=None, started=0), 0),
        "one whose process nobody knows from before": (tried(minutes=5, pid=None), 5),
        "one that was started and not upgraded": (tried(minutes=5, status=Status.RESTARTING), 5),
        "one whose times of its process are not known": (
            tried(minutes=5, sees={"process": process_of(started=5)}, process_started_at=None),
            5,
        ),
        "a clock that runs a little differently from that of the kernel": (
            tried(minutes=5, pid=None, started=5 - 4.9 / 60),
            4.9,
        ),
        "one of a kind without pages, that shows all of its signs": (tried(minutes=5, sees=showing()), 5),
        "one without pages whose former process had no peers either": (
            tried(minutes=15, sees=showing(network=None)),
            5,
        ),
        "one without pages that never had a log": (tried(minutes=15, sees=showing(None, None, None)), 5),
        "one whose errors are those that it had before": (
            tried(minutes=5, sees=showing(errors=("… is odd",), errors_before=("… is odd",))),
            5,
        ),
        "one whose former process nobody heard, with errors": (
            tried(minutes=5, sees=showing(errors=("… is odd",), shown_before=())),
            5,
        ),
        "one that has been its own for a while when the clock was set back": (
            tried(minutes=5, started=65, placed=5),
            5,
        ),
    },
)
def test_passes(known: NodeSeen, delay: float) -> None:
    decision = look(known, delay)
    row = after(decision, known)
    assert (row.status, row.gate_version, row.former_version) == (Status.RUNNING, None, None)
    assert (row.failed_version, row.failures, row.last_error) == (None, 0, None)
    assert row.because.startswith(f"passed the gate for {NEWER}: ")
    assert briefly(decision) == ""
    assert [each.id for each in passed_gates(decision)] == [1]
    assert [(each.version, each.passed) for each in decision.releases if each.version == NEWER] == [
        (NEWER, 1)
    ]


def test_one_that_passed_and_that_an_action_is_about_keeps_its_way_back_for_now() -> None:
    decision = look(tried(minutes=5), memory=99.0)
    assert briefly(decision) == "shed 1"
    assert passed_gates(decision) == ()


@cases(
    "known, delay, words",
    {
        "a critical failure, at once": (
            tried(minutes=0, sees={"critical_failure": "HardDiskWriteError"}),
            5,
            "it wrote a critical failure: HardDiskWriteError",
        ),
        "a process that ended, at once": (
            tried(minutes=1, state=GONE, sees={"last_words": "no such flag"}),
            5,
            "its process ended while upgrading: no such flag",
        ),
        "one that was started and ended": (
            tried(minutes=1, state=GONE, status=Status.RESTARTING),
            5,
            "its process ended while restarting",
        ),
        "another process than before": (
            tried(minutes=3, sees={"process": process_of(pid=77, started=1), "last_words": "boom"}),
            5,
            "its process ended and was started again: boom",
        ),
        "at the first look a process that is younger than the upgrade": (
            tried(minutes=3, pid=None, started=1),
            5,
            "its process ended and was started again",
        ),
        "another version than it should be, after its delay": (
            tried(minutes=5, sees={"page": NodePage(version="0.0.1", connected_peers=5)}),
            5,
            f"it says that it is 0.0.1 and not {NEWER}",
        ),
        "a version that is too new": (
            tried(minutes=5, sees={"page": NodePage(version="9.9.9")}),
            5,
            "it says that it is 9.9.9",
        ),
        "another version, at once when there is no delay": (
            tried(minutes=0, sees={"page": NodePage(version="0.0.1")}),
            0,
            "it says that it is 0.0.1",
        ),
        "no answer for three delays": (tried(minutes=15, sees=SILENT), 5, "it does not answer"),
        "no answer for a minute when there is no delay": (
            tried(minutes=1, sees=SILENT),
            0,
            "it does not answer",
        ),
        "an answer that is no page": (
            tried(minutes=15, sees={"page": Unseen(reason="garbage")}),
            5,
            "it does not answer",
        ),
        "no peers for three delays": (
            tried(minutes=15, sees={"page": NodePage(version=NEWER, connected_peers=0)}),
            5,
            "it has no peers",
        ),
        "of a kind without pages: another version in its log": (
            tried(
                minutes=5,
                sees={**showing(), "page": NodePage(version="0.0.1")},
            ),
            5,
            "its log says that it is 0.0.1",
        ),
        "of a kind without pages: not started": (
            tried(minutes=5, sees=showing(started=False)),
            5,
            "it is not fully started: a line in its log is missing",
        ),
        "of a kind without pages: not started for as long as a start may take, with a short delay": (
            tried(minutes=3, sees=showing(started=False)),
            1,
            "it is not fully started",
        ),
        "of a kind without pages: no peers": (
            tried(minutes=5, sees=showing(network=False)),
            5,
            "it has no peers",
        ),
        "of a kind without pages: no replication": (
            tried(minutes=5, sees=showing(replication=False)),
            5,
            "it does not replicate",
        ),
        "of a kind without pages: a new error": (
            tried(minutes=5, sees=showing(errors=("disk on fire",))),
            5,
            "its log has an error that it did not have before: disk on fire",
        ),
        "of a kind without pages: no key": (
            tried(minutes=15, sees={**showing(), "born": None}),
            5,
            "its key is not there",
        ),
    },
)
def test_fails(known: NodeSeen, delay: float, words: str) -> None:
    decision = look(known, delay)
    row = after(decision, known)
    assert words in (row.gate_failure or "")
    assert (row.status, row.gate_version, row.former_version) == (known.node.status, NEWER, VERSION)
    assert briefly(decision) == BACK
    assert decision.rule == "bookkeeping"
    (record,) = [each for each in decision.releases if each.version == NEWER]
    assert [(each.node, each.at) for each in record.failures] == [("antnode0001", NOW)]
    assert words in record.failures[0].reason
    assert passed_gates(decision) == ()


@cases(
    "known, delay, words, until",
    {
        "good, until its delay is over": (tried(minutes=2), 5, "its delay to run out", ahead(3)),
        "good, a moment before": (tried(minutes=4.99), 5, "its delay to run out", ahead(0.01)),
        "silent": (tried(minutes=14.9, sees=SILENT), 5, "it to answer", ahead(0.1)),
        "silent, with a page from somewhere else": (
            tried(minutes=6, sees={"reachable": Reachability.TIMES_OUT}),
            5,
            "it to answer",
            ahead(9),
        ),
        "silent without a delay": (tried(minutes=0, sees=SILENT), 0, "it to answer", ahead(1)),
        "without peers": (
            tried(minutes=6, sees={"page": NodePage(version=NEWER, connected_peers=0)}),
            5,
            "it to have peers",
            ahead(9),
        ),
        "a page that does not speak of peers, such as one that came half": (
            tried(minutes=14.9, sees={"page": NodePage(version=NEWER)}),
            5,
            "word of its peers",
            ahead(0.1),
        ),
        "with another version": (
            tried(minutes=4, sees={"page": NodePage(version="0.0.1")}),
            5,
            "another word than 0.0.1",
            ahead(1),
        ),
        "not fully started": (
            tried(minutes=2, sees=showing(started=False)),
            1,
            "it to be fully started",
            ahead(1),
        ),
        "with nothing that tells of its peers": (
            tried(minutes=6, sees=showing(network=None)),
            5,
            "it to have peers",
            ahead(9),
        ),
        "by the age of its process when the clock was set forward": (
            tried(minutes=600, started=2),
            5,
            "its delay to run out",
            ahead(3),
        ),
        "silent, by the age of its process when the clock was set forward": (
            tried(minutes=600, started=2, sees=SILENT),
            5,
            "it to answer",
            ahead(13),
        ),
    },
)
def test_waits(known: NodeSeen, delay: float, words: str, until: Any) -> None:
    decision = look(known, delay)
    row = after(decision, known)
    assert (row.status, row.gate_version, row.gate_failure) == (Status.UPGRADING, NEWER, None)
    assert briefly(decision) == ""
    (held,) = [
        each for each in decision.held if what(each) == f"antnode0001 is in the health gate of {NEWER}"
    ]
    assert words in waiting_for(held)
    assert held.until is not None
    assert abs(held.until - until) < timedelta(seconds=1)


def test_a_gate_from_the_future_begins_again() -> None:
    known = tried(minutes=-600, started=2)
    row = after(look(known), known)
    assert (row.status, row.status_since, row.gate_failure) == (Status.UPGRADING, NOW, None)


def test_the_same_process_is_no_restart_wherever_the_clock_is() -> None:
    """Times of processes follow the clock when it is set; their numbers do not."""
    known = tried(minutes=5, started=-60)
    assert after(look(known), known).gate_failure is None


@cases(
    "known",
    {
        "a process that could not be seen": (
            tried(minutes=99, sees={"process": Unseen(reason="-"), **SILENT}),
        ),
        "a process without a number": (
            tried(minutes=2, sees={"process": process_of(started=2)}, pid=None, process_started_at=ago(2)),
        ),
    },
)
def test_not_seen_is_not_failed(known: NodeSeen) -> None:
    row = after(look(known), known)
    assert (row.gate_version, row.gate_failure, row.status) == (NEWER, None, Status.UPGRADING)


def test_a_known_record_is_added_to() -> None:
    failing = look(tried(minutes=15, sees=SILENT), remembered=knowing(release(NEWER, failed=[4])))
    (record,) = failing.releases[-1:]
    assert [each.node for each in record.failures] == ["antnode0004", "antnode0001"]
    passing = look(tried(minutes=15), remembered=knowing(release(NEWER, passed=2)))
    assert passing.releases[-1].passed == 3
