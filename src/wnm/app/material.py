"""Builds the input of every report: from the cycle in hand, or from a recorded one."""

from collections.abc import Iterable, Sequence
from datetime import datetime

from msgspec.structs import replace

from wnm.core.action import Result, Resurvey, node_of
from wnm.core.decision import Cycle
from wnm.core.errors import BadInput
from wnm.core.layers import Resolved
from wnm.core.node import Node
from wnm.core.observation import NodeSeen, Observation
from wnm.core.sentences import sentence
from wnm.core.settings import SECRET, SPECS
from wnm.storage.database import Database
from wnm.storage.timeline import Timeline
from wnm.views.actions import names_of, outcome_view
from wnm.views.material import UNREAD, CycleView, Material


def in_hand(cycle: Cycle, nodes: Sequence[Node], resolved: Resolved, now: datetime) -> Material:
    """The material of a cycle that has just been written down, as `material` would make it of the record.

    `nodes` are the rows after it.
    """
    plan = cycle.plan
    names, ends = names_of(nodes, plan.decision), {node_of(each.action): each for each in cycle.outcomes}
    outcomes = []
    for action in plan.decision.actions:
        if not isinstance(action, Resurvey):
            end = ends.get(node_of(action))
            told = outcome_view(action, names, end)
            # One that goes on after its cycle has no result yet.
            outcomes.append(replace(told, result=None) if told.result == Result.UNFINISHED else told)
    view = CycleView(
        number=cycle.number,
        started_at=plan.started_at,
        ended_at=cycle.ended_at,
        exit_code=cycle.exit_code,
        rule=plan.decision.rule,
        because=sentence(plan.decision.because, names_of(each.node for each in plan.seen.nodes)),
        seen=plan.seen,
        decision=plan.decision,
        outcomes=tuple(outcomes),
        held=plan.decision.held,
        settings_texts={name: "" if name in SECRET else resolved.text(name) for name in SPECS},
    )
    return _material(nodes, plan.seen, view, resolved, now)


def material(database: Database, resolved: Resolved, now: datetime, cycle: int | None = None) -> Material:
    """Rows as they are, readings of the newest recorded cycle, and the cycle that was asked for or the latest.

    BadInput for the number of a cycle that there is not.
    """
    history = Timeline(database)
    nodes, view = history.nodes(), recorded(history, cycle)
    if view is None and cycle is not None:
        raise BadInput(f"there is no cycle {cycle}: wnm explain without a number shows the latest one")
    seen = (
        view.seen if view is not None and view.seen is not None and cycle is None else history.last_reading()
    )
    return _material(nodes, seen, view, resolved, now)


def _material(
    nodes: Iterable[Node],
    seen: Observation | None,
    view: CycleView | None,
    resolved: Resolved,
    now: datetime,
) -> Material:
    readings = {} if seen is None else {each.node.id: each.reading for each in seen.nodes}
    return Material(
        generated_at=now,
        nodes=tuple(NodeSeen(node=node, reading=readings.get(node.id, UNREAD)) for node in nodes),
        settings=resolved.settings,
        origins=resolved.origins,
        texts={name: resolved.text(name) for name in SPECS},
        cycle=view,
        readings_at=None if seen is None else seen.now,
    )


def recorded(history: Timeline, number: int | None) -> CycleView | None:
    """The cycle of this number, else the latest, and its operations as reports have it; None if there is no such."""
    record = history.cycle(number)
    if record is None:
        return None
    recording = record.recording
    seen = None if recording is None else recording.observation
    decision = None if recording is None else recording.decision
    names = names_of(history.nodes(), decision)
    return CycleView(
        **{name: getattr(record, name) for name in _OF_RECORD},
        seen=seen,
        decision=decision,
        outcomes=tuple(outcome_view(each.action, names, each) for each in history.operations(record.number)),
        settings_texts={} if recording is None else dict(recording.settings),
    )


_OF_RECORD = ("number", "started_at", "ended_at", "exit_code", "rule", "because", "held")
