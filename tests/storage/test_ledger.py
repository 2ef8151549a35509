"""What is intended, concluded and recalled; every step opens the database anew, as cycles do."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from msgspec.structs import replace
from tests.storage.builders import (
    AVAILABLE,
    MINUTE,
    NOW,
    PROGRAM,
    SETTINGS,
    Store,
    add,
    counters,
    decision,
    ending,
    node,
    observation,
)

from wnm.core.action import (
    Action,
    NodeAction,
    Outcome,
    RemoveNode,
    Result,
    Resurvey,
    RetireNode,
    Retry,
    StartNode,
    StopNode,
)
from wnm.core.decision import Conclusion
from wnm.core.errors import Bug, NeedsOperator
from wnm.core.node import NodeId, Status
from wnm.core.observation import Interrupted, LedgerState, Observation, Remembered, Unseen
from wnm.core.places import KnownPlace
from wnm.core.reasons import legacy
from wnm.storage.database import open_for_writing
from wnm.storage.ledger import Intention, Ledger

STOP = StopNode(node=NodeId(1), shed=True, because=legacy("the load is high"))
START = StartNode(node=NodeId(2), program=PROGRAM, because=legacy("there is room"))
REMOVE = RemoveNode(node=NodeId(1), because=legacy("the cap shrank"))


class Machine(Store):
    """A store with the verbs of a cycle."""

    def load(self) -> LedgerState:
        with open_for_writing(self.path) as database:
            return Ledger(database).load()

    def intend(
        self, *actions: Action, seen: Observation | None = None, conclusions: tuple[Conclusion, ...] = ()
    ) -> Intention:
        with open_for_writing(self.path) as database:
            decided = decision(*actions, conclusions=conclusions)
            return Ledger(database).intend(seen or observation(), SETTINGS, decided, NOW)

    def conclude(self, intention: Intention, *outcomes: Outcome, exit_code: int = 0) -> None:
        with open_for_writing(self.path) as database:
            Ledger(database).conclude(
                intention,
                outcomes,
                ending(NOW + MINUTE, exit_code=exit_code, counters=counters(), history_days=30),
            )


@pytest.fixture
def machine(tmp_path: Path) -> Iterator[Machine]:
    made = Machine(tmp_path)
    made.insert(node(1), node(2, Status.STOPPED))
    yield made
    with open_for_writing(made.path) as database:
        assert database.read(lambda c: c.execute("PRAGMA integrity_check").fetchone()[0]) == "ok"


def outcome(action: NodeAction, result: Result = Result.DONE, **more: object) -> Outcome:
    made = Outcome(action=action, result=result, ended_at=NOW + timedelta(seconds=30))
    return replace(made, **more)


def _apart_from_identity(machine: Machine) -> Remembered:
    return replace(machine.load().remembered, identity=None)


def test_a_new_ledger_remembers_nothing(tmp_path: Path) -> None:
    state = Machine(tmp_path).load()
    assert state == LedgerState(
        nodes=(),
        interrupted=(),
        remembered=Remembered(identity=state.remembered.identity),
        boot_id=None,
        counters=None,
        available=None,
        last_cycle_at=None,
        machine_seed=int(NOW.timestamp() * 1_000_000),
    )


def test_a_node_comes_back_as_it_was_written(machine: Machine) -> None:
    assert machine.load().nodes == (node(1), node(2, Status.STOPPED))


def test_settings_are_kept_changed_and_forgotten(machine: Machine) -> None:
    with open_for_writing(machine.path) as database:
        Ledger(database).change_settings({"node_cap": "5", "environment": "", "rewards_address": None}, NOW)
    with open_for_writing(machine.path) as database:
        assert Ledger(database).settings() == {"node_cap": "5", "environment": ""}


def test_an_intention_is_there_before_the_deed(machine: Machine) -> None:
    machine.intend(STOP, START, add(3))
    state = machine.load()
    assert [found.action for found in state.interrupted] == [STOP, START, add(3)]
    assert [each.status for each in state.nodes] == [Status.RUNNING, Status.RESTARTING, Status.RESTARTING]
    assert state.nodes[2].id == 3


def test_what_was_concluded_holds_before_anything_acts(machine: Machine) -> None:
    ended = replace(node(1), status=Status.STOPPED, because="its process ended")
    start = StartNode(node=NodeId(1), program=None, because=legacy("stopped"))
    intention = machine.intend(start, conclusions=(Conclusion(before=node(1), after=ended),))
    assert intention.intended[0].before == ended
    assert machine.nodes()[1].status is Status.RESTARTING


def test_a_cycle_that_succeeds(machine: Machine) -> None:
    intention = machine.intend(STOP, START, add(3))
    machine.conclude(intention, outcome(add(3)), outcome(STOP), outcome(START))
    state = machine.load()
    assert state.interrupted == ()
    assert [each.status for each in state.nodes] == [Status.STOPPED, Status.RESTARTING, Status.RESTARTING]
    assert state.nodes[0].because == "the load is high"
    assert state.nodes[2].binary_version == "0.4.7"
    assert state.boot_id == "boot-1"
    assert state.counters == counters()
    assert state.available == AVAILABLE
    assert state.last_cycle_at == NOW


def test_a_deferred_action_leaves_the_row_as_it_was(machine: Machine) -> None:
    before = machine.nodes()
    intention = machine.intend(STOP, START, add(3))
    machine.conclude(
        intention, *(outcome(item.action, Result.DEFERRED) for item in intention.intended), exit_code=0
    )
    assert machine.nodes() == before
    assert machine.load().interrupted == ()


def test_an_unfinished_action_is_left_to_the_next_cycle(machine: Machine) -> None:
    intention = machine.intend(START)
    machine.conclude(intention, outcome(START, Result.UNFINISHED, note="still copying"))
    state = machine.load()
    assert state.interrupted == (Interrupted(operation_id=intention.intended[0].operation_id, action=START),)
    assert machine.nodes()[2].status is Status.RESTARTING


def test_an_action_without_an_outcome_is_left_to_the_next_cycle_too(machine: Machine) -> None:
    machine.conclude(machine.intend(STOP, START), outcome(STOP))
    assert [found.action for found in machine.load().interrupted] == [START]


def test_the_next_cycle_closes_what_it_found_open(machine: Machine) -> None:
    machine.intend(START)
    found = machine.load().interrupted
    second = machine.intend(STOP, seen=observation(interrupted=found))
    assert [left.action for left in machine.load().interrupted] == [STOP]
    machine.conclude(second, outcome(STOP))
    assert machine.load().interrupted == ()


def test_what_was_concluded_is_not_called_interrupted(machine: Machine) -> None:
    first = machine.intend(STOP)
    machine.conclude(first, outcome(STOP))
    stale = Interrupted(operation_id=first.intended[0].operation_id, action=STOP)
    machine.intend(START, seen=observation(interrupted=(stale,)))
    assert machine.load().remembered.last_shed_at == outcome(STOP).ended_at


def test_an_idle_cycle_closes_what_it_found_open(machine: Machine) -> None:
    machine.intend(START)
    found = machine.load().interrupted
    with open_for_writing(machine.path) as database:
        Ledger(database).record_idle(
            observation(interrupted=found),
            SETTINGS,
            decision(Resurvey(because=legacy("rebooted"))),
            NOW,
            ending(NOW, exit_code=0, counters=None, history_days=30),
        )
    assert machine.load().interrupted == ()


def test_a_removed_node_has_no_row(machine: Machine) -> None:
    machine.conclude(machine.intend(REMOVE), outcome(REMOVE, freed_bytes=123))
    assert set(machine.nodes()) == {2}


def test_an_addition_that_failed_has_no_row_and_backs_off(machine: Machine) -> None:
    waits: list[timedelta | None] = []
    for _ in range(4):
        failed = outcome(add(3), Result.FAILED, error="no space", running_after=False)
        machine.conclude(machine.intend(add(3)), failed, exit_code=1)
        state = machine.load()
        assert {each.id for each in state.nodes} == {1, 2}
        until = state.remembered.add_retry_at
        waits.append(None if until is None else until - (NOW + MINUTE))
    assert waits == [None, MINUTE, 2 * MINUTE, 4 * MINUTE]
    assert state.remembered.add_failures == 4
    assert state.remembered.add_last_error == "no space"
    machine.conclude(machine.intend(add(3)), outcome(add(3)))
    assert _apart_from_identity(machine) == Remembered()


def test_many_failed_additions_in_one_cycle_count_once(machine: Machine) -> None:
    failed = [
        outcome(add(number), Result.FAILED, error=f"no {number}", running_after=False) for number in (3, 4, 5)
    ]
    machine.conclude(machine.intend(*(each.action for each in failed)), *failed, exit_code=1)
    remembered = machine.load().remembered
    assert (remembered.add_failures, remembered.add_last_error) == (1, "no 5")


def test_one_failed_addition_among_others_starts_counting_anew(machine: Machine) -> None:
    for _ in range(3):
        failed = outcome(add(3), Result.FAILED, error="no", running_after=False)
        machine.conclude(machine.intend(add(3)), failed, exit_code=1)
    failed = outcome(add(4), Result.FAILED, error="no", running_after=False)
    machine.conclude(machine.intend(add(3), add(4)), outcome(add(3)), failed, exit_code=1)
    assert machine.load().remembered.add_failures == 1


def test_an_addition_only_the_operator_can_mend_waits_longest(machine: Machine) -> None:
    failed = outcome(add(3), Result.FAILED, error="no", running_after=False, retry=Retry.OPERATOR)
    machine.conclude(machine.intend(add(3)), failed, exit_code=1)
    assert machine.load().remembered.add_retry_at == NOW + MINUTE + timedelta(hours=1)


def test_a_failure_that_is_not_an_addition_does_not_hold_additions_back(machine: Machine) -> None:
    machine.conclude(machine.intend(START), outcome(START, Result.FAILED, error="no"), exit_code=1)
    assert machine.load().remembered.add_failures == 0
    assert machine.nodes()[2].failures == node(2).failures + 1


def test_the_last_shedding_and_removal_are_remembered(machine: Machine) -> None:
    retire = RetireNode(node=NodeId(2), because=legacy("over the cap"))
    machine.conclude(machine.intend(STOP, retire), outcome(STOP), outcome(retire))
    machine.conclude(machine.intend(REMOVE), outcome(REMOVE, freed_bytes=123))
    gentle = StopNode(node=NodeId(2), shed=False, because=legacy("asked for"))
    machine.conclude(machine.intend(gentle), replace(outcome(gentle), ended_at=NOW + 5 * MINUTE))
    assert _apart_from_identity(machine) == Remembered(
        last_shed_at=NOW + timedelta(seconds=30),
        last_freed_bytes=123,
        last_freed_at=NOW + timedelta(seconds=30),
        last_freed_mount_point="/data",
    )


def test_a_removal_of_unknown_size_does_not_hide_the_one_before(machine: Machine) -> None:
    machine.conclude(machine.intend(REMOVE), outcome(REMOVE, freed_bytes=123))
    second = RemoveNode(node=NodeId(2), because=legacy("over the cap"))
    machine.conclude(machine.intend(second), outcome(second, freed_bytes=None))
    assert machine.load().remembered.last_freed_bytes == 123


@pytest.mark.parametrize("result", [Result.FAILED, Result.DEFERRED, Result.UNFINISHED])
def test_what_was_not_done_is_not_remembered_as_done(result: Result, machine: Machine) -> None:
    remove = RemoveNode(node=NodeId(2), because=legacy("over the cap"))
    machine.conclude(
        machine.intend(STOP, remove), outcome(STOP, result), outcome(remove, result, freed_bytes=1)
    )
    assert _apart_from_identity(machine) == Remembered()


def test_what_was_not_seen_keeps_what_was_known(machine: Machine) -> None:
    unseen = observation(available=Unseen(reason="the program hangs"), boot_id="boot-2")
    with open_for_writing(machine.path) as database:
        Ledger(database).record_idle(
            unseen,
            SETTINGS,
            decision(),
            NOW + MINUTE,
            ending(NOW + MINUTE, exit_code=0, counters=None, history_days=30),
        )
    state = machine.load()
    assert state.available == AVAILABLE
    assert state.counters == counters()
    assert state.boot_id == "boot-2"
    assert state.last_cycle_at == NOW + MINUTE


def test_an_action_on_a_node_without_a_row_is_a_bug_and_writes_nothing(machine: Machine) -> None:
    before = machine.load()
    with pytest.raises(Bug, match="StartNode was decided for node 9"):
        machine.intend(add(3), StartNode(node=NodeId(9), program=None, because=legacy("?")))
    assert machine.load() == before


def test_an_outcome_that_was_never_intended_is_a_bug_and_writes_nothing(machine: Machine) -> None:
    intention = machine.intend(STOP)
    before = machine.load()
    for strange in (outcome(START), outcome(REMOVE)):
        with pytest.raises(Bug, match="was never intended"):
            machine.conclude(intention, outcome(STOP) if strange.action is START else strange, strange)
    assert machine.load() == before


def test_a_cycle_with_actions_cannot_be_recorded_as_idle(machine: Machine) -> None:
    with pytest.raises(Bug, match="before it acts"):
        machine.idle(decision(STOP))


def test_an_operation_that_cannot_be_read_needs_the_operator(machine: Machine) -> None:
    machine.intend(STOP)
    with open_for_writing(machine.path) as database:
        database.write(lambda c: c.execute('UPDATE operation SET action = \'{"is":"Fly"}\''))
    with pytest.raises(NeedsOperator, match="operation 1: not a NodeAction"):
        machine.load()


def test_rows_that_were_read_are_read_again_only_where_the_ledger_wrote(tmp_path: Path) -> None:
    store = Store(tmp_path)
    store.insert(node(1), node(2), node(3))
    with open_for_writing(store.path) as database:
        ledger = Ledger(database)
        one, two, three = ledger.load().nodes
        assert ledger.nodes() == (one, two, three)
        crash = Conclusion(before=one, after=replace(one, status=Status.STOPPED, because="caf\udce9"))
        removal = RemoveNode(node=two.id, because=legacy("the cap"))
        intention = ledger.intend(
            observation((one, two, three)), SETTINGS, decision(removal, conclusions=(crash,)), NOW
        )
        during = ledger.nodes()
        assert [each.status for each in during] == [Status.STOPPED, Status.REMOVING, three.status]
        assert during[0].because == "caf\\udce9"
        assert during[2] is three
        done = Outcome(action=removal, result=Result.DONE, ended_at=NOW)
        ledger.conclude(intention, (done,), ending(NOW, exit_code=0, counters=None, history_days=30))
        assert [each.id for each in ledger.nodes()] == [1, 3]
        assert ledger.nodes() == Ledger(database).nodes()


def test_a_storage_folder_is_remembered_with_its_marker_and_its_last_failure(machine: Machine) -> None:
    good = KnownPlace(path="/a", folder="f", file_system="1f", device="8:1")
    bad = KnownPlace(path="/b", failed_at=NOW, failure="No space left on device")
    for places in ((good, bad), (replace(good, folder="g"),)):
        with open_for_writing(machine.path) as database:
            Ledger(database).note_places(places)
    assert machine.load().remembered.places == (replace(good, folder="g"), bad)
