"""Builds the input of every report: from the cycle in hand, or from a recorded one."""

from collections.abc import Iterable, Sequence
from datetime import datetime

from wnm.core.action import Outcome, Result, Resurvey, node_of
from wnm.core.decision import Cycle
from wnm.core.errors import BadInput
from wnm.core.layers import Resolved
from wnm.core.node import Node
from wnm.core.observation import NodeSeen, Observation
from wnm.core.sentences import sentence
from wnm.core.settings import SECRET, SPECS
from wnm.core.timeline import CycleRecord, OperationRecord
from wnm.storage.database import Database
from wnm.storage.timeline import Timeline
from wnm.views.actions import Names, names_of, outcome_view, recorded_outcome
from wnm.views.material import UNREAD, CycleView, Material, OutcomeView


def in_hand(cycle: Cycle, nodes: Sequence[Node], resolved: Resolved, now: datetime) -> Material:
    """The material of a cycle that has just been written down, as `material` would make it of the record.

    `nodes` are the rows after it.
    """
    plan = cycle.plan
    texts = {name: resolved.text(name) for name in SPECS}
    view = CycleView(
        number=cycle.number,
        started_at=plan.started_at,
        ended_at=cycle.ended_at,
        exit_code=cycle.exit_code,
        rule=plan.decision.rule,
        because=sentence(plan.decision.because, names_of(each.node for each in plan.seen.nodes)),
        seen=plan.seen,
        decision=plan.decision,
        outcomes=_outcomes(cycle, names_of(nodes, plan.decision)),
        held=plan.decision.held,
        settings_texts={name: "" if name in SECRET else text for name, text in texts.items()},
    )
    return _material(nodes, plan.seen, view, resolved, now)


def _outcomes(cycle: Cycle, names: Names) -> tuple[OutcomeView, ...]:
    """Return what is recorded of each action: one that goes on after its cycle has no result yet."""
    ends: dict[int, Outcome] = {node_of(each.action): each for each in cycle.outcomes}
    views = []
    for action in cycle.plan.decision.actions:
        if isinstance(action, Resurvey):
            continue
        end = ends.get(node_of(action))
        result = None if end is None or end.result is Result.UNFINISHED else end.result.value
        views.append(
            outcome_view(
                action,
                names,
                result=result,
                error=None if end is None else end.error,
                note=None if end is None else end.note,
                freed_bytes=None if end is None else end.freed_bytes,
            )
        )
    return tuple(views)


def material(database: Database, resolved: Resolved, now: datetime, cycle: int | None = None) -> Material:
    """Rows as they are, readings of the newest recorded cycle, and the cycle that was asked for or the latest.

    BadInput for the number of a cycle that there is not.
    """
    history = Timeline(database)
    record = history.cycle(cycle)
    if record is None and cycle is not None:
        raise BadInput(f"there is no cycle {cycle}: wnm explain without a number shows the latest one")
    nodes, seen = history.nodes(), None
    if cycle is None and record is not None and record.recording is not None:
        seen = record.recording.observation
    else:
        seen = history.last_reading()
    names = names_of(nodes, None if record is None or record.recording is None else record.recording.decision)
    view = None if record is None else cycle_view(record, history.operations(record.number), names)
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


def cycle_view(record: CycleRecord, operations: tuple[OperationRecord, ...], names: Names) -> CycleView:
    """A cycle and its operations as reports have it."""
    recording = record.recording
    return CycleView(
        number=record.number,
        started_at=record.started_at,
        ended_at=record.ended_at,
        exit_code=record.exit_code,
        rule=record.rule,
        because=record.because,
        seen=None if recording is None else recording.observation,
        decision=None if recording is None else recording.decision,
        outcomes=tuple(recorded_outcome(each, names) for each in operations),
        held=record.held,
        settings_texts={} if recording is None else dict(recording.settings),
    )
