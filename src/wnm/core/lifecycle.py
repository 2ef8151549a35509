"""How a node's remembered state follows from what is seen of it and from what is done to it."""

from dataclasses import replace
from datetime import datetime, timedelta

from wnm.core.action import (
    AddNode,
    DisableNode,
    EnableNode,
    NodeAction,
    RemoveNode,
    RestartNode,
    RetireNode,
    StartNode,
    StopNode,
    UpgradeNode,
)
from wnm.core.node import Node, ProcessState, Reachability, Status
from wnm.core.observation import NodePage, NodeReading, NodeSeen, ProcessReading, ProgramReading, Unseen
from wnm.core.outcome import Outcome, Result, Retry
from wnm.core.settings import Settings

LONGEST_PAUSE = timedelta(hours=1)
STUCK_AFTER_DELAYS = 3
CLOCK_SLACK = timedelta(seconds=1)
START_TIME_SLACK = timedelta(seconds=2)


def retry_at(failures: int, now: datetime, retry: Retry = Retry.SOON) -> datetime | None:
    """When a node that failed `failures` times in a row may be tried again; None means at once.

    The first failure costs nothing, then 1, 2, 4 … minutes, at most an hour; what only the operator can
    mend is tried once an hour.
    """
    if retry is not Retry.SOON:
        return now + LONGEST_PAUSE
    if failures <= 1:
        return None
    doublings = min(failures - 2, 6)
    return now + min(timedelta(minutes=2**doublings), LONGEST_PAUSE)


def backs_off(node: Node, now: datetime) -> bool:
    """Whether an earlier failure still keeps actions away from this node."""
    return node.retry_at is not None and node.retry_at > now


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
    """How long a node stays in the transition that it is in; zero when it is in none."""
    match node.status:
        case Status.RESTARTING:
            return settings.delay_restart if node.restarted else settings.delay_start
        case Status.UPGRADING:
            return settings.delay_upgrade
        case Status.REMOVING:
            return settings.delay_remove
        case _:
            return timedelta(0)


def conclude(seen: NodeSeen, now: datetime, settings: Settings, *, rebooted: bool, cut_off: bool) -> Node:
    """The node as it is from now on.

    `rebooted`: the machine started again since the last cycle, so a stopped process is nobody's failure and
    timers restart. `cut_off`: wnm itself was at work on this node when it was interrupted, so here too a
    missing process is nobody's failure.
    """
    node = _with_sane_times(seen.node, now)
    node = _with_facts(node, seen.reading, now)
    node = _with_silence(node, seen.reading, now)
    if node.status is Status.DISABLED:
        return node
    if node.status is Status.DEAD:
        back = seen.reading.root_dir_present is True
        return _moved(node, Status.STOPPED, now, "its folder is back") if back else node
    if rebooted:
        return _after_reboot(node, seen.reading, now)
    if node.status is Status.REMOVING:
        return node
    if is_gone(seen.reading):
        return _without_process(node, seen.reading, now, expected=cut_off)
    if runs(seen.reading):
        return _with_process(node, seen.reading, now, settings)
    return node


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
    if runs(reading):
        return _moved(node, Status.RUNNING, now, "was running when first seen after a reboot")
    if is_gone(reading):
        return _moved(node, Status.STOPPED, now, "the machine was restarted")
    return replace(node, status_since=now)


def _without_process(node: Node, reading: NodeReading, now: datetime, *, expected: bool) -> Node:
    if node.status is Status.STOPPED:
        return node
    if expected:
        return _moved(node, Status.STOPPED, now, "left stopped by an action that was interrupted")
    ended = "its process ended unexpectedly"
    if node.status in (Status.RESTARTING, Status.UPGRADING):
        ended = f"its process ended while {node.status.value.lower()}"
    words = f"{ended}: {reading.last_words}" if reading.last_words else ended
    failures = node.failures + 1
    return replace(
        _moved(node, Status.STOPPED, now, words),
        failures=failures,
        retry_at=retry_at(failures, now),
        last_error=words,
    )


def _with_process(node: Node, reading: NodeReading, now: datetime, settings: Settings) -> Node:
    if node.status is Status.RUNNING:
        return _after_calm(node, reading, now)
    if node.status is Status.STOPPED:
        return _moved(node, Status.RUNNING, now, "found running")
    delay = delay_of(node, settings)
    elapsed = now - node.status_since
    if elapsed < delay:
        return node
    if is_well(reading):
        healthy = _moved(
            node, Status.RUNNING, now, "answers" if reading.has_pages else "stays up, with its key"
        )
        return replace(healthy, failures=0, retry_at=None, last_error=None)
    if elapsed >= delay * STUCK_AFTER_DELAYS:
        stuck = (
            f"stuck {node.status.value.lower()} for {_minutes(elapsed)}: its process runs but does not answer"
        )
        return _moved(node, Status.RUNNING, now, stuck)
    return node


def _after_calm(node: Node, reading: NodeReading, now: datetime) -> Node:
    """What went wrong once is forgotten when the node has answered for as long as the longest pause."""
    troubled = node.failures or node.retry_at or node.last_error
    if not troubled or not is_well(reading):
        return node
    if now - max(node.status_since, node.retry_at or node.status_since) < LONGEST_PAUSE:
        return node
    return replace(node, failures=0, retry_at=None, last_error=None)


def _minutes(span: timedelta) -> str:
    return f"{span.total_seconds() / 60:.1f} minutes"


def _moved(node: Node, status: Status, now: datetime, because: str) -> Node:
    if node.status is status:
        return node
    return replace(node, status=status, status_since=now, because=because)


def during(action: NodeAction, node: Node | None, now: datetime) -> Node:
    """The row to write before the deed, so that an interruption at any moment leaves a trace that is true.

    `node` is the present row; None only for AddNode, whose row this creates.
    """
    match action:
        case AddNode():
            return _restarting(action.node, now, action.because, restarted=False)
        case _ if node is None:
            raise ValueError(f"{type(action).__name__} needs the row of node {action.node}")
        case StartNode():
            return _restarting(node, now, action.because, restarted=False)
        case RestartNode():
            return _restarting(node, now, action.because, restarted=True)
        case UpgradeNode():
            return replace(node, status=Status.UPGRADING, status_since=now, because=action.because)
        case RemoveNode() if node.status is Status.DEAD:
            return node
        case RetireNode() | RemoveNode():
            return replace(node, status=Status.REMOVING, status_since=now, because=action.because)
        case DisableNode():
            return replace(node, status=Status.DISABLED, status_since=now, because=action.because)
        case StopNode() | EnableNode():
            return node


def _restarting(node: Node, now: datetime, because: str, *, restarted: bool) -> Node:
    return replace(node, status=Status.RESTARTING, status_since=now, because=because, restarted=restarted)


def after(outcome: Outcome, node: Node, before: Node | None) -> Node | None:
    """The row to write after the deed; None when the node is gone.

    `node` is the row written by `during`, `before` the one before that (None for AddNode).
    """
    if outcome.result is Result.UNFINISHED:
        return _still_under_way(outcome, node)
    if outcome.result is Result.DEFERRED:
        return before
    if outcome.result is Result.FAILED:
        return _after_failure(outcome, node, before)
    at = outcome.ended_at
    match outcome.action:
        case RemoveNode():
            return None
        case StopNode(because=because):
            return _moved(replace(node, silent_since=None), Status.STOPPED, at, because)
        case EnableNode():
            return _moved(replace(node, failures=0, retry_at=None), Status.STOPPED, at, "enabled")
        case RestartNode(silent=True):
            return replace(
                node,
                status_since=at,
                silent_since=at,
                silence_restarts=node.silence_restarts + 1,
                version=None,
            )
        case AddNode(program=program) | UpgradeNode(program=program):
            return replace(
                node, status_since=at, binary_version=program.version, version=None, silent_since=None
            )
        case StartNode(program=program):
            version = node.binary_version if program is None else program.version
            return replace(node, status_since=at, binary_version=version, version=None, silent_since=None)
        case _:
            return replace(node, status_since=at)


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
    )
    if isinstance(outcome.action, RemoveNode):
        # A removal that has begun goes on in a later cycle: the node may not be started again.
        return replace(failed, status=node.status, status_since=node.status_since, because=node.because)
    if outcome.running_after is True:
        return _moved(failed, Status.RUNNING, outcome.ended_at, outcome.error or "")
    if outcome.running_after is False:
        return _moved(failed, Status.STOPPED, outcome.ended_at, outcome.error or "")
    return failed
