"""From the ledger to the one value that every report is made of."""

from datetime import datetime

from wnm.core.errors import BadInput
from wnm.core.layers import Resolved
from wnm.core.node import Node
from wnm.core.observation import NodeSeen, Observation
from wnm.core.settings import SPECS
from wnm.core.timeline import CycleRecord, OperationRecord
from wnm.storage.database import Database
from wnm.storage.timeline import Timeline
from wnm.views.deeds import Names, names_of, outcome_view
from wnm.views.material import UNREAD, CycleView, Material


def material(database: Database, resolved: Resolved, now: datetime, cycle: int | None = None) -> Material:
    """Rows as they are, readings of the newest recorded cycle, and the cycle that was asked for or the latest.

    BadInput for the number of a cycle that there is not.
    """
    history = Timeline(database)
    record = history.cycle(cycle)
    if record is None and cycle is not None:
        raise BadInput(f"there is no cycle {cycle}: wnm explain without a number shows the latest one")
    nodes, seen = history.nodes(), history.last_reading()
    names = names_of(nodes, None if record is None or record.recording is None else record.recording.decision)
    return Material(
        generated_at=now,
        nodes=_with_readings(nodes, seen),
        settings=resolved.settings,
        origins=resolved.origins,
        texts={name: resolved.text(name) for name in SPECS},
        cycle=None if record is None else cycle_view(record, history.operations(record.number), names),
        readings_at=None if seen is None else seen.now,
    )


def _with_readings(nodes: tuple[Node, ...], seen: Observation | None) -> tuple[NodeSeen, ...]:
    readings = {} if seen is None else {each.node.id: each.reading for each in seen.nodes}
    return tuple(NodeSeen(node=node, reading=readings.get(node.id, UNREAD)) for node in nodes)


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
        outcomes=tuple(
            outcome_view(
                each.action,
                names,
                result=each.result,
                error=each.error,
                note=each.note,
                freed_bytes=each.freed_bytes,
            )
            for each in operations
        ),
        held=record.held,
        settings_texts={} if recording is None else dict(recording.settings),
    )
