"""Reasons: what is recorded of them can be read again, also what was recorded when they were sentences."""

import json
from pathlib import Path

import pytest
from tests.builders import available, node, seen, settings

from wnm.core.action import NodeAction
from wnm.core.codec import decode, from_json, to_json
from wnm.core.decide.ladder import decide
from wnm.core.decision import Decision
from wnm.core.node import NodeId, Status
from wnm.core.observation import Observation
from wnm.core.reasons import (
    Blocked,
    BlockKind,
    Figure,
    Reason,
    ReasonKind,
    Remedy,
    RemedyKind,
    Task,
    TaskKind,
)
from wnm.core.sentences import named, remedy, sentence, task, waiting_for, what

OLD = json.loads((Path(__file__).parent / "cases" / "sentences.json").read_text())
"""Written by commit 50d0a77: a recorded cycle, what it held back, and an action of its ledger."""
ONE, TWO = NodeId(1), NodeId(2)
FIGURE = Figure(key="cpu_percent", value=83.14, limit=80.0)
EVERYTHING = {
    "reading": FIGURE, "version": "0.4.8", "than": "0.4.7", "path": "/data", "other_path": "/mnt", "count": 2,
    "limit": 3, "text": "no space", "name": "antnode0001", "rule": "growth",
}  # fmt: skip
FREE = Reason(kind=ReasonKind.READING_HIGH, reading=FIGURE)
ADD = Task(kind=TaskKind.ADD, nodes=(ONE,))


def test_an_old_recording_is_read_with_its_sentences() -> None:
    recorded = OLD["recording"]
    decision = decode(Decision, recorded["decision"])
    assert decode(Observation, recorded["observation"]).nodes[0].node.name == "antnode0001"
    assert sentence(decision.because) == "cpu is 90.0 % (limit 80.0 %)"
    assert [sentence(each.because) for each in decision.actions] == ["cpu is 90.0 % (limit 80.0 %)"]
    assert [sentence(each.because) for each in decision.ports] == ["its rule is missing"] * 2
    assert {each.because.kind for each in decision.actions} == {ReasonKind.LEGACY}


def test_old_rows_are_read_with_their_sentences() -> None:
    held = from_json(tuple[Blocked, ...], json.dumps(OLD["held"]))
    assert [(what(each), waiting_for(each), remedy(each)) for each in held] == [
        (
            "remove a node from /full",
            "a node that may be removed",
            "free space on /full by hand: disk /full is 97.5 % (limit 80.0 %)",
        ),
        ("upgrade antnode0001, antnode0002 to 0.4.8", "disk /full is 97.5 % (limit 80.0 %)", None),
        ("start 1 stopped node(s)", "disk /full is 97.5 % (limit 80.0 %)", None),
    ]
    action: NodeAction = from_json(NodeAction, json.dumps(OLD["action"]))
    assert sentence(action.because) == "cpu is 90.0 % (limit 80.0 %)"


def test_the_same_machine_is_decided_in_the_same_words_today() -> None:
    recorded = OLD["recording"]
    decision = decide(decode(Observation, recorded["observation"]), settings(node_cap=9))
    then = decode(Decision, recorded["decision"])
    assert sentence(decision.because) == sentence(then.because)
    assert [(what(each), waiting_for(each)) for each in decision.held] == [
        (what(each), waiting_for(each)) for each in then.held
    ]


@pytest.mark.parametrize("kind", ReasonKind)
def test_every_reason_has_a_sentence(kind: ReasonKind) -> None:
    reason = Reason(kind=kind, nodes=(ONE,), **EVERYTHING)  # type: ignore[arg-type]
    assert "{" not in sentence(reason)
    assert from_json(Reason, to_json(reason)) == reason


@pytest.mark.parametrize("kind", BlockKind)
def test_everything_waited_for_has_words(kind: BlockKind) -> None:
    blocked = Blocked(kind=kind, action=ADD, waits_on=(TWO,), **EVERYTHING)  # type: ignore[arg-type]
    assert "{" not in waiting_for(blocked)
    assert from_json(Blocked, to_json(blocked)) == blocked


@pytest.mark.parametrize("kind", TaskKind)
def test_every_task_has_words(kind: TaskKind) -> None:
    every = Task(kind=kind, nodes=(ONE,), status=Status.RUNNING, reason=FREE, **EVERYTHING)  # type: ignore[arg-type]
    assert "{" not in task(every)


@pytest.mark.parametrize("kind", RemedyKind)
def test_every_remedy_has_words(kind: RemedyKind) -> None:
    found = Remedy(kind=kind, nodes=(ONE, TWO), reason=FREE, **EVERYTHING)  # type: ignore[arg-type]
    assert "{" not in str(remedy(Blocked(kind=BlockKind.DELAY, action=ADD, remedy=found)))


def test_what_is_not_known_is_not_written() -> None:
    assert to_json(Reason(kind=ReasonKind.BY_HAND)) == '{"is":"Reason","kind":"by-hand"}'


def test_names_are_those_of_the_rows() -> None:
    assert named((1, 2, 3, 5), {2: "antnode002", 5: "antnode005"}) == "antnode0001 to antnode0003, antnode005"


def test_every_node_behind_a_canary_is_among_those_that_wait() -> None:
    view = seen([node(number) for number in range(1, 7)], available=available("0.4.8"))
    (queue,) = decide(view, settings(node_cap=6)).held
    assert what(queue) == "upgrade antnode0002 to antnode0006 to 0.4.8"
    assert waiting_for(queue) == "antnode0001 to pass the gate of 0.4.8"
    assert (queue.nodes, queue.waits_on) == (tuple(map(NodeId, range(2, 7))), (ONE,))
