"""Workloads: what one asks for, the states it goes through, and how its end is told."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from enum import StrEnum

from msgspec import Struct

from wnm.core.errors import backoff
from wnm.core.values import Moment, Value


class Priority(StrEnum):
    """The order in which waiting workloads start; work that runs is never ended for another."""

    LOW = "low"
    NORMAL = "normal"
    HIGH = "high"

    @property
    def rank(self) -> int:
        """The higher, the earlier."""
        return list(Priority).index(self)


class Restart(StrEnum):
    """When a workload that ended is started again."""

    NEVER = "never"
    ON_FAILURE = "on-failure"


class State(StrEnum):
    """A workload's state. `lost?` is one on a machine that does not report: it may still run."""

    PENDING = "pending"
    STARTING = "starting"
    RUNNING = "running"
    LOST = "lost?"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def is_over(self) -> bool:
        """Whether nothing follows it."""
        return not TRANSITIONS[self]

    @property
    def holds_gpus(self) -> bool:
        """Whether the GPUs of a workload in this state are taken."""
        return self in (State.STARTING, State.RUNNING, State.LOST)


_ENDS = frozenset({State.COMPLETED, State.FAILED, State.CANCELLED})
TRANSITIONS: Mapping[State, frozenset[State]] = {
    # Back to pending: an attempt that did not come to run, or one that is to be tried again.
    State.PENDING: frozenset({State.STARTING, State.FAILED, State.CANCELLED}),
    State.STARTING: frozenset({State.PENDING, State.RUNNING, State.LOST}) | _ENDS,
    State.RUNNING: frozenset({State.PENDING, State.LOST}) | _ENDS,
    State.LOST: frozenset({State.PENDING, State.STARTING, State.RUNNING}) | _ENDS,
    State.COMPLETED: frozenset(),
    State.FAILED: frozenset(),
    State.CANCELLED: frozenset(),
}


class GpuCount(Value, frozen=True, kw_only=True):
    """So many GPUs, of any model or of those whose name holds `model` (case does not matter)."""

    count: int
    model: str | None = None


class GpuIndices(Value, frozen=True, kw_only=True):
    """The GPUs with these indices, as `0,1`: for machines whose places one knows."""

    indices: tuple[int, ...]


class AllGpus(Value, frozen=True, kw_only=True):
    """Every GPU of a machine that has at least one."""


type GpuWish = GpuCount | GpuIndices | AllGpus
NO_GPUS = GpuCount(count=0)


class Mount(Value, frozen=True, kw_only=True):
    """A folder or file of the machine at `target` in the container."""

    source: str
    target: str
    is_read_only: bool = False


class Port(Value, frozen=True, kw_only=True):
    """A port of the container; `host` is the machine's, None for one that wnm-fleet picks."""

    container: int
    host: int | None = None
    protocol: str = "tcp"


class HealthCheck(Value, frozen=True, kw_only=True):
    """A command in the container that exits 0 while the workload is well."""

    command: tuple[str, ...]
    interval: timedelta = timedelta(seconds=30)
    timeout: timedelta = timedelta(seconds=30)
    retries: int = 3
    start_period: timedelta = timedelta()


class Spec(Value, frozen=True, kw_only=True):
    """Everything that a person asks of one workload.

    `entrypoint` replaces the image's own, `arguments` follow it. Without `memory_bytes` the setting `workload_memory`
    is the limit: a workload always has one. `cores` are CPU seconds a second; None is no limit. `grace` is the time
    between the request to end and the end by force.
    """

    image: str
    name: str | None = None
    entrypoint: tuple[str, ...] = ()
    arguments: tuple[str, ...] = ()
    environment: Mapping[str, str] = {}
    gpus: GpuWish = NO_GPUS
    memory_bytes: int | None = None
    cores: float | None = None
    disk_bytes: int = 0
    pids: int | None = None
    shm_bytes: int | None = None
    mounts: tuple[Mount, ...] = ()
    ports: tuple[Port, ...] = ()
    health: HealthCheck | None = None
    priority: Priority = Priority.NORMAL
    timeout: timedelta | None = None
    grace: timedelta = timedelta(seconds=10)
    restart: Restart = Restart.NEVER
    most_restarts: int = 3
    machine: str | None = None
    labels: Mapping[str, str] = {}


class EndKind(StrEnum):
    """The code of an end or of a wait, for people and programs."""

    EXITED = "EXITED"
    OOM_KILLED = "OOM_KILLED"
    WORKLOAD_TIMEOUT = "WORKLOAD_TIMEOUT"
    CANCELLED = "CANCELLED"
    IMAGE_NOT_FOUND = "IMAGE_NOT_FOUND"
    NOT_STARTED = "NOT_STARTED"
    REMOVED = "REMOVED"
    NODE_UNREACHABLE = "NODE_UNREACHABLE"


class End(Value, frozen=True, kw_only=True):
    """How one attempt ended: its exit code (128 + the number of a signal that ended it), and the engine's words."""

    kind: EndKind
    at: Moment
    exit_code: int | None = None
    signal: int | None = None
    detail: str = ""

    @property
    def is_good(self) -> bool:
        """Whether the workload did what it was to do."""
        return self.kind is EndKind.EXITED and self.exit_code == 0


class Workload(Value, frozen=True, kw_only=True):
    """One run of a container, from its submission to its end, over all attempts.

    `attempt` counts from 1 and is raised before the engine is asked to start it; the container's name is made of
    both, so a repeated request starts nothing twice. `not_before` keeps it waiting after an attempt that failed.
    `stopping` is why wnm-fleet ends it, written down before the engine is asked to: then its end is told as that,
    whatever its exit code says.
    """

    id: str
    spec: Spec
    owner: str
    state: State
    submitted_at: Moment
    attempt: int = 0
    machine: str | None = None
    gpu_uuids: tuple[str, ...] = ()
    ports: tuple[Port, ...] = ()
    container: str | None = None
    digest: str | None = None
    """The image by its content, kept from the first attempt on: a later one runs the same, whatever a tag says then."""
    memory_bytes: int = 0
    """The limit that was agreed when it was submitted."""
    started_at: Moment | None = None
    end: End | None = None
    not_before: Moment | None = None
    stopping: EndKind | None = None

    @property
    def container_name(self) -> str:
        """The engine's name for the attempt at hand."""
        return f"wnm-{self.id}-{self.attempt}"


class Outcome(Struct, frozen=True, kw_only=True):
    """The state that follows the end of an attempt, and when the next one may start."""

    state: State
    not_before: Moment | None = None


FIRST_PAUSE = timedelta(seconds=10)
LONGEST_PAUSE = timedelta(minutes=5)


def after_end(workload: Workload, end: End) -> Outcome:
    """Return what becomes of a workload whose attempt ended: it is over, or it waits for the next attempt.

    A timeout and an image that is not there are not tried again. Pauses double from 10 seconds to 5 minutes.
    """
    if end.kind is EndKind.CANCELLED:
        return Outcome(state=State.CANCELLED)
    if end.is_good:
        return Outcome(state=State.COMPLETED)
    final = end.kind in (EndKind.WORKLOAD_TIMEOUT, EndKind.IMAGE_NOT_FOUND)
    if final or workload.spec.restart is Restart.NEVER or workload.attempt > workload.spec.most_restarts:
        return Outcome(state=State.FAILED)
    return Outcome(state=State.PENDING, not_before=backoff_after(workload, end.at))


def backoff_after(workload: Workload, at: datetime) -> datetime:
    """Return when the next attempt may start after one that ended at `at`."""
    return at + backoff(workload.attempt, first=FIRST_PAUSE, longest=LONGEST_PAUSE)
