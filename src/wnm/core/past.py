"""The last weeks of a machine in short: readings in buckets, and what the latest cycles did."""

from collections.abc import Mapping
from datetime import timedelta

from wnm.core.history import OperationRecord
from wnm.core.values import Moment, Value

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
    """How far back a summary goes, and into how many buckets of the same length it is cut."""

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
    """What a reading was during a bucket: its lowest and highest value, and the mean."""

    low: float
    mean: float
    high: float


class Bucket(Value, frozen=True, kw_only=True):
    """One bucket, counted from the beginning of its range; a measure that was never seen in it is missing."""

    index: int
    spreads: Mapping[str, Spread]


class PastCycle(Value, frozen=True, kw_only=True):
    """A cycle in short; `exit_code` is None if it was killed or still runs."""

    number: int
    started_at: Moment
    rule: str
    because: str
    exit_code: int | None


class Past(Value, frozen=True, kw_only=True):
    """The latest cycles and operations, newest first, and for each range by name its buckets, oldest first.

    The ranges end at `until`.
    """

    until: Moment
    cycles: tuple[PastCycle, ...]
    operations: tuple[OperationRecord, ...]
    trends: Mapping[str, tuple[Bucket, ...]]
