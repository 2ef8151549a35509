"""What every report is made of: one frozen value, whatever it was read from."""

from collections.abc import Mapping, Sequence
from datetime import datetime

from msgspec import Struct
from msgspec.structs import replace

from wnm.core.decision import Decision
from wnm.core.errors import BadInput
from wnm.core.observation import NodeReading, NodeSeen, Observation, Unseen
from wnm.core.reasons import Blocked
from wnm.core.settings import Settings
from wnm.core.suggest import did_you_mean, shortened

NOT_YET = Unseen(reason="no cycle has seen it yet")
UNREAD = NodeReading(process=NOT_YET, reachable=None, page=NOT_YET, root_dir_present=NOT_YET, program=NOT_YET)
"""The reading of a node that no recorded observation holds."""


class OutcomeView(Struct, frozen=True, kw_only=True):
    """One action of a cycle and what became of it.

    `action` says it for people (`add antnode0002`), `kind` is its class name. `result` is a Result's value,
    "interrupted", or None while nobody concluded it.
    """

    action: str
    node: str
    kind: str
    result: str | None
    error: str | None = None
    note: str | None = None
    freed_bytes: int | None = None


class CycleView(Struct, frozen=True, kw_only=True):
    """One cycle as it is remembered. What is None was never written, or is no longer kept.

    `settings_texts` are the settings that it was decided with, as canonical texts by name.
    """

    number: int
    started_at: datetime
    ended_at: datetime | None
    exit_code: int | None
    rule: str
    because: str
    seen: Observation | None
    decision: Decision | None
    outcomes: tuple[OutcomeView, ...]
    held: tuple[Blocked, ...]
    settings_texts: Mapping[str, str]


class Material(Struct, frozen=True, kw_only=True):
    """The nodes' rows as they are now, each with its newest recorded reading, the settings, and one cycle.

    `texts` are the settings' canonical texts by name, in the order of declaration. `readings_at` is when the
    readings of the nodes were taken; None means when the cycle looked.
    """

    generated_at: datetime
    nodes: tuple[NodeSeen, ...]
    settings: Settings
    origins: Mapping[str, str]
    texts: Mapping[str, str]
    cycle: CycleView | None
    readings_at: datetime | None = None

    @property
    def observed_at(self) -> datetime | None:
        """When the nodes were last looked at, as far as that is known."""
        if self.readings_at is not None:
            return self.readings_at
        seen = None if self.cycle is None else self.cycle.seen
        return None if seen is None else seen.now


def only(material: Material, names: Sequence[str]) -> Material:
    """The same with the named nodes only. BadInput, naming it, for a node that is not there."""
    known = [each.node.name for each in material.nodes]
    for name in names:
        if name not in known:
            remedy = did_you_mean(name, known, "see wnm --report node-status for those that exist")
            raise BadInput(f"no node is called {shortened(name)}: {remedy}")
    return replace(material, nodes=tuple(each for each in material.nodes if each.node.name in names))
