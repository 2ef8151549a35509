"""A machine to which anything may happen in any order: what must never be, and what must be in the end."""

from contextlib import suppress
from datetime import datetime, timedelta
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from msgspec.structs import replace
from tests.builders import settings
from tests.simulation.events import heal, mount, upgrade_itself
from tests.simulation.oracle import check_decision, check_keys, check_rest, check_shun_acts, check_world

from wnm.core.action import AddNode, NodeAction, RemoveNode, Resurvey, RetireNode, StartNode, StopNode
from wnm.core.decide.forced import ForcedAction, Request, forced
from wnm.core.decide.ladder import MISSING_STORAGE, decide
from wnm.core.errors import BadInput, NeedsOperator
from wnm.core.lifecycle import is_gone, runs
from wnm.core.node import Status
from wnm.core.observation import Observation
from wnm.core.reasons import ReasonKind
from wnm.core.settings import Settings
from wnm_sim.machine import SimulatedCycle, SimulatedMachine
from wnm_sim.world import GB, Flaw, new_world

STORAGES = {"/disk1": "/disk1", "/disk2/nodes": "/disk2"}
MINUTES = st.sampled_from([timedelta(0), timedelta(minutes=1), timedelta(minutes=3)])
QUIET_MINUTES = 75
"""Longer than the longest pause of a node: whatever still wanted to happen would have happened."""
LIMITS = (
    "max_concurrent_starts",
    "max_concurrent_upgrades",
    "max_concurrent_removals",
    "max_concurrent_operations",
)

MOST_CYCLES = 1500
FLAWS = [
    Flaw(ends_at_start=True),
    Flaw(ends_after_minutes=3),
    Flaw(has_no_peers=True),
    Flaw(says="0.0.1"),
    Flaw(says="9.9.9"),
    Flaw(ends_at_start=True, share=0.3),
    Flaw(has_no_peers=True, share=0.3),
]
NAMELESS = (ForcedAction.ADD, ForcedAction.SURVEY, ForcedAction.TEARDOWN)


def _grows(action: object) -> bool:
    """Whether growth decided it; a crashed node comes back whatever the limits of growth say."""
    return isinstance(action, AddNode | StartNode) and action.because.kind is not ReasonKind.CRASHED


def _sheds(action: NodeAction | Resurvey) -> bool:
    return isinstance(action, RetireNode) or (isinstance(action, StopNode) and action.shed)


class AnyMachine(RuleBasedStateMachine):
    """Every rule is something that befalls a machine; most of them are followed by a cycle."""

    machine: SimulatedMachine
    abandoned: set[str]
    shun_acts: list[datetime]

    @initialize(
        seed=st.integers(0, 1000),
        cap=st.sampled_from([6, 4, 5, 3, 7, 2, 1, 0]),
        limit=st.sampled_from([3, 1, 2, 4]),
        delays=st.tuples(MINUTES, MINUTES, MINUTES, MINUTES),
        patience=st.sampled_from([0, 5]),
        cycles=st.sampled_from([25, 40, 10, 3, 0]),
        policy=st.sampled_from(["report", "restart", "recycle"]),
        budget=st.integers(1, 2),
    )
    def populate(
        self,
        seed: int,
        cap: int,
        limit: int,
        delays: Any,
        patience: int,
        cycles: int,
        policy: str,
        budget: int,
    ) -> None:
        names = ("delay_start", "delay_restart", "delay_upgrade", "delay_remove")
        chosen = settings(
            node_cap=cap,
            node_storage=tuple(STORAGES),
            unresponsive_restart=timedelta(minutes=patience),
            shun_policy=policy,
            shun_budget=budget,
            **dict.fromkeys(LIMITS, limit),
            **dict(zip(names, delays, strict=True)),
        )
        self.abandoned = set()
        self.shun_acts = []
        self.machine = SimulatedMachine(world=new_world(seed, STORAGES, 20 * GB), settings=chosen)
        for _ in range(cycles):
            self.one_cycle()

    # ---- cycles

    def one_cycle(
        self, *, minutes: float = 1, blind: bool = False, request: Request | None = None
    ) -> SimulatedCycle:
        world, ledger = self.machine.world, self.machine.ledger
        world.pass_time(minutes)
        world.keys.clear()
        identities = {path for path, each in world.folders.items() if each.born is not None}
        operations = ledger.operations

        def choose(seen: Observation, chosen: Settings) -> Any:
            decision = decide(seen, chosen) if request is None else forced(seen, chosen, request)
            check_decision(seen, decision, chosen, by_hand=request is not None)
            if request is not None and request.action in (ForcedAction.REMOVE, ForcedAction.TEARDOWN):
                self.abandon(seen, decision.actions)
            return decision

        result = self.machine.cycle(choose, blind=blind)
        check_keys(identities, self.machine)
        if result.decision is not None and ledger.operations != operations:
            # What was written down may have been done, whether or not wnm came to its end.
            self.shun_acts = check_shun_acts(
                result.seen, result.decision, self.machine.settings, self.shun_acts
            )
        return result

    def abandon(self, seen: Observation, actions: tuple[NodeAction | Resurvey, ...]) -> None:
        """A node that is given up while its disk is away leaves its folder on that disk."""
        given_up = {each.node for each in actions if isinstance(each, RemoveNode)}
        world = self.machine.world
        self.abandoned |= {
            each.node.root_dir
            for each in seen.nodes
            if each.node.id in given_up and not world.folder(each.node.root_dir)
        }

    @rule(cycles=st.integers(1, 12), minutes=st.sampled_from([1, 1, 1, 5, 0.05]))
    def time_passes(self, cycles: int, minutes: float) -> None:
        for _ in range(cycles):
            self.one_cycle(minutes=minutes)

    @rule()
    def nothing_can_be_seen(self) -> None:
        result = self.one_cycle(blind=True)
        assert result.decision is not None
        ended = [
            each.after.name
            for each in result.decision.conclusions
            if each.after.status is Status.STOPPED and each.before.status not in (Status.STOPPED, Status.DEAD)
        ]
        assert ended == [], "not seen is not stopped"

    @rule(steps=st.integers(0, 25), reboots=st.booleans())
    def power_goes(self, steps: int, reboots: bool) -> None:
        world = self.machine.world
        world.steps_left = steps
        self.one_cycle()
        world.steps_left = None
        if reboots:
            world.reboot()
        self.one_cycle()

    @rule(
        word=st.sampled_from(list(ForcedAction)),
        count=st.integers(1, 3),
        confirmed=st.booleans(),
        steps=st.one_of(st.none(), st.integers(0, 12)),
    )
    def somebody_asks(self, word: ForcedAction, count: int, confirmed: bool, steps: int | None) -> None:
        plain = word in (ForcedAction.SURVEY, ForcedAction.TEARDOWN)
        self.ask(Request(action=word, count=None if plain else count, confirmed=confirmed), steps)

    @precondition(lambda self: self.machine.ledger.rows)
    @rule(
        word=st.sampled_from([each for each in ForcedAction if each not in NAMELESS]),
        pick=st.integers(0, 99),
        steps=st.one_of(st.none(), st.integers(0, 5)),
    )
    def somebody_asks_for_a_node(self, word: ForcedAction, pick: int, steps: int | None) -> None:
        rows = self.machine.ledger.nodes
        self.ask(Request(action=word, names=(rows[pick % len(rows)].name,), confirmed=True), steps)

    def ask(self, request: Request, steps: int | None) -> None:
        """One cycle by hand, cut off after so many steps."""
        self.machine.world.steps_left = steps
        with suppress(BadInput, NeedsOperator):
            self.one_cycle(request=request)
        self.machine.world.steps_left = None

    # ---- what befalls the machine

    @rule(cores=st.sampled_from([0.0, 0.2, 2.0, 3.0, 3.5, 5.0]))
    def others_work(self, cores: float) -> None:
        self.machine.world.busy_cores = cores

    @rule(used=st.sampled_from([2, 4, 11, 13, 16]))
    def others_take_memory(self, used: int) -> None:
        self.machine.world.memory_other_bytes = used * GB

    @rule(disk=st.sampled_from(["/disk1", "/disk2"]), used=st.sampled_from([0, 10, 13.5, 15.5, 17.9, 20]))
    def others_fill_a_disk(self, disk: str, used: float) -> None:
        self.machine.world.fill(disk, int(used * GB))

    @precondition(lambda self: self.machine.world.processes)
    @rule(pick=st.integers(0, 99), how=st.sampled_from(["crash", "hang", "sick"]))
    def a_node_fails(self, pick: int, how: str) -> None:
        world = self.machine.world
        root_dir = sorted(world.processes)[pick % len(world.processes)]
        if how == "crash":
            world.crash(root_dir)
        elif how == "hang":
            world.hang(root_dir)
        else:
            world.sick.add(root_dir)

    @precondition(lambda self: self.machine.world.processes)
    @rule(pick=st.integers(0, 99), times=st.sampled_from([15, 16, 60]), cycles=st.integers(0, 20))
    def peers_shun_a_node(self, pick: int, times: int, cycles: int) -> None:
        world = self.machine.world
        world.shuns[sorted(world.processes)[pick % len(world.processes)]] = times
        for _ in range(cycles):
            self.one_cycle()

    @rule(hours=st.sampled_from([6, 23.9, 24, 30]))
    def nobody_looks_for_hours(self, hours: float) -> None:
        self.one_cycle(minutes=60 * hours)

    @precondition(lambda self: len(self.machine.world.folders) > 1)
    @rule(pick=st.integers(0, 99))
    def a_folder_is_lost(self, pick: int) -> None:
        world = self.machine.world
        root_dir = sorted(world.folders)[pick % len(world.folders)]
        world.lose(root_dir)
        self.abandoned.discard(root_dir)

    @precondition(lambda self: self.machine.world.folders)
    @rule(pick=st.integers(0, 99), cycles=st.integers(0, 3), comes_back=st.sampled_from([True, True, False]))
    def a_disk_goes_away(self, pick: int, cycles: int, comes_back: bool) -> None:
        world = self.machine.world
        disks = sorted({each.disk for each in world.folders.values()} - {"/"})
        if not disks:
            return
        mount(world, disks[pick % len(disks)], mounted=False)
        for _ in range(cycles):
            self.one_cycle()
        if comes_back:
            mount(world, disks[pick % len(disks)], mounted=True)

    @rule()
    def all_disks_come_back(self) -> None:
        for mount_point in STORAGES.values():
            mount(self.machine.world, mount_point, mounted=True)

    @rule(version=st.sampled_from(["0.4.1", "0.5.0", "0.4.0", "0.3.9", None]), cycles=st.integers(0, 8))
    def another_program_is_there(self, version: str | None, cycles: int) -> None:
        self.machine.world.program = version
        for _ in range(cycles):
            self.one_cycle()

    @rule(
        version=st.sampled_from(["0.4.1", "0.4.2", "0.5.0"]),
        flaw=st.sampled_from(FLAWS),
        cycles=st.integers(0, 12),
    )
    def a_bad_program_is_there(self, version: str, flaw: Flaw, cycles: int) -> None:
        self.machine.world.flaws[version] = flaw
        self.machine.world.program = version
        for _ in range(cycles):
            self.one_cycle()

    @rule(keeps_up=st.booleans())
    def the_service_manager_is_changed(self, keeps_up: bool) -> None:
        self.machine.world.keeps_up = keeps_up

    @rule(version=st.sampled_from([None, "0.4.1", "0.4.2"]))
    def the_network_takes_only_newer_ones(self, version: str | None) -> None:
        self.machine.world.least_version = version

    @precondition(lambda self: self.machine.world.folders)
    @rule(pick=st.integers(0, 99), version=st.sampled_from(["0.4.1", "0.4.2", "0.5.1"]))
    def a_node_upgrades_itself(self, pick: int, version: str) -> None:
        world = self.machine.world
        folders = sorted(path for path, each in world.folders.items() if each.version is not None)
        if folders:
            upgrade_itself(world, folders[pick % len(folders)], version)

    @rule(allowed=st.integers(1, 3))
    def other_failures_are_allowed(self, allowed: int) -> None:
        self.machine.settings = replace(self.machine.settings, upgrade_failures_allowed=allowed)

    @rule(cap=st.integers(0, 8))
    def the_cap_is_changed(self, cap: int) -> None:
        self.machine.settings = replace(self.machine.settings, node_cap=cap)

    @rule(name=st.sampled_from(LIMITS), limit=st.integers(1, 4))
    def a_limit_is_changed(self, name: str, limit: int) -> None:
        changes: dict[str, Any] = {name: limit}
        self.machine.settings = replace(self.machine.settings, **changes)

    @rule(pin=st.sampled_from([None, "0.4.0", "0.4.5"]))
    def the_pin_is_changed(self, pin: str | None) -> None:
        self.machine.settings = replace(self.machine.settings, node_version=pin)

    @rule(
        verb=st.sampled_from(["create", "place", "start", "stop", "remove", "open", "finish"]),
        times=st.integers(1, 6),
    )
    def something_fails(self, verb: str, times: int) -> None:
        self.machine.world.failing[verb] = times

    @rule()
    def the_machine_restarts(self) -> None:
        self.machine.world.reboot()

    @rule(hours=st.sampled_from([1, 30, 10_000]))
    def the_clock_is_set_back(self, hours: int) -> None:
        self.machine.world.now -= timedelta(hours=hours)

    # ---- what must be

    @invariant()
    def nothing_is_shared(self) -> None:
        if hasattr(self, "machine"):
            check_world(self.machine)

    def teardown(self) -> None:
        """When nothing happens any more, wnm comes to rest, and what it left is whole."""
        if not hasattr(self, "machine"):
            return
        heal(self.machine.world)
        quiet, grown = 0.0, False
        for _ in range(MOST_CYCLES):
            minutes = 1 if quiet < 20 else 5
            result = self.one_cycle(minutes=minutes)
            actions = result.decision.actions if result.decision is not None else ()
            grown = grown or any(map(_grows, actions))
            assert not (grown and any(map(_sheds, actions))), "what was grown by itself was shed again"
            quiet = 0.0 if actions else quiet + minutes
            if quiet > QUIET_MINUTES:
                self.check_settled(result)
                return
        raise AssertionError(f"still busy: {actions}")

    def check_settled(self, result: SimulatedCycle) -> None:
        """Nothing is news any more, and rows, processes and folders agree."""
        assert result.decision is not None
        if result.decision.rule == MISSING_STORAGE:
            return
        for conclusion in result.decision.conclusions:
            now = conclusion.after
            measured = replace(
                conclusion.before, disk_bytes=now.disk_bytes, disk_measured_at=now.disk_measured_at
            )
            assert now == measured, "conclusions never settle"
        for each in result.seen.nodes:
            assert runs(each.reading) or is_gone(each.reading)
            if each.node.status is Status.DISABLED:
                assert is_gone(each.reading)
        check_rest(self.machine, result.decision, self.abandoned)


TestAnyMachine = AnyMachine.TestCase
