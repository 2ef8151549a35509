"""Carries out actions: bounded, isolated from each other, and always with one outcome for each."""

import logging
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta

from msgspec import Struct

from wnm.act.steps import Hands, perform
from wnm.core.action import AddNode, NodeAction, node_of
from wnm.core.contracts import Clock
from wnm.core.errors import NeedsOperator, Permanent, ProgramFailed, WnmError
from wnm.core.node import Node, NodeId, ProcessState
from wnm.core.observation import ProcessReading
from wnm.core.outcome import Outcome, Result, Retry

MOST_WORKERS = 8
log = logging.getLogger(__name__)


class TimeLimit(Struct, frozen=True, kw_only=True):
    """Points on the monotonic clock: nothing begins after `last_start`, nothing is waited for after `end`."""

    last_start: float
    end: float


@dataclass(slots=True)
class _Work:
    """The queue that the workers share; `outcomes` holds one entry per finished action."""

    waiting: list[tuple[int, NodeAction, Node]]
    begun: set[int] = field(default_factory=set)
    outcomes: dict[int, Outcome] = field(default_factory=dict)
    lock: threading.Lock = field(default_factory=threading.Lock)
    next_start: float = 0.0


def carry_out(
    actions: Sequence[NodeAction],
    nodes: Mapping[NodeId, Node],
    hands: Hands,
    *,
    clock: Clock,
    limit: TimeLimit,
    pause: timedelta,
) -> tuple[Outcome, ...]:
    """The outcomes in the order of `actions`; `nodes` are their rows. At most one action per node.

    Never raises for what an action does. An action that is still busy at the limit is UNFINISHED (its thread is
    left behind and dies with the process), one that was not begun by then is DEFERRED.
    """
    ids = [node_of(action) for action in actions]
    if len(set(ids)) != len(ids):
        raise ValueError(f"a node may be in one action only: {ids}")
    rows = [action.node if isinstance(action, AddNode) else nodes[action.node] for action in actions]
    work = _Work(waiting=list(zip(range(len(actions)), actions, rows, strict=True)))
    workers = [
        threading.Thread(target=_worker, args=(work, hands, clock, limit, pause), daemon=True)
        for _ in range(min(MOST_WORKERS, len(actions)))
    ]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(max(0.0, limit.end - clock.monotonic()))
    with work.lock:
        return tuple(
            work.outcomes.get(index) or _not_finished(action, index in work.begun, clock)
            for index, action in enumerate(actions)
        )


def _worker(work: _Work, hands: Hands, clock: Clock, limit: TimeLimit, pause: timedelta) -> None:
    while (job := _take(work, clock, limit, pause)) is not None:
        index, action, node = job
        outcome = _isolated(action, node, hands, clock)
        with work.lock:
            work.outcomes[index] = outcome


def _take(
    work: _Work, clock: Clock, limit: TimeLimit, pause: timedelta
) -> tuple[int, NodeAction, Node] | None:
    """The next job, after the pause since the one before; None when there is none or no time for one."""
    with work.lock:
        if not work.waiting:
            return None
        start = max(clock.monotonic(), work.next_start)
        if start > limit.last_start:
            return None
        job = work.waiting.pop(0)
        work.next_start = start + pause.total_seconds()
    clock.sleep(max(0.0, start - clock.monotonic()))
    with work.lock:
        if clock.monotonic() > limit.end:
            return None
        work.begun.add(job[0])
    return job


def _isolated(action: NodeAction, node: Node, hands: Hands, clock: Clock) -> Outcome:
    """The one place with a broad except: whatever one node does must not reach the others."""
    try:
        performed = perform(action, node, hands)
    except WnmError as error:
        return _failed(action, node, hands, clock, error)
    except Exception as error:
        log.exception("bug in wnm while working on %s", node.name)
        return _failed(action, node, hands, clock, error)
    return Outcome(
        action=action,
        result=Result.DONE,
        ended_at=clock.now(),
        freed_bytes=performed.freed_bytes,
        note=performed.note,
    )


def _failed(action: NodeAction, node: Node, hands: Hands, clock: Clock, error: Exception) -> Outcome:
    retry = Retry.SOON
    if isinstance(error, NeedsOperator):
        retry = Retry.OPERATOR
    elif isinstance(error, Permanent):
        retry = Retry.LATE
    text = str(error) if isinstance(error, WnmError) else f"{type(error).__name__}: {error}"
    return Outcome(
        action=action,
        result=Result.FAILED,
        ended_at=clock.now(),
        error=" ".join(text.split()),
        retry=retry,
        running_after=_runs(node, hands),
        program_failed=isinstance(error, ProgramFailed),
    )


def _runs(node: Node, hands: Hands) -> bool | None:
    """Whether the node runs after a failure; None when that cannot be told."""
    try:
        status = hands.manager.get_status(node)
    except Exception:
        log.debug("status of %s after a failure", node.name, exc_info=True)
        return None
    if not isinstance(status, ProcessReading) or status.state is ProcessState.UNKNOWN:
        return None
    return status.state is ProcessState.RUNNING


def _not_finished(action: NodeAction, begun: bool, clock: Clock) -> Outcome:
    result = Result.UNFINISHED if begun else Result.DEFERRED
    error = "the cycle's time was used up " + ("while it was under way" if begun else "before it could begin")
    return Outcome(action=action, result=result, ended_at=clock.now(), error=error)
