"""Weeks of releases, good and bad: how many nodes are harmed, that all are well in the end, and that it ends."""

from collections import Counter
from copy import deepcopy
from dataclasses import dataclass, field
from datetime import timedelta
from functools import cache
from typing import Any

import hypothesis
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace
from tests.builders import briefly, limits, settings
from tests.simulation.events import upgrade_itself
from tests.simulation.oracle import check_decision, check_world

from wnm.core.action import AddNode, RollBackNode, StartNode, UpgradeNode
from wnm.core.decide.forced import ForcedAction, Request, forced
from wnm.core.decide.ladder import decide
from wnm.core.decision import Decision
from wnm.core.node import TRANSITIONS, Status
from wnm.core.observation import Observation
from wnm.core.sentences import waiting_for
from wnm.core.settings import Settings
from wnm_sim.machine import SimulatedMachine, node_actions
from wnm_sim.world import GB, SOUND, Flaw, new_world

STORAGES = {"/disk1": "/disk1", "/disk2/nodes": "/disk2"}
NODES = 6
DAY = 24 * 60
FLAWS = {
    "does not start": Flaw(ends_at_start=True),
    "ends after four minutes": Flaw(ends_after_minutes=4),
    "ends after ten minutes": Flaw(ends_after_minutes=10),
    "has no peers": Flaw(has_no_peers=True),
    "says an older version": Flaw(says="0.0.1"),
    "says a newer version": Flaw(says="9.9.9"),
}


@dataclass(kw_only=True)
class Weeks:
    """A machine with a fleet, and what happened on it. `given` are the nodes that got each version, in their order."""

    machine: SimulatedMachine
    given: dict[str, list[str]] = field(default_factory=dict)
    born: dict[str, Any] = field(default_factory=dict)
    fewest_healthy: int = NODES
    rolled_back: int = 0
    last: Decision | None = None

    @property
    def healthy(self) -> int:
        """The nodes that run a version that has nothing the matter with it for them."""
        world = self.machine.world
        return sum(world.flaw_of(each.version, path) == SOUND for path, each in world.processes.items())

    def one_cycle(self, minutes: float = 1, request: Request | None = None) -> None:
        world = self.machine.world
        world.pass_time(minutes)

        def choose(seen: Observation, chosen: Settings) -> Decision:
            decision = decide(seen, chosen) if request is None else forced(seen, chosen, request)
            check_decision(seen, decision, chosen, by_hand=request is not None)
            self._note(decision)
            self.last = decision
            return decision

        self.machine.cycle(choose)
        check_world(self.machine)
        self.fewest_healthy = min(self.fewest_healthy, self.healthy)
        for path, folder in self.machine.world.folders.items():
            if folder.born is not None:
                assert self.born.setdefault(path, folder.born) == folder.born, "an identity was lost"

    def _note(self, decision: Decision) -> None:
        for action in node_actions(decision):
            self.rolled_back += isinstance(action, RollBackNode)
            if isinstance(action, AddNode | UpgradeNode | StartNode) and action.program is not None:
                name = action.node.name if isinstance(action, AddNode) else f"antnode{action.node:04d}"
                known = self.given.setdefault(action.program.version, [])
                if name not in known:
                    known.append(name)

    def pass_minutes(self, count: int) -> None:
        for _ in range(count):
            self.one_cycle()

    def release(self, version: str, flaw: Flaw = SOUND) -> None:
        self.machine.world.program = version
        self.machine.world.flaws[version] = flaw

    def rest(self, most_minutes: int = 3 * DAY) -> None:
        """Cycles until nothing has been done for longer than any pause; nothing may go on for ever."""
        quiet = 0
        for _ in range(most_minutes):
            started = self.machine.world.started
            self.one_cycle()
            assert self.last is not None
            busy = self.last.actions or self.machine.world.started != started
            quiet = 0 if busy else quiet + 1
            if quiet > 90:
                return
        raise AssertionError(f"still busy: {briefly(self.last) if self.last else ''}")

    def check_well(self) -> None:
        """Every node runs, on a version that works, with the identity that it had; nothing is half-done."""
        world = self.machine.world
        rows = self.machine.ledger.nodes
        assert Counter(row.status for row in rows) == {Status.RUNNING: len(rows)}
        assert self.healthy == len(rows) == self.machine.settings.node_cap
        assert {row.root_dir for row in rows} == set(world.folders)
        assert [row.name for row in rows if row.gate_version or row.gate_failure] == []
        assert all(world.processes[row.root_dir].version == row.binary_version for row in rows)
        assert self.machine.ledger.unconcluded == {}

    def versions(self) -> Counter[str]:
        return Counter(process.version for process in self.machine.world.processes.values())


def fleet(seed: int = 3, limit: int = 2, **changes: Any) -> Weeks:
    """A machine with its nodes up and running on 0.4.0."""
    weeks = deepcopy(_settled_fleet(seed))
    weeks.machine.settings = replace(weeks.machine.settings, **limits(limit), **changes)
    return weeks


@cache
def _settled_fleet(seed: int) -> Weeks:
    wished = {"node_cap": NODES, "node_storage": tuple(STORAGES), **limits(4)}
    machine = SimulatedMachine(world=new_world(seed, STORAGES, 50 * GB), settings=settings(**wished))
    weeks = Weeks(machine=machine)
    weeks.rest()
    weeks.check_well()
    weeks.given.clear()
    weeks.fewest_healthy = NODES
    return weeks


@pytest.mark.parametrize("allowed", [1, 2, 3])
@pytest.mark.parametrize("flaw", FLAWS)
def test_a_bad_version_reaches_as_many_as_may_fail_and_no_more(flaw: str, allowed: int) -> None:
    delay = timedelta(minutes=12)  # a gate sees what shows while it lasts
    weeks = fleet(upgrade_failures_allowed=allowed, delay_upgrade=delay)
    weeks.release("0.4.1", FLAWS[flaw])
    weeks.rest()
    weeks.check_well()
    assert weeks.versions() == {"0.4.0": NODES}
    assert len(weeks.given["0.4.1"]) == allowed
    assert weeks.fewest_healthy >= NODES - 1
    assert weeks.last is not None
    (held,) = [each for each in weeks.last.held if each.remedy is not None]
    assert "0.4.1 is halted" in waiting_for(held)
    # A version that works reaches everybody, those that went back as well.
    weeks.release("0.4.2")
    weeks.rest()
    weeks.check_well()
    assert weeks.versions() == {"0.4.2": NODES}
    assert not any(each.remedy for each in weeks.last.held)


@pytest.mark.parametrize("keeps_up", [False, True])
@pytest.mark.parametrize("limit", [1, 2])
def test_what_shows_soon_after_the_gate_still_halts_the_version(limit: int, keeps_up: bool) -> None:
    """Those that passed by then are harmed too, and everybody comes back to what works."""
    weeks = fleet(limit=limit, delay_upgrade=timedelta(minutes=5))
    weeks.machine.world.keeps_up = keeps_up
    weeks.release("0.4.1", FLAWS["ends after ten minutes"])
    weeks.rest()
    weeks.check_well()
    assert weeks.versions() == {"0.4.0": NODES}
    assert len(weeks.given["0.4.1"]) <= 1 + limit
    assert weeks.last is not None
    assert ["0.4.1 is halted" in waiting_for(each) for each in weeks.last.held if each.remedy] == [True]
    weeks.release("0.4.2")
    weeks.rest()
    weeks.check_well()
    assert weeks.versions() == {"0.4.2": NODES}


def test_what_shows_long_after_the_gate_is_not_seen_by_it() -> None:
    """The promise has this limit: nodes that end that late are started again like any other, and rest in between."""
    weeks = fleet(delay_upgrade=timedelta(minutes=2))
    weeks.release("0.4.1", FLAWS["ends after ten minutes"])
    weeks.pass_minutes(DAY // 4)
    assert {row.binary_version for row in weeks.machine.ledger.nodes} == {"0.4.1"}
    weeks.release("0.4.2")
    weeks.rest()
    weeks.check_well()


def test_a_good_version_reaches_everybody_one_first() -> None:
    weeks = fleet(limit=2)
    weeks.release("0.4.1")
    before = set(weeks.machine.world.processes.values())
    weeks.pass_minutes(4)
    assert len(before - set(weeks.machine.world.processes.values())) == 1
    weeks.rest()
    weeks.check_well()
    assert weeks.versions() == {"0.4.1": NODES}
    assert weeks.given["0.4.1"] == [f"antnode{number:04d}" for number in range(1, NODES + 1)]
    assert weeks.fewest_healthy >= NODES - 2
    assert not any(folder.previous for folder in weeks.machine.world.folders.values())


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("flaw", ["does not start", "has no peers", "ends after four minutes"])
def test_a_version_that_is_bad_for_some_stops_at_the_failures_allowed(flaw: str, seed: int) -> None:
    """Whom it suits keeps it, whom it does not goes back; nobody is left on what does not work for it."""
    weeks = fleet(seed, limit=2, upgrade_failures_allowed=2)
    weeks.release("0.4.1", replace(FLAWS[flaw], share=0.3))
    weeks.rest()
    weeks.check_well()
    world = weeks.machine.world
    (record,) = [each for each in weeks.machine.ledger.remembered.releases if each.version == "0.4.1"]
    assert len(record.failures) <= 2 + 1, (
        "as many as were in the gate at once may fail beside the last that is allowed"
    )
    suited = [path for path in world.folders if world.flaw_of("0.4.1", path) == SOUND]
    if len(record.failures) < 2:
        assert weeks.versions() == {"0.4.1": len(suited), "0.4.0": NODES - len(suited)} or not record.failures


def test_new_nodes_get_what_works_while_a_version_is_in_gate_and_after_it_was_halted() -> None:
    weeks = fleet(delay_upgrade=timedelta(minutes=12))
    weeks.release("0.4.1", FLAWS["has no peers"])
    weeks.pass_minutes(3)
    weeks.machine.settings = replace(weeks.machine.settings, node_cap=NODES + 2)
    weeks.rest()
    weeks.check_well()
    assert weeks.versions() == {"0.4.0": NODES + 2}
    assert len(weeks.given["0.4.1"]) == 1
    weeks.machine.settings = replace(weeks.machine.settings, node_cap=NODES + 3)
    weeks.rest()
    weeks.check_well()
    assert len(weeks.given["0.4.1"]) == 1


@pytest.mark.parametrize("limit", [1, 2, 4])
def test_urgent_nodes_go_together_and_a_bad_version_reaches_them_only(limit: int) -> None:
    weeks = fleet(limit=limit)
    weeks.machine.world.least_version = "0.4.1"
    weeks.release("0.4.1", FLAWS["has no peers"])
    weeks.rest()
    weeks.check_well()
    assert len(weeks.given["0.4.1"]) == limit
    assert weeks.fewest_healthy >= NODES - limit


def test_a_halt_is_lifted_by_hand() -> None:
    weeks = fleet()
    weeks.release("0.4.1", FLAWS["does not start"])
    weeks.rest()
    weeks.machine.world.flaws.clear()
    weeks.one_cycle(request=Request(action=ForcedAction.UPGRADE))
    weeks.rest()
    weeks.check_well()
    assert weeks.versions() == {"0.4.1": NODES}


def test_versions_that_come_and_go_move_nobody_after_the_first_time() -> None:
    weeks = fleet()
    for turn in range(40):
        version, flaw = ("0.4.0", SOUND) if turn % 2 else ("0.4.1", FLAWS["has no peers"])
        weeks.release(version, flaw)
        weeks.pass_minutes(7 + turn % 5)
    weeks.rest()
    weeks.check_well()
    assert weeks.rolled_back == 1
    assert weeks.given.get("0.4.1") == ["antnode0001"]


def test_nodes_that_upgrade_themselves_are_left_alone() -> None:
    weeks = fleet()
    for path in sorted(weeks.machine.world.folders)[:3]:
        upgrade_itself(weeks.machine.world, path, "0.5.0")
    weeks.release("0.4.1")
    weeks.rest()
    weeks.check_well()
    assert weeks.versions() == {"0.5.0": 3, "0.4.1": NODES - 3}


def test_when_the_former_version_does_not_start_either_a_newer_one_still_comes() -> None:
    """The worst case: a version that spoils what the old one needs. One node is down, until the next release."""
    weeks = fleet(limit=1)
    world = weeks.machine.world
    canary = "/disk1/antnode0001"
    weeks.release("0.4.1", FLAWS["has no peers"])
    weeks.pass_minutes(3)
    world.flaws["0.4.0"] = Flaw(ends_at_start=True)
    weeks.pass_minutes(DAY)
    assert canary not in world.processes
    assert len(world.processes) == NODES - 1
    weeks.release("0.4.2")
    weeks.rest()
    weeks.check_well()
    assert weeks.versions() == {"0.4.2": NODES}


# ---- any releases, and the power goes in any step

SOME = st.one_of(
    st.just(SOUND),
    st.sampled_from([each for each in FLAWS.values() if each.ends_after_minutes != 10]),
    st.sampled_from([replace(each, share=0.2) for each in FLAWS.values() if each.ends_after_minutes != 10]),
)


FEWER = max(40, hypothesis.settings().max_examples // 6)
"""One of these examples takes as long as many others do."""


@hypothesis.settings(max_examples=FEWER)
@given(
    flaws=st.lists(st.tuples(SOME, st.integers(1, 60)), min_size=1, max_size=5),
    seed=st.integers(0, 99),
    limit=st.integers(1, 4),
    allowed=st.integers(1, 3),
    delay=st.sampled_from([5, 8]),
    keeps_up=st.booleans(),
)
def test_any_weeks(
    flaws: list[tuple[Flaw, int]], seed: int, limit: int, allowed: int, delay: int, keeps_up: bool
) -> None:
    weeks = fleet(seed, limit, upgrade_failures_allowed=allowed, delay_upgrade=timedelta(minutes=delay))
    weeks.machine.world.keeps_up = keeps_up
    for number, (flaw, minutes) in enumerate(flaws, 1):
        weeks.release(f"0.4.{number}", flaw)
        weeks.pass_minutes(minutes)
    assert weeks.fewest_healthy >= NODES - limit - allowed
    weeks.rest()
    weeks.check_well()
    assert weeks.fewest_healthy >= NODES - limit - allowed
    for number, (flaw, _) in enumerate(flaws, 1):
        if flaw != SOUND and flaw.share == 1:
            assert len(weeks.given.get(f"0.4.{number}", [])) <= allowed
    # Nothing flaps: in a world in which nothing changes no process is started again.
    started = weeks.machine.world.started
    for _ in range(DAY // 5):
        weeks.one_cycle(5)
    assert weeks.machine.world.started == started


@hypothesis.settings(max_examples=FEWER)
@given(
    flaws=st.lists(st.tuples(SOME, st.integers(1, 40)), min_size=1, max_size=4),
    cuts=st.lists(st.tuples(st.integers(0, 30), st.integers(0, 14), st.booleans()), max_size=12),
    seed=st.integers(0, 99),
    limit=st.integers(1, 3),
    allowed=st.integers(1, 2),
    stumbles=st.lists(
        st.tuples(st.integers(0, 60), st.sampled_from(["start", "stop", "place", "finish"])), max_size=3
    ),
)
def test_any_weeks_with_power_cuts(
    flaws: list[tuple[Flaw, int]],
    cuts: list[tuple[int, int, bool]],
    seed: int,
    limit: int,
    allowed: int,
    stumbles: list[tuple[int, str]],
) -> None:
    """wnm is killed after so many steps of a cycle, or the machine with it; hands fail now and then."""
    weeks = fleet(seed, limit, upgrade_failures_allowed=allowed)
    world = weeks.machine.world
    planned: dict[int, tuple[int | None, bool]] = {}
    minute = 0
    for gap, *cut in cuts:
        minute += gap
        planned[minute] = (cut[0], bool(cut[1]))
    verbs = dict(stumbles)
    minute = 0
    for number, (flaw, minutes) in enumerate(flaws, 1):
        weeks.release(f"0.4.{number}", flaw)
        for _ in range(minutes):
            killed_after, power_cut = planned.get(minute, (None, False))
            if minute in verbs:
                world.failing[verbs[minute]] = 1
            world.steps_left = killed_after
            weeks.one_cycle()
            world.steps_left = None
            if power_cut:
                world.reboot()
            rows = weeks.machine.ledger.nodes
            assert sum(row.status in TRANSITIONS for row in rows) <= NODES
            minute += 1
    world.failing.clear()
    weeks.rest()
    weeks.check_well()
    for number, (flaw, _) in enumerate(flaws, 1):
        if flaw != SOUND and flaw.share == 1:
            assert len(weeks.given.get(f"0.4.{number}", [])) <= allowed
