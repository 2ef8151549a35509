"""The input that a cycle in hand gives is the one that reports read from its record afterwards."""

from datetime import datetime
from pathlib import Path

import pytest
from tests.builders import HOST
from tests.storage.builders import MINUTE, NOW, SETTINGS, Store, add, decision, ending, node, observation

from wnm.app.material import in_hand, material
from wnm.app.publish import OUTPUTS, publish
from wnm.core.action import NodeAction, Outcome, Result, Resurvey, StopNode
from wnm.core.decision import Cycle, Decision, Plan
from wnm.core.layers import DATABASE, Layer, Resolved, resolve
from wnm.core.node import NodeId
from wnm.core.reasons import legacy, legacy_blocked
from wnm.core.settings import SECRET, SPECS
from wnm.storage.database import open_for_reading, open_for_writing
from wnm.storage.ledger import Ledger

STOP = StopNode(node=NodeId(1), shed=True, because=legacy("cpu is 83.1 % (limit 80.0 %)"))


def ended(
    action: NodeAction, result: Result, at: datetime = NOW + MINUTE, error: str | None = None
) -> Outcome:
    return Outcome(action=action, result=result, ended_at=at, error=error)


CYCLES: dict[str, tuple[Decision, tuple[Outcome, ...]]] = {
    "idle": (
        decision(held=(legacy_blocked("add a node", "a slot", NOW, "mount it"),)),
        (),
    ),
    "acted": (
        decision(STOP, add(3)),
        (ended(STOP, Result.DONE), ended(add(3), Result.FAILED, error="no room")),
    ),
    "goes on": (
        decision(STOP, Resurvey(because=legacy("by hand"))),
        (ended(STOP, Result.UNFINISHED, error="slow"),),
    ),
    "put off": (decision(STOP), (ended(STOP, Result.DEFERRED),)),
    "without an outcome": (decision(STOP), ()),
}


def carried_out(store: Store, resolved: Resolved, decided: Decision, outcomes: tuple[Outcome, ...]) -> Cycle:
    """A cycle that is written down as every one is, and stays in hand."""
    texts = {name: "" if name in SECRET else resolved.text(name) for name in SPECS}
    with open_for_writing(store.path) as database:
        ledger = Ledger(database)
        seen = observation(ledger.nodes())
        end = ending(NOW + MINUTE, exit_code=1)
        if outcomes or any(not isinstance(each, Resurvey) for each in decided.actions):
            intention = ledger.intend(seen, texts, decided, NOW)
            ledger.conclude(intention, outcomes, end)
            number = intention.cycle_id
        else:
            number = ledger.record_idle(seen, texts, decided, NOW, end)
    plan = Plan(started_at=NOW, known=(), seen=seen, decision=decided)
    return Cycle(number=number, plan=plan, outcomes=outcomes, problems=(), exit_code=1, ended_at=end.ended_at)


@pytest.mark.parametrize("name", CYCLES)
def test_the_cycle_in_hand_is_the_record(tmp_path: Path, name: str) -> None:
    store = Store(tmp_path)
    store.insert(node(1), node(2))
    paths = {each.setting: str(tmp_path / each.setting) for each in OUTPUTS}
    resolved = resolve((Layer(name=DATABASE, values={**SETTINGS, **paths}),), HOST)
    cycle = carried_out(store, resolved, *CYCLES[name])
    now = NOW + 2 * MINUTE
    with open_for_reading(store.path) as database:
        nodes = Ledger(database).nodes()
        recorded = material(database, resolved, now)
        assert in_hand(cycle, nodes, resolved, now) == recorded
        assert publish(cycle, nodes, resolved, database, now) == ()
        for each in OUTPUTS:
            assert Path(paths[each.setting]).read_text() == f"{each.render(recorded, database)}\n"
