"""How a node's remembered state follows from what is done to it."""

from datetime import datetime

from msgspec.structs import replace

from wnm.core.action import (
    AddNode,
    DisableNode,
    EnableNode,
    NodeAction,
    ProgramChoice,
    RemoveNode,
    RestartNode,
    RetireNode,
    RollBackNode,
    StartNode,
    StopNode,
    UpgradeNode,
)
from wnm.core.lifecycle import moved, retry_at
from wnm.core.node import TRANSITIONS, Node, Status
from wnm.core.outcome import Outcome, Result, Retry
from wnm.core.sentences import sentence


def during(action: NodeAction, node: Node | None, now: datetime) -> Node:
    """The row to write before the deed, so that an interruption at any moment leaves a trace that is true.

    `node` is the present row; None only for AddNode, whose row this creates.
    """
    because = sentence(action.because)
    match action:
        case AddNode():
            return _restarting(action.node, now, because, restarted=False)
        case _ if node is None:
            raise ValueError(f"{type(action).__name__} needs the row of node {action.node}")
        case StartNode(program=program):
            starting = _restarting(node, now, because, restarted=False)
            return starting if program is None else _on_trial(starting, program)
        case RestartNode() | RollBackNode():
            return _restarted(node, now, because)
        case UpgradeNode(program=program):
            upgrading = replace(node, status=Status.UPGRADING, status_since=now, because=because)
            return _on_trial(upgrading, program)
        case RemoveNode() if node.status is Status.DEAD:
            return node
        case RetireNode() | RemoveNode():
            return replace(node, status=Status.REMOVING, status_since=now, because=because)
        case DisableNode():
            return replace(node, status=Status.DISABLED, status_since=now, because=because)
        case StopNode() | EnableNode():
            return node


def _restarted(node: Node, now: datetime, because: str) -> Node:
    if node.trial is not None and node.status in TRANSITIONS:
        # It stays in the transition that it is in, and takes up no other place than it does.
        return replace(node, status_since=now, because=because, restarted=True)
    return _restarting(node, now, because, restarted=True)


def _restarting(node: Node, now: datetime, because: str, *, restarted: bool) -> Node:
    return replace(node, status=Status.RESTARTING, status_since=now, because=because, restarted=restarted)


def _on_trial(node: Node, program: ProgramChoice) -> Node:
    """A node that is given another version than it has; without one to go back to there is nothing to try."""
    # One that is on trial already can only go back to the program from before that.
    former = node.binary_version if node.trial is None else node.former_version
    if former == program.version:
        return replace(node, trial=None, trial_failure=None, former_version=former)
    if former is None:
        return replace(node, trial=None, trial_failure=None, former_version=None)
    return replace(node, trial=program.version, trial_failure=None, former_version=former)


def after(outcome: Outcome, node: Node, before: Node | None) -> Node | None:
    """The row to write after the deed; None when the node is gone.

    `node` is the row written by `during`, `before` the one before that (None for AddNode).
    """
    if outcome.result is not Result.DONE:
        return _not_done(outcome, node, before)
    at = outcome.ended_at
    match outcome.action:
        case RemoveNode():
            return None
        case StopNode():
            because = sentence(outcome.action.because)
            return moved(replace(node, silent_since=None), Status.STOPPED, at, because)
        case EnableNode():
            return moved(replace(node, failures=0, retry_at=None), Status.STOPPED, at, "enabled")
        case RestartNode(silent=True):
            return replace(_started(node, at), silent_since=at, silence_restarts=node.silence_restarts + 1)
        case RestartNode() | StartNode(program=None):
            return _started(node, at)
        case (
            AddNode(program=program)
            | UpgradeNode(program=program)
            | StartNode(program=ProgramChoice() as program)
        ):
            return replace(_started(node, at), binary_version=program.version)
        case RollBackNode():
            return replace(
                _started(node, at),
                binary_version=node.former_version,
                failed_version=node.trial,
                trial=None,
                trial_failure=None,
            )
        case _:
            return replace(node, status_since=at)


def _not_done(outcome: Outcome, node: Node, before: Node | None) -> Node | None:
    match outcome.result:
        case Result.UNFINISHED:
            return _still_under_way(outcome, node)
        case Result.DEFERRED:
            return before
        case _:
            return _after_failure(outcome, node, before)


def _started(node: Node, at: datetime) -> Node:
    """Its new process has not been seen yet."""
    return replace(node, status_since=at, version=None, silent_since=None, pid=None, process_started_at=None)


def _still_under_way(outcome: Outcome, node: Node) -> Node:
    """What takes longer than a cycle has failed as far as its turn is concerned: others come first next time."""
    failures = node.failures + 1
    pause_until = retry_at(failures, outcome.ended_at, outcome.retry)
    return replace(node, failures=failures, retry_at=pause_until, last_error=outcome.error)


def _after_failure(outcome: Outcome, node: Node, before: Node | None) -> Node | None:
    if before is None:
        # The compensation of a failed addition removed everything, unless a process could not be ended. Where
        # that cannot be told, the row stays: a later cycle sees.
        if outcome.running_after is False:
            return None
        before = node
    failures = before.failures + 1
    failed = replace(
        before,
        failures=failures,
        retry_at=retry_at(failures, outcome.ended_at, outcome.retry),
        last_error=outcome.error,
        # It may have been started again on the way, which is no failure of its own.
        pid=None,
        process_started_at=None,
    )
    if outcome.program_failed:
        failed = _went_back(failed, node, outcome)
    if isinstance(outcome.action, RollBackNode) and outcome.retry is Retry.LATE:
        # There is nothing to go back to: it goes on with what it has, and a newer version may help it.
        # Nor does it rest before it does.
        failed = replace(
            failed,
            failed_version=node.trial,
            trial=None,
            trial_failure=None,
            former_version=None,
            retry_at=None,
        )
    goes_back = isinstance(outcome.action, RollBackNode | UpgradeNode | StartNode)
    if failed.trial_failure is not None and goes_back:
        # Until it is back on its former program it stays in its transition.
        return replace(failed, status=node.status, status_since=node.status_since, because=node.because)
    if isinstance(outcome.action, RemoveNode):
        # A removal that has begun goes on in a later cycle: the node may not be started again.
        return replace(failed, status=node.status, status_since=node.status_since, because=node.because)
    if outcome.running_after is True:
        return moved(failed, Status.RUNNING, outcome.ended_at, outcome.error or "")
    if outcome.running_after is False:
        # What it ran before, or was to run again, is started again; what was at rest waits for growth.
        crashed = before.crashed or before.status is not Status.STOPPED
        stopped = moved(failed, Status.STOPPED, outcome.ended_at, outcome.error or "", crashed=crashed)
        return replace(stopped, crashed=crashed and not isinstance(outcome.action, StopNode | AddNode))
    return failed


def _went_back(failed: Node, node: Node, outcome: Outcome) -> Node:
    """A node that could not be started on the program on trial in `node`, its row during the action."""
    if node.trial is None:
        return failed
    if outcome.running_after is True:
        return replace(failed, failed_version=node.trial, trial=None, trial_failure=None)
    # It may be that its former program does not start either, or that it is not there again: a later cycle sees.
    return replace(
        failed, trial=node.trial, former_version=node.former_version, trial_failure=outcome.error or ""
    )
