"""Holds a cycle as a value: the plan, and what came of it."""

from datetime import datetime

from msgspec import Struct

from wnm.core.decision import Decision
from wnm.core.node import Node
from wnm.core.observation import Observation
from wnm.core.outcome import Outcome


class Plan(Struct, frozen=True, kw_only=True):
    """A cycle up to the point where it would change something; `known` are the rows before it."""

    started_at: datetime
    known: tuple[Node, ...]
    seen: Observation
    decision: Decision


class Cycle(Struct, frozen=True, kw_only=True):
    """A whole cycle, under the number that it was written down with.

    `problems` are lines of what went wrong beside the actions.
    """

    number: int
    plan: Plan
    outcomes: tuple[Outcome, ...]
    problems: tuple[str, ...]
    exit_code: int
    ended_at: datetime
