"""Runs wnm's cycles on a simulated machine: the real decisions and steps, with a ledger in memory."""

from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from posixpath import basename, dirname

from msgspec import Struct, field
from msgspec.structs import replace

from wnm.act.steps import Backends, perform
from wnm.core import action as actions
from wnm.core import observation
from wnm.core.action import AddNode, NodeAction, OpenPort, Outcome, RemoveNode, Result, Resurvey, StopNode
from wnm.core.decide.ladder import decide
from wnm.core.decide.upgrades import passed_gates
from wnm.core.decision import Decision
from wnm.core.errors import NeedsOperator, Permanent, ProgramFailed, WnmError
from wnm.core.lifecycle import after, after_additions, during
from wnm.core.node import Node, NodeId, ProcessState, Reachability, id_in_name
from wnm.core.observation import Observation, ProcessReading, ProgramReading, Remembered, Unseen
from wnm.core.places import Marker, PlaceNews
from wnm.core.release import Release, after_outcomes, merged
from wnm.core.settings import Settings
from wnm_sim.world import PowerCutError, SimulatedBackends, World

MOST_STEPS_IN_TIME = 4
MEASURED_EVERY = timedelta(minutes=30)
UNSEEN = Unseen(reason="it did not answer in time")

type Choose = Callable[[Observation, Settings], Decision]


class Intended(Struct, frozen=True, kw_only=True):
    """An action that was written down, with its node's row before and during it."""

    operation_id: int
    action: NodeAction
    before: Node | None
    during: Node


class SimulatedLedger(Struct):
    """Rows, operations that nobody concluded, and what else the next cycle needs. Every verb is all or nothing."""

    rows: dict[NodeId, Node] = {}
    unconcluded: dict[int, NodeAction] = {}
    remembered: Remembered = field(default_factory=lambda: Remembered(identity="simulated"))
    boot_id: str | None = None
    last_cycle_at: datetime | None = None
    operations: int = 0

    @property
    def nodes(self) -> tuple[Node, ...]:
        return tuple(self.rows[number] for number in sorted(self.rows))

    @property
    def interrupted(self) -> tuple[observation.Interrupted, ...]:
        found = sorted(self.unconcluded.items())
        return tuple(observation.Interrupted(operation_id=number, action=action) for number, action in found)

    def intend(self, seen: Observation, decision: Decision) -> tuple[Intended, ...]:
        """Write down the conclusions and the actions that follow."""
        self._learn(decision.releases)
        for conclusion in decision.conclusions:
            self.rows[conclusion.after.id] = conclusion.after
        for each in seen.interrupted:
            self.unconcluded.pop(each.operation_id, None)
        intended = []
        for action in decision.actions:
            if isinstance(action, Resurvey):
                continue
            before = self.rows.get(actions.node_of(action))
            self.operations += 1
            row = during(action, before, seen.now)
            intended.append(Intended(operation_id=self.operations, action=action, before=before, during=row))
            self.unconcluded[self.operations] = action
        for item in intended:
            self.rows[item.during.id] = item.during
            if actions.is_about_shuns(item.action):
                act = observation.ShunAct(node=item.during.id, at=seen.now)
                self.remembered = replace(self.remembered, shun_acts=(*self.remembered.shun_acts, act))
        return tuple(intended)

    def conclude(self, seen: Observation, intended: Sequence[Intended], outcomes: Sequence[Outcome]) -> None:
        """Write down the outcomes of the actions, one for each that was intended, in their order."""
        for item, outcome in zip(intended, outcomes, strict=True):
            row = after(outcome, item.during, item.before)
            if row is None:
                del self.rows[item.during.id]
            else:
                self.rows[row.id] = row
            if outcome.result is not Result.UNFINISHED:
                del self.unconcluded[item.operation_id]
            self._remember(item, outcome)
        additions = after_additions(self.remembered.add_failures, outcomes, seen.now)
        self.remembered = replace(self.remembered, **additions)
        tried = [(item.during, outcome) for item, outcome in zip(intended, outcomes, strict=True)]
        self._learn(after_outcomes(self.remembered.releases, tried))
        self.boot_id = seen.machine.boot_id
        self.last_cycle_at = seen.now

    def know(self, news: Sequence[PlaceNews]) -> None:
        """Remember storage folders as they were decided to be."""
        known = {each.path: each for each in self.remembered.places}
        known |= {each.place.path: each.place for each in news}
        self.remembered = replace(self.remembered, places=tuple(known.values()))

    def _learn(self, news: Sequence[Release]) -> None:
        self.remembered = replace(self.remembered, releases=merged(self.remembered.releases, news))

    def _remember(self, item: Intended, outcome: Outcome) -> None:
        if outcome.result is not Result.DONE:
            return
        if isinstance(item.action, StopNode) and item.action.shed:
            self.remembered = replace(self.remembered, last_shed_at=outcome.ended_at)
        if isinstance(item.action, RemoveNode) and outcome.freed_bytes is not None:
            self.remembered = replace(
                self.remembered,
                last_freed_bytes=outcome.freed_bytes,
                last_freed_at=outcome.ended_at,
                last_freed_mount_point=item.during.mount_point,
            )


def observe(world: World, ledger: SimulatedLedger, settings: Settings, *, blind: bool = False) -> Observation:
    """The observation of one cycle. In a blind one neither service manager nor the machine's counters answer."""
    boot_id = f"boot {world.boot}"
    available: ProgramReading | Unseen = Unseen(reason=f"{settings.antnode_path}: No such file or directory")
    if world.program is not None:
        path, version = settings.antnode_path, world.program
        available = ProgramReading(path=path, stamp=version, version=version, kind=settings.node_kind)
    paths = dict.fromkeys([*(each for each in world.folders if world.folder(each)), *world.processes])
    named = [(id_in_name(basename(path)), path) for path in paths]
    return Observation(
        now=world.now,
        seed=world.seed + world.steps,
        rebooted=ledger.boot_id is not None and ledger.boot_id != boot_id,
        machine=_machine(world, ledger, boot_id, blind=blind),
        nodes=tuple(_node(world, node, blind=blind) for node in ledger.nodes),
        storages=tuple(_storage(world, path) for path in world.storages),
        available=available,
        claims=tuple(observation.Claim(id=number, by=path) for number, path in named if number is not None),
        bound_ports=frozenset(each.metrics_port for each in world.processes.values()),
        interrupted=ledger.interrupted,
        remembered=ledger.remembered,
        machine_seed=world.seed,
        firewall=UNSEEN if blind else SimulatedBackends(world).read(),
    )


def _machine(
    world: World, ledger: SimulatedLedger, boot_id: str, *, blind: bool
) -> observation.MachineReading:
    last = ledger.last_cycle_at
    window = None if last is None else (world.now - last).total_seconds()
    cpu = min(100.0, world.cores_in_use / world.cores * 100)
    memory = min(100.0, world.memory_used_bytes / world.memory_total_bytes * 100)
    mounts = dict.fromkeys(world.disk_under(path) for path in world.storages)
    return observation.MachineReading(
        boot_id=boot_id,
        usable_cores=world.cores,
        window_seconds=window if window is not None and window > 0 else None,
        cpu_percent=UNSEEN if blind else cpu,
        memory_percent=UNSEEN if blind else memory,
        memory_total_bytes=world.memory_total_bytes,
        load=world.load,
        netio_read_bytes_per_second=0.0,
        netio_write_bytes_per_second=0.0,
        hdio_read_bytes_per_second=0.0,
        hdio_write_bytes_per_second=0.0,
        file_systems=tuple(_file_system(world, each) for each in mounts),
    )


def _file_system(world: World, mount_point: str) -> observation.FileSystem:
    total, used = world.disks[mount_point].total_bytes, world.used_bytes(mount_point)
    free, percent = total - used, used / total * 100
    return observation.FileSystem(
        mount_point=mount_point, total_bytes=total, free_bytes=free, used_percent=percent, id=mount_point
    )


def _storage(world: World, path: str) -> observation.Storage:
    """A folder below a mount point goes with its disk; a mount point itself is left behind, empty."""
    mount_point = world.disk_under(path)
    present = world.storages[path] in (mount_point, path)
    empty = not any(dirname(each) == path and world.folder(each) for each in world.folders)
    return observation.Storage(
        path=path,
        present=present,
        empty=empty,
        mount_point=mount_point,
        marker=world.markers.get((mount_point, path)) if present else None,
    )


def _node(world: World, node: Node, *, blind: bool) -> observation.NodeSeen:
    process = UNSEEN if blind else SimulatedBackends(world).get_status(node)
    reachable, page = (None, UNSEEN) if blind else _ask(world, node)
    folder = world.folder(node.root_dir)
    program: ProgramReading | Unseen = Unseen(reason=f"{node.program} is not there")
    if folder is not None and folder.version is not None:
        program = ProgramReading(
            path=node.program,
            stamp=f"{folder.version} of {folder.changed_at}",
            version=folder.version,
            changed_at=folder.changed_at,
        )
    due = node.disk_measured_at is None or abs(world.now - node.disk_measured_at) >= MEASURED_EVERY
    ended = isinstance(process, ProcessReading) and process.state is ProcessState.STOPPED
    reading = observation.NodeReading(
        process=process,
        reachable=None if ended else reachable,
        page=page,
        root_dir_present=folder is not None,
        born=folder.born if folder else None,
        program=program,
        disk_bytes=folder.data_bytes if folder and due else None,
        mount_point=folder.disk if folder else None,
    )
    return observation.NodeSeen(node=node, reading=reading)


def _ask(world: World, node: Node) -> tuple[Reachability | None, observation.NodePage | Unseen]:
    process = world.processes.get(node.root_dir)
    if process is None:
        return None, Unseen(reason="not asked: its process does not run")
    if process.hung:
        return Reachability.TIMES_OUT, UNSEEN
    if world.now < process.answers_at:
        return Reachability.REFUSES, Unseen(reason="refused")
    flaw = world.flaw_of(process.version, node.root_dir)
    page = observation.NodePage(
        version=flaw.says or process.version,
        peer_id=f"peer of {node.name}",
        min_version=world.least_version,
        connected_peers=0 if flaw.has_no_peers else 50,
        shun_rates=observation.ShunRates(last_day=world.shuns.get(node.root_dir, 0)),
    )
    return Reachability.ANSWERS, page


class SimulatedCycle(Struct, frozen=True, kw_only=True):
    """One cycle. `outcomes` is None when the power went before its end, `decision` when it went before that."""

    seen: Observation
    decision: Decision | None
    outcomes: tuple[Outcome, ...] | None


class SimulatedMachine(Struct, kw_only=True):
    """A world, the settings, and what wnm remembers."""

    world: World
    settings: Settings
    ledger: SimulatedLedger = field(default_factory=SimulatedLedger)

    def cycle(self, choose: Choose = decide, *, blind: bool = False) -> SimulatedCycle:
        """One whole cycle at this moment. A power cut is seen in the result and nowhere else."""
        seen = observe(self.world, self.ledger, self.settings, blind=blind)
        decision: Decision | None = None
        outcomes: tuple[Outcome, ...] | None = None
        with suppress(PowerCutError):
            decision = choose(seen, self.settings)
            self.world.step()
            self._mark(decision)
            intended = self.ledger.intend(seen, decision)
            self.world.step()
            results = tuple(self._carry_out(item.action, item.during) for item in intended)
            for node in passed_gates(decision):
                with suppress(WnmError):  # replaced by the next upgrade
                    SimulatedBackends(self.world).forget_former_program(node)
            self._change_ports(decision)
            self.world.step()
            self.ledger.conclude(seen, intended, results)
            outcomes = results
        return SimulatedCycle(seen=seen, decision=decision, outcomes=outcomes)

    def _mark(self, decision: Decision) -> None:
        """The marker first, then what is remembered of it: the power may go between them."""
        for each in decision.places:
            place = each.place
            if each.marks and place.folder is not None:
                at = (self.world.disk_under(place.path), place.path)
                self.world.markers[at] = Marker(database="simulated", folder=place.folder)
            self.world.step()
            self.ledger.know((each,))

    def _change_ports(self, decision: Decision) -> None:
        firewall = SimulatedBackends(self.world)
        for change in decision.ports:
            with suppress(WnmError):  # seen again by the next cycle
                verb = firewall.open_port if isinstance(change, OpenPort) else firewall.close_port
                verb(change.port, change.comment)

    def _carry_out(self, action: NodeAction, node: Node) -> Outcome:
        if self.world.steps_left is None and self.world.fails("finish"):
            return self._out_of_time(action, node)
        simulated = SimulatedBackends(self.world)
        backends = Backends(manager=simulated, firewall=simulated)
        try:
            performed = perform(action, node, backends)
        except WnmError as error:
            return self._failed(action, node, backends, error)
        done, now = Result.DONE, self.world.now
        return Outcome(action=action, result=done, ended_at=now, freed_bytes=performed.freed_bytes)

    def _out_of_time(self, action: NodeAction, node: Node) -> Outcome:
        """An action that gets through some of its steps and is still busy when the cycle has to end."""
        self.world.steps_left = self.world.steps % MOST_STEPS_IN_TIME
        try:
            return self._carry_out(action, node)
        except PowerCutError:
            error = "the cycle's time was used up while it was under way"
            return Outcome(action=action, result=Result.UNFINISHED, ended_at=self.world.now, error=error)
        finally:
            self.world.steps_left = None

    def _failed(self, action: NodeAction, node: Node, backends: Backends, error: WnmError) -> Outcome:
        retry = actions.Retry.SOON
        if isinstance(error, NeedsOperator):
            retry = actions.Retry.OPERATOR
        elif isinstance(error, Permanent):
            retry = actions.Retry.LATE
        status = backends.manager.get_status(node)
        runs: bool | None = isinstance(status, ProcessReading) and status.state is ProcessState.RUNNING
        if isinstance(action, AddNode) and node.root_dir in self.world.folders:
            runs = None  # Undoing it failed too: what is left has to be looked at.
        return Outcome(
            action=action,
            result=Result.FAILED,
            ended_at=self.world.now,
            error=str(error),
            retry=retry,
            running_after=runs,
            program_failed=isinstance(error, ProgramFailed),
        )


def node_actions(decision: Decision) -> tuple[NodeAction, ...]:
    """The actions of a decision that are about nodes."""
    return tuple(each for each in decision.actions if not isinstance(each, Resurvey))
