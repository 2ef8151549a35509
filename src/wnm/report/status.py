"""What `wnm status` is made of: the nodes that matter, and the same for programs."""

from collections.abc import Mapping
from dataclasses import dataclass

from wnm.core.decision import Held
from wnm.core.node import Status
from wnm.report import machine_metrics, node_status
from wnm.report.explain import last_cycle_line, program_words
from wnm.report.facts import NodeFacts, attention, counts_of, facts_of
from wnm.report.machine_metrics import Measured, measured
from wnm.report.material import Material
from wnm.report.payload import Payload

MOST_NODES_IN_FULL = 40


@dataclass(frozen=True, slots=True, kw_only=True)
class Concern:
    """A node that somebody may want to look at, and why."""

    facts: NodeFacts
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Overview:
    """One look at a machine. `nodes` are those for the table: all of them, or where these are too many,
    the ones with concerns. `hidden_concerns` of the latter found no place in it.
    """

    measured: Measured
    counts: Mapping[Status, int]
    node_cap: int
    nodes: tuple[NodeFacts, ...]
    concerns: tuple[Concern, ...]
    summarised: bool
    hidden_concerns: int
    needs: tuple[Held, ...]
    program: str | None
    last_cycle: str

    @property
    def node_count(self) -> int:
        return sum(self.counts.values())


def overview(material: Material) -> Overview:
    """What the status table shows of this material."""
    pairs = [(each, facts_of(each, material.observed_at)) for each in material.nodes]
    concerns = tuple(
        Concern(facts=facts, why=why) for each, facts in pairs if (why := attention(each, facts)) is not None
    )
    summarised = len(pairs) > MOST_NODES_IN_FULL
    shown = concerns[:MOST_NODES_IN_FULL] if summarised else concerns
    cycle = material.cycle
    return Overview(
        measured=measured(material),
        counts=counts_of(material.nodes),
        node_cap=material.settings.node_cap,
        nodes=tuple(each.facts for each in shown) if summarised else tuple(facts for _, facts in pairs),
        concerns=shown,
        summarised=summarised,
        hidden_concerns=len(concerns) - len(shown),
        needs=() if cycle is None else tuple(held for held in cycle.held if held.remedy is not None),
        program=_program(material),
        last_cycle=last_cycle_line(material),
    )


def _program(material: Material) -> str | None:
    """What nodes would be given; None while no cycle has seen it. What they run and have is in their rows."""
    seen = None if material.cycle is None else material.cycle.seen
    if seen is None:
        return None
    pin = material.settings.node_version
    return program_words(seen.available) + (f", pinned to {pin}" if pin else "")


def payload(material: Material) -> Payload:
    """node-status-details and machine-metrics in one object."""
    return {**machine_metrics.payload(material), **node_status.payload(material)}
