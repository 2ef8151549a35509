"""What the row of a node in the gate becomes by what is done to it."""

from typing import Any

import pytest
from tests.builders import NEWER, NOW, VERSION, ahead, cases, choice, row
from tests.decide.gates import ONE, gate_row

from wnm.core.action import (
    DisableNode,
    NodeAction,
    Outcome,
    RemoveNode,
    RestartNode,
    Result,
    Retry,
    RollBackNode,
    StartNode,
    StopNode,
    UpgradeNode,
)
from wnm.core.lifecycle import after, during
from wnm.core.node import Node, Status
from wnm.core.reasons import legacy

NEWEST = "0.4.9"
LATER = ahead(1)
BACK = RollBackNode(node=ONE, because=legacy("why"))
START = StartNode(node=ONE, program=None, because=legacy("why"))
RESTART = RestartNode(node=ONE, silent=False, because=legacy("why"))
FAILED = gate_row(gate_failure="it has no peers")
AT_ONCE = "it ended at once"


def upgrade(version: str = NEWER) -> UpgradeNode:
    return UpgradeNode(node=ONE, program=choice(version), because=legacy("why"))


def renew(version: str = NEWER) -> StartNode:
    return StartNode(node=ONE, program=choice(version), because=legacy("why"))


def ended(action: NodeAction, before: Node, result: Result = Result.DONE, **changes: Any) -> Node:
    """The row after an action on this one."""
    outcome = Outcome(action=action, result=result, ended_at=LATER, **changes)
    written = after(outcome, during(action, before, NOW), before)
    assert written is not None
    return written


def failed(action: NodeAction, before: Node, **changes: Any) -> Node:
    return ended(action, before, Result.FAILED, **{"error": AT_ONCE, **changes})


@cases(
    "action, before, trial, former",
    {
        "an upgrade": (upgrade(), row(1), NEWER, VERSION),
        "a start with another program": (renew(), row(1, Status.STOPPED), NEWER, VERSION),
        "a start without one": (START, row(1, Status.STOPPED), None, None),
        "a start in the middle of a gate": (START, gate_row(status=Status.STOPPED), NEWER, VERSION),
        "a restart in the middle of a gate": (RESTART, gate_row(), NEWER, VERSION),
        "an upgrade of a node of unknown version": (upgrade(), row(1, binary_version=None), None, None),
        "an upgrade to what it has already": (upgrade(VERSION), row(1), None, VERSION),
        "the same one again, by hand": (upgrade(), FAILED, NEWER, VERSION),
        "another one in the middle of a gate": (upgrade(NEWEST), gate_row(), NEWEST, VERSION),
        "another one with which a stopped one in the gate is started": (
            renew(NEWEST),
            gate_row(status=Status.STOPPED),
            NEWEST,
            VERSION,
        ),
        "by hand to the one from before the gate": (upgrade(VERSION), FAILED, None, VERSION),
        "a step down": (upgrade("0.4.6"), row(1), "0.4.6", VERSION),
    },
)
def test_who_is_in_gate_with_what(
    action: NodeAction, before: Node, trial: str | None, former: str | None
) -> None:
    written = during(action, before, NOW)
    assert (written.gate_version, written.former_version, written.gate_failure) == (trial, former, None)


@cases(
    "before, status",
    {
        "upgrading": (FAILED, Status.UPGRADING),
        "starting": (gate_row(gate_failure="-", status=Status.RESTARTING), Status.RESTARTING),
        "stopped, after a reboot": (gate_row(gate_failure="-", status=Status.STOPPED), Status.RESTARTING),
    },
)
@pytest.mark.parametrize("action", [BACK, RESTART])
def test_a_way_back_takes_up_the_place_of_the_way_there(
    action: NodeAction, before: Node, status: Status
) -> None:
    written = during(action, before, NOW)
    assert (written.status, written.status_since, written.because) == (status, NOW, "why")
    assert (written.restarted, written.gate_version, written.gate_failure) == (
        True,
        NEWER,
        before.gate_failure,
    )


def test_back_on_its_former_program() -> None:
    written = ended(BACK, FAILED)
    assert (written.gate_version, written.gate_failure, written.failed_version) == (None, None, NEWER)
    assert (written.binary_version, written.version, written.pid) == (VERSION, None, None)
    assert (written.status, written.status_since) == (Status.UPGRADING, LATER)


@cases(
    "action",
    {
        "upgraded": (upgrade(),),
        "started with it": (renew(),),
        "restarted by hand": (RESTART,),
        "started": (START,),
    },
)
def test_a_new_process_is_one_that_nobody_has_seen(action: NodeAction) -> None:
    """A restart that wnm did itself must not look like one that it did not."""
    written = ended(action, gate_row())
    assert (written.pid, written.process_started_at, written.version) == (None, None, None)
    assert (written.gate_version, written.binary_version, written.status_since) == (NEWER, NEWER, LATER)


@cases(
    "action, before",
    {
        "an upgrade": (upgrade(), row(1)),
        "a start with it": (renew(), row(1, Status.STOPPED)),
        "a start in the middle of a gate": (START, gate_row(status=Status.STOPPED)),
    },
)
def test_a_program_that_cannot_be_started(action: NodeAction, before: Node) -> None:
    back = failed(action, before, program_failed=True, running_after=True)
    assert (back.status, back.gate_version, back.gate_failure) == (Status.RUNNING, None, None)
    assert (back.failed_version, back.failures, back.last_error) == (NEWER, 1, AT_ONCE)
    for running in (False, None):
        neither = failed(action, before, program_failed=True, running_after=running)
        assert (neither.gate_version, neither.former_version, neither.gate_failure) == (
            NEWER,
            VERSION,
            AT_ONCE,
        )
        assert neither.status is during(action, before, NOW).status


def test_what_fails_for_another_reason_says_nothing_of_the_program() -> None:
    written = failed(upgrade(), row(1), running_after=True)
    assert (written.gate_version, written.failed_version, written.status) == (None, None, Status.RUNNING)
    stopped = failed(renew(), row(1, Status.STOPPED), running_after=False)
    assert (stopped.gate_version, stopped.failed_version, stopped.status) == (None, None, Status.STOPPED)


def test_without_a_way_back_a_program_that_cannot_be_started_is_an_ordinary_failure() -> None:
    unknown = row(1, binary_version=None, failed_version="0.4.6")
    written = failed(upgrade(), unknown, program_failed=True, running_after=False)
    assert (written.gate_version, written.gate_failure, written.failed_version) == (None, None, "0.4.6")
    assert written.status is Status.STOPPED


def test_going_back_that_fails_is_tried_again() -> None:
    written = failed(BACK, FAILED, running_after=True)
    assert (written.status, written.gate_version, written.gate_failure) == (
        Status.UPGRADING,
        NEWER,
        "it has no peers",
    )
    assert (written.failures, written.last_error) == (1, AT_ONCE)


@cases("running, status", {"it runs": (True, Status.RUNNING), "it does not": (False, Status.STOPPED)})
def test_when_there_is_nothing_to_go_back_to_it_goes_on_with_what_it_has(
    running: bool, status: Status
) -> None:
    written = failed(BACK, FAILED, running_after=running, retry=Retry.LATE)
    assert (written.status, written.gate_version, written.gate_failure) == (status, None, None)
    assert (written.failed_version, written.former_version) == (NEWER, None)
    assert written.retry_at is None, "a newer version, or an older one of another node, comes to it at once"


@pytest.mark.parametrize("action", [upgrade(), renew(), BACK])
def test_after_a_failure_its_process_is_another_one(action: NodeAction) -> None:
    """It may have been started again on the way: taken for its own doing that would halt what it runs."""
    written = failed(action, row(1, pid=1001), running_after=True)
    assert (written.pid, written.process_started_at) == (None, None)


@cases(
    "action, status",
    {
        "a removal": (RemoveNode(node=ONE, because=legacy("why")), Status.REMOVING),
        "a stop": (StopNode(node=ONE, shed=True, because=legacy("why")), Status.RUNNING),
        "disabling": (DisableNode(node=ONE, because=legacy("why")), Status.RUNNING),
    },
)
def test_another_action_that_fails_is_no_way_back(action: NodeAction, status: Status) -> None:
    written = failed(action, FAILED, running_after=True)
    assert (written.status, written.gate_version, written.gate_failure) == (status, NEWER, "it has no peers")


@pytest.mark.parametrize("action", [upgrade(), renew(), BACK])
def test_deferred_is_as_if_never_intended(action: NodeAction) -> None:
    assert ended(action, FAILED, Result.DEFERRED) == FAILED
