"""Carries out jobs: bounded, isolated from each other, and always with one ending for each.

A job may be about anything: what it is about is a kind and an id, what it does is a function.
"""

import logging
import threading
from collections import Counter
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

from msgspec import Struct
from msgspec.structs import replace

from wnm.core.action import Result, Retry
from wnm.core.contracts import Clock
from wnm.core.errors import LeftOver, NeedsOperator, Permanent, ProgramFailed, WnmError

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
    left_over: bool = False


class TimeLimit(Struct, frozen=True, kw_only=True):
    """Points on the monotonic clock: nothing begins after `last_start`, nothing is waited for after `end`."""

    last_start: float
    end: float


class _Queue[T]:
    """The jobs that the workers share; `endings` holds one entry per finished job, by its place."""

    def __init__(self, jobs: Sequence[Job[T]], clock: Clock, limit: TimeLimit, pause: timedelta) -> None:
        self.waiting = list(enumerate(jobs))
        self.begun: set[int] = set()
        self.busy: Counter[str] = Counter()
        self.endings: dict[int, Ending[T]] = {}
        self.lock = threading.Lock()
        self.clock, self.limit, self.pause = clock, limit, pause.total_seconds()
        self.next_start = 0.0

    def take(self) -> tuple[int, Job[T]] | None:
        """The next job, after the pause since the one before; None when there is none or no time for one.

        What waits for its lane alone is left to the workers that are busy in that lane.
        """
        with self.lock:
            start = max(self.clock.monotonic(), self.next_start)
            free = [
                each
                for each in self.waiting
                if (lane := each[1].lane) is None or self.busy[lane.name] < lane.most
            ]
            taken = free[0] if free else None
            if taken is None or start > self.limit.last_start:
                return None
            self.waiting.remove(taken)
            if taken[1].lane is not None:
                self.busy[taken[1].lane.name] += 1
            self.next_start = start + self.pause
        self.clock.sleep(max(0.0, start - self.clock.monotonic()))
        with self.lock:
            if self.clock.monotonic() > self.limit.end:
                return None
            self.begun.add(taken[0])
        return taken

    def work(self) -> None:
        """Carry out jobs one after the other until there is none or no time for one."""
        while (taken := self.take()) is not None:
            place, job = taken
            ending = _ending_of(job, self.clock)
            with self.lock:
                self.endings[place] = ending
                if job.lane is not None:
                    self.busy[job.lane.name] -= 1


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
    queue = _Queue(jobs, clock, limit, pause)
    workers = [threading.Thread(target=queue.work, daemon=True) for _ in range(min(at_once, len(jobs)))]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(max(0.0, limit.end - clock.monotonic()))
    endings = []
    with queue.lock:
        for place in range(len(jobs)):
            begun = place in queue.begun
            when = "while it was under way" if begun else "before it could begin"
            not_finished = Ending[T](
                result=Result.UNFINISHED if begun else Result.DEFERRED,
                ended_at=clock.now(),
                error=f"the cycle's time was used up {when}",
            )
            endings.append(queue.endings.get(place, not_finished))
    return tuple(endings)


def _ending_of[T](job: Job[T], clock: Clock) -> Ending[T]:
    """The one place with a broad except: whatever one job does must not reach the others."""
    try:
        value = job.run()
    except Exception as error:
        is_expected = isinstance(error, WnmError)
        if not is_expected:
            log.exception("bug in wnm while working on %s %s", *job.subject)
        retry = Retry.LATE if isinstance(error, Permanent) else Retry.SOON
        text = str(error) if is_expected else f"{type(error).__name__}: {error}"
        failed = Ending[T](
            result=Result.FAILED,
            ended_at=clock.now(),
            error=" ".join(text.split()),
            retry=Retry.OPERATOR if isinstance(error, NeedsOperator) else retry,
            program_failed=isinstance(error, ProgramFailed),
            left_over=isinstance(error, LeftOver),
        )
        try:
            return replace(failed, running_after=job.probe())
        except Exception:
            log.debug("probe of %s %s after a failure", *job.subject, exc_info=True)
            return failed
    return Ending(result=Result.DONE, ended_at=clock.now(), value=value)
