"""Computes a node's remembered state from what is seen of it and from what is done to it."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

from msgspec.structs import replace

from wnm.core.action import (
    AddNode,
    DisableNode,
    EnableNode,
    NodeAction,
    Outcome,
    ProgramChoice,
    RemoveNode,
    RestartNode,
    Result,
    RetireNode,
    Retry,
    RollBackNode,
    StartNode,
    StopNode,
    UpgradeNode,
)
from wnm.core.errors import backoff
from wnm.core.health_gate import Failed, NotApplicable, Passed, Waits, assess, not_applicable, runs_former
from wnm.core.node import TRANSITIONS, Node, ProcessState, Reachability, Status
from wnm.core.observation import NodePage, NodeReading, NodeSeen, ProcessReading, ProgramReading, Unseen
from wnm.core.reasons import Blocked, BlockKind, Task
from wnm.core.sentences import sentence
from wnm.core.settings import Settings

FIRST_PAUSE = timedelta(minutes=1)
LONGEST_PAUSE = timedelta(hours=1)
STUCK_AFTER_DELAYS = 3
CLOCK_SLACK = timedelta(seconds=1)
START_TIME_SLACK = timedelta(seconds=2)


def retry_at(failures: int, now: datetime, retry: Retry = Retry.SOON) -> datetime | None:
    """When a node that failed `failures` times in a row may be tried again; None means at once.

    The first failure costs nothing, then 1, 2, 4 … minutes, at most an hour; what only the operator can
    repair is tried once an hour.
    """
    if retry is not Retry.SOON:
        return now + LONGEST_PAUSE
    if failures <= 1:
        return None
    return now + backoff(failures - 1, first=FIRST_PAUSE, longest=LONGEST_PAUSE)


def after_additions(failures: int, outcomes: Iterable[Outcome], now: datetime) -> dict[str, Any]:
    """Return the fields of `Remembered` for the pace of additions: one step back for a cycle in which any failed.

    `failures` is how many cycles in a row failed before; empty when nothing was added.
    """
    results = [outcome for outcome in outcomes if isinstance(outcome.action, AddNode)]
    failed = [outcome for outcome in results if outcome.result is Result.FAILED]
    succeeded = any(outcome.result is Result.DONE for outcome in results)
    if failed:
        failures = 1 if succeeded else failures + 1
        return {
            "add_failures": failures,
            "add_retry_at": retry_at(failures, now, failed[-1].retry),
            "add_last_error": failed[-1].error,
        }
    return {"add_failures": 0, "add_retry_at": None, "add_last_error": None} if succeeded else {}


def backs_off(node: Node, now: datetime) -> bool:
    """Whether an earlier failure still keeps actions away from this node."""
    return node.retry_at is not None and node.retry_at > now


def backing_off(node: Node, action: Task) -> Blocked:
    """Return the task as blocked by the backoff of the node after an earlier failure."""
    return Blocked(kind=BlockKind.BACKOFF, action=action, text=node.last_error, until=node.retry_at)


def runs(reading: NodeReading) -> bool:
    """Whether the node's process was seen running."""
    return isinstance(reading.process, ProcessReading) and reading.process.state is ProcessState.RUNNING


def is_gone(reading: NodeReading) -> bool:
    """Whether the node's process was seen not to run; False also when it could not be seen."""
    return isinstance(reading.process, ProcessReading) and reading.process.state in (
        ProcessState.STOPPED,
        ProcessState.FAILED,
    )


def is_well(reading: NodeReading) -> bool:
    """Whether a node whose process runs shows that it works: it answers or, where there is no asking, has its key."""
    if not reading.has_pages:
        return reading.born is not None
    return reading.reachable is Reachability.ANSWERS and isinstance(reading.page, NodePage)


def delay_of(node: Node, settings: Settings) -> timedelta:
    """Return how long a node stays in the transition that it is in; zero when it is in none."""
    match node.status:
        case Status.RESTARTING:
            return settings.delay_restart if node.restarted else settings.delay_start
        case Status.UPGRADING:
            return settings.delay_upgrade
        case Status.REMOVING:
            return settings.delay_remove
        case _:
            return timedelta(0)


def conclude(
    seen: NodeSeen, now: datetime, settings: Settings, *, rebooted: bool, cut_off: NodeAction | None
) -> Node:
    """The node as it is from now on.

    `rebooted`: the machine started again since the last cycle, so a stopped process is nobody's failure and
    timers restart. `cut_off`: what wnm itself was doing to this node when it was interrupted, so here too a
    missing process is nobody's failure.
    """
    pid_before = seen.node.pid
    node = _with_sane_times(seen.node, now)
    node = _with_facts(node, seen.reading, now)
    node = _with_silence(node, seen.reading, now)
    if node.status is Status.DISABLED:
        return node
    if node.status is Status.DEAD:
        back = seen.reading.root_dir_present is True
        return moved(node, Status.STOPPED, now, "its folder is back") if back else node
    if _was_taken_back(node, seen.reading, pid_before=pid_before, cut_off=None if rebooted else cut_off):
        words = f": {seen.reading.last_words}" if seen.reading.last_words else ""
        return _gate_failed(node, now, f"it did not start, and wnm was interrupted while it went back{words}")
    node = _without_void_gate(node, seen.reading, now)
    if rebooted:
        return _after_reboot(node, seen.reading, now)
    if node.status is Status.REMOVING:
        return node
    if node.gate_version is not None and node.gate_failure is None and runs(seen.reading):
        return _tried(node, seen.reading, now, settings, pid_before=pid_before, cut_off=cut_off)
    if is_gone(seen.reading):
        return _without_process(node, seen.reading, now, cut_off)
    if runs(seen.reading) and node.gate_version is None:
        return _with_process(node, seen.reading, now, settings)
    return node


def lacks_restart(
    node: Node, reading: NodeReading, now: datetime, *, pid_before: int | None, cut_off: NodeAction | None
) -> bool:
    """Whether a node in its gate has its new program and still runs the former one: its upgrade was interrupted."""
    if node.gate_version is None or node.gate_failure is not None or not runs(reading):
        return False
    process = reading.process
    pid = process.pid if isinstance(process, ProcessReading) else None
    if isinstance(cut_off, UpgradeNode) and pid is not None and pid == pid_before:
        return True
    return runs_former(node, reading, now)


def _was_taken_back(
    node: Node, reading: NodeReading, *, pid_before: int | None, cut_off: NodeAction | None
) -> bool:
    """Whether an interrupted upgrade had put the former program back already.

    A node is stopped after its program was replaced: one that has its former program and was stopped has it again.
    """
    if (
        not isinstance(cut_off, UpgradeNode | StartNode)
        or node.gate_version is None
        or node.gate_failure is not None
    ):
        return False
    program, process = reading.program, reading.process
    if not isinstance(program, ProgramReading) or program.version != node.former_version:
        return False
    if isinstance(cut_off, StartNode):
        # It did not run before. Without a program to bring it had the one in the gate in place; else, gone as before,
        # it may never have been given it.
        return runs(reading) or (is_gone(reading) and cut_off.program is None)
    pid = process.pid if isinstance(process, ProcessReading) else None
    return is_gone(reading) or (runs(reading) and None not in (pid, pid_before) and pid != pid_before)


def _without_void_gate(node: Node, reading: NodeReading, now: datetime) -> Node:
    """The node, out of its gate if the program that it has on disk is another one than it was to try."""
    if node.gate_version is None:
        return node
    void = not_applicable(node, reading)
    if void is None:
        return node
    own = node.binary_version
    if node.gate_failure is not None and own == node.former_version:
        # It has its former program back. As long as something runs that may still be the other one.
        if not is_gone(reading):
            return node
        back = replace(node, failed_version=node.gate_version, gate_version=None, gate_failure=None)
        return moved(back, Status.STOPPED, now, f"has {own} back: {node.because}", crashed=True)
    # Its own program as its former one means that there is no other to go back to.
    node = replace(node, gate_version=None, gate_failure=None, former_version=own)
    if runs(reading) and node.status in (Status.UPGRADING, Status.RESTARTING):
        return moved(node, Status.RUNNING, now, void.because)
    return node


def _tried(
    node: Node,
    reading: NodeReading,
    now: datetime,
    settings: Settings,
    *,
    pid_before: int | None,
    cut_off: NodeAction | None,
) -> Node:
    """A node in its gate whose process was seen running."""
    if node.status not in (Status.UPGRADING, Status.RESTARTING):
        return moved(node, Status.UPGRADING, now, f"runs in the health gate of {node.gate_version}")
    if cut_off is not None or lacks_restart(node, reading, now, pid_before=pid_before, cut_off=cut_off):
        # When wnm itself was at work on it, it is not known since when it runs: its gate begins with this observation.
        return replace(node, status_since=now)
    match assess(node, reading, now, settings, pid_before=pid_before):
        case Passed(because=because):
            passed = moved(node, Status.RUNNING, now, because)
            return replace(
                passed,
                gate_version=None,
                former_version=None,
                failed_version=None,
                failures=0,
                retry_at=None,
                last_error=None,
            )
        case Failed(because=because):
            return _gate_failed(node, now, because)
        case NotApplicable() | Waits():
            return node


def _gate_failed(node: Node, now: datetime, because: str) -> Node:
    """It stays in its transition until it is back on its former program."""
    words = f"failed the gate of {node.gate_version}: {because}"
    return replace(node, gate_failure=because, because=words, last_error=words)


def _with_sane_times(node: Node, now: datetime) -> Node:
    """Times from before the clock was set back would never run out."""
    latest = now + CLOCK_SLACK
    if node.status_since > latest:
        node = replace(node, status_since=now)
    if node.silent_since is not None and node.silent_since > latest:
        node = replace(node, silent_since=now)
    if node.retry_at is not None and node.retry_at > now + LONGEST_PAUSE:
        node = replace(node, retry_at=now + LONGEST_PAUSE)
    return node


def _with_facts(node: Node, reading: NodeReading, now: datetime) -> Node:
    """Fill in what was seen; what was not seen stays as remembered."""
    if isinstance(reading.process, ProcessReading):
        node = _with_process_facts(node, reading.process)
    if isinstance(reading.program, ProgramReading):
        version = reading.program.version
        if isinstance(version, str):
            node = replace(node, binary_version=version, binary_stamp=reading.program.stamp)
    if isinstance(reading.page, NodePage):
        node = replace(
            node,
            version=reading.page.version or node.version,
            peer_id=reading.page.peer_id or node.peer_id,
        )
    if node.version is None and runs(reading):
        node = replace(node, version=node.binary_version)
    if reading.disk_bytes is not None:
        # One that takes too long to measure waits for its turn like the others.
        measured = node.disk_bytes if isinstance(reading.disk_bytes, Unseen) else reading.disk_bytes
        node = replace(node, disk_bytes=measured, disk_measured_at=now)
    return replace(
        node,
        born=reading.born or node.born,
        mount_point=reading.mount_point or node.mount_point,
    )


def _with_process_facts(node: Node, process: ProcessReading) -> Node:
    """The start time is computed from the time since boot and wavers a little: the same start is not news."""
    remembered, seen = node.process_started_at, process.started_at
    if remembered is None or seen is None or node.pid != process.pid:
        return replace(node, pid=process.pid, process_started_at=seen)
    if abs(seen - remembered) < START_TIME_SLACK:
        return node
    return replace(node, pid=process.pid, process_started_at=seen)


def _with_silence(node: Node, reading: NodeReading, now: datetime) -> Node:
    if reading.reachable is Reachability.ANSWERS and isinstance(reading.page, NodePage):
        return replace(node, silent_since=None, silence_restarts=0)
    if runs(reading) and reading.reachable is not None and node.silent_since is None:
        return replace(node, silent_since=now)
    if is_gone(reading):
        return replace(node, silent_since=None)
    return node


def _after_reboot(node: Node, reading: NodeReading, now: datetime) -> Node:
    node = replace(node, retry_at=None, silent_since=None)
    if node.status is Status.REMOVING:
        return replace(node, status_since=now)
    if runs(reading) and node.gate_version is not None:
        return replace(
            node, status=Status.UPGRADING, status_since=now, because="back in the health gate after a reboot"
        )
    if runs(reading):
        return moved(node, Status.RUNNING, now, "was running when first seen after a reboot")
    if is_gone(reading):
        return moved(node, Status.STOPPED, now, "the machine was restarted", crashed=True)
    return replace(node, status_since=now)


def _without_process(node: Node, reading: NodeReading, now: datetime, cut_off: NodeAction | None) -> Node:
    if isinstance(cut_off, StopNode):
        node = replace(node, crashed=False)  # Whatever it was: now somebody wants it to rest.
    if node.status is Status.STOPPED:
        return node
    if cut_off is not None:
        crashed = node.crashed or isinstance(cut_off, RestartNode | UpgradeNode | RollBackNode)
        because = "left stopped by an action that was interrupted"
        return moved(node, Status.STOPPED, now, because, crashed=crashed)
    ended = "its process ended unexpectedly"
    if node.status in (Status.RESTARTING, Status.UPGRADING):
        ended = f"its process ended while {node.status.value.lower()}"
    words = f"{ended}: {reading.last_words}" if reading.last_words else ended
    if node.gate_version is not None:
        return node if node.gate_failure is not None else _gate_failed(node, now, words)
    failures = node.failures + 1
    return replace(
        moved(node, Status.STOPPED, now, words, crashed=True),
        failures=failures,
        retry_at=retry_at(failures, now),
        last_error=words,
    )


def _with_process(node: Node, reading: NodeReading, now: datetime, settings: Settings) -> Node:
    if node.status is Status.RUNNING:
        return _after_calm(node, reading, now)
    if node.status is Status.STOPPED:
        return moved(node, Status.RUNNING, now, "found running")
    delay = delay_of(node, settings)
    elapsed = now - node.status_since
    if elapsed < delay:
        return node
    if is_well(reading):
        healthy = moved(
            node, Status.RUNNING, now, "answers" if reading.has_pages else "stays up, with its key"
        )
        return replace(healthy, failures=0, retry_at=None, last_error=None)
    if elapsed >= delay * STUCK_AFTER_DELAYS:
        stuck = (
            f"stuck {node.status.value.lower()} for {_minutes(elapsed)}: its process runs but does not answer"
        )
        return moved(node, Status.RUNNING, now, stuck)
    return node


def _after_calm(node: Node, reading: NodeReading, now: datetime) -> Node:
    """Forget a node's failures when it has answered for as long as the longest pause."""
    troubled = node.failures or node.retry_at or node.last_error
    if not troubled or not is_well(reading):
        return node
    if now - max(node.status_since, node.retry_at or node.status_since) < LONGEST_PAUSE:
        return node
    return replace(node, failures=0, retry_at=None, last_error=None)


def _minutes(span: timedelta) -> str:
    return f"{span.total_seconds() / 60:.1f} minutes"


def moved(node: Node, status: Status, now: datetime, because: str, *, crashed: bool = False) -> Node:
    """The node in this state since now; unchanged if it is in it already."""
    if node.status is status:
        return node
    return replace(node, status=status, status_since=now, because=because, crashed=crashed)


def during(action: NodeAction, node: Node | None, now: datetime) -> Node:
    """The row to write before the action, so that an interruption at any moment leaves a trace that is true.

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
            return starting if program is None else _entering_gate(starting, program)
        case RestartNode() | RollBackNode():
            return _restarted(node, now, because)
        case UpgradeNode(program=program):
            upgrading = replace(node, status=Status.UPGRADING, status_since=now, because=because)
            return _entering_gate(upgrading, program)
        case RemoveNode() if node.status is Status.DEAD:
            return node
        case RetireNode() | RemoveNode():
            return replace(node, status=Status.REMOVING, status_since=now, because=because)
        case DisableNode():
            return replace(node, status=Status.DISABLED, status_since=now, because=because)
        case StopNode() | EnableNode():
            return node


def _restarted(node: Node, now: datetime, because: str) -> Node:
    if node.gate_version is not None and node.status in TRANSITIONS:
        # It stays in the transition that it is in, and takes up no other place than it does.
        return replace(node, status_since=now, because=because, restarted=True)
    return _restarting(node, now, because, restarted=True)


def _restarting(node: Node, now: datetime, because: str, *, restarted: bool) -> Node:
    return replace(node, status=Status.RESTARTING, status_since=now, because=because, restarted=restarted)


def _entering_gate(node: Node, program: ProgramChoice) -> Node:
    """A node that is given another version than it has; without one to go back to there is nothing to try."""
    # One that is in its gate already can only go back to the program from before that.
    former = node.binary_version if node.gate_version is None else node.former_version
    if former == program.version:
        return replace(node, gate_version=None, gate_failure=None, former_version=former)
    if former is None:
        return replace(node, gate_version=None, gate_failure=None, former_version=None)
    return replace(node, gate_version=program.version, gate_failure=None, former_version=former)


def after(outcome: Outcome, node: Node, before: Node | None) -> Node | None:
    """The row to write after the action; None when the node is gone.

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
            return replace(
                moved(replace(node, silent_since=None), Status.STOPPED, at, because), crashed=False
            )
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
                failed_version=node.gate_version,
                gate_version=None,
                gate_failure=None,
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
    """Count work that outlives the cycle as failed for the order of turns: others come first next time."""
    failures = node.failures + 1
    pause_until = retry_at(failures, outcome.ended_at, outcome.retry)
    return replace(node, failures=failures, retry_at=pause_until, last_error=outcome.error)


_TO_REST = StopNode | DisableNode | RetireNode | AddNode
"""After these a node that does not run is not started again for that."""


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
    if isinstance(outcome.action, StartNode):
        # It has tried now: what started since is what started after this.
        failed = replace(failed, status_since=outcome.ended_at)
    if outcome.program_failed:
        failed = _went_back(failed, node, outcome)
    if isinstance(outcome.action, RollBackNode) and outcome.retry is Retry.LATE:
        # There is nothing to go back to: it goes on with what it has, and a newer version may help it.
        # Nor does it rest before it does.
        failed = replace(
            failed,
            failed_version=node.gate_version,
            gate_version=None,
            gate_failure=None,
            former_version=None,
            retry_at=None,
        )
    goes_back = isinstance(outcome.action, RollBackNode | UpgradeNode | StartNode)
    if failed.gate_failure is not None and goes_back:
        # Until it is back on its former program it stays in its transition.
        return replace(failed, status=node.status, status_since=node.status_since, because=node.because)
    if isinstance(outcome.action, RemoveNode):
        # A removal that has begun goes on in a later cycle: the node may not be started again.
        return replace(failed, status=node.status, status_since=node.status_since, because=node.because)
    if outcome.running_after is True:
        return moved(failed, Status.RUNNING, outcome.ended_at, outcome.error or "")
    if outcome.running_after is False:
        # A node that ran before, or was to run again, is started again; one at rest waits for growth.
        crashed = before.crashed or before.status is not Status.STOPPED
        stopped = moved(failed, Status.STOPPED, outcome.ended_at, outcome.error or "", crashed=crashed)
        return replace(stopped, crashed=crashed and not isinstance(outcome.action, _TO_REST))
    return failed


def _went_back(failed: Node, node: Node, outcome: Outcome) -> Node:
    """A node that could not be started on the program whose gate it is in, in `node`, its row during the action."""
    if node.gate_version is None:
        return failed
    if outcome.running_after is True:
        return replace(failed, failed_version=node.gate_version, gate_version=None, gate_failure=None)
    # It may be that its former program does not start either, or that it is not there again: a later cycle sees.
    return replace(
        failed,
        gate_version=node.gate_version,
        former_version=node.former_version,
        gate_failure=outcome.error or "",
    )
