"""An exported cycle plans again to the same decision; anything else is refused in one line."""

import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace
from tests.builders import HOST, NOW, choice, limits, node, row, seen, settings
from tests.views.builders import colony, cycle, healthy, held, material, stopped

from wnm import wiring
from wnm.app.context import Context
from wnm.app.invocation import Command, Invocation
from wnm.app.read import read
from wnm.app.terminal import Terminal
from wnm.core.action import Action, AddNode, Resurvey, StopNode, UpgradeNode
from wnm.core.decide.ladder import decide
from wnm.core.decision import Conclusion, Decision
from wnm.core.errors import BadInput
from wnm.core.layers import DATABASE, Layer, resolve
from wnm.core.node import NodeId, ProcessState
from wnm.core.observation import Observation
from wnm.core.reasons import Blocked, BlockKind, Figure, Task, TaskKind, legacy
from wnm.views.registry import render
from wnm.views.replay import LARGEST_BYTES, compare, load_exported

WISHED = settings(node_cap=9, **limits(3))
VIEW = seen((healthy(1), stopped(2), node(3, state=ProcessState.STOPPED)))


def exported(view: Observation = VIEW) -> str:
    """What `--report decisions --json` prints of a cycle that saw this."""
    return render(
        "decisions",
        "json",
        material(view.nodes, wished=WISHED, of_cycle=cycle(view, decide(view, WISHED), WISHED)),
    )


def spoilt(**changes: Any) -> str:
    return json.dumps({**json.loads(exported()), **changes})


@pytest.mark.parametrize("view", [VIEW, seen(), seen(colony(200))], ids=["three", "none", "200"])
def test_an_exported_cycle_plans_to_the_same_decision(view: Observation) -> None:
    found = load_exported(exported(view))
    assert (found.cycle, found.seen) == (12, view)
    settings_again = resolve((Layer(name=DATABASE, values=found.settings_texts),), HOST).settings
    assert settings_again == WISHED
    assert compare(found.recorded, decide(found.seen, settings_again)) == ()


def test_another_world_is_noticed() -> None:
    found = load_exported(exported())
    assert compare(found.recorded, decide(replace(found.seen, seed=8, rebooted=True), WISHED)) != ()


HOSTILE = {
    "nothing": "",
    "not JSON": "cycle 12",
    "a list": "[]",
    "a number": "12",
    "an empty object": "{}",
    "deep nesting": "[" * 200_000,
    "deep nesting inside": '{"schema": 1, "cycle": 1, "observation": '
    + "[" * 900
    + "]" * 900
    + ', "decision": {}}',
    "a huge number": '{"cycle": ' + "9" * 5000 + "}",
    "another schema": spoilt(schema=2),
    "no cycle number": spoilt(cycle=None),
    "a cycle number that is a text": spoilt(cycle="12"),
    "no observation": spoilt(observation=None),
    "no decision": spoilt(decision=None),
    "an observation that is a decision": spoilt(observation=json.loads(exported())["decision"]),
    "an observation with an unknown field": spoilt(observation={"is": "Observation", "secret": 1}),
    "settings that are a list": spoilt(settings=["node_cap"]),
    "settings that are numbers": spoilt(settings={"node_cap": 3}),
    "not a number in it": exported().replace('"usable_cores": 4.0', '"usable_cores": NaN'),
    "escape sequences": spoilt(schema="\x1b[2J\n\n"),
    "escape sequences in a field": spoilt(observation={"is": "Observation", "\x1b[2J\nx": 1}),
}


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_anything_else_is_refused_in_one_printable_line(text: str) -> None:
    with pytest.raises(BadInput) as refused:
        load_exported(text)
    line = str(refused.value)
    assert line.isprintable()
    assert len(line) < 400


@pytest.mark.parametrize("moment", ["9999-12-31T23:59:59Z", "0001-01-01T00:00:00+23:59"])
def test_a_time_that_no_clock_shows_is_refused(moment: str, tmp_path: Path) -> None:
    view = json.loads(exported())["observation"]
    view["nodes"][0]["reading"]["born"] = view["now"] = moment
    file = tmp_path / "cycle.json"
    file.write_text(spoilt(observation=view))
    asked = Invocation(command=Command.REPLAY, file=str(file))
    context = Context(asked=asked, layers=(), host=HOST, began=0.0, wiring=wiring)
    with pytest.raises(BadInput, match="a time that no clock shows"):
        read(context, Terminal(width=80))


def test_an_export_after_its_recording_was_dropped_says_so() -> None:
    with pytest.raises(BadInput, match="cycle 12 was exported after its recording was dropped"):
        load_exported(spoilt(observation=None))


def test_more_than_the_largest_is_not_even_read() -> None:
    with pytest.raises(BadInput, match=str(LARGEST_BYTES)):
        load_exported("[" + " " * LARGEST_BYTES)


# ---- differences


def decided(*actions: Action, **changes: Any) -> Decision:
    values: dict[str, Any] = {"rule": "growth", "because": "room", "conclusions": (), "held": (), **changes}
    values["because"] = legacy(str(values["because"]))
    return Decision(actions=actions, **values)


def stop(number: int, because: str = "cpu") -> StopNode:
    return StopNode(node=NodeId(number), shed=True, because=legacy(because))


def upgrade(number: int) -> UpgradeNode:
    return UpgradeNode(node=NodeId(number), program=choice(), because=legacy("older"))


def add(number: int, **changes: Any) -> AddNode:
    return AddNode(node=row(number, **changes), program=choice(), because=legacy("room"))


RUNNING = Conclusion(before=row(1), after=row(1, version="0.4.9"))
DIFFERENCES: dict[str, tuple[Decision, Decision, str]] = {
    "rule": (decided(), decided(rule="idle"), "rule: was 'growth', now 'idle'"),
    "reason": (decided(), decided(because="x"), "because: was 'room', now 'x'"),
    "an action that is gone": (decided(stop(1)), decided(), "was done, is no more: stop antnode0001"),
    "an action that is new": (decided(), decided(stop(1)), "was not done, is now: stop antnode0001"),
    "another action": (decided(stop(1)), decided(upgrade(1)), "was stop antnode0001, now upgrade antnode0001 to 0.4.7"),
    "another reason": (
        decided(stop(1)), decided(stop(1, "memory")), "stop antnode0001: because was cpu, now memory",
    ),
    "a survey": (decided(Resurvey(because=legacy("boot"))), decided(), "was done, is no more: survey every node again"),
    "something held no more": (
        decided(held=(held(until=NOW),)), decided(),
        "was held back, is no more: add a node waits for a free start slot until 2026-03-01 12:00:00 UTC",
    ),
    "something held now": (
        decided(), decided(held=(held(remedy="wait"),)),
        "was not held back, is now: add a node waits for a free start slot (remedy: wait)",
    ),
    "another conclusion": (
        decided(conclusions=(RUNNING,)),
        decided(conclusions=(replace(RUNNING, after=row(1, version="0.5.0")),)),
        "concluded of antnode0001: version was 0.4.9, now 0.5.0",
    ),
    "a conclusion that is gone": (
        decided(conclusions=(RUNNING,)), decided(), "was concluded, is no more: antnode0001 is RUNNING",
    ),
    "a conclusion that is new": (
        decided(), decided(conclusions=(RUNNING,)), "was not concluded, is now: antnode0001 is RUNNING",
    ),
    "another order": (
        decided(stop(1), stop(2)), decided(stop(2), stop(1)),
        "the same actions, conclusions and reasons in another order",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("recorded", "again", "line"), DIFFERENCES.values(), ids=DIFFERENCES)
def test_a_difference_is_one_line(recorded: Decision, again: Decision, line: str) -> None:
    assert compare(recorded, again) == (line,)


def test_a_node_that_would_be_made_otherwise_is_noticed() -> None:
    (line,) = compare(decided(add(4)), decided(add(4, port=56004)))
    assert line.startswith("add antnode0004: node was ")


HALF_TOLD: dict[str, dict[str, Any]] = {
    "nobody is waited for": {
        "held": (Blocked(kind=BlockKind.STARTS_FAIL, action=Task(kind=TaskKind.START)),)
    },
    "no reading": {"held": (Blocked(kind=BlockKind.READING_HIGH, action=Task(kind=TaskKind.START)),)},
    "a reading that wnm does not know": {
        "held": (
            Blocked(
                kind=BlockKind.READING_HIGH,
                action=Task(kind=TaskKind.START),
                reading=Figure(key="phase of the moon"),
            ),
        )
    },
}


@pytest.mark.parametrize("recorded", HALF_TOLD.values(), ids=HALF_TOLD)
def test_a_reason_that_does_not_tell_all_is_a_difference_too(recorded: dict[str, Any]) -> None:
    (line,) = compare(decided(**recorded), decided())
    assert "?" in line


@pytest.mark.parametrize("decision", [decided(), decided(stop(1), held=(held(until=NOW + timedelta(1)),))])
def test_the_same_has_no_difference(decision: Decision) -> None:
    assert compare(decision, decision) == ()
