"""The executor: every action has its outcome, none reaches another, and none outlives the cycle's patience."""

import threading
import time
from collections.abc import Callable
from datetime import timedelta

import pytest
from tests.act.fakes import FakeFirewall, FakeManager
from tests.builders import NEWER, PROGRAM, VERSION, node

from wnm.act.executor import MOST_AT_ONCE, Job, Subject, TimeLimit, carry_out
from wnm.act.steps import KILLED, Backends, carry_out_actions
from wnm.core.action import (
    AddNode,
    NodeAction,
    Outcome,
    ProgramChoice,
    RemoveNode,
    Result,
    Retry,
    StartNode,
    StopNode,
    UpgradeNode,
)
from wnm.core.errors import NeedsOperator, Permanent, Transient
from wnm.core.node import Node, NodeId
from wnm.core.reasons import Reason, ReasonKind, legacy
from wnm.system.clock import SystemClock

CLOCK = SystemClock()
OLD = ProgramChoice(path=PROGRAM, version=VERSION, stamp="1")
NEW = ProgramChoice(path="/opt/newer", version=NEWER, stamp="2")


def row(number: int) -> Node:
    return node(number).node


class Bench:
    """Backends, rows of nodes 1 to 20, and a short way to have actions carried out."""

    def __init__(self) -> None:
        self.manager = FakeManager()
        self.firewall = FakeFirewall(log=self.manager.done)
        self.rows = {NodeId(number): row(number) for number in range(1, 21)}

    def carry_out(
        self,
        *actions: NodeAction,
        patience: float = 5.0,
        starts: float = 5.0,
        pause: timedelta = timedelta(0),
        healing: int = 1,
    ) -> tuple[Outcome, ...]:
        now = CLOCK.monotonic()
        return carry_out_actions(
            actions,
            self.rows,
            Backends(manager=self.manager, firewall=self.firewall),
            clock=CLOCK,
            limit=TimeLimit(last_start=now + starts, end=now + patience),
            pause=pause,
            healing=healing,
        )

    def fail(self, verb: str, number: int, error: Exception) -> None:
        def trouble() -> None:
            raise error

        self.manager.trouble[verb, number] = trouble

    def hold(self, verb: str, number: int, seconds: float) -> None:
        self.manager.trouble[verb, number] = lambda: time.sleep(seconds)


@pytest.fixture
def bench() -> Bench:
    return Bench()


def add(number: int) -> AddNode:
    return AddNode(node=row(number), program=OLD, because=legacy("room"))


def stop(number: int) -> StopNode:
    return StopNode(node=NodeId(number), shed=False, because=legacy("by hand"))


def start(number: int, program: ProgramChoice | None = None) -> StartNode:
    return StartNode(node=NodeId(number), program=program, because=legacy("stopped"))


def upgrade(number: int) -> UpgradeNode:
    return UpgradeNode(node=NodeId(number), program=NEW, because=legacy("older"))


def remove(number: int) -> RemoveNode:
    return RemoveNode(node=NodeId(number), because=legacy("over the cap"))


def test_outcomes_come_in_the_order_of_the_actions(bench: Bench) -> None:
    bench.hold("stop", 1, 0.2)
    outcomes = bench.carry_out(stop(1), stop(2), start(3))
    assert [outcome.action for outcome in outcomes] == [stop(1), stop(2), start(3)]
    assert {outcome.result for outcome in outcomes} == {Result.DONE}


def test_the_port_is_open_before_the_start_and_closed_after_the_removal(bench: Bench) -> None:
    bench.carry_out(add(1))
    port = row(1).port
    assert bench.manager.done == ["create 1", f"open {port}", "start 1"]
    assert bench.firewall.rules == {port: "wnm antnode0001"}
    bench.manager.done.clear()
    (outcome,) = bench.carry_out(remove(1))
    assert bench.manager.done == ["remove 1", f"close {port}"]
    assert outcome.freed_bytes == 1000


def test_a_bug_in_one_action_is_its_outcome_and_reaches_no_other(bench: Bench) -> None:
    bench.fail("stop", 1, ZeroDivisionError("division by zero"))
    bad, good = bench.carry_out(stop(1), stop(2))
    assert (bad.result, bad.error) == (Result.FAILED, "ZeroDivisionError: division by zero")
    assert good.result is Result.DONE


@pytest.mark.parametrize(
    ("error", "retry"),
    [
        (Transient("try again"), Retry.SOON),
        (Permanent("never"), Retry.LATE),
        (NeedsOperator("no sudo", remedy="add a line"), Retry.OPERATOR),
    ],
)
def test_how_bad_an_error_is_decides_when_to_try_again(bench: Bench, error: Exception, retry: Retry) -> None:
    bench.manager.running.add(1)
    bench.fail("stop", 1, error)
    (outcome,) = bench.carry_out(stop(1))
    assert (outcome.retry, outcome.running_after) == (retry, True)


def test_the_error_is_one_line(bench: Bench) -> None:
    bench.fail("stop", 1, Transient("first\n  second"))
    (outcome,) = bench.carry_out(stop(1))
    assert outcome.error == "first second"


def test_a_node_that_had_to_be_killed_is_noted(bench: Bench) -> None:
    class Stubborn(FakeManager):
        def stop_node(self, node: Node) -> bool:
            super().stop_node(node)
            return True

    bench.manager = Stubborn()
    (outcome,) = bench.carry_out(stop(1))
    assert (outcome.result, outcome.note) == (Result.DONE, KILLED)


def test_an_addition_that_fails_leaves_nothing(bench: Bench) -> None:
    bench.fail("start", 1, Transient("ended at once"))
    (outcome,) = bench.carry_out(add(1))
    assert (outcome.result, outcome.error, outcome.running_after) == (Result.FAILED, "ended at once", False)
    assert (bench.manager.folders, bench.firewall.rules) == (set(), {})


def test_an_addition_that_cannot_be_undone_says_both(bench: Bench) -> None:
    bench.fail("start", 1, Transient("ended at once"))
    bench.fail("remove", 1, Transient("disk is read-only"))
    (outcome,) = bench.carry_out(add(1))
    assert outcome.error == "ended at once; undoing the addition failed too: disk is read-only"
    assert outcome.left_over


def test_a_failed_upgrade_goes_back_to_the_old_program_and_runs(bench: Bench) -> None:
    bench.manager.programs[1] = PROGRAM
    bench.manager.running.add(1)
    attempts = iter([Transient("ended at once")])

    def first_fails() -> None:
        for error in attempts:
            raise error

    bench.manager.trouble["start", 1] = first_fails
    (outcome,) = bench.carry_out(upgrade(1))
    assert outcome.result is Result.FAILED
    assert outcome.error == "ended at once; it runs on its old program again"
    assert (bench.manager.programs[1], outcome.running_after) == (PROGRAM, True)


def test_an_upgrade_whose_copy_fails_touches_no_process(bench: Bench) -> None:
    bench.manager.running.add(1)
    bench.fail("place", 1, Transient("no space left"))
    (outcome,) = bench.carry_out(upgrade(1))
    assert (outcome.result, outcome.running_after, bench.manager.done) == (Result.FAILED, True, [])


def test_a_started_node_is_brought_to_the_program_first(bench: Bench) -> None:
    bench.carry_out(start(1, NEW), start(2))
    assert bench.manager.done.index("place 1") < bench.manager.done.index("start 1")
    assert "place 2" not in bench.manager.done


def test_what_hangs_is_unfinished_and_does_not_hold_the_cycle_up(bench: Bench) -> None:
    released = threading.Event()

    def hang() -> None:
        released.wait(20)

    bench.manager.trouble["stop", 1] = hang
    began = time.monotonic()
    hanging, other = bench.carry_out(stop(1), stop(2), patience=0.5)
    assert time.monotonic() - began < 5
    assert (hanging.result, other.result) == (Result.UNFINISHED, Result.DONE)
    released.set()


def test_nothing_begins_after_the_last_start(bench: Bench) -> None:
    bench.manager.running.update({1, 2})
    outcomes = bench.carry_out(stop(1), stop(2), starts=-1.0)
    assert [outcome.result for outcome in outcomes] == [Result.DEFERRED, Result.DEFERRED]
    assert bench.manager.running == {1, 2}


def test_a_pause_lies_between_two_operations(bench: Bench) -> None:
    began = time.monotonic()
    outcomes = bench.carry_out(stop(1), stop(2), stop(3), pause=timedelta(seconds=0.15))
    assert {outcome.result for outcome in outcomes} == {Result.DONE}
    assert time.monotonic() - began >= 0.3


def test_no_more_at_once_than_there_are_workers(bench: Bench) -> None:
    for number in range(1, 21):
        bench.hold("stop", number, 0.05)
    outcomes = bench.carry_out(*(stop(number) for number in range(1, 21)))
    assert {outcome.result for outcome in outcomes} == {Result.DONE}
    assert 1 < bench.manager.busiest <= MOST_AT_ONCE


@pytest.mark.parametrize("make", [stop, start])
def test_two_actions_for_one_node_are_refused(bench: Bench, make: Callable[[int], NodeAction]) -> None:
    with pytest.raises(ValueError, match="only one job for each"):
        bench.carry_out(stop(1), make(1))


def crashed(number: int) -> StartNode:
    return StartNode(node=NodeId(number), program=None, because=Reason(kind=ReasonKind.CRASHED))


@pytest.mark.parametrize("slots", [1, 2, 10])
def test_crashed_nodes_have_slots_of_their_own_and_the_next_begins_when_one_is_done(
    bench: Bench, slots: int
) -> None:
    everyone_is_here = threading.Barrier(slots)
    at_work = threading.Semaphore(slots)

    def start_with_others() -> None:
        assert at_work.acquire(blocking=False), "more at one moment than there are slots"
        everyone_is_here.wait(10)
        at_work.release()

    for number in range(1, 2 * slots + 1):
        bench.manager.trouble["start", number] = start_with_others
    outcomes = bench.carry_out(*(crashed(number) for number in range(1, 2 * slots + 1)), healing=slots)
    assert [outcome.error for outcome in outcomes] == [None] * 2 * slots


def test_a_crashed_node_that_hangs_holds_up_nothing_but_its_slot(bench: Bench) -> None:
    bench.hold("start", 1, 3)
    outcomes = bench.carry_out(
        crashed(1), crashed(2), *(stop(number) for number in range(3, 20)), patience=1.0
    )
    assert [outcome.result for outcome in outcomes[:2]] == [Result.UNFINISHED, Result.DEFERRED]
    assert {outcome.result for outcome in outcomes[2:]} == {Result.DONE}


def test_jobs_are_about_anything() -> None:
    """Neither nodes nor process managers are needed to have something carried out."""

    def fail() -> str:
        raise Transient("no such image")

    now = CLOCK.monotonic()
    up, down = carry_out(
        [
            Job(subject=Subject("container", "a"), run=lambda: "started"),
            Job(subject=Subject("container", "b"), run=fail, probe=lambda: False),
        ],
        clock=CLOCK,
        limit=TimeLimit(last_start=now + 5, end=now + 5),
    )
    assert (up.result, up.value) == (Result.DONE, "started")
    assert (down.result, down.error, down.running_after) == (Result.FAILED, "no such image", False)
