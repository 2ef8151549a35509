"""The timeline of a machine as values: cycles, actions on nodes, changes of state, readings and their trends."""

from collections.abc import Mapping
from datetime import timedelta

from wnm.core.action import NodeAction
from wnm.core.decision import Decision
from wnm.core.node import NodeId, Status
from wnm.core.observation import Observation
from wnm.core.reasons import Blocked
from wnm.core.values import Moment, Value


class Recording(Value, frozen=True, kw_only=True):
    """A cycle as it can be planned again. `settings` are those in force, as (name, canonical text)."""

    observation: Observation
    settings: tuple[tuple[str, str], ...]
    decision: Decision


class PastCycle(Value, frozen=True, kw_only=True):
    """A cycle in short; `exit_code` is None if it was killed or still runs."""

    number: int
    started_at: Moment
    rule: str
    because: str
    exit_code: int | None


class CycleRecord(PastCycle, frozen=True, kw_only=True):
    """One cycle. A field that is None was never written: the cycle was killed, or still runs.

    `counts` is nodes by status at its end. `recording` is None when it was not asked for or no longer kept.
    """

    ended_at: Moment | None
    seconds: float | None
    held: tuple[Blocked, ...]
    counts: tuple[tuple[Status, int], ...] | None
    actions: int
    is_recorded: bool
    recording: Recording | None = None


class OperationRecord(Value, frozen=True, kw_only=True):
    """One action of a cycle. `result` is a Result's value, "interrupted", or None while nobody concluded it."""

    id: int
    cycle: int
    node_id: NodeId
    action: NodeAction
    intended_at: Moment
    ended_at: Moment | None
    result: str | None
    error: str | None
    note: str | None
    freed_bytes: int | None


class ChangeRecord(Value, frozen=True, kw_only=True):
    """A node's status that became another one by itself; `node` is its name."""

    id: int
    cycle: int
    at: Moment
    node_id: NodeId
    node: str
    was: Status
    became: Status
    because: str


class SampleRecord(Value, frozen=True, kw_only=True):
    """The readings of one cycle; None is what could not be seen. `disk_used_percent` is of the fullest disk."""

    at: Moment
    cpu_percent: float | None
    memory_percent: float | None
    load1: float | None
    load5: float | None
    load15: float | None
    disk_used_percent: float | None
    netio_read_bytes_per_second: float | None
    netio_write_bytes_per_second: float | None
    hdio_read_bytes_per_second: float | None
    hdio_write_bytes_per_second: float | None
    nodes_running: int
    nodes_total: int


MEASURES = (
    "nodes_running",
    "nodes_total",
    "cpu_percent",
    "memory_percent",
    "load1",
    "disk_used_percent",
    "netio_read_bytes_per_second",
    "netio_write_bytes_per_second",
    "hdio_read_bytes_per_second",
    "hdio_write_bytes_per_second",
)
"""The columns of samples that are summed up, as `SampleRecord` names them."""


class Range(Value, frozen=True, kw_only=True):
    """The period of a summary, and the number of buckets of the same length that it is cut into."""

    name: str
    length: timedelta
    buckets: int

    @property
    def bucket_seconds(self) -> float:
        return self.length.total_seconds() / self.buckets


RANGES = (
    Range(name="day", length=timedelta(days=1), buckets=96),
    Range(name="week", length=timedelta(days=7), buckets=96),
    Range(name="month", length=timedelta(days=30), buckets=96),
)


class Spread(Value, frozen=True, kw_only=True):
    """The values of a reading during a bucket: the lowest, the highest, and the mean."""

    low: float
    mean: float
    high: float


class Bucket(Value, frozen=True, kw_only=True):
    """One bucket, counted from the beginning of its range; a measure that was never seen in it is missing."""

    index: int
    spreads: Mapping[str, Spread]


class Past(Value, frozen=True, kw_only=True):
    """The latest cycles and operations, newest first, and for each range by name its buckets, oldest first.

    The ranges end at `until`.
    """

    until: Moment
    cycles: tuple[PastCycle, ...]
    operations: tuple[OperationRecord, ...]
    trends: Mapping[str, tuple[Bucket, ...]]


class Events(Value, frozen=True, kw_only=True):
    """Actions and changes of state, each newest first, and the cycles that they belong to, by number.

    `earlier` is how many of both were left out because they were too many.
    """

    operations: tuple[OperationRecord, ...]
    changes: tuple[ChangeRecord, ...]
    cycles: Mapping[int, PastCycle]
    earlier: int = 0


NO_EVENTS = Events(operations=(), changes=(), cycles={})
