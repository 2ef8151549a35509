"""Defines the outcome of an action: its result and error, and when it may be tried again."""

from enum import StrEnum

from wnm.core.action import NodeAction
from wnm.core.values import Moment, Value


class Result(StrEnum):
    """The result of an action. DEFERRED was never begun; UNFINISHED outlived the cycle and is resolved by the next."""

    DONE = "done"
    FAILED = "failed"
    DEFERRED = "deferred"
    UNFINISHED = "unfinished"


class Retry(StrEnum):
    """When a failed action may be tried again for the same node."""

    SOON = "soon"
    LATE = "late"
    OPERATOR = "operator"


class Outcome(Value, frozen=True, kw_only=True):
    """One action's end.

    `error` is one line for people when it failed. `running_after` is what the process manager said of the
    node after a failure, None when it could not be asked. `freed_bytes` is what a removal gave back.
    `program_failed`: the node could not be started on the program that the action gave it.
    """

    action: NodeAction
    result: Result
    ended_at: Moment
    error: str | None = None
    retry: Retry = Retry.SOON
    running_after: bool | None = None
    freed_bytes: int | None = None
    note: str | None = None
    program_failed: bool = False
