"""Crashed nodes: started again at once, whatever else goes on; only what cannot work holds them."""

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
    reasons,
    seen,
    settings,
)

from wnm.core.action import RestartNode, StopNode
from wnm.core.decide.ladder import decide
from wnm.core.node import NodeId, ProcessState, Status
from wnm.core.observation import NodeSeen
from wnm.core.reasons import BlockKind, legacy
from wnm.core.sentences import remedy

GONE, STOPPED = ProcessState.STOPPED, Status.STOPPED
ENOUGH: dict[str, Any] = {"node_cap": 9, **limits(9)}
STOP = StopNode(node=NodeId(1), shed=True, because=legacy("-"))


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


def test_they_come_back_after_a_reboot_once_every_node_was_looked_at() -> None:
    nodes = [crashed(1), crashed(2)]
    decision = decide(seen(nodes, rebooted=True, cpu=75.0), settings(node_cap=2, **limits(1)))
    assert (decision.rule, briefly(decision)) == ("reboot", "resurvey")
    after = [node(number, STOPPED, crashed=row.crashed) for number, row in concluded(decision).items()]
    assert briefly(decide(seen(after, cpu=75.0), settings(node_cap=2, **limits(1)))) == "start 1, start 2"


@cases(
    "known, cut_off, again",
    {
        "one whose process ended": (crashed(1), (), True),
        "one that wnm stopped": (node(1, STOPPED), (), False),
        "one whose stop was interrupted": (crashed(1), (STOP,), False),
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
    assert "waits for room: with one more node cpu" in reasons(decision)


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
    busy = node(1, Status.RESTARTING, status_since=NOW, crashed=True, failures=3)
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
