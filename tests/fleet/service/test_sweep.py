"""Sweeps over a memory on disk: what they do, and that no kill between two steps starts anything twice or loses it."""

import contextlib
import tempfile
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace
from tests.fleet.fake_engine import FakeEngine, Killed

from wnm.core.errors import Transient, WnmError
from wnm_fleet.core.decide.admit import Amounts, WaitKind
from wnm_fleet.core.decide.settle import cancelled, doubled
from wnm_fleet.core.gpu import Gpu, GpuLook, Xid
from wnm_fleet.core.tasks import Task, TaskState
from wnm_fleet.core.workload import EndKind, GpuCount, Port, Restart, Spec, State, Workload
from wnm_fleet.engine.contract import ImageNotFound
from wnm_fleet.service.sweep import Machine, Report, Sweep
from wnm_fleet.store.database import open_database
from wnm_fleet.store.fleet import FleetStore

START = datetime(2026, 12, 1, 12, tzinfo=UTC)
GIB = 1024**3


class Pulls:
    """Images that are wanted; `errors` are what the last attempts ended with."""

    def __init__(self) -> None:
        self.wanted: list[str] = []
        self.errors: dict[str, WnmError] = {}

    def want(self, image: str) -> WnmError | None:
        self.wanted.append(image)
        return self.errors.get(image)


class World:
    """One machine with two GPUs, an engine and a memory; time passes when it is told to."""

    def __init__(self, folder: Path) -> None:
        self.now = START
        self.engine = FakeEngine(lambda: self.now)
        self.database = open_database(f"sqlite:///{folder}/fleet.db")
        self.store = FleetStore(self.database)
        self.pulls = Pulls()
        self.gpus = tuple(
            Gpu(uuid=f"GPU-{letter}", index=index, name="A100") for index, letter in enumerate("ab")
        )
        self.problem: str | None = None
        self.xids: list[Xid] = []
        self.kept: list[str] = []

    def submit(self, name: str, gpus: int = 0, **spec: object) -> str:
        number = f"w-{name}"
        self.store.submit(
            Workload(
                id=number,
                spec=Spec(image=str(spec.pop("image", "app")), gpus=GpuCount(count=gpus), **spec),  # type: ignore[arg-type]
                owner="somebody",
                state=State.PENDING,
                submitted_at=self.now,
                memory_bytes=GIB,
            )
        )
        return number

    def cancel(self, number: str) -> None:
        kept = self.store.find(number)
        self.store.write([(kept, cancelled(kept.workload, self.now))], self.now)

    def sweep(self, seconds: float = 0) -> Report:
        self.now += timedelta(seconds=seconds)
        machine = Machine(
            name="m",
            look=lambda: GpuLook(
                at=self.now,
                source="nvml",
                gpus=self.gpus if self.problem is None else (),
                problem=self.problem,
            ),
            xids=lambda: self.xids,
            booted_at=START - timedelta(days=1),
            most=Amounts(memory_bytes=8 * GIB, cores=8.0, disk_bytes=100 * GIB),
        )
        return Sweep(self.store, self.engine, machine, self.pulls, self._keep, lambda: self.now).run()

    def _look(self) -> GpuLook:
        if self.problem is not None:
            return GpuLook(at=self.now, source="nvml", problem=self.problem)
        return GpuLook(at=self.now, source="nvml", gpus=self.gpus)

    def state(self, number: str) -> State:
        return self.store.find(number).workload.state

    def _keep(self, workload: Workload, task: Task) -> None:
        self.kept += [f"{workload.id} {line.text}" for line in self.engine.logs(task.name)]


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """A world of its own."""
    world = World(tmp_path)
    yield world
    world.database.close()


def test_a_workload_runs_in_one_sweep_and_is_over_in_the_next(world: World) -> None:
    number = world.submit("a", gpus=1)
    assert world.sweep().started == (number,)
    assert world.sweep().started == ()
    running = world.store.find(number).workload
    assert (running.state, running.gpu_uuids, running.digest) == (State.RUNNING, ("GPU-a",), "sha256:app")
    world.engine.end("wnm-w-a-1", 0)
    assert world.sweep(60).over == (number,)
    assert (world.state(number), world.engine.book, world.kept) == (State.COMPLETED, {}, ["w-a wnm-w-a-1"])


def test_the_queue_waits_for_gpus_and_takes_those_that_come_free(world: World) -> None:
    first, second = world.submit("a", gpus=2), world.submit("b", gpus=1)
    report = world.sweep()
    assert (report.started, [wait.kind for wait in report.waits]) == ((first,), [WaitKind.LACKS])
    world.sweep()
    world.engine.end("wnm-w-a-1", 0)
    assert world.sweep(60).started == (second,)


def test_a_failure_is_tried_again_after_its_pause_by_a_new_attempt(world: World) -> None:
    number = world.submit("a", restart=Restart.ON_FAILURE, most_restarts=1)
    world.sweep()
    world.engine.end("wnm-w-a-1", 3)
    assert (world.sweep(5).started, world.state(number)) == ((), State.PENDING)
    assert world.sweep(11).started == (number,)
    world.sweep()
    world.engine.end("wnm-w-a-2", 3)
    world.sweep(60)
    assert world.state(number) is State.FAILED
    assert world.engine.begun == ["wnm-w-a-1", "wnm-w-a-2"]


def test_an_image_that_is_not_here_is_fetched_meanwhile(world: World) -> None:
    number = world.submit("a", image="other")
    world.sweep()
    assert (world.state(number), world.pulls.wanted) == (State.STARTING, ["other"])
    world.engine.images["other"] = "sha256:other"
    assert world.sweep(60).started == (number,)


@pytest.mark.parametrize(
    ("error", "state", "kind"),
    [
        (ImageNotFound("other cannot be pulled"), State.FAILED, EndKind.IMAGE_NOT_FOUND),
        (Transient("the registry does not answer"), State.PENDING, EndKind.NOT_STARTED),
    ],
    ids=["it is nowhere", "the registry does not answer"],
)
def test_an_image_that_does_not_come(world: World, error: WnmError, state: State, kind: EndKind) -> None:
    number = world.submit("a", image="other")
    world.pulls.errors["other"] = error
    world.sweep()
    workload = world.store.find(number).workload
    assert workload.end is not None
    assert (workload.state, workload.end.kind, workload.end.detail) == (state, kind, str(error))
    assert workload.gpu_uuids == ()


def test_a_start_that_the_engine_refuses_leaves_nothing(world: World) -> None:
    number = world.submit("a", gpus=1)
    world.engine.refuses.add(number)
    world.sweep()
    workload = world.store.find(number).workload
    assert (workload.state, workload.end and workload.end.detail) == (State.FAILED, "the engine refused it")
    assert world.engine.book == {}


@pytest.mark.parametrize("when", ["pending", "starting", "running"])
def test_a_cancel_at_any_time(world: World, when: str) -> None:
    number = world.submit("a", gpus=1, image="other" if when == "starting" else "app")
    if when != "pending":
        world.sweep()
        world.sweep()
    world.cancel(number)
    for _ in range(2):
        world.sweep(60)
    assert (world.state(number), world.engine.book) == (State.CANCELLED, {})
    world.cancel(number)
    assert world.state(number) is State.CANCELLED


def test_a_time_limit_ends_it_as_a_timeout(world: World) -> None:
    number = world.submit("a", timeout=timedelta(minutes=5))
    world.sweep()
    world.sweep(60)
    world.sweep(250)
    world.sweep(1)
    workload = world.store.find(number).workload
    assert workload.end is not None
    assert (workload.state, workload.end.kind) == (State.FAILED, EndKind.WORKLOAD_TIMEOUT)


def test_a_container_that_was_removed_behind_our_back_is_told_as_that(world: World) -> None:
    number = world.submit("a", gpus=1)
    world.sweep()
    world.sweep()
    world.engine.book.clear()
    world.sweep(60)
    workload = world.store.find(number).workload
    assert workload.end is not None
    assert (workload.state, workload.end.kind, workload.gpu_uuids) == (State.FAILED, EndKind.REMOVED, ())


def test_an_engine_that_does_not_answer_changes_nothing(world: World) -> None:
    running, waiting = world.submit("a", gpus=2), world.submit("b", gpus=1)
    world.sweep()
    world.sweep()
    world.engine.is_down = True
    report = world.sweep(60)
    assert report.problems == ("Docker does not answer: No such file or directory",)
    assert (world.state(running), world.state(waiting)) == (State.RUNNING, State.PENDING)
    world.engine.is_down = False
    assert world.sweep(60).problems == ()


def test_no_gpu_is_given_while_they_cannot_be_seen_and_a_lost_one_is_never_given(world: World) -> None:
    world.sweep()
    world.problem = "NVML did not answer within 10 s"
    number = world.submit("a", gpus=1)
    report = world.sweep(60)
    assert (report.started, report.problems) == ((), ("NVML did not answer within 10 s",))
    world.problem, world.gpus = None, world.gpus[1:]
    report = world.sweep(60)
    assert report.started == (number,)
    assert world.store.find(number).workload.gpu_uuids == ("GPU-b",)
    assert [fault.uuid for fault in report.faults] == ["GPU-a"]


def test_a_fatal_error_of_a_gpu_is_remembered_when_the_kernels_log_has_forgotten_it(world: World) -> None:
    world.gpus = (replace(world.gpus[0], pci_bus_id="00000000:18:00.0"),)
    world.xids = [Xid(code=79, pci_bus_id="0000:18:00", at=START)]
    world.sweep()
    world.xids = []
    world.submit("a", gpus=1)
    assert world.sweep(60).started == ()


def test_a_gpu_that_is_not_the_one_it_was_given_ends_the_attempt(world: World) -> None:
    number = world.submit("a", gpus=1)
    world.engine.gpus_inside = lambda name: ("GPU-b",)  # type: ignore[method-assign]
    world.sweep()
    workload = world.store.find(number).workload
    assert workload.end is not None
    assert (workload.state, workload.end.detail) == (State.FAILED, "it was shown GPU-b in the place of GPU-a")
    assert world.engine.book == {}


def test_ports_are_given_out_once(world: World) -> None:
    ports = (Port(container=80), Port(container=81))
    first, second = world.submit("a", ports=ports), world.submit("b", ports=ports)
    world.sweep()
    given = [port.host for number in (first, second) for port in world.store.find(number).workload.ports]
    assert len(set(given)) == 4
    third = world.submit("c", ports=(Port(container=80, host=given[0]),))
    assert world.sweep().problems == (f"no port is free for workload {third}",)


def test_a_container_with_our_labels_that_is_nobodys_is_told_and_left(world: World) -> None:
    world.submit("a")
    world.sweep()
    world.engine.book["wnm-x-1"] = replace(world.engine.book["wnm-w-a-1"], name="wnm-x-1", workload="x")
    assert world.sweep().unknown == ("wnm-x-1",)
    assert "wnm-x-1" in world.engine.book


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("submit"), st.integers(0, 2), st.booleans()),
        st.tuples(st.just("end"), st.integers(0, 5), st.booleans()),
        st.tuples(st.just("remove"), st.integers(0, 5), st.booleans()),
        st.tuples(st.just("cancel"), st.integers(0, 5), st.booleans()),
        st.tuples(st.just("sweep"), st.integers(0, 30), st.booleans()),
    ),
    min_size=1,
    max_size=12,
)


def killing(after: int) -> object:
    """A fault that kills at the n-th step of the engine's work."""
    left = [after]

    def fault(step: str) -> None:
        left[0] -= 1
        if left[0] == 0:
            raise Killed(step)

    return fault


def act(world: World, what: str, number: int, flag: bool) -> None:
    """Do one step of a drawn history; a sweep is killed at its n-th step of work, if it gets that far."""
    every = [kept.workload.id for kept in world.store.workloads()]
    names = [task.name for task in world.engine.book.values() if task.state is TaskState.RUNNING]
    if what == "submit":
        world.submit(str(len(every)), gpus=number, restart=Restart.ON_FAILURE if flag else Restart.NEVER)
    elif what == "end" and names:
        world.engine.end(names[number % len(names)], 1 if flag else 0)
    elif what == "remove" and names:
        # One that is removed before anybody wrote down that it ran looks as if it had never been asked for.
        name = names[number % len(names)]
        if world.state(world.engine.book[name].workload) is State.RUNNING:
            del world.engine.book[name]
    elif what == "cancel" and every:
        world.cancel(every[number % len(every)])
    elif what == "sweep":
        world.engine.fault = killing(number)  # type: ignore[assignment]
        with contextlib.suppress(Killed):
            world.sweep(20)
        world.engine.fault = lambda step: None


def check(world: World) -> None:
    """What must hold at any moment, whatever was killed."""
    live = [task for task in world.engine.book.values() if task.state is TaskState.RUNNING]
    assert max(Counter(task.workload for task in live).values(), default=1) == 1
    assert max(Counter(uuid for task in live for uuid in task.gpu_uuids).values(), default=1) == 1
    assert max(Counter(world.engine.begun).values(), default=1) == 1
    assert doubled(kept.workload for kept in world.store.workloads()) == {}


@settings(max_examples=25, deadline=None)
@given(STEPS)
def test_no_history_with_kills_starts_anything_twice_or_loses_it(steps: list[tuple[str, int, bool]]) -> None:
    # Each step of each history is synced to the file: where there is memory to lie in, that is quicker.
    with tempfile.TemporaryDirectory(dir="/dev/shm" if Path("/dev/shm").is_dir() else None) as folder:
        world = World(Path(folder))
        try:
            for step in steps:
                act(world, *step)
                check(world)
            # Left alone, everything comes to its end: each round what runs ends, and pauses pass.
            for _ in range(40):
                if not world.engine.book and all(
                    kept.workload.state.is_over for kept in world.store.workloads()
                ):
                    break
                for task in list(world.engine.book.values()):
                    if task.state is TaskState.RUNNING:
                        world.engine.end(task.name, 0)
                world.sweep(400)
                check(world)
            assert {
                kept.workload.state for kept in world.store.workloads() if not kept.workload.state.is_over
            } == set()
            assert world.engine.book == {}
        finally:
            world.database.close()
