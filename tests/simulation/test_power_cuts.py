"""The power goes before, in and after every step of every kind of action; the next cycles converge."""

from collections.abc import Callable
from datetime import timedelta

import pytest
from msgspec.structs import replace
from tests.builders import limits, settings
from tests.simulation.oracle import check_decision, check_rest, check_world

from wnm.core.decide.forced import ForcedAction, Request, forced
from wnm.core.decide.ladder import decide
from wnm.core.decision import Decision
from wnm.core.node import Status
from wnm.core.observation import Observation
from wnm.core.settings import Settings
from wnm_sim.machine import Choose, SimulatedMachine
from wnm_sim.world import GB, SOUND, Flaw, World, new_world

STORAGES = {"/disk1": "/disk1", "/disk2/nodes": "/disk2"}
MOST_STEPS = 60


def checked(seen: Observation, chosen: Settings) -> Decision:
    """`decide`, with everything that must hold of it."""
    decision = decide(seen, chosen)
    check_decision(seen, decision, chosen, by_hand=False)
    return decision


def asking(word: ForcedAction, *names: str) -> Choose:
    """`forced`, for a request that is confirmed."""
    request = Request(action=word, names=names, confirmed=True)
    return lambda seen, chosen: forced(seen, chosen, request)


def settled(cap: int = 3, minutes: int = 30) -> SimulatedMachine:
    """A machine with a fleet at its cap."""
    chosen = settings(node_cap=cap, node_storage=tuple(STORAGES), **limits(2))
    machine = SimulatedMachine(world=new_world(3, STORAGES, 50 * GB), settings=chosen)
    for _ in range(minutes):
        machine.cycle(checked)
        machine.world.pass_time()
    return machine


def fresh() -> SimulatedMachine:
    return settled(minutes=0)


def crashed() -> SimulatedMachine:
    machine = settled()
    machine.world.crash("/disk1/antnode0001")
    return machine


def outdated() -> SimulatedMachine:
    machine = settled()
    machine.world.program = "0.4.1"
    return machine


def in_gate(flaw: Flaw = SOUND) -> SimulatedMachine:
    """A machine whose oldest node has been given another version, and nobody looked since."""
    machine = outdated()
    machine.world.flaws["0.4.1"] = flaw
    machine.cycle(checked)
    machine.world.pass_time()
    return machine


def failed() -> SimulatedMachine:
    machine = in_gate(Flaw(ends_after_minutes=1))
    assert "antnode0001" not in {path.rsplit("/", 1)[1] for path in machine.world.processes}
    return machine


def stopped_in_gate() -> SimulatedMachine:
    machine = in_gate()
    machine.cycle(asking(ForcedAction.STOP, "antnode0001"))
    machine.world.pass_time()
    return machine


def stopped_in_a_gate_that_cannot_start() -> SimulatedMachine:
    machine = stopped_in_gate()
    machine.world.flaws["0.4.1"] = Flaw(ends_at_start=True)
    return machine


def broken_and_outdated() -> SimulatedMachine:
    machine = outdated()
    machine.world.flaws["0.4.1"] = Flaw(ends_at_start=True)
    return machine


def lacking_a_restart() -> SimulatedMachine:
    machine = outdated()
    # The plan is written down and the program replaced; the power goes before the node is stopped.
    machine.world.steps_left = 3
    assert machine.cycle(checked).outcomes is None
    machine.world.pass_time()
    assert machine.world.folders["/disk1/antnode0001"].version == "0.4.1"
    assert machine.world.processes["/disk1/antnode0001"].version == "0.4.0"
    return machine


def crashed_and_outdated() -> SimulatedMachine:
    machine = crashed()
    machine.world.program = "0.4.1"
    machine.settings = replace(machine.settings, max_concurrent_upgrades=1)
    return machine


def busy() -> SimulatedMachine:
    machine = settled()
    machine.world.busy_cores = 3.9
    return machine


def too_many() -> SimulatedMachine:
    machine = settled()
    machine.settings = replace(machine.settings, node_cap=1)
    return machine


def leaving() -> SimulatedMachine:
    machine = too_many()
    machine.cycle(checked)
    machine.world.pass_time(11)
    return machine


def folder_lost() -> SimulatedMachine:
    machine = settled()
    machine.world.lose("/disk1/antnode0001")
    return machine


def hung() -> SimulatedMachine:
    machine = settled()
    for root_dir in list(machine.world.processes):
        machine.world.hang(root_dir)
    for _ in range(30):
        machine.cycle(checked)
        machine.world.pass_time()
    return machine


def disabled() -> SimulatedMachine:
    machine = settled()
    machine.cycle(asking(ForcedAction.DISABLE, "antnode0002"))
    return machine


SCENES: dict[str, tuple[Callable[[], SimulatedMachine], Choose, str]] = {
    "AddNode": (fresh, checked, "AddNode"),
    "StartNode": (crashed, checked, "StartNode"),
    "UpgradeNode": (outdated, checked, "UpgradeNode"),
    "UpgradeNode to what does not start": (broken_and_outdated, checked, "UpgradeNode"),
    "UpgradeNode by hand in the middle of a gate": (
        in_gate,
        asking(ForcedAction.UPGRADE, "antnode0001"),
        "UpgradeNode",
    ),
    "RollBackNode": (failed, checked, "RollBackNode"),
    "RestartNode that an upgrade lacks": (lacking_a_restart, checked, "RestartNode"),
    "RestartNode by hand in the middle of a gate": (
        in_gate,
        asking(ForcedAction.RESTART, "antnode0001"),
        "RestartNode",
    ),
    "StartNode in the middle of a gate": (stopped_in_gate, checked, "StartNode"),
    "StartNode of what does not start": (stopped_in_a_gate_that_cannot_start, checked, "StartNode"),
    "DisableNode in the middle of a gate": (
        in_gate,
        asking(ForcedAction.DISABLE, "antnode0001"),
        "DisableNode",
    ),
    "StopNode": (busy, checked, "StopNode"),
    "RetireNode": (too_many, checked, "RetireNode"),
    "RemoveNode of a node whose delay is over": (leaving, checked, "RemoveNode"),
    "RemoveNode of a dead node": (folder_lost, checked, "RemoveNode"),
    "RestartNode for silence": (hung, checked, "RestartNode"),
    "AddNode by hand": (lambda: settled(cap=4, minutes=2), asking(ForcedAction.ADD), "AddNode"),
    "StartNode with another program": (
        crashed_and_outdated,
        asking(ForcedAction.START, "antnode0001"),
        "StartNode",
    ),
    "RestartNode by hand": (settled, asking(ForcedAction.RESTART, "antnode0001"), "RestartNode"),
    "RemoveNode by hand": (settled, asking(ForcedAction.REMOVE, "antnode0001"), "RemoveNode"),
    "DisableNode": (settled, asking(ForcedAction.DISABLE, "antnode0001"), "DisableNode"),
    "EnableNode": (disabled, asking(ForcedAction.ENABLE, "antnode0002"), "EnableNode"),
    "teardown": (settled, asking(ForcedAction.TEARDOWN), "RemoveNode"),
}


def keys_of_living_nodes(machine: SimulatedMachine) -> dict[str, object]:
    """The birth of every node that nobody decided to remove."""
    doomed = {row.root_dir for row in machine.ledger.nodes if row.status in (Status.REMOVING, Status.DEAD)}
    folders = machine.world.folders.items()
    return {path: folder.born for path, folder in folders if folder.born and path not in doomed}


def converge(machine: SimulatedMachine) -> Decision:
    """Cycles until nothing happens for longer than any pause."""
    decision: Decision | None = None
    quiet = 0
    for _ in range(400):
        machine.world.pass_time()
        decision = machine.cycle(checked).decision
        check_world(machine)
        assert decision is not None
        quiet = 0 if decision.actions else quiet + 1
        if quiet > 70:
            return decision
    raise AssertionError(f"still busy: {decision}")


@pytest.mark.parametrize("reboots", [False, True], ids=["kill -9", "power cut"])
@pytest.mark.parametrize("scene", SCENES)
def test_every_step(scene: str, reboots: bool) -> None:
    make, choose, kind = SCENES[scene]
    for steps in range(MOST_STEPS):
        machine = make()
        living = keys_of_living_nodes(machine)
        machine.world.steps_left = steps
        result = machine.cycle(choose)
        machine.world.steps_left = None
        assert result.decision is not None
        assert kind in {type(each).__name__ for each in result.decision.actions}
        if result.outcomes is not None:
            break
        if reboots:
            machine.world.reboot()
        decision = converge(machine)
        check_rest(machine, decision, set())
        if kind not in ("RemoveNode", "RetireNode"):
            kept = machine.world.folders
            assert {path for path, born in living.items() if kept[path].born != born} == set()
    assert result.outcomes is not None
    assert steps >= 3, "the scene has no step to be cut off at"


def test_forty_cuts_in_a_row_cost_no_pauses() -> None:
    """Being killed is nobody's failure: a fleet that was killed forty times is up as soon as it is left alone."""
    machine = settled(minutes=0)
    for steps in range(40):
        machine.world.steps_left = steps % 23
        machine.cycle(checked)
        machine.world.steps_left = None
        machine.world.pass_time(0.05)
    machine.settings = replace(machine.settings, delay_start=timedelta(0))
    for _ in range(8):
        machine.cycle(checked)
        machine.world.pass_time()
    assert [row.failures for row in machine.ledger.nodes] == [0, 0, 0]
    assert len(machine.world.processes) == 3


def test_twenty_hung_nodes_of_twenty_are_never_removed_and_come_back_one_by_one() -> None:
    chosen = settings(node_cap=20, node_storage=tuple(STORAGES), **limits(4))
    machine = SimulatedMachine(world=new_world(3, STORAGES, 50 * GB), settings=chosen)
    for _ in range(60):
        machine.cycle(checked)
        machine.world.pass_time()
    born = keys_of_living_nodes(machine)
    assert len(born) == 20
    for root_dir in list(machine.world.processes):
        machine.world.hang(root_dir)
    for _ in range(300):
        decision = machine.cycle(checked).decision
        assert decision is not None
        assert {type(each).__name__ for each in decision.actions} <= {"RestartNode"}
        machine.world.pass_time()
    assert keys_of_living_nodes(machine) == born
    assert not [each for each in machine.world.processes.values() if each.hung]


def test_a_world_is_the_same_for_the_same_seed() -> None:
    first, second = settled(), settled()
    assert first.world == second.world
    assert first.ledger == second.ledger
    assert isinstance(first.world, World)
