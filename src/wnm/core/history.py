"""What is kept of earlier cycles, as the ledger hands it to reports."""

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


class CycleRecord(Value, frozen=True, kw_only=True):
    """One cycle. What is None was never written: the cycle was killed, or still runs.

    `counts` is nodes by status at its end. `recording` is None when it was not asked for or no longer kept.
    """

    number: int
    started_at: Moment
    ended_at: Moment | None
    rule: str
    because: str
    exit_code: int | None
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
