"""Computes a node's remembered state from what is seen of it and from what is done to it."""

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any

from msgspec.structs import replace

from wnm.core.action import (
    AddNode,
    AdoptNode,
    DisableNode,
    EnableNode,
    NodeAction,
    Outcome,
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
from wnm.core.health_gate import assess, not_applicable, runs_former
from wnm.core.node import TRANSITIONS, Node, ProcessState, Reachability, Status
from wnm.core.node_log import Proof
from wnm.core.observation import NodePage, NodeReading, NodeSeen, ProcessReading, ProgramReading, Unseen
from wnm.core.reasons import Blocked, BlockKind, Task
from wnm.core.sentences import sentence
from wnm.core.settings import Settings

FIRST_PAUSE = timedelta(minutes=1)
LONGEST_PAUSE = timedelta(hours=1)
STUCK_AFTER_DELAYS = 3
CLOCK_SLACK = timedelta(seconds=1)
START_TIME_SLACK = timedelta(seconds=2)
UNTROUBLED: Mapping[str, Any] = {"failures": 0, "retry_at": None, "last_error": None}
OUT_OF_GATE: Mapping[str, Any] = {"gate_version": None, "gate_failure": None}
UNDER_WAY = frozenset({Status.UPGRADING, Status.RESTARTING})


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
    succeeded = Result.DONE in [outcome.result for outcome in results]
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
    ended = (ProcessState.STOPPED, ProcessState.FAILED)
    return isinstance(reading.process, ProcessReading) and reading.process.state in ended


def _ended_on_purpose(node: Node, reading: NodeReading) -> str | None:
    """Return what the log of a node that is gone tells of an end on purpose since it has its status, if it does.

    Earlier it was wnm that told it to stop.
    """
    health = reading.log.health if reading.log is not None else None
    if health is None or (at := health.stopping_at or health.last_line_at) is None or at <= node.status_since:
        return None
    if health.upgraded_to is not None:
        return f"it stopped to go on as {health.upgraded_to}, which it had put in the place of its program"
    return "it was told to stop, and not by wnm" if health.stopping_at is not None else None


def is_well(reading: NodeReading) -> bool:
    """Whether a node whose process runs shows that it works: it answers or, where there is no asking, has its key."""
    if not reading.has_pages:
        lacks_start = any(
            each.sign.proof is Proof.STARTED and each.shown is False for each in reading.evidence
        )
        return reading.born is not None and not lacks_start
    return reading.reachable is Reachability.ANSWERS and isinstance(reading.page, NodePage)


def delay_of(node: Node, settings: Settings) -> timedelta:
    """Return how long a node stays in the transition that it is in; zero when it is in none."""
    starting = settings.delay_restart if node.restarted else settings.delay_start
    delays = {
        Status.RESTARTING: starting,
        Status.UPGRADING: settings.delay_upgrade,
        Status.REMOVING: settings.delay_remove,
    }
    return delays.get(node.status, timedelta(0))


def conclude(
    seen: NodeSeen,
    now: datetime,
    settings: Settings,
    *,
    rebooted: bool,
    cut_off: NodeAction | None,
    together: bool = False,
) -> Node:
    """The node as it is from now on.

    `rebooted`: the machine started again since the last cycle, so a stopped process is nobody's failure and
    timers restart. `cut_off`: what wnm itself was doing to this node when it was interrupted, so here too a
    missing process is nobody's failure. `together`: nodes of other versions ended when this one did.
    """
    reading, pid_before = seen.reading, seen.node.pid
    node = _with_times(_with_facts(seen.node, reading, now), reading, now)
    if node.status is Status.DISABLED:
        return node
    if node.status is Status.DEAD:
        back = reading.root_dir_present is True
        return moved(node, Status.STOPPED, now, "its folder is back") if back else node
    in_gate = node.gate_version is not None
    if in_gate and not rebooted and _was_taken_back(node, reading, pid_before=pid_before, cut_off=cut_off):
        words = f": {reading.last_words}" if reading.last_words else ""
        return _gate_failed(node, f"it did not start, and wnm was interrupted while it went back{words}")
    node = _without_void_gate(node, reading, now) if in_gate else node
    if rebooted:
        return _after_reboot(node, reading, now)
    if node.status is Status.REMOVING:
        return node
    if is_gone(reading):
        return _without_process(node, reading, now, cut_off, together=together)
    if not runs(reading) or node.gate_failure is not None:
        return node
    if node.gate_version is None:
        return _with_process(node, reading, now, settings)
    return _in_gate(node, reading, now, settings, pid_before=pid_before, cut_off=cut_off)


def lacks_restart(
    node: Node, reading: NodeReading, now: datetime, *, pid_before: int | None, cut_off: NodeAction | None
) -> bool:
    """Whether a node in its gate has its new program and still runs the former one: its upgrade was interrupted."""
    if node.gate_version is None or node.gate_failure is not None or not runs(reading):
        return False
    pid = reading.process.pid if isinstance(reading.process, ProcessReading) else None
    if isinstance(cut_off, UpgradeNode) and pid is not None and pid == pid_before:
        return True
    return runs_former(node, reading, now)


def _was_taken_back(
    node: Node, reading: NodeReading, *, pid_before: int | None, cut_off: NodeAction | None
) -> bool:
    """Whether an interrupted upgrade had put the former program back already.

    A node is stopped after its program was replaced: one that has its former program and was stopped has it again.
    """
    program, process = reading.program, reading.process
    if node.gate_failure is not None or not isinstance(program, ProgramReading):
        return False
    if program.version != node.former_version:
        return False
    if isinstance(cut_off, StartNode):
        # It did not run before. Without a program to bring it had the one of its gate in place; else, gone as before,
        # it may never have been given it.
        return runs(reading) or (is_gone(reading) and cut_off.program is None)
    pid = process.pid if isinstance(process, ProcessReading) else None
    begun_again = runs(reading) and None not in (pid, pid_before) and pid != pid_before
    return isinstance(cut_off, UpgradeNode) and (is_gone(reading) or begun_again)


def _without_void_gate(node: Node, reading: NodeReading, now: datetime) -> Node:
    """The node, out of its gate if the program that it has on disk is another one than it was to try."""
    void = not_applicable(node, reading)
    if void is None:
        return node
    own = node.binary_version
    if node.gate_failure is not None and own == node.former_version:
        # It has its former program back. As long as something runs that may still be the other one.
        if not is_gone(reading):
            return node
        back = replace(node, failed_version=node.gate_version, **OUT_OF_GATE)
        return moved(back, Status.STOPPED, now, f"has {own} back: {node.because}", crashed=True)
    # Its own program as its former one means that there is no other to go back to.
    node = replace(node, former_version=own, **OUT_OF_GATE)
    if runs(reading) and node.status in UNDER_WAY:
        return moved(node, Status.RUNNING, now, void)
    return node


def _in_gate(
    node: Node,
    reading: NodeReading,
    now: datetime,
    settings: Settings,
    *,
    pid_before: int | None,
    cut_off: NodeAction | None,
) -> Node:
    """A node in its gate whose process was seen running."""
    if node.status not in UNDER_WAY:
        return moved(node, Status.UPGRADING, now, f"runs in the health gate of {node.gate_version}")
    if cut_off is not None or lacks_restart(node, reading, now, pid_before=pid_before, cut_off=cut_off):
        # When wnm itself was at work on it, it is not known since when it runs: its gate begins with this observation.
        return replace(node, status_since=now)
    verdict = assess(node, reading, now, settings, pid_before=pid_before)
    if verdict.passed is None:
        return node
    if not verdict.passed:
        return _gate_failed(node, verdict.because)
    passed = moved(node, Status.RUNNING, now, verdict.because)
    return replace(passed, former_version=None, failed_version=None, **OUT_OF_GATE, **UNTROUBLED)


def _gate_failed(node: Node, because: str) -> Node:
    """It stays in its transition until it is back on its former program."""
    words = f"failed the gate of {node.gate_version}: {because}"
    return replace(node, gate_failure=because, because=words, last_error=words)


def _with_facts(node: Node, reading: NodeReading, now: datetime) -> Node:
    """Fill in what was seen; what was not seen stays as remembered."""
    process, program, page = reading.process, reading.program, reading.page
    facts: dict[str, Any] = {
        "born": reading.born or node.born,
        "mount_point": reading.mount_point or node.mount_point,
    }
    if isinstance(process, ProcessReading):
        facts |= {"pid": process.pid, "process_started_at": process.started_at}
        before, started = node.process_started_at, process.started_at
        if node.pid == process.pid and before and started and abs(started - before) < START_TIME_SLACK:
            # Computed from the time since boot, it wavers a little: the same start is not news.
            facts["process_started_at"] = before
    if isinstance(program, ProgramReading) and isinstance(program.version, str):
        facts |= {"binary_version": program.version, "binary_stamp": program.stamp}
    if isinstance(page, NodePage):
        facts |= {"version": page.version or node.version, "peer_id": page.peer_id or node.peer_id}
    if reading.disk_bytes is not None:
        # One that takes too long to measure waits for its turn like the others.
        unseen = isinstance(reading.disk_bytes, Unseen)
        facts |= {"disk_bytes": node.disk_bytes if unseen else reading.disk_bytes, "disk_measured_at": now}
    node = replace(node, **facts)
    return replace(node, version=node.binary_version) if node.version is None and runs(reading) else node


def _with_times(node: Node, reading: NodeReading, now: datetime) -> Node:
    """Note since when it is silent; times from before the clock was set back would never run out."""
    latest = now + CLOCK_SLACK
    silent_since = node.silent_since and (now if node.silent_since > latest else node.silent_since)
    restarts = node.silence_restarts
    if reading.reachable is Reachability.ANSWERS and isinstance(reading.page, NodePage):
        silent_since, restarts = None, 0
    elif runs(reading) and reading.reachable is not None:
        silent_since = silent_since or now
    elif is_gone(reading):
        silent_since = None
    return replace(
        node,
        status_since=now if node.status_since > latest else node.status_since,
        retry_at=node.retry_at and min(node.retry_at, now + LONGEST_PAUSE),
        silent_since=silent_since,
        silence_restarts=restarts,
    )


def _after_reboot(node: Node, reading: NodeReading, now: datetime) -> Node:
    node = replace(node, retry_at=None, silent_since=None)
    if node.status is not Status.REMOVING and runs(reading):
        if node.gate_version is None:
            return moved(node, Status.RUNNING, now, "was running when first seen after a reboot")
        because = "back in the health gate after a reboot"
        return replace(node, status=Status.UPGRADING, status_since=now, because=because)
    if node.status is not Status.REMOVING and is_gone(reading):
        return moved(node, Status.STOPPED, now, "the machine was restarted", crashed=True)
    return replace(node, status_since=now)


def _without_process(
    node: Node, reading: NodeReading, now: datetime, cut_off: NodeAction | None, *, together: bool
) -> Node:
    if isinstance(cut_off, StopNode):
        node = replace(node, crashed=False)  # Whatever it was: now somebody wants it to rest.
    if node.status is Status.STOPPED:
        return node
    if cut_off is not None:
        crashed = node.crashed or isinstance(cut_off, RestartNode | UpgradeNode | RollBackNode)
        because = "left stopped by an action that was interrupted"
        return moved(node, Status.STOPPED, now, because, crashed=crashed)
    words = "its process ended unexpectedly"
    if node.status in UNDER_WAY:
        words = f"its process ended while {node.status.value.lower()}"
    if reading.last_words:
        words += f": {reading.last_words}"
    on_purpose = _ended_on_purpose(node, reading)
    words = on_purpose or words
    if node.gate_version is not None:
        if node.gate_failure is not None:
            return node
        if not (together or on_purpose):
            return _gate_failed(node, words)
        # Its gate goes on when it has been started again: this was not its new program.
        return moved(node, Status.STOPPED, now, words, crashed=True)
    failures, flaps = node.failures + 1, node.flaps + (node.status is Status.RUNNING and not on_purpose)
    pause_until = retry_at(max(failures, flaps), now)
    failed = replace(node, failures=failures, flaps=flaps, retry_at=pause_until, last_error=words)
    return moved(failed, Status.STOPPED, now, words, crashed=True)


def _with_process(node: Node, reading: NodeReading, now: datetime, settings: Settings) -> Node:
    if node.status is Status.STOPPED:
        return moved(node, Status.RUNNING, now, "found running")
    if node.status is Status.RUNNING:
        # Its failures are forgotten when it has answered for as long as the longest pause.
        troubled = node.failures or node.retry_at or node.last_error or node.flaps
        calm_since = max(node.status_since, node.retry_at or node.status_since)
        calm = troubled and is_well(reading) and now - calm_since >= LONGEST_PAUSE
        return replace(node, flaps=0, **UNTROUBLED) if calm else node
    delay, elapsed = delay_of(node, settings), now - node.status_since
    if elapsed >= delay and is_well(reading):
        because = "answers" if reading.has_pages else "stays up, with its key"
        return replace(moved(node, Status.RUNNING, now, because), **UNTROUBLED)
    if elapsed >= delay * STUCK_AFTER_DELAYS:
        stuck = f"stuck {node.status.value.lower()} for {elapsed.total_seconds() / 60:.1f} minutes"
        return moved(node, Status.RUNNING, now, f"{stuck}: its process runs but does not answer")
    return node


def moved(node: Node, status: Status, now: datetime, because: str, *, crashed: bool = False) -> Node:
    """The node in this state since now; unchanged if it is in it already."""
    if node.status is status:
        return node
    return replace(node, status=status, status_since=now, because=because, crashed=crashed)


STATUS_DURING: Mapping[type, Status] = {
    AddNode: Status.RESTARTING,
    StartNode: Status.RESTARTING,
    RestartNode: Status.RESTARTING,
    RollBackNode: Status.RESTARTING,
    UpgradeNode: Status.UPGRADING,
    RetireNode: Status.REMOVING,
    RemoveNode: Status.REMOVING,
    DisableNode: Status.DISABLED,
}
"""The state of a node while an action is about it; StopNode and EnableNode change it when they are done."""


def during(action: NodeAction, node: Node | None, now: datetime) -> Node:
    """The row to write before the action, so that an interruption at any moment leaves a trace that is true.

    `node` is the present row; None only for AddNode and AdoptNode, whose row this creates.
    """
    if isinstance(action, AddNode | AdoptNode):
        node = action.node
    elif node is None:
        raise ValueError(f"{type(action).__name__} needs the row of node {action.node}")
    status = STATUS_DURING.get(type(action))
    if status is None or (isinstance(action, RemoveNode) and node.status is Status.DEAD):
        return node
    changes: dict[str, Any] = {"status": status, "status_since": now, "because": sentence(action.because)}
    if status is Status.RESTARTING:
        changes["restarted"] = isinstance(action, RestartNode | RollBackNode)
        if changes["restarted"] and node.gate_version is not None and node.status in TRANSITIONS:
            # It stays in the transition that it is in, and takes up no other place than it does.
            changes["status"] = node.status
    if isinstance(action, StartNode | UpgradeNode) and action.program is not None:
        # One that is in its gate already can only go back to the program from before that. Without another version to
        # go back to there is nothing to try.
        former = node.binary_version if node.gate_version is None else node.former_version
        gate = None if former in (None, action.program.version) else action.program.version
        changes |= {"gate_version": gate, "gate_failure": None, "former_version": former}
    return replace(node, **changes)


def after(outcome: Outcome, node: Node, before: Node | None) -> Node | None:
    """The row to write after the action; None when the node is gone.

    `node` is the row written by `during`, `before` the one before that (None for AddNode).
    """
    action, at = outcome.action, outcome.ended_at
    if outcome.result is Result.FAILED:
        return _after_failure(outcome, node, before)
    if outcome.result is not Result.DONE:
        # Work that outlives the cycle counts as failed for the order of turns: others come first next time.
        return before if outcome.result is Result.DEFERRED else _failed_again(node, outcome)
    # A new process has not been seen yet.
    started: dict[str, Any] = {"version": None, "silent_since": None, "pid": None, "process_started_at": None}
    match action:
        case RemoveNode():
            return None
        case StopNode():
            stopped = moved(replace(node, silent_since=None), Status.STOPPED, at, sentence(action.because))
            return replace(stopped, crashed=False)
        case EnableNode():
            return moved(replace(node, failures=0, flaps=0, retry_at=None), Status.STOPPED, at, "enabled")
        case RetireNode() | DisableNode():
            started = {}
        case RestartNode(silent=True):
            started |= {"silent_since": at, "silence_restarts": node.silence_restarts + 1}
        case RollBackNode():
            started |= {
                "binary_version": node.former_version,
                "failed_version": node.gate_version,
                **OUT_OF_GATE,
            }
        case AddNode() | UpgradeNode() | StartNode() if action.program is not None:
            started["binary_version"] = action.program.version
    return replace(node, status_since=at, **started)


def _failed_again(node: Node, outcome: Outcome) -> Node:
    failures = node.failures + 1
    pause_until = retry_at(failures, outcome.ended_at, outcome.retry)
    return replace(node, failures=failures, retry_at=pause_until, last_error=outcome.error)


_TO_REST = StopNode | DisableNode | RetireNode | AddNode | AdoptNode
"""After these a node that does not run is not started again for that."""


def _to_be_undone(node: Node, outcome: Outcome) -> Node:
    """A node whose addition failed and could not be undone: it leaves, as often as it takes."""
    return replace(
        node,
        status=Status.REMOVING,
        status_since=outcome.ended_at,
        because=outcome.error or "its addition failed",
    )


def _after_failure(outcome: Outcome, node: Node, before: Node | None) -> Node | None:
    action, at, words = outcome.action, outcome.ended_at, outcome.error or ""
    if before is None:
        # The compensation of a failed addition removed everything, unless a process could not be ended. Where
        # that cannot be told, the row stays: a later cycle sees.
        if outcome.running_after is False and not outcome.left_over:
            return None
        before = node = _to_be_undone(node, outcome) if outcome.left_over else node
    # It may have been started again on the way, which is no failure of its own.
    failed = replace(_failed_again(before, outcome), pid=None, process_started_at=None)
    if isinstance(action, StartNode):
        # It has tried now: what started since is what started after this.
        failed = replace(failed, status_since=at)
    if outcome.program_failed and node.gate_version is not None:
        # It could not be started on the program of its gate.
        if outcome.running_after is True:
            failed = replace(failed, failed_version=node.gate_version, **OUT_OF_GATE)
        else:
            # It may be that its former program does not start either, or is not there again: a later cycle sees.
            former = node.former_version
            failed = replace(
                failed, gate_version=node.gate_version, former_version=former, gate_failure=words
            )
    if isinstance(action, RollBackNode) and outcome.retry is Retry.LATE:
        # There is nothing to go back to: it goes on with what it has, and a newer version may help it.
        # Nor does it rest before it does.
        gone_on = {"failed_version": node.gate_version, "former_version": None, "retry_at": None}
        failed = replace(failed, **gone_on, **OUT_OF_GATE)
    goes_back = isinstance(action, RollBackNode | UpgradeNode | StartNode) and failed.gate_failure is not None
    at_rest = outcome.running_after is not True and before.status is not Status.RUNNING
    leaves = isinstance(action, RetireNode) and (at_rest or outcome.running_after is False)
    if goes_back or leaves or outcome.left_over or isinstance(action, RemoveNode):
        # Until it is back on its former program it stays in its transition, and a removal that has begun goes on in a
        # later cycle: the node may not be started again, and no other one has to go in its place.
        return replace(failed, status=node.status, status_since=node.status_since, because=node.because)
    if outcome.running_after is True:
        return moved(failed, Status.RUNNING, at, words)
    if outcome.running_after is False:
        # A node that ran before, or was to run again, is started again; one at rest waits for growth.
        crashed = before.crashed or before.status is not Status.STOPPED
        stopped = moved(failed, Status.STOPPED, at, words)
        return replace(stopped, crashed=crashed and not isinstance(action, _TO_REST))
    return failed
