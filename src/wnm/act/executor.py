"""Carries out jobs: bounded, isolated from each other, and always with one ending for each.

A job may be about anything: what it is about is a kind and an id, what it does is a function.
"""

import logging
import threading
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import NamedTuple

from msgspec import Struct

from wnm.core.action import Result, Retry
from wnm.core.contracts import Clock
from wnm.core.errors import NeedsOperator, Permanent, ProgramFailed, WnmError

MOST_AT_ONCE = 8
log = logging.getLogger(__name__)


class Subject(NamedTuple):
    """Identifies what a job is about, such as ("node", "7")."""

    kind: str
    id: str


class Lane(NamedTuple):
    """Names a sort of job of which at most `most` run at one moment."""

    name: str
    most: int


class Job[T](Struct, frozen=True, kw_only=True):
    """Work on one subject.

    `run` returns when it is so, and raises otherwise; both are called from a thread. `probe` says after a failure
    whether the subject runs, None when that cannot be told. A job without a lane is bound by `at_once` alone.
    """

    subject: Subject
    run: Callable[[], T]
    probe: Callable[[], bool | None] = lambda: None
    lane: Lane | None = None


class Ending[T](Struct, frozen=True, kw_only=True):
    """The result of a job.

    `value` is what `run` returned. After a failure `error` is one line, `running_after` what `probe` said, and
    `program_failed` tells that the subject could not be started on the program that the job gave it.
    """

    result: Result
    ended_at: datetime
    value: T | None = None
    error: str | None = None
    retry: Retry = Retry.SOON
    running_after: bool | None = None
    program_failed: bool = False


class TimeLimit(Struct, frozen=True, kw_only=True):
    """Points on the monotonic clock: nothing begins after `last_start`, nothing is waited for after `end`."""

    last_start: float
    end: float


@dataclass(slots=True)
class _Queue[T]:
    """The jobs that the workers share; `endings` holds one entry per finished job, by its place."""

    waiting: list[tuple[int, Job[T]]]
    begun: set[int] = field(default_factory=set)
    busy: Counter[str] = field(default_factory=Counter)
    endings: dict[int, Ending[T]] = field(default_factory=dict)
    lock: threading.Lock = field(default_factory=threading.Lock)
    next_start: float = 0.0


def carry_out[T](
    jobs: Sequence[Job[T]],
    *,
    clock: Clock,
    limit: TimeLimit,
    pause: timedelta = timedelta(0),
    at_once: int = MOST_AT_ONCE,
) -> tuple[Ending[T], ...]:
    """Run the jobs, `at_once` of them at any moment and `pause` apart; their endings in the order of the jobs.

    At most one job per subject. Never raises for what a job does. A job that is still busy at the limit is UNFINISHED
    (its thread is left behind and dies with the process), one that was not begun by then is DEFERRED.
    """
    subjects = [job.subject for job in jobs]
    if len(set(subjects)) != len(subjects):
        raise ValueError(f"only one job for each subject: {subjects}")
    queue = _Queue(waiting=list(enumerate(jobs)))
    workers = [
        threading.Thread(target=_work, args=(queue, clock, limit, pause), daemon=True)
        for _ in range(min(at_once, len(jobs)))
    ]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(max(0.0, limit.end - clock.monotonic()))
    with queue.lock:
        return tuple(
            queue.endings.get(place) or _not_finished(place in queue.begun, clock)
            for place in range(len(jobs))
        )


def _work[T](queue: _Queue[T], clock: Clock, limit: TimeLimit, pause: timedelta) -> None:
    while (taken := _take(queue, clock, limit, pause)) is not None:
        place, job = taken
        ending = _isolated(job, clock)
        with queue.lock:
            queue.endings[place] = ending
            if job.lane is not None:
                queue.busy[job.lane.name] -= 1


def _take[T](queue: _Queue[T], clock: Clock, limit: TimeLimit, pause: timedelta) -> tuple[int, Job[T]] | None:
    """The next job, after the pause since the one before; None when there is none or no time for one.

    What waits for its lane alone is left to the workers that are busy in that lane.
    """
    with queue.lock:
        start = max(clock.monotonic(), queue.next_start)
        place = next((at for at, (_, job) in enumerate(queue.waiting) if _has_lane(job, queue)), None)
        if place is None or start > limit.last_start:
            return None
        taken = queue.waiting.pop(place)
        if (lane := taken[1].lane) is not None:
            queue.busy[lane.name] += 1
        queue.next_start = start + pause.total_seconds()
    clock.sleep(max(0.0, start - clock.monotonic()))
    with queue.lock:
        if clock.monotonic() > limit.end:
            return None
        queue.begun.add(taken[0])
    return taken


def _has_lane[T](job: Job[T], queue: _Queue[T]) -> bool:
    return job.lane is None or queue.busy[job.lane.name] < job.lane.most


def _isolated[T](job: Job[T], clock: Clock) -> Ending[T]:
    """The one place with a broad except: whatever one job does must not reach the others."""
    try:
        value = job.run()
    except Exception as error:
        if not isinstance(error, WnmError):
            log.exception("bug in wnm while working on %s %s", *job.subject)
        return _failed(job, clock, error)
    return Ending(result=Result.DONE, ended_at=clock.now(), value=value)


def _failed[T](job: Job[T], clock: Clock, error: Exception) -> Ending[T]:
    retry = Retry.SOON
    if isinstance(error, NeedsOperator):
        retry = Retry.OPERATOR
    elif isinstance(error, Permanent):
        retry = Retry.LATE
    text = str(error) if isinstance(error, WnmError) else f"{type(error).__name__}: {error}"
    return Ending(
        result=Result.FAILED,
        ended_at=clock.now(),
        error=" ".join(text.split()),
        retry=retry,
        running_after=_probed(job),
        program_failed=isinstance(error, ProgramFailed),
    )


def _probed[T](job: Job[T]) -> bool | None:
    try:
        return job.probe()
    except Exception:
        log.debug("probe of %s %s after a failure", *job.subject, exc_info=True)
        return None


def _not_finished[T](begun: bool, clock: Clock) -> Ending[T]:
    result = Result.UNFINISHED if begun else Result.DEFERRED
    error = "the cycle's time was used up " + ("while it was under way" if begun else "before it could begin")
    return Ending(result=result, ended_at=clock.now(), error=error)
