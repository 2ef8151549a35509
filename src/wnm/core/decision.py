"""A decision: what to write down, what to do, and what is held back and why."""

from dataclasses import dataclass
from datetime import datetime

from wnm.core.action import Action, PortChange
from wnm.core.node import Node
from wnm.core.release import Release


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """Something that is not done now. `remedy` is set when only the operator can make it go on."""

    what: str
    waiting_for: str
    until: datetime | None = None
    remedy: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Conclusion:
    """A node as it is from now on, because of what was seen; `before` is how it was remembered."""

    before: Node
    after: Node


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """`rule` names the rung of the ladder that decided; `conclusions` hold whether or not anything acts.

    `ports` is what has to change in the firewall for nodes that no action is about, `releases` what is newly known
    of versions.
    """

    rule: str
    because: str
    conclusions: tuple[Conclusion, ...]
    actions: tuple[Action, ...]
    held: tuple[Held, ...]
    ports: tuple[PortChange, ...] = ()
    releases: tuple[Release, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Proposal:
    """What one rule would do and what it waits for."""

    actions: tuple[Action, ...] = ()
    held: tuple[Held, ...] = ()
    because: str = ""
