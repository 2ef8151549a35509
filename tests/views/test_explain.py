"""Why a cycle did what it did: readings, conclusions, actions with their ends, and everything held back."""

from datetime import timedelta
from typing import Any

import pytest
from tests.builders import NOW, ago, disk, limits, node, seen, settings
from tests.views.builders import LATER, adding, colony, cycle, healthy, held, material, outcome, stopped

from wnm.core.action import Result, Resurvey, StopNode
from wnm.core.decide.ladder import decide
from wnm.core.decision import BY_HAND, Decision
from wnm.core.node import NodeId, ProcessState, Status
from wnm.core.observation import Remembered
from wnm.core.reasons import legacy
from wnm.views.explain import explain, held_words, last_cycle_line, plan_text
from wnm.views.material import Material
from wnm.views.registry import render

WISHED = settings(node_cap=5, **limits(2))
STOP = StopNode(node=NodeId(1), shed=True, because=legacy("cpu is 90.0 % (limit 80.0 %)"))


def of(chosen: Decision, *ends: Result, **changes: Any) -> Material:
    """A cycle that decided this, each action with its end."""
    view = seen(colony(3))
    actions = [action for action in chosen.actions if not isinstance(action, Resurvey)]
    outcomes = [
        outcome(action, end, error="port 55004 is in use" if end is Result.FAILED else None)
        for action, end in zip(actions, ends, strict=False)
    ]
    return material(colony(3), wished=WISHED, of_cycle=cycle(view, chosen, WISHED, outcomes, **changes))


def decided(*actions: object, **changes: object) -> Decision:
    values = {
        "rule": "growth",
        "because": "the machine has room",
        "conclusions": (),
        "held": (),
        **changes,
    }
    values["because"] = legacy(str(values["because"]))
    return Decision(actions=actions, **values)  # type: ignore[arg-type]


def test_a_cycle_begins_with_when_how_long_and_why() -> None:
    lines = explain(of(decided())).splitlines()
    assert lines[:2] == [
        "cycle 12, 2026-03-01 12:00:00 UTC (40 s ago), took 1.5 s, exit code 0",
        "decided by growth: the machine has room",
    ]


def test_what_was_asked_for_by_hand_was_decided_by_hand() -> None:
    by_hand = decided(rule=BY_HAND, because="--force_action stop")
    assert explain(of(by_hand)).splitlines()[1] == "decided by hand: --force_action stop"


def test_readings_stand_beside_both_limits() -> None:
    line = next(line for line in explain(of(decided())).splitlines() if line.strip().startswith("cpu"))
    assert line.split() == ["cpu", "20.0", "%", "70.0", "%", "80.0", "%"]


def test_readings_stand_beside_the_limits_of_their_own_cycle() -> None:
    """The settings may have changed since."""
    then = of(decided(), settings_texts={"cpu_remove": "33.5", "node_cap": "9", "delay_start": "7"})
    line = next(line for line in explain(then).splitlines() if line.strip().startswith("cpu"))
    assert line.split()[-2] == "33.5"


@pytest.mark.parametrize("text", ["", "x", "1e999x"])
def test_a_limit_that_cannot_be_read_is_the_present_one(text: str) -> None:
    line = next(
        line
        for line in explain(of(decided(), settings_texts={"cpu_remove": text})).splitlines()
        if line.strip().startswith("cpu")
    )
    assert line.split()[-2] == "80.0"


@pytest.mark.parametrize(
    ("end", "words"),
    [
        (Result.DONE, "added"),
        (Result.FAILED, "failed: port 55004 is in use"),
        (Result.DEFERRED, "deferred to a later cycle"),
        (Result.UNFINISHED, "unfinished when the cycle's time was over; the next one sees to it"),
    ],
)
def test_every_action_has_its_reason_and_its_end(end: Result, words: str) -> None:
    lines = explain(of(decided(adding(4)), end)).splitlines()
    index = next(number for number, line in enumerate(lines) if line.startswith("  add antnode0004 "))
    assert lines[index].endswith(", because: the machine has room")
    assert lines[index + 1].strip() == words
    assert sum("add antnode0004" in line for line in lines) == 1


def test_an_action_that_was_never_begun_is_said_to_be_so() -> None:
    assert "  not begun" in explain(of(decided(adding(4))))


def test_a_survey_needs_no_end() -> None:
    text = explain(of(decided(Resurvey(because=legacy("the machine was restarted")))))
    assert "survey every node again, because: the machine was restarted\n    done" in text


def test_the_ends_remain_when_the_recording_is_gone() -> None:
    text = explain(of(decided(adding(4)), Result.FAILED, seen=None, decision=None, settings_texts={}))
    assert "no longer kept" in text
    assert "  add antnode0004 with 0.4.7 on port 55004" in text
    assert "failed: port 55004 is in use" in text


def test_a_killed_cycle_is_called_that() -> None:
    text = explain(of(decided(), ended_at=None, exit_code=None))
    assert "was killed or still runs" in text.splitlines()[0]
    assert "exit code" not in text


def test_everything_held_back_is_there_with_its_time_and_remedy() -> None:
    waiting = (
        held("restart antnode0002", waiting_for="it to answer", until=LATER + timedelta(minutes=3)),
        held("hand out a node program", waiting_for="a program", remedy="put one at /opt/antnode"),
    )
    assert explain(of(decided(held=waiting))).endswith(
        "held back\n"
        "  restart antnode0002: waits for it to answer, until 2026-03-01 12:03:40 UTC (in 3 min)\n"
        "  hand out a node program: waits for a program\n"
        "    remedy: put one at /opt/antnode"
    )


def test_a_moment_that_has_passed_is_said_to_have() -> None:
    assert held_words(held(until=ago(2)), NOW, {})[0].endswith("(2 min ago)")


def test_changes_of_state_are_told_with_their_reason_and_plain_figures_are_not() -> None:
    nodes = (
        node(1, Status.RESTARTING, status_since=ago(20)),
        node(2, state=ProcessState.STOPPED),
        node(3, sees={"disk_bytes": 5_000_000}),
    )
    view = seen(nodes)
    text = explain(material(nodes, wished=WISHED, of_cycle=cycle(view, decide(view, WISHED), WISHED)))
    assert "antnode0001: RESTARTING -> RUNNING, answers" in text
    assert "antnode0002: RUNNING -> STOPPED, its process ended unexpectedly" in text
    assert "antnode0003:" not in text


def test_no_cycle_yet_says_what_to_do() -> None:
    for name in ("explain", "decisions"):
        assert "run wnm" in render(name, "text", material(of_cycle=None))


def test_a_plan_says_what_would_be_done_and_held() -> None:
    view = seen((healthy(1), stopped(2)))
    text = plan_text(view, decide(view, WISHED), WISHED)
    assert text.startswith("dry run, nothing is changed\nwould be decided by ")
    would_do = text.partition("would do\n")[2]
    assert would_do.strip().startswith("add antnode0003 with 0.4.7 on port 55003 in /data/node/antnode0003")
    assert "added" not in text


def test_a_plan_names_the_storage_folders_that_get_their_marker() -> None:
    view = seen(remembered=Remembered(identity="ours"))
    wished = settings(node_cap=0)
    assert "would do\n  mark the storage folder /data/node" in plan_text(view, decide(view, wished), wished)


def test_a_plan_to_do_nothing_says_so() -> None:
    wished = settings(node_cap=1)
    view = seen((node(1),))
    text = plan_text(view, decide(view, wished), wished)
    assert "would conclude: nothing\n\nwould do: nothing\n\nwould hold back: nothing" in text


def test_disks_show_what_is_left() -> None:
    view = seen((), disks=(disk("/mnt/one", used=99.9, total=10**12),))
    text = plan_text(view, decide(view, WISHED), WISHED)
    assert "disk /mnt/one: 1.0 GB free of 1.0 TB, fewer than crisis_bytes 2.0 GB" in text


def test_the_last_cycle_in_one_line() -> None:
    failed = of(decided(adding(4), held=(held(),)), Result.FAILED, exit_code=1)
    line = last_cycle_line(failed)
    assert line.startswith(
        "cycle 12, 40 s ago: growth: the machine has room; exit code 1; failed: add antnode0004"
    )
    assert line.endswith("; 1 held back, see wnm explain")
    assert "\n" not in line
