"""A decision (what to write down, what to do, what is held back and why), and the cycle that it was made in."""

from datetime import datetime

from msgspec import Struct

from wnm.core.action import Action, Outcome, PortChange
from wnm.core.node import Node
from wnm.core.observation import Observation
from wnm.core.places import PlaceNews
from wnm.core.reasons import Blocked, Reason
from wnm.core.release import Release
from wnm.core.values import Value

BY_HAND = "by hand"
"""The rule of a decision that was asked for, in the place of a rung of the ladder."""


class Conclusion(Value, frozen=True, kw_only=True):
    """A node as it is from now on, because of what was seen; `before` is how it was remembered."""

    before: Node
    after: Node


class Decision(Value, frozen=True, kw_only=True):
    """`rule` names the rung of the ladder that decided; `conclusions` hold whether or not anything acts.

    `ports` is what has to change in the firewall for nodes that no action is about, `releases` what is newly known
    of versions, `places` of storage folders.
    """

    rule: str
    because: Reason
    conclusions: tuple[Conclusion, ...]
    actions: tuple[Action, ...]
    held: tuple[Blocked, ...]
    ports: tuple[PortChange, ...] = ()
    releases: tuple[Release, ...] = ()
    places: tuple[PlaceNews, ...] = ()


class Proposal(Value, frozen=True, kw_only=True):
    """The actions that one rule would take and what it waits for."""

    actions: tuple[Action, ...] = ()
    held: tuple[Blocked, ...] = ()
    because: Reason | None = None


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
