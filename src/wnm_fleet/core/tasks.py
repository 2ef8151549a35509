"""An attempt as an engine's book has it."""

from enum import StrEnum

from wnm.core.values import Moment, Value


class TaskState(StrEnum):
    """The state of one attempt in the engine's book."""

    CREATED = "created"
    RUNNING = "running"
    ENDED = "ended"


class Task(Value, frozen=True, kw_only=True):
    """One attempt as the engine sees it. `is_healthy` is None without a health check or before its first result.

    `exit_code` is 128 + the number of a signal that ended it; `error` are the engine's words for a start that failed.
    """

    name: str
    workload: str
    attempt: int
    container: str
    state: TaskState
    image_id: str
    gpu_uuids: tuple[str, ...] = ()
    is_healthy: bool | None = None
    started_at: Moment | None = None
    ended_at: Moment | None = None
    exit_code: int | None = None
    is_oom_killed: bool = False
    error: str = ""
