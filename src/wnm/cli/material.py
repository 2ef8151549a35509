"""From the ledger to the one value that every report is made of."""

from collections.abc import Mapping
from datetime import datetime

from wnm.core.layers import Resolved
from wnm.core.node import Node, node_name
from wnm.core.observation import NodeReading, NodeSeen, Observation, Unseen
from wnm.core.settings import SPECS
from wnm.record.database import Database
from wnm.record.history import CycleRecord, History, OperationRecord
from wnm.report.material import CycleView, Material, OutcomeView

NOT_YET = Unseen(reason="no cycle has seen it yet")
UNREAD = NodeReading(
    process=NOT_YET, reachable=None, page=NOT_YET, root_dir_present=NOT_YET, program=NOT_YET
)


def material(database: Database, resolved: Resolved, now: datetime, cycle: int | None = None) -> Material:
    """Rows as they are, readings of the newest recorded cycle, and the cycle that was asked for or the latest."""
    history = History(database)
    record = history.cycle(cycle)
    return Material(
        generated_at=now,
        nodes=_with_readings(history.nodes(), history.last_reading()),
        settings=resolved.settings,
        origins=resolved.origins,
        texts={name: resolved.text(name) for name in SPECS},
        cycle=None if record is None else _view(record, history.operations(record.number)),
    )


def _with_readings(nodes: tuple[Node, ...], seen: Observation | None) -> tuple[NodeSeen, ...]:
    readings: Mapping[int, NodeReading] = (
        {} if seen is None else {each.node.id: each.reading for each in seen.nodes}
    )
    return tuple(NodeSeen(node=node, reading=readings.get(node.id, UNREAD)) for node in nodes)


def _view(record: CycleRecord, operations: tuple[OperationRecord, ...]) -> CycleView:
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
        outcomes=tuple(_outcome(each) for each in operations),
        held=record.held,
        settings_texts={} if recording is None else dict(recording.settings),
    )
