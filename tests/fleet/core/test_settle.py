"""What follows when what is written down of workloads differs from the engine's book, as tables."""

from datetime import UTC, datetime, timedelta

import pytest
from msgspec.structs import replace

from wnm_fleet.core.decide.settle import Settlement, cancelled, doubled, settle
from wnm_fleet.core.tasks import Task, TaskState
from wnm_fleet.core.workload import End, EndKind, Port, Restart, Spec, State, Workload

NOW = datetime(2026, 12, 1, 12, tzinfo=UTC)
BEGUN = NOW - timedelta(minutes=5)
RUNNING = Workload(
    id="a",
    spec=Spec(image="app", timeout=timedelta(hours=1)),
    owner="somebody",
    state=State.RUNNING,
    submitted_at=BEGUN,
    attempt=1,
    machine="m",
    gpu_uuids=("GPU-a",),
    ports=(Port(container=80, host=8080),),
    container="c1",
    started_at=BEGUN,
)
STARTING = replace(RUNNING, state=State.STARTING, container=None, started_at=None)
AGAIN = replace(RUNNING, spec=Spec(image="app", restart=Restart.ON_FAILURE))
TASK = Task(
    name="wnm-a-1",
    workload="a",
    attempt=1,
    container="c1",
    state=TaskState.RUNNING,
    image_id="sha256:1",
    gpu_uuids=("GPU-a",),
    started_at=BEGUN,
)
MADE = replace(TASK, state=TaskState.CREATED, started_at=None)
OVER = replace(TASK, state=TaskState.ENDED, ended_at=NOW, exit_code=0)


def ended(
    workload: Workload, kind: EndKind, state: State, code: int | None = None, **more: object
) -> Workload:
    """The workload as it is after an end: it holds nothing any more."""
    signal = code - 128 if code is not None and code > 128 else None
    end = End(kind=kind, at=NOW, exit_code=code, signal=signal)
    return replace(workload, state=state, end=end, gpu_uuids=(), ports=(), stopping=None, **more)


STOPPED = replace(RUNNING, stopping=EndKind.CANCELLED)
LATE = replace(RUNNING, started_at=NOW - timedelta(hours=1))
CASES: dict[str, tuple[Workload, Task | None, Settlement]] = {
    "nothing new": (RUNNING, TASK, Settlement()),
    "written down and never asked for": (STARTING, None, Settlement(begin=(STARTING,))),
    "made and not started": (STARTING, MADE, Settlement(begin=(STARTING,))),
    "started and not written down": (STARTING, TASK, Settlement(changed=(RUNNING,))),
    "ended well": (
        RUNNING,
        OVER,
        Settlement(changed=(ended(RUNNING, EndKind.EXITED, State.COMPLETED, 0),), finished=(OVER,)),
    ),
    "ended before anybody saw it run": (
        STARTING,
        OVER,
        Settlement(changed=(ended(STARTING, EndKind.EXITED, State.COMPLETED, 0),), finished=(OVER,)),
    ),
    "failed": (
        RUNNING,
        replace(OVER, exit_code=3),
        Settlement(
            changed=(ended(RUNNING, EndKind.EXITED, State.FAILED, 3),), finished=(replace(OVER, exit_code=3),)
        ),
    ),
    "ended by a signal": (
        RUNNING,
        replace(OVER, exit_code=137),
        Settlement(
            changed=(ended(RUNNING, EndKind.EXITED, State.FAILED, 137),),
            finished=(replace(OVER, exit_code=137),),
        ),
    ),
    "out of memory": (
        RUNNING,
        replace(OVER, exit_code=137, is_oom_killed=True),
        Settlement(
            changed=(ended(RUNNING, EndKind.OOM_KILLED, State.FAILED, 137),),
            finished=(replace(OVER, exit_code=137, is_oom_killed=True),),
        ),
    ),
    "failed and to be tried again": (
        AGAIN,
        replace(OVER, exit_code=3),
        Settlement(
            changed=(ended(AGAIN, EndKind.EXITED, State.PENDING, 3, not_before=NOW + timedelta(seconds=10)),),
            finished=(replace(OVER, exit_code=3),),
        ),
    ),
    "removed behind our back": (
        RUNNING,
        None,
        Settlement(changed=(ended(RUNNING, EndKind.REMOVED, State.FAILED),)),
    ),
    "to be stopped": (STOPPED, TASK, Settlement(stop=(STOPPED,))),
    "stopped": (
        STOPPED,
        replace(OVER, exit_code=143),
        Settlement(
            changed=(ended(STOPPED, EndKind.CANCELLED, State.CANCELLED, 143),),
            finished=(replace(OVER, exit_code=143),),
        ),
    ),
    "cancelled before the engine was asked": (
        replace(STARTING, stopping=EndKind.CANCELLED),
        None,
        Settlement(changed=(ended(STARTING, EndKind.CANCELLED, State.CANCELLED),)),
    ),
    "cancelled between being made and started": (
        replace(STARTING, stopping=EndKind.CANCELLED),
        MADE,
        Settlement(changed=(ended(STARTING, EndKind.CANCELLED, State.CANCELLED),), finished=(MADE,)),
    ),
    "cancelled while it started": (
        replace(STARTING, stopping=EndKind.CANCELLED),
        TASK,
        Settlement(changed=(STOPPED,), stop=(STOPPED,)),
    ),
    "at its time limit": (
        LATE,
        replace(TASK, started_at=LATE.started_at),
        Settlement(
            changed=(replace(LATE, stopping=EndKind.WORKLOAD_TIMEOUT),),
            stop=(replace(LATE, stopping=EndKind.WORKLOAD_TIMEOUT),),
        ),
    ),
    "a second before its time limit": (
        replace(LATE, started_at=NOW - timedelta(minutes=59, seconds=59)),
        replace(TASK, started_at=NOW - timedelta(minutes=59, seconds=59)),
        Settlement(),
    ),
    "ended at its time limit": (
        replace(LATE, stopping=EndKind.WORKLOAD_TIMEOUT),
        replace(OVER, exit_code=143),
        Settlement(
            changed=(ended(LATE, EndKind.WORKLOAD_TIMEOUT, State.FAILED, 143),),
            finished=(replace(OVER, exit_code=143),),
        ),
    ),
    "the rest of an earlier attempt": (
        replace(STARTING, attempt=2),
        OVER,
        Settlement(begin=(replace(STARTING, attempt=2),), finished=(OVER,)),
    ),
    "a task that is nobody's": (
        replace(RUNNING, id="b", state=State.COMPLETED),
        TASK,
        Settlement(unknown=(TASK,)),
    ),
}


@pytest.mark.parametrize(("workload", "task", "expected"), CASES.values(), ids=CASES)
def test_a_difference_and_what_follows(workload: Workload, task: Task | None, expected: Settlement) -> None:
    assert settle([workload], [] if task is None else [task], NOW) == expected


@pytest.mark.parametrize(("workload", "task", "expected"), CASES.values(), ids=CASES)
def test_a_second_round_changes_nothing_more(
    workload: Workload, task: Task | None, expected: Settlement
) -> None:
    after = expected.changed[0] if expected.changed else workload
    again = settle([after], [] if task is None else [task], NOW)
    assert again.changed == ()


@pytest.mark.parametrize(
    ("workload", "expected"),
    [
        (
            replace(STARTING, state=State.PENDING, not_before=NOW),
            replace(STARTING, state=State.CANCELLED, end=End(kind=EndKind.CANCELLED, at=NOW)),
        ),
        (RUNNING, STOPPED),
        (replace(RUNNING, state=State.COMPLETED), replace(RUNNING, state=State.COMPLETED)),
    ],
    ids=["one that waits", "one that runs", "one that is over"],
)
def test_a_cancel_of(workload: Workload, expected: Workload) -> None:
    assert cancelled(workload, NOW) == expected


def test_a_gpu_under_two_workloads_is_found() -> None:
    assert doubled([RUNNING, replace(RUNNING, id="b")]) == {"GPU-a": ("a", "b")}
    assert doubled([RUNNING, replace(RUNNING, id="b", state=State.FAILED)]) == {}
