"""Compares what is written down of workloads with the engine's book, and says what follows from the difference.

The engine's book is the truth about what runs; what is written down is the truth about what is wanted. Each step can
be done twice: a program that was killed between any two of them is continued by the next round.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime

from msgspec.structs import replace

from wnm.core.values import Value
from wnm_fleet.core.tasks import Task, TaskState
from wnm_fleet.core.workload import End, EndKind, State, Workload, after_end

SIGNALLED = 128


class Settlement(Value, frozen=True, kw_only=True):
    """What one round does before it looks at the queue.

    `changed` workloads are written down first. Then the attempts of `begin` are (again) asked for from the engine,
    those of `stop` are ended, and of `finished` tasks the output is kept before they are forgotten. `unknown` tasks
    carry our labels and are nobody's: they are told, and left alone.
    """

    changed: tuple[Workload, ...] = ()
    begin: tuple[Workload, ...] = ()
    stop: tuple[Workload, ...] = ()
    finished: tuple[Task, ...] = ()
    unknown: tuple[Task, ...] = ()


def settle(workloads: Iterable[Workload], tasks: Sequence[Task], now: datetime) -> Settlement:
    """Settle the workloads of one machine that its engine answers for. `workloads` are all that are not forgotten."""
    by_id = {workload.id: workload for workload in workloads}
    by_name = {task.name: task for task in tasks}
    changed, begin, stop = [], [], []
    for workload in by_id.values():
        if not workload.state.holds_gpus:
            continue
        after = _after(workload, by_name.get(workload.container_name), now)
        if after != workload:
            changed.append(after)
            by_id[workload.id] = after
        if after.state is State.STARTING:
            begin.append(after)
        elif after.state is State.RUNNING and after.stopping is not None:
            stop.append(after)
    finished, unknown = [], []
    for task in tasks:
        owner = by_id.get(task.workload)
        if owner is None:
            unknown.append(task)
        elif not (owner.state.holds_gpus and owner.attempt == task.attempt):
            finished.append(task)
    return Settlement(
        changed=tuple(changed),
        begin=tuple(begin),
        stop=tuple(stop),
        finished=tuple(finished),
        unknown=tuple(unknown),
    )


def cancelled(workload: Workload, now: datetime) -> Workload:
    """Return a workload that is not wanted any more: over at once if it waits, else to be stopped."""
    if workload.state is State.PENDING:
        end = End(kind=EndKind.CANCELLED, at=now)
        return replace(workload, state=State.CANCELLED, end=end, not_before=None)
    if workload.state.is_over:
        return workload
    return replace(workload, stopping=EndKind.CANCELLED)


def ended(workload: Workload, end: End) -> Workload:
    """Return a workload whose attempt ended so: over, or waiting for the next attempt. It holds nothing any more."""
    outcome = after_end(workload, end)
    return replace(
        workload,
        state=outcome.state,
        not_before=outcome.not_before,
        end=end,
        gpu_uuids=(),
        ports=(),
        stopping=None,
    )


def _after(workload: Workload, task: Task | None, now: datetime) -> Workload:
    """Return a workload that holds GPUs as it is after a look at its attempt."""
    if task is None:
        return _without_task(workload, now)
    if task.state is TaskState.ENDED:
        return ended(workload, _end(workload, task, now))
    if task.state is TaskState.CREATED:
        return workload if workload.stopping is None else ended(workload, End(kind=workload.stopping, at=now))
    running = replace(
        workload,
        state=State.RUNNING,
        container=task.container,
        started_at=task.started_at or workload.started_at,
    )
    return _overdue(running, now)


def _without_task(workload: Workload, now: datetime) -> Workload:
    if workload.stopping is not None:
        return ended(workload, End(kind=workload.stopping, at=now))
    if workload.state is State.STARTING:
        return workload  # It was written down, and the engine was not asked yet, or was asked in vain.
    return ended(workload, End(kind=EndKind.REMOVED, at=now))


def _overdue(workload: Workload, now: datetime) -> Workload:
    limit = workload.spec.timeout
    if limit is None or workload.started_at is None or workload.stopping is not None:
        return workload
    is_over = now - workload.started_at >= limit
    return replace(workload, stopping=EndKind.WORKLOAD_TIMEOUT) if is_over else workload


def _end(workload: Workload, task: Task, now: datetime) -> End:
    code = task.exit_code
    if workload.stopping is not None:
        kind = workload.stopping
    elif task.is_oom_killed:
        kind = EndKind.OOM_KILLED
    elif task.error:
        kind = EndKind.NOT_STARTED
    else:
        kind = EndKind.EXITED
    signal = code - SIGNALLED if code is not None and code > SIGNALLED else None
    return End(kind=kind, at=task.ended_at or now, exit_code=code, signal=signal, detail=task.error)


def doubled(workloads: Iterable[Workload]) -> Mapping[str, tuple[str, ...]]:
    """Return the GPUs that more than one workload holds, which must never be: UUID to the workloads' ids."""
    holders: dict[str, tuple[str, ...]] = {}
    for workload in workloads:
        if workload.state.holds_gpus:
            for uuid in workload.gpu_uuids:
                holders[uuid] = (*holders.get(uuid, ()), workload.id)
    return {uuid: ids for uuid, ids in holders.items() if len(ids) > 1}
