"""What `wnm status` is made of: the nodes that matter, and the same for programs."""

from collections.abc import Mapping

from msgspec import Struct

from wnm.core.node import Status
from wnm.core.reasons import Blocked
from wnm.views import machine_metrics, node_status
from wnm.views.explain import last_cycle_line, program_words
from wnm.views.facts import counts_of, payload_of
from wnm.views.happenings import payload_of as happening_payload
from wnm.views.machine_metrics import Measured, measured
from wnm.views.material import Material
from wnm.views.node_table import NO_EXTRAS, Extras, Row, matching, ordered, rows_of
from wnm.views.payload import Payload

MOST_NODES_IN_FULL = 60
_MOST_CONCERNS = 20


class Choice(Struct, frozen=True, kw_only=True):
    """Which nodes the table shows and in which order; where nothing is chosen, all up to `most` of them.

    `every_column` is whether those are there too for which the terminal is too narrow.
    """

    sort: str | None = None
    filter: str | None = None
    every_node: bool = False
    every_column: bool = False
    most: int = MOST_NODES_IN_FULL


AS_IT_IS = Choice()


class Overview(Struct, frozen=True, kw_only=True):
    """One look at a machine. `nodes` are those for the table: the chosen ones, else all of them, or where these
    are too many, the ones with concerns. `concerns` are nodes to look at; `hidden_concerns` more found no place.
    """

    measured: Measured
    counts: Mapping[Status, int]
    node_cap: int
    every: tuple[Row, ...]
    nodes: tuple[Row, ...]
    concerns: tuple[Row, ...]
    summarised: bool
    hidden_concerns: int
    needs: tuple[Blocked, ...]
    program: str | None
    last_cycle: str

    @property
    def node_count(self) -> int:
        return sum(self.counts.values())


def overview(material: Material, extras: Extras = NO_EXTRAS, choice: Choice = AS_IT_IS) -> Overview:
    """What the status table shows of this material."""
    every = rows_of(material, extras)
    nodes = _chosen(every, choice)
    summarised = nodes is every and len(every) > choice.most and not choice.every_node
    concerns = tuple(row for row in nodes if row.why is not None)
    shown = concerns[:_MOST_CONCERNS] if summarised else concerns
    cycle = material.cycle
    return Overview(
        measured=measured(material),
        counts=counts_of(material.nodes),
        node_cap=material.settings.node_cap,
        every=every,
        nodes=shown if summarised else nodes,
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


def _chosen(every: tuple[Row, ...], choice: Choice) -> tuple[Row, ...]:
    """The very same rows where nothing was chosen."""
    rows = every if choice.filter is None else matching(every, choice.filter)
    return rows if choice.sort is None else ordered(rows, choice.sort)


def payload(material: Material, extras: Extras = NO_EXTRAS, choice: Choice = AS_IT_IS) -> Payload:
    """node-status-details and machine-metrics in one object, of the nodes the chosen ones in their order, and in
    `node_notes` what else the table tells of them."""
    whole = {**machine_metrics.payload(material), **node_status.payload(material)}
    rows = _chosen(rows_of(material, extras), choice)
    nodes = [payload_of(row.facts) for row in rows]
    return {**whole, "nodes": nodes, "node_notes": [_note(row) for row in rows]}


def _note(row: Row) -> Payload:
    return {
        "name": row.facts.name,
        "to_look_at": row.why,
        "earned_today_attos": None if row.earned is None else str(row.earned),
        "last_action": None if row.last is None else happening_payload(row.last),
    }
