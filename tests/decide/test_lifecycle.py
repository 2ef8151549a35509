"""What is written of a node before a deed and after it."""

from datetime import timedelta
from typing import Any

import pytest
from msgspec.structs import replace
from tests.builders import (
    NEWER,
    NOW,
    VERSION,
    ago,
    ahead,
    briefly,
    cases,
    choice,
    reading,
    row,
    seen,
    settings,
)

from wnm.core.action import (
    AddNode,
    DisableNode,
    EnableNode,
    NodeAction,
    Outcome,
    RemoveNode,
    RestartNode,
    Result,
    RetireNode,
    Retry,
    StartNode,
    StopNode,
    UpgradeNode,
)
from wnm.core.decide.ladder import decide
from wnm.core.lifecycle import after, after_additions, backs_off, delay_of, during, retry_at
from wnm.core.node import Node, NodeId, ProcessState, Status
from wnm.core.observation import NodeSeen
from wnm.core.reasons import legacy

ONE = NodeId(1)
ADD = AddNode(node=row(1, Status.RESTARTING, version=None), program=choice(NEWER), because=legacy("why"))
START = StartNode(node=ONE, program=None, because=legacy("why"))
RENEW = StartNode(node=ONE, program=choice(NEWER), because=legacy("why"))
STOP = StopNode(node=ONE, shed=True, because=legacy("why"))
RESTART = RestartNode(node=ONE, silent=False, because=legacy("why"))
WAKE = RestartNode(node=ONE, silent=True, because=legacy("why"))
UPGRADE = UpgradeNode(node=ONE, program=choice(NEWER), because=legacy("why"))
RETIRE = RetireNode(node=ONE, because=legacy("why"))
REMOVE = RemoveNode(node=ONE, because=legacy("why"))
DISABLE = DisableNode(node=ONE, because=legacy("why"))
ENABLE = EnableNode(node=ONE, because=legacy("why"))
LATER = ahead(1)
# A row that no action's result looks like by accident.
WORN = row(1, failures=3, retry_at=ago(1), last_error="once", silent_since=ago(9), silence_restarts=2)


def ended(action: NodeAction, result: Result = Result.DONE, **changes: Any) -> Outcome:
    """How an action ended, a minute later."""
    return replace(Outcome(action=action, result=result, ended_at=LATER), **changes)


@cases(
    "failures, minutes",
    {
        "none": (0, None),
        "the first costs nothing": (1, None),
        "the second": (2, 1),
        "the third": (3, 2),
        "the fourth": (4, 4),
        "the seventh": (7, 32),
        "the eighth is the first of the longest": (8, 60),
        "the ninth": (9, 60),
        "the thousandth": (1000, 60),
    },
)
def test_pauses_double_up_to_an_hour(failures: int, minutes: float | None) -> None:
    assert retry_at(failures, NOW) == (None if minutes is None else ahead(minutes))


@cases("retry", {"permanent": Retry.LATE, "for the operator": Retry.OPERATOR})
def test_what_does_not_mend_itself_waits_an_hour_at_once(retry: Retry) -> None:
    assert retry_at(1, NOW, retry) == ahead(60)


@cases("until, expected", {"never": (None, False), "now": (NOW, False), "later": (ahead(0.01), True)})
def test_backing_off(until: Any, expected: bool) -> None:
    assert backs_off(row(1, retry_at=until), NOW) is expected


@cases(
    "known, minutes",
    {
        "a start": (row(1, Status.RESTARTING), 1),
        "a restart": (row(1, Status.RESTARTING, restarted=True), 2),
        "an upgrade": (row(1, Status.UPGRADING), 3),
        "a removal": (row(1, Status.REMOVING), 4),
        "no transition": (row(1), 0),
    },
)
def test_delays(known: Node, minutes: int) -> None:
    names = ("delay_start", "delay_restart", "delay_upgrade", "delay_remove")
    chosen = settings(**{name: timedelta(minutes=index) for index, name in enumerate(names, 1)})
    assert delay_of(known, chosen) == timedelta(minutes=minutes)


@cases(
    "action, known, status, restarted",
    {
        "an addition": (ADD, None, Status.RESTARTING, False),
        "a start": (START, row(1, Status.STOPPED, restarted=True), Status.RESTARTING, False),
        "a restart": (RESTART, row(1), Status.RESTARTING, True),
        "an upgrade": (UPGRADE, row(1), Status.UPGRADING, False),
        "a retirement": (RETIRE, row(1), Status.REMOVING, False),
        "a removal": (REMOVE, row(1), Status.REMOVING, False),
        "disabling": (DISABLE, row(1), Status.DISABLED, False),
    },
)
def test_during(action: NodeAction, known: Node | None, status: Status, restarted: bool) -> None:
    written = during(action, known, LATER)
    assert (written.status, written.restarted) == (status, restarted)
    assert (written.status_since, written.because) == (LATER, "why")


@cases(
    "action, known",
    {
        "a removal of a dead node": (REMOVE, row(1, Status.DEAD)),
        "a stop": (STOP, row(1)),
        "enabling": (ENABLE, row(1, Status.DISABLED)),
    },
)
def test_during_these_the_row_stays(action: NodeAction, known: Node) -> None:
    assert during(action, known, LATER) == known


def test_a_dead_node_that_is_retired_leaves() -> None:
    assert during(RETIRE, row(1, Status.DEAD), LATER).status is Status.REMOVING


@cases("action", {type(each).__name__: each for each in (START, STOP, RESTART, UPGRADE, REMOVE, ENABLE)})
def test_only_an_addition_needs_no_row(action: NodeAction) -> None:
    with pytest.raises(ValueError, match="needs the row of node 1"):
        during(action, None, NOW)


@cases(
    "action, before, expected",
    {
        "an addition": (
            ADD,
            None,
            {"status": Status.RESTARTING, "status_since": LATER, "binary_version": NEWER, "version": None},
        ),
        "a start": (
            START,
            WORN,
            {
                "status": Status.RESTARTING,
                "status_since": LATER,
                "binary_version": VERSION,
                "version": None,
                "silent_since": None,
            },
        ),
        "a start with another program": (
            RENEW,
            WORN,
            {"status": Status.RESTARTING, "binary_version": NEWER, "version": None, "silent_since": None},
        ),
        "a stop": (
            STOP,
            WORN,
            {
                "status": Status.STOPPED,
                "status_since": LATER,
                "because": "why",
                "silent_since": None,
                "version": VERSION,
            },
        ),
        "a stop of a stopped node": (
            STOP,
            row(1, Status.STOPPED),
            {"status": Status.STOPPED, "status_since": ago(600), "because": "its ordinary life"},
        ),
        "a restart": (
            RESTART,
            WORN,
            {"status": Status.RESTARTING, "status_since": LATER, "silence_restarts": 2},
        ),
        "a restart for silence": (
            WAKE,
            WORN,
            {
                "status": Status.RESTARTING,
                "status_since": LATER,
                "silent_since": LATER,
                "silence_restarts": 3,
                "version": None,
            },
        ),
        "an upgrade": (
            UPGRADE,
            WORN,
            {
                "status": Status.UPGRADING,
                "status_since": LATER,
                "binary_version": NEWER,
                "version": None,
                "silent_since": None,
            },
        ),
        "a retirement": (RETIRE, WORN, {"status": Status.REMOVING, "status_since": LATER}),
        "disabling": (DISABLE, WORN, {"status": Status.DISABLED, "status_since": LATER}),
        "enabling": (
            ENABLE,
            replace(WORN, status=Status.DISABLED),
            {
                "status": Status.STOPPED,
                "status_since": LATER,
                "because": "enabled",
                "failures": 0,
                "retry_at": None,
            },
        ),
    },
)
def test_done(action: NodeAction, before: Node | None, expected: dict[str, Any]) -> None:
    written = after(ended(action), during(action, before, NOW), before)
    assert written is not None
    assert {name: getattr(written, name) for name in expected} == expected


def test_a_removed_node_is_gone() -> None:
    assert after(ended(REMOVE), during(REMOVE, WORN, NOW), WORN) is None


@cases("action", {type(each).__name__: each for each in (START, STOP, UPGRADE, RETIRE, REMOVE, DISABLE)})
def test_deferred_is_as_if_never_intended(action: NodeAction) -> None:
    assert after(ended(action, Result.DEFERRED), during(action, WORN, NOW), WORN) == WORN


def test_a_deferred_addition_leaves_no_row() -> None:
    assert after(ended(ADD, Result.DEFERRED), during(ADD, None, NOW), None) is None


@cases("action", {type(each).__name__: each for each in (START, STOP, UPGRADE, RETIRE, REMOVE, DISABLE)})
def test_unfinished_stays_as_begun_and_others_come_first(action: NodeAction) -> None:
    begun = during(action, WORN, NOW)
    written = after(ended(action, Result.UNFINISHED, error="slow"), begun, WORN)
    assert written == replace(begun, failures=4, retry_at=LATER + timedelta(minutes=4), last_error="slow")


@cases(
    "action, before, running, status",
    {
        "a start": (START, replace(WORN, status=Status.STOPPED), False, Status.STOPPED),
        "a start of what runs after all": (START, replace(WORN, status=Status.STOPPED), True, Status.RUNNING),
        "a start that nobody knows of": (START, replace(WORN, status=Status.STOPPED), None, Status.STOPPED),
        "a stop": (STOP, WORN, True, Status.RUNNING),
        "an upgrade that runs again": (UPGRADE, WORN, True, Status.RUNNING),
        "an upgrade that does not": (UPGRADE, WORN, False, Status.STOPPED),
        "an upgrade that nobody knows of": (UPGRADE, WORN, None, Status.RUNNING),
        "a retirement": (RETIRE, WORN, True, Status.RUNNING),
        "disabling": (DISABLE, WORN, True, Status.RUNNING),
        "a removal goes on": (REMOVE, WORN, True, Status.REMOVING),
        "a removal that ended the process goes on": (REMOVE, WORN, False, Status.REMOVING),
        "a dead node stays dead": (REMOVE, replace(WORN, status=Status.DEAD), False, Status.DEAD),
    },
)
def test_failed(action: NodeAction, before: Node, running: bool | None, status: Status) -> None:
    outcome = ended(action, Result.FAILED, error="no space", running_after=running)
    written = after(outcome, during(action, before, NOW), before)
    assert written is not None
    assert written.status is status
    assert (written.failures, written.last_error) == (4, "no space")
    assert written.retry_at == LATER + timedelta(minutes=4)
    if written.status is not before.status and not isinstance(action, RemoveNode):
        assert (written.status_since, written.because) == (LATER, "no space")


@cases(
    "action, result, before, status",
    {
        "a crashed one that is stopped": (
            STOP,
            Result.DONE,
            row(1, Status.STOPPED, crashed=True),
            Status.STOPPED,
        ),
        "one that could not be disabled": (DISABLE, Result.FAILED, row(1), Status.STOPPED),
        "one that could not be retired": (RETIRE, Result.FAILED, row(1), Status.REMOVING),
    },
)
def test_what_was_told_to_rest_has_not_crashed(
    action: NodeAction, result: Result, before: Node, status: Status
) -> None:
    written = after(ended(action, result, running_after=False), during(action, before, NOW), before)
    assert written is not None
    assert (written.status, written.crashed) == (status, False)


@cases(
    "running_after, before, status",
    {
        "ended": (False, Status.RUNNING, Status.REMOVING),
        "runs on": (True, Status.RUNNING, Status.RUNNING),
        "not seen": (None, Status.RUNNING, Status.RUNNING),
        "rests": (False, Status.STOPPED, Status.REMOVING),
        "rests, not seen": (None, Status.STOPPED, Status.REMOVING),
        "rested, and runs": (True, Status.STOPPED, Status.RUNNING),
        "was leaving, and runs": (True, Status.REMOVING, Status.RUNNING),
    },
)
def test_a_node_that_could_not_be_retired_stays_on_its_way_out_unless_it_runs(
    running_after: bool | None, before: Status, status: Status
) -> None:
    known = row(1, before)
    written = after(
        ended(RETIRE, Result.FAILED, running_after=running_after), during(RETIRE, known, NOW), known
    )
    assert written is not None
    assert written.status is status


@cases(
    "action, before, crashed",
    {
        "a restart of one that ran": (RESTART, row(1), True),
        "a start of one at rest": (START, row(1, Status.STOPPED), False),
        "a start of one that crashed": (START, row(1, Status.STOPPED, crashed=True), True),
    },
)
def test_what_a_failed_action_leaves_down_is_crashed_if_it_was_to_run(
    action: NodeAction, before: Node, crashed: bool
) -> None:
    written = after(ended(action, Result.FAILED, running_after=False), during(action, before, NOW), before)
    assert written is not None
    assert (written.status, written.crashed) == (Status.STOPPED, crashed)


@cases(
    "results, failures",
    {
        "none was added": ((), None),
        "one was": ((Result.DONE,), 0),
        "none that was tried": ((Result.FAILED, Result.FAILED), 3),
        "one of two": ((Result.DONE, Result.FAILED), 1),
        "one that takes longer": ((Result.UNFINISHED,), None),
    },
)
def test_the_pace_of_additions(results: tuple[Result, ...], failures: int | None) -> None:
    paced = after_additions(2, [ended(ADD, each, error="no port") for each in results], LATER)
    pause_until = retry_at(failures or 0, LATER)
    expected = {
        "add_failures": failures,
        "add_retry_at": pause_until,
        "add_last_error": "no port" if failures else None,
    }
    assert paced == ({} if failures is None else expected)


def test_a_failed_removal_keeps_its_own_reason_and_time() -> None:
    written = after(ended(REMOVE, Result.FAILED, error="busy"), during(REMOVE, WORN, NOW), WORN)
    assert written is not None
    assert (written.status_since, written.because) == (NOW, "why")


def test_a_failure_that_only_the_operator_mends_waits_an_hour() -> None:
    outcome = ended(START, Result.FAILED, retry=Retry.OPERATOR, running_after=False)
    written = after(outcome, during(START, row(1), NOW), row(1))
    assert written is not None
    assert written.retry_at == LATER + timedelta(hours=1)


@cases(
    "running, status",
    {
        "and undone, leaves no row": (False, None),
        "and could not be ended, is a node": (True, Status.RUNNING),
        "and nobody knows what is left, is looked at again": (None, Status.RESTARTING),
    },
)
def test_an_addition_that_failed(running: bool | None, status: Status | None) -> None:
    outcome = ended(ADD, Result.FAILED, error="no port", running_after=running)
    written = after(outcome, during(ADD, None, NOW), None)
    assert (None if written is None else written.status) is status
    if written is not None:
        assert (written.failures, written.last_error) == (1, "no port")


def test_an_addition_that_could_not_be_undone_is_removed_until_it_is_gone() -> None:
    action = AddNode(node=row(1), program=choice(), because=legacy("-"))
    outcome = replace(ended(action, Result.FAILED, running_after=False), left_over=True, error="no space")
    written = after(outcome, during(action, None, NOW), None)
    assert written is not None
    assert (written.status, written.last_error, written.failures) == (Status.REMOVING, "no space", 1)
    later = replace(written, status_since=ago(99), retry_at=None)
    known = NodeSeen(node=later, reading=reading(later, ProcessState.STOPPED))
    assert briefly(decide(seen([known]), settings(node_cap=0))) == "remove 1"
