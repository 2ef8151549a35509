"""A gate in the middle of which something else happens: kills, reboots, stops, programs that somebody else changes."""

import pytest
from msgspec.structs import replace
from tests.builders import (
    NEWER,
    NOW,
    VERSION,
    ahead,
    briefly,
    cases,
    choice,
    folderless,
    node,
    reasons,
    seen,
    settings,
)
from tests.decide.gates import (
    BACK,
    GONE,
    ONE,
    QUIET,
    RUNS,
    SILENT,
    STOPPED,
    UPGRADE,
    after,
    gate_row,
    look,
    process_of,
    shown,
    tried,
)

from wnm.core.action import (
    DisableNode,
    NodeAction,
    ProgramChoice,
    RestartNode,
    RollBackNode,
    StartNode,
    StopNode,
)
from wnm.core.decide.ladder import decide
from wnm.core.decide.upgrades import passed_gates
from wnm.core.node import ProcessState, Status
from wnm.core.observation import NodePage, NodeSeen, Unseen
from wnm.core.reasons import legacy

# ---- what there is nothing to judge of


def test_the_program_was_not_replaced() -> None:
    """wnm was killed before it came to that: the node is what it was, and is upgraded in its turn."""
    known = tried(
        minutes=1,
        started=600,
        binary_version=VERSION,
        version=VERSION,
        sees={"page": NodePage(version=VERSION)},
    )
    row = after(look(known, actions=(UPGRADE,)), known)
    assert (row.status, row.gate_version, row.gate_failure) == (Status.RUNNING, None, None)
    assert row.because == f"the upgrade to {NEWER} was interrupted before its program was replaced"


def test_one_that_ended_before_its_program_was_replaced_says_nothing_of_the_new_one() -> None:
    known = tried(minutes=1, state=GONE, binary_version=VERSION, version=VERSION)
    decision = look(known)
    row = after(decision, known)
    assert (row.status, row.gate_version, row.gate_failure) == (STOPPED, None, None)
    assert briefly(decision) == "start 1"
    assert not any(each.failures for each in decision.releases)


def test_what_is_remembered_of_its_program_is_no_proof() -> None:
    """The row still has the old version when wnm is killed after the program was replaced."""
    known = tried(
        minutes=1, binary_version=VERSION, started=0.5, sees={"program": Unseen(reason="slow"), **SILENT}
    )
    row = after(look(known, actions=(UPGRADE,)), known)
    assert (row.status, row.gate_version) == (Status.UPGRADING, NEWER)


@pytest.mark.parametrize("state", [RUNS, GONE])
def test_one_that_upgraded_itself_meanwhile(state: ProcessState) -> None:
    known = tried(
        minutes=1,
        state=state,
        sees={"program": shown("0.5.0")} | ({"page": NodePage(version="0.5.0")} if state is RUNS else {}),
    )
    decision = look(known)
    row = after(decision, known)
    assert (row.gate_version, row.gate_failure) == (None, None)
    assert row.status is (Status.RUNNING if state is RUNS else STOPPED)
    if state is RUNS:
        assert row.because == "it has upgraded itself to 0.5.0"
    # It has not passed the gate of the version that it was given, and keeps no way back to what is older.
    assert row.former_version == "0.5.0"
    assert passed_gates(decision) == ()
    assert not any(each.passed for each in decision.releases)
    assert briefly(decision) == ("" if state is RUNS else "start 1")


# ---- interruptions


def test_killed_before_the_restart_it_is_restarted() -> None:
    known = tried(minutes=1, started=600, placed=1, sees={"page": NodePage(version=VERSION)})
    decision = look(known, actions=(UPGRADE,))
    assert briefly(decision) == "restart 1"
    row = after(decision, known)
    assert (row.status, row.gate_version, row.gate_failure) == (Status.UPGRADING, NEWER, None)


def test_killed_before_the_restart_and_silent_it_is_restarted() -> None:
    """That it is the process from before shows in its number, whatever the clock says."""
    known = tried(minutes=1, started=0.5, placed=1, sees=SILENT)
    assert briefly(look(known, actions=(UPGRADE,))) == "restart 1"


@cases(
    "known, expected",
    {
        "it says that it is the former version": (
            tried(minutes=3, started=600, placed=3, sees={"page": NodePage(version=VERSION)}),
            "restart 1",
        ),
        "it says that it is the new one: the clock was set": (tried(minutes=3, started=600, placed=3), ""),
        "it does not answer": (tried(minutes=3, started=600, placed=3, sees=SILENT), ""),
        "of a kind without pages": (
            tried(minutes=3, started=600, placed=3, sees={**SILENT, "has_pages": False}),
            "restart 1",
        ),
        "of a kind without pages, a program from the future": (
            tried(minutes=3, started=600, placed=-3, sees={**SILENT, "has_pages": False}),
            "",
        ),
        "it pauses": (
            tried(
                minutes=3,
                started=600,
                placed=3,
                sees={"page": NodePage(version=VERSION)},
                retry_at=ahead(1),
            ),
            "",
        ),
    },
)
def test_a_missing_restart_is_seen_later_too(known: NodeSeen, expected: str) -> None:
    """The first look after the interruption may have shown nothing."""
    decision = look(known)
    assert briefly(decision) == expected
    assert after(decision, known).gate_failure is None


def test_killed_between_stop_and_start_it_is_stopped_and_started_again() -> None:
    known = tried(minutes=1, state=GONE, sees={"last_words": "Stopping after SIGTERM"})
    decision = look(known, actions=(UPGRADE,))
    row = after(decision, known)
    assert (row.status, row.gate_version, row.gate_failure, row.failures) == (STOPPED, NEWER, None, 0)
    again = tried(minutes=0, status=STOPPED, state=GONE)
    assert briefly(decide(seen([again]), settings(node_cap=1))) == "start 1"


@cases(
    "action",
    {
        "an upgrade": (UPGRADE,),
        "a start": (StartNode(node=ONE, program=None, because=legacy("-")),),
        "a start with a program": (StartNode(node=ONE, program=choice(NEWER), because=legacy("-")),),
        "a restart by hand": (RestartNode(node=ONE, silent=False, because=legacy("-")),),
        "a stop that did not happen": (StopNode(node=ONE, shed=True, because=legacy("-")),),
    },
)
@pytest.mark.parametrize("minutes", [1.0, 60.0])
def test_killed_after_the_start_its_gate_begins_with_the_next_look(
    action: NodeAction, minutes: float
) -> None:
    """Stopping and starting may take long: a process that is younger than what was written down is no proof."""
    known = tried(minutes=minutes, sees={"process": process_of(pid=77, started=0.2)})
    row = after(look(known, actions=(action,)), known)
    assert (row.status, row.gate_version, row.gate_failure) == (Status.UPGRADING, NEWER, None)
    assert (row.status_since, row.pid) == (NOW, 77)


def test_going_back_is_done_again_when_it_was_interrupted() -> None:
    back = RollBackNode(node=ONE, because=legacy("-"))
    known = tried(minutes=1, gate_failure="it has no peers")
    assert briefly(look(known, actions=(back,))) == BACK
    restored = tried(minutes=1, gate_failure="it has no peers", sees={"program": shown(VERSION)})
    assert briefly(look(restored, actions=(back,))) == BACK


@cases(
    "known, failure",
    {
        "it does not run": (
            tried(minutes=1, state=GONE, binary_version=VERSION),
            "it did not start, and wnm was interrupted while it went back",
        ),
        "it runs as another process": (
            tried(
                minutes=1,
                binary_version=VERSION,
                sees={
                    "process": process_of(pid=77, started=0.2),
                    "page": NodePage(version=VERSION),
                    "last_words": "no such flag",
                },
            ),
            "it did not start, and wnm was interrupted while it went back: no such flag",
        ),
        "it runs as it did": (tried(minutes=1, binary_version=VERSION, sees=SILENT), None),
        "its process was not seen": (
            tried(minutes=1, binary_version=VERSION, sees={"process": Unseen(reason="-"), **SILENT}),
            None,
        ),
    },
)
def test_killed_while_an_upgrade_that_failed_was_taken_back(known: NodeSeen, failure: str | None) -> None:
    """A node is stopped after its program was replaced: with its former one again it must have failed."""
    decision = look(known, actions=(UPGRADE,))
    row = after(decision, known)
    assert row.gate_failure == failure
    assert briefly(decision) == (BACK if failure else "")
    assert any(each.failures for each in decision.releases) is (failure is not None)


@cases(
    "state, brings, failed",
    {
        "it does not run": (GONE, None, True),
        "it runs": (RUNS, None, True),
        "it runs, and was to bring its program": (RUNS, choice(NEWER), True),
        "it may never have been given its program": (GONE, choice(NEWER), False),
    },
)
def test_killed_while_a_start_that_failed_was_taken_back(
    state: ProcessState, brings: ProgramChoice | None, failed: bool
) -> None:
    known = tried(
        minutes=1,
        status=Status.RESTARTING,
        state=state,
        crashed=True,
        sees={"program": shown(VERSION), "page": NodePage(version=VERSION)},
    )
    decision = look(known, actions=(StartNode(node=ONE, program=brings, because=legacy("-")),))
    assert (after(decision, known).gate_failure is not None) is failed
    assert any(each.failures for each in decision.releases) is failed
    assert (briefly(decision) == BACK) is failed


def test_after_a_reboot_nobody_knows_whether_it_failed() -> None:
    known = tried(minutes=1, state=GONE, binary_version=VERSION)
    row = after(look(known, actions=(UPGRADE,), rebooted=True), known)
    assert (row.status, row.gate_version, row.gate_failure) == (STOPPED, None, None)


def test_one_that_has_its_former_program_back_and_does_not_run_is_an_ordinary_stopped_node() -> None:
    """Its former program may not start either: then it is started again and again like any other."""
    known = tried(
        minutes=1,
        state=GONE,
        gate_failure="it has no peers",
        sees={"program": shown(VERSION)},
        failures=2,
        retry_at=ahead(1),
    )
    decision = look(known)
    row = after(decision, known)
    assert (row.status, row.gate_version, row.gate_failure, row.failed_version) == (
        STOPPED,
        None,
        None,
        NEWER,
    )
    assert (row.failures, row.retry_at, row.binary_version, row.crashed) == (2, ahead(1), VERSION, True)
    assert briefly(decision) == ""


def test_going_back_rests_after_a_failure_and_takes_up_no_slot() -> None:
    stuck = tried(1, 60, gate_failure="it has no peers", retry_at=ahead(9), last_error="disk full")
    ready = node(2)
    view = seen([stuck, ready], available=shown("0.4.9"), cpu=QUIET)
    decision = decide(view, settings(node_cap=2))
    assert briefly(decision) == "upgrade 2 to 0.4.9"
    assert "put antnode0001 back on 0.4.7: waits for its pause after: disk full" in reasons(decision)


def test_a_gate_fails_once() -> None:
    known = tried(minutes=20, sees=SILENT, gate_failure="it does not answer", retry_at=ahead(9))
    decision = look(known, remembered=seen().remembered)
    assert not any(each.failures for each in decision.releases)
    assert after(decision, known).gate_failure == "it does not answer"


def test_a_failed_one_goes_back_even_when_it_answers_by_now() -> None:
    known = tried(minutes=20, gate_failure="it does not answer")
    decision = look(known)
    assert briefly(decision) == BACK
    assert after(decision, known).status is Status.UPGRADING


# ---- reboots, stops, lost folders


@cases(
    "known, status, actions",
    {
        "that runs": (
            tried(minutes=1, sees={"process": process_of(pid=7, started=0.1)}),
            Status.UPGRADING,
            "",
        ),
        "that does not": (tried(minutes=1, state=GONE), STOPPED, ""),
        "that failed and runs": (
            tried(minutes=1, gate_failure="-", sees={"process": process_of(pid=7, started=0.1)}),
            Status.UPGRADING,
            BACK,
        ),
        "that failed and does not": (tried(minutes=1, state=GONE, gate_failure="-"), STOPPED, BACK),
    },
)
def test_a_reboot_in_the_middle(known: NodeSeen, status: Status, actions: str) -> None:
    decision = look(known, rebooted=True)
    row = after(decision, known)
    assert (row.status, row.gate_version) == (status, NEWER)
    assert briefly(decision).replace(", resurvey", "").replace("resurvey", "") == actions
    if status is Status.UPGRADING and not actions:
        assert row.status_since == NOW


def test_a_stop_in_between_is_no_failure() -> None:
    """Shed, or stopped by hand: it is in the gate again when it is started."""
    known = tried(minutes=30, status=STOPPED, state=GONE)
    decision = look(known)
    assert after(decision, known).gate_failure is None
    assert briefly(decision) == ""
    starting = decide(seen([known]), settings(node_cap=1))
    assert briefly(starting) == "start 1"


def test_one_that_somebody_else_started_is_in_gate_again() -> None:
    known = tried(minutes=30, status=STOPPED, pid=None, started=0.1)
    row = after(look(known), known)
    assert (row.status, row.status_since, row.gate_version, row.gate_failure) == (
        Status.UPGRADING,
        NOW,
        NEWER,
        None,
    )


def test_a_disabled_one_is_left_alone() -> None:
    known = tried(minutes=99, status=Status.DISABLED, state=GONE, gate_failure="it has no peers")
    decision = look(known)
    assert briefly(decision) == ""
    assert after(decision, known).gate_version == NEWER
    stopping = tried(minutes=1)
    begun = DisableNode(node=ONE, because=legacy("-"))
    assert briefly(look(stopping, actions=(begun,))) == "disable 1"


def test_one_that_is_leaving_is_not_put_back() -> None:
    known = tried(minutes=1, status=Status.REMOVING, state=GONE, gate_failure="it has no peers")
    assert briefly(look(known)) == ""


def test_one_whose_folder_is_gone_is_removed_and_not_put_back() -> None:
    fields = {
        each: getattr(gate_row(), each) for each in ("gate_version", "former_version", "binary_version")
    }
    for failure in (None, "it has no peers"):
        known = folderless(1, Status.UPGRADING, gate_failure=failure, state=GONE, **fields)
        assert briefly(look(known)) == "remove 1"


def test_with_its_disk_away_it_is_left_as_it_is() -> None:
    known = folderless(
        1, Status.UPGRADING, gate_version=NEWER, former_version=VERSION, gate_failure="-", state=GONE
    )
    away = seen().storages[0]
    decision = look(known, storages=(replace(away, present=False, empty=True, mount_point=None),))
    assert decision.rule == "missing storage"
    assert briefly(decision) == ""
