"""Crashed nodes: started again at once, whatever else goes on; only what cannot work holds them."""

from datetime import timedelta
from typing import Any

import pytest
from tests.builders import (
    NEWER,
    NOW,
    ago,
    ahead,
    available,
    briefly,
    cases,
    concluded,
    disk,
    interrupted,
    limits,
    node,
    proven,
    reading,
    reasons,
    row,
    seen,
    settings,
)

from wnm.core.action import Outcome, RestartNode, Result, StartNode, StopNode
from wnm.core.decide.ladder import decide
from wnm.core.lifecycle import after, conclude, during
from wnm.core.node import NodeId, ProcessState, Status
from wnm.core.observation import NodeSeen, Remembered, Unseen
from wnm.core.reasons import BlockKind, legacy
from wnm.core.sentences import remedy

GONE, STOPPED = ProcessState.STOPPED, Status.STOPPED
ENOUGH: dict[str, Any] = {"node_cap": 9, **limits(9)}
STOP = StopNode(node=NodeId(1), shed=True, because=legacy("-"))
UNSEEN = Unseen(reason="no answer")
NOTHING_TO_FREE = Remembered(last_freed_bytes=1, last_freed_at=ago(60), last_freed_mount_point="/")


def crashed(number: int, **changes: Any) -> NodeSeen:
    """A node that ran in the cycle before and does not run now."""
    return node(number, state=GONE, **changes)


def down(number: int, failures: int = 2, **changes: Any) -> NodeSeen:
    """A node that crashed before, and that could not be started since."""
    values = {"crashed": True, "failures": failures, "last_error": "Illegal instruction", **changes}
    return node(number, STOPPED, **values)


@cases(
    "weather, started",
    {
        "in fair weather": ({}, True),
        "above the limit for growth of the CPU": ({"cpu": 75.0}, True),
        "above that for shedding": ({"cpu": 85.0}, False),
        "above the limit for growth of the memory": ({"memory": 75.0}, True),
        "above the limit for growth of its disk": ({"disks": (disk(used=75.0),)}, True),
        "with its disk too full": ({"disks": (disk(used=85.0),)}, False),
        "with another disk too full": ({"disks": (disk(), disk("/mnt/2", used=85.0))}, True),
    },
)
def test_it_is_started_again(weather: dict[str, Any], started: bool) -> None:
    decision = decide(seen([crashed(1, mount_point="/"), node(2)], **weather), settings(node_cap=2))
    assert ("start 1" in briefly(decision)) is started, reasons(decision)


def test_growth_of_what_was_stopped_is_held_where_a_crashed_node_is_not() -> None:
    decision = decide(seen([crashed(1), node(2, STOPPED)], cpu=75.0), settings(node_cap=2))
    assert (decision.rule, briefly(decision)) == ("crashed nodes", "start 1")


def test_it_does_not_wait_behind_a_wave_of_upgrades() -> None:
    nodes = [crashed(1), *(node(number) for number in range(2, 5))]
    decision = decide(seen(nodes, available=available(NEWER), remembered=proven()), settings(node_cap=4))
    assert decision.rule == "upgrades"
    assert briefly(decision) == f"start 1 with {NEWER}, upgrade 2 to {NEWER}"


def test_all_that_ended_together_come_back_beside_what_starts_already() -> None:
    busy = [node(number, Status.RESTARTING, status_since=NOW) for number in range(7, 10)]
    decision = decide(seen([*map(crashed, range(1, 7)), *busy]), settings(node_cap=9, **limits(1)))
    assert briefly(decision) == "start 1, start 2, start 3, start 4, start 5, start 6"


def test_one_that_is_being_started_takes_no_place_of_others() -> None:
    healing = node(1, Status.RESTARTING, status_since=NOW, crashed=True)
    decision = decide(seen([healing, node(2, STOPPED)]), settings(node_cap=2, **limits(1)))
    assert briefly(decision) == "start 2"


def test_one_version_is_tried_by_one_node_of_those_that_heal_and_those_that_rested() -> None:
    nodes = [node(1, STOPPED, crashed=True), node(2, STOPPED)]
    decision = decide(seen(nodes, available=available(NEWER)), settings(**{**ENOUGH, "node_cap": 2}))
    assert briefly(decision) == f"start 1 with {NEWER}, start 2"


def test_they_come_back_after_a_reboot_once_every_node_was_looked_at() -> None:
    nodes = [crashed(1), crashed(2)]
    decision = decide(seen(nodes, rebooted=True, cpu=75.0), settings(node_cap=2, **limits(1)))
    assert (decision.rule, briefly(decision)) == ("reboot", "resurvey")
    after = [node(number, STOPPED, crashed=each.crashed) for number, each in concluded(decision).items()]
    assert briefly(decide(seen(after, cpu=75.0), settings(node_cap=2, **limits(1)))) == "start 1, start 2"


@cases(
    "known, cut_off, again",
    {
        "one whose process ended": (crashed(1), (), True),
        "one that wnm stopped": (node(1, STOPPED), (), False),
        "one whose stop was interrupted": (crashed(1), (STOP,), False),
        "one that was healing when it was stopped": (
            node(1, Status.RESTARTING, state=GONE, crashed=True), (STOP,), False,
        ),
        "one that was stopped again": (down(1), (STOP,), False),
        "one whose restart was interrupted": (
            crashed(1), (RestartNode(node=NodeId(1), silent=False, because=legacy("-")),), True,
        ),
        "one that rests after failures": (down(1, retry_at=ahead(5)), (), False),
        "one whose rest is over": (down(1, retry_at=ago(5)), (), True),
        "one whose folder was not seen": (
            crashed(1, sees={"root_dir_present": None}), (), False,
        ),
        "a disabled one": (node(1, Status.DISABLED, state=GONE), (), False),
    },
)  # fmt: skip
def test_who_is_started_again(known: NodeSeen, cut_off: tuple[Any, ...], again: bool) -> None:
    view = seen([known, node(2)], cpu=75.0, interrupted=interrupted(*cut_off))
    assert briefly(decide(view, settings(node_cap=2))) == ("start 1" if again else "")


def test_healing_goes_on_beside_pressure_but_for_those_that_the_cap_removes() -> None:
    decision = decide(seen([crashed(1), crashed(2), node(3)]), settings(node_cap=2))
    assert (decision.rule, briefly(decision)) == ("pressure", "retire 2, start 1")
    assert "start antnode0002: waits for 3 nodes with a cap of 2" in reasons(decision)


def test_growth_counts_those_that_come_back() -> None:
    decision = decide(seen([crashed(1), node(2)], cpu=69.9), settings(node_cap=3))
    assert (decision.rule, briefly(decision)) == ("crashed nodes", "start 1")
    assert "waits for capacity: with one more node cpu" in reasons(decision)


# ---- those that cannot start alike


def test_of_several_that_cannot_start_one_is_tried_and_somebody_is_asked() -> None:
    decision = decide(seen([*map(down, range(1, 5)), node(5)]), settings(**ENOUGH))
    assert briefly(decision) == "start 1"
    held = [each for each in decision.held if each.kind is BlockKind.STARTS_FAIL]
    assert [(each.nodes, each.waits_on) for each in held] == [((2, 3, 4), (1,)), ((), (1,))]
    assert all(each.remedy is not None for each in held)
    assert remedy(held[0]) == "mend what keeps 4 nodes from starting: Illegal instruction"


def test_nothing_is_added_beside_nodes_that_cannot_start() -> None:
    decision = decide(seen([down(number, retry_at=ahead(5)) for number in (1, 2, 3)]), settings(**ENOUGH))
    assert (decision.rule, briefly(decision)) == ("idle", "")
    assert "add up to 6 node(s): waits for antnode0001 to start" in reasons(decision)


def test_while_one_is_tried_the_others_wait() -> None:
    busy = node(
        1, Status.RESTARTING, status_since=NOW, crashed=True, failures=3, last_error="Illegal instruction"
    )
    decision = decide(seen([busy, *map(down, range(2, 5))], cpu=75.0), settings(**ENOUGH))
    assert briefly(decision) == ""


def test_when_it_runs_the_others_follow_at_once() -> None:
    works = node(1, process_started_at=ago(1))
    others = [down(number, status_since=ago(9), retry_at=ahead(30)) for number in (2, 3, 4)]
    decision = decide(seen([works, *others], cpu=75.0), settings(**ENOUGH))
    assert briefly(decision) == "start 2, start 3, start 4"


@pytest.mark.parametrize("failing", [1, 2])
def test_one_or_two_of_many_are_no_shared_cause(failing: int) -> None:
    nodes = [*map(down, range(1, failing + 1)), node(8), node(9)]
    decision = decide(seen(nodes, cpu=75.0), settings(**ENOUGH))
    assert briefly(decision) == ", ".join(f"start {number}" for number in range(1, failing + 1))


@cases(
    "nodes, weather, expected",
    {
        "its disk is full": (
            [down(1), down(2, mount_point="/mnt/2"), down(3, mount_point="/mnt/2")],
            {"disks": (disk(used=85.0), disk("/mnt/2")), "remembered": NOTHING_TO_FREE},
            "start 2",
        ),
        "its folder is not seen": ([down(1, sees={"root_dir_present": UNSEEN}), down(2), down(3)], {}, "start 2"),
        "its program is gone, and there is no other": (
            [down(1, sees={"program": UNSEEN}), down(2), down(3)], {"available": UNSEEN}, "start 2",
        ),
        "it is one too many": ([down(1), down(2), down(3), down(4, retry_at=ago(9))], {}, "retire 4, start 1"),
    },
)  # fmt: skip
def test_nobody_waits_for_one_that_cannot_be_tried(
    nodes: list[NodeSeen], weather: dict[str, Any], expected: str
) -> None:
    decision = decide(seen(nodes, **weather), settings(**{**ENOUGH, "node_cap": 3}))
    assert briefly(decision) == expected, reasons(decision)


@cases(
    "errors, expected",
    {
        "three errors": (
            ("ended at once: disk corrupt", "port 55002 is in use", "no such flag: --relay"),
            "start 1, start 2, start 3",
        ),
        "one error of several nodes": ([f"/n/{each}: port 5500{each} is in use" for each in "123"], "start 1"),
        "one error, sooner and later": (
            ("it ended while starting: no such flag", "a ended at once: no such flag", "b ended: no such flag"),
            "start 1",
        ),
    },
)  # fmt: skip
def test_only_what_fails_alike_has_a_shared_cause(errors: tuple[str, ...], expected: str) -> None:
    failing = [down(number, last_error=text) for number, text in enumerate(errors, 1)]
    assert briefly(decide(seen([*failing, node(4)], cpu=75.0), settings(**ENOUGH))) == expected


def test_a_crash_loop_backs_off_although_a_node_was_started_after_it_began() -> None:
    works = node(4, process_started_at=ago(10))
    rows = {
        each: row(each, STOPPED, crashed=True, failures=3, retry_at=ahead(2), status_since=ago(30))
        for each in (1, 2, 3)
    }
    started = []
    for minute in range(5):
        now = ahead(minute)
        view = seen([*(NodeSeen(node=each, reading=reading(each)) for each in rows.values()), works], now=now)
        decision = decide(view, settings(**{**ENOUGH, "node_cap": 4}))
        started.append(briefly(decision))
        for action in decision.actions:
            assert isinstance(action, StartNode)
            before = rows[action.node]
            failed = Outcome(
                action=action, result=Result.FAILED, ended_at=now, error="-", running_after=False
            )
            written = after(failed, during(action, before, now), before)
            assert written is not None
            rows[action.node] = written
    assert started == ["start 1, start 2, start 3", "", "", "", "start 1"]


def test_a_node_that_flaps_rests_longer_each_time_until_it_stayed_up_for_long() -> None:
    """It answers after every start and ends again six minutes later; then it stays up for an hour."""
    known, now, rests = row(1), NOW, []
    for calm in (0, 0, 0, 0, 59, 60, 0):
        for minutes in (6, calm):
            now += timedelta(minutes=minutes)
            up = NodeSeen(node=known, reading=reading(known, ProcessState.RUNNING))
            known = conclude(up, now, settings(), rebooted=False, cut_off=None)
            assert known.status is Status.RUNNING
        ended = NodeSeen(node=known, reading=reading(known, GONE))
        known = conclude(ended, now, settings(), rebooted=False, cut_off=None)
        assert (known.status, known.crashed) == (STOPPED, True)
        rests.append(round(((known.retry_at or now) - now).total_seconds() / 60))
        now = known.retry_at or now
        start = StartNode(node=known.id, program=None, because=legacy("-"))
        done = Outcome(action=start, result=Result.DONE, ended_at=now)
        started = after(done, during(start, known, now), known)
        assert started is not None
        known = started
    assert rests == [0, 1, 2, 4, 8, 0, 1]


def test_nodes_that_flap_alike_are_no_nodes_that_cannot_start() -> None:
    nodes = [crashed(number, flaps=3, retry_at=ago(1)) for number in (1, 2, 3)]
    seen_now = concluded(decide(seen(nodes), settings(**ENOUGH)))
    later = [
        node(
            number,
            STOPPED,
            crashed=True,
            flaps=4,
            last_error=each.last_error,
            failures=each.failures,
        )
        for number, each in seen_now.items()
    ]
    assert briefly(decide(seen(later, now=ahead(60)), settings(node_cap=3))) == "start 1, start 2, start 3"
