"""Starts stopped nodes and adds new ones while the machine stays below its limits afterwards."""

from datetime import datetime
from hashlib import sha256
from posixpath import join
from statistics import fmean

from msgspec.structs import replace

from wnm.core.action import AddNode, NodeAction, StartNode
from wnm.core.backends import traits_of
from wnm.core.decide.firewall import ports_of
from wnm.core.decide.pressure import (
    excess,
    free_slots,
    ids_of,
    is_stopped,
    must_shed,
    oldest_first,
    too_high_to_grow,
)
from wnm.core.decide.storage import has_failed, place_problem
from wnm.core.decide.unwell import shared_cause
from wnm.core.decide.upgrades import program_for_new, program_for_start, target
from wnm.core.decision import Proposal
from wnm.core.errors import holds
from wnm.core.forms import FAUCET
from wnm.core.lifecycle import LONGEST_PAUSE, UNDER_WAY, backing_off, backs_off
from wnm.core.node import Node, NodeId, Status, node_name
from wnm.core.observation import (
    Bound,
    FileSystem,
    MachineReading,
    NodeSeen,
    Observation,
    ProcessReading,
    Unseen,
)
from wnm.core.readings import Gauge, disk_gauge, in_crisis, inode_gauge
from wnm.core.reasons import Blocked, BlockKind, Reason, ReasonKind, Remedy, RemedyKind, Task, TaskKind
from wnm.core.settings import Settings
from wnm.core.values import Value

LAST_PORT = 65535


class Place(Value, frozen=True, kw_only=True):
    """A storage folder and the file system it lies on."""

    path: str
    file_system: FileSystem


def free_ids(seen: Observation, settings: Settings, count: int) -> list[NodeId]:
    """The lowest ids that no row, folder, process or bound port claims; fewer when ports run out."""
    taken = {claim.id for claim in seen.claims}
    busy = set(seen.bound_ports)
    for each in seen.nodes:
        taken.add(each.node.id)
        busy |= {each.node.port, each.node.metrics_port}
    found: list[NodeId] = []
    highest = LAST_PORT - max(settings.port_start, settings.metrics_port_start) * 1000
    for candidate in range(1, highest + 1):
        if len(found) == count:
            break
        if candidate not in taken and not busy.intersection(ports_of(candidate, settings)):
            found.append(NodeId(candidate))
    return found


def places(seen: Observation, settings: Settings) -> list[Place]:
    """The storage folders that new nodes may use, most free bytes first; those in a crisis are left out.

    A folder in which the last addition failed comes after the others until one succeeds there, or an hour has passed.
    """
    found = []
    for path in settings.node_storage:
        system = _file_system_of(path, seen)
        if system is None or in_crisis(system, settings) or system.free_inodes == 0:
            continue
        if place_problem(path, seen) is None:
            found.append(Place(path=path, file_system=system))
    return sorted(found, key=lambda place: (has_failed(place.path, seen), -place.file_system.free_bytes))


def has_untried_place(seen: Observation, settings: Settings) -> bool:
    """Whether a node fits somewhere where no addition failed lately, while one did elsewhere."""
    found = [has_failed(place.path, seen) for place in places(seen, settings)]
    return any(has_failed(path, seen) for path in settings.node_storage) and False in found


def _file_system_of(path: str, seen: Observation) -> FileSystem | None:
    """The file system that a storage folder lies on, as far as it was seen."""
    mounts = [storage.mount_point for storage in seen.storages if storage.path == path]
    return next((each for each in seen.machine.file_systems if each.mount_point in mounts[:1]), None)


def draw_wallet(settings: Settings, seed: int, node_id: int) -> str:
    """The address a new node pays to, drawn by weight; the same seed and id always give the same one."""
    wallets = settings.rewards_address
    digest = sha256(f"{seed}:{node_id}".encode()).digest()
    draw = int.from_bytes(digest[:8]) % sum([wallet.weight for wallet in wallets])
    for wallet in wallets:
        draw -= wallet.weight
        if draw < 0:
            name = wallet.name_or_address
            return {"donate": settings.donate_address, "faucet": FAUCET}.get(name, name)
    raise ValueError("weights must be positive")


def new_node(node_id: NodeId, place: Place, settings: Settings, seed: int, now: datetime) -> Node:
    """The complete node, ready to be created."""
    name = node_name(node_id)
    root_dir = join(place.path, name)
    port, metrics_port = ports_of(node_id, settings)
    return Node(
        id=node_id,
        name=name,
        kind=settings.node_kind,
        manager=settings.process_manager,
        root_dir=root_dir,
        log_dir=join(settings.log_storage, name),
        program=join(root_dir, settings.node_kind),
        port=port,
        metrics_port=metrics_port,
        wallet=draw_wallet(settings, seed, node_id),
        born=now,
        environment=settings.environment,
        start_args=settings.start_args,
        no_upnp=settings.no_upnp,
        user=settings.node_user if traits_of(settings.process_manager).runs_as_account else None,
        status=Status.RESTARTING,
        status_since=now,
        mount_point=place.file_system.mount_point,
    )


def no_place(seen: Observation, settings: Settings) -> Blocked:
    """Return why no storage folder takes a new node."""
    adding = Task(kind=TaskKind.ADD)
    for path in settings.node_storage:
        problem = place_problem(path, seen)
        if problem is not None:
            mend = Remedy(kind=RemedyKind.MEND_PLACE, path=path)
            return Blocked(kind=problem, action=adding, path=path, remedy=mend)
    for path in settings.node_storage:
        system = _file_system_of(path, seen)
        if system is None:
            return Blocked(kind=BlockKind.STORAGE_UNSEEN, action=adding, path=path)
        inodes = inode_gauge(system, settings)
        if inodes is not None and not inodes.allows_growth:
            return _inodes_short(adding, inodes)
    return Blocked(kind=BlockKind.NO_SPACE, action=adding, limit=settings.crisis_bytes)


SETTLED_AFTER_SECONDS = 60


class NodeCost(Value, frozen=True, kw_only=True):
    """The cost of one more node: share of one core, memory, and disk at once, and its process with its threads."""

    cores: float
    memory_bytes: float
    disk_bytes: float
    threads: int = 32


UNKNOWN_COST = NodeCost(cores=0.02, memory_bytes=150e6, disk_bytes=200e6)
MOST_PIDS_PERCENT = 90.0
"""Of the processes and threads that there may be the rest is left to everything else."""


def grow(seen: Observation, settings: Settings) -> Proposal:
    """Start the oldest stopped nodes, then add new ones, as slots, limits and the prediction allow."""
    stopped = [each for each in oldest_first(seen.nodes) if is_stopped(each) and not each.node.crashed]
    below_cap = max(0, -excess(seen, settings))
    if not stopped and not below_cap:
        return Proposal()
    task = Task(kind=TaskKind.ADD_UP_TO, count=below_cap)
    if stopped:
        task = Task(kind=TaskKind.START_STOPPED, nodes=ids_of(stopped), count=len(stopped))
    obstacle, cause = must_shed(task, seen, settings), shared_cause(seen, settings)
    if obstacle is None and cause is not None and not cause.over:
        obstacle = cause.block(task)
    obstacle = obstacle or too_high_to_grow(task, seen.machine, settings)
    if obstacle is not None:
        return Proposal(held=(obstacle,))
    cost = node_cost(seen)
    plan = _Plan(machine=after_starting(seen, cost), left=free_slots(seen, settings, Status.RESTARTING))
    plan = _plan_starts(plan, seen, settings, stopped, cost)
    if not plan.full and below_cap:
        plan = _plan_additions(plan, seen, settings, below_cap, cost)
    return Proposal(actions=plan.actions, held=plan.held, because=Reason(kind=ReasonKind.CAPACITY))


class _Plan(Value, frozen=True, kw_only=True):
    """The plan so far, and the machine as it would be afterwards."""

    machine: MachineReading
    left: int
    actions: tuple[NodeAction, ...] = ()
    held: tuple[Blocked, ...] = ()
    full: bool = False

    def plus(self, action: NodeAction, machine: MachineReading) -> "_Plan":
        return replace(self, machine=machine, left=self.left - 1, actions=(*self.actions, action))

    def but(self, held: Blocked, *, full: bool = False) -> "_Plan":
        return replace(self, held=(*self.held, held), full=full)


def _plan_starts(
    plan: _Plan, seen: Observation, settings: Settings, stopped: list[NodeSeen], cost: NodeCost
) -> _Plan:
    program, fallback = target(seen, settings), program_for_new(seen, settings)
    trying = False
    for place, each in enumerate(stopped):
        node, own = each.node, None
        task = Task(kind=TaskKind.START, nodes=(node.id,))
        machine = one_more(plan.machine, cost, None)
        if backs_off(node, seen.now):
            own = backing_off(node, task)
        elif each.reading.root_dir_present is not True:
            own = Blocked(kind=BlockKind.FOLDER_UNSEEN, action=task)
        elif isinstance(fallback, Blocked) and isinstance(each.reading.program, Unseen):
            own = replace(fallback, action=task)  # It has no copy of its own, and there is none to give it.
        else:
            limit = _machine_limit(task, machine, settings)
            if plan.left <= 0:
                limit = Blocked(kind=BlockKind.START_SLOT, action=task)
            if limit is not None:
                queue = replace(task, nodes=ids_of(stopped[place:]))
                return plan.but(replace(limit, action=queue), full=True)
            if node.mount_point is not None:
                own = _disk_limit(task, machine, node.mount_point, settings)
        if own is not None:
            plan = plan.but(own)
            continue  # Another node may be startable, and another disk have free space.
        renewed = program_for_start(each, program, fallback, seen, settings, trying=trying)
        trying = trying or renewed is program
        because = Reason(kind=ReasonKind.STOPPED, text=node.because or None)
        plan = plan.plus(StartNode(node=node.id, program=renewed, because=because), machine)
    return plan


def _plan_additions(
    plan: _Plan, seen: Observation, settings: Settings, below_cap: int, cost: NodeCost
) -> _Plan:
    adding, last = Task(kind=TaskKind.ADD), seen.remembered
    program = program_for_new(seen, settings)
    if isinstance(program, Blocked):
        return plan.but(replace(program, action=adding))
    # A pause is about the folders that an addition failed in: one where none did may be tried meanwhile.
    if holds(last.add_retry_at, seen.now, longest=LONGEST_PAUSE) and not has_untried_place(seen, settings):
        why, until = last.add_last_error, last.add_retry_at
        return plan.but(Blocked(kind=BlockKind.ADD_BACKOFF, action=adding, text=why, until=until))
    if plan.left <= 0:
        return plan.but(Blocked(kind=BlockKind.START_SLOT, action=adding))
    wanted = min(below_cap, plan.left)
    ids = free_ids(seen, settings, wanted)
    if len(ids) < wanted:
        plan = plan.but(Blocked(kind=BlockKind.NO_PORTS, action=adding))
    for node_id in ids:
        choice = place_for_one_more(plan.machine, seen, settings, cost)
        if isinstance(choice, Blocked):
            return plan.but(choice)
        place, machine = choice
        node = new_node(node_id, place, settings, seen.seed, seen.now)
        because = Reason(kind=ReasonKind.CAPACITY)
        plan = plan.plus(AddNode(node=node, program=program, because=because), machine)
    if below_cap > wanted:
        more = Task(kind=TaskKind.ADD_MORE, count=below_cap - wanted)
        plan = plan.but(Blocked(kind=BlockKind.START_SLOT, action=more))
    return plan


def place_for_one_more(
    now: MachineReading, seen: Observation, settings: Settings, cost: NodeCost
) -> tuple[Place, MachineReading] | Blocked:
    """The first storage folder, emptiest first, that one more node keeps below every limit."""
    refusal: Blocked | None = None
    adding = Task(kind=TaskKind.ADD)
    for place in places(replace(seen, machine=now), settings):
        mount_point = place.file_system.mount_point
        machine = one_more(now, cost, mount_point)
        limit = _machine_limit(adding, machine, settings)
        limit = limit or _disk_limit(adding, machine, mount_point, settings)
        if limit is None and in_crisis(_disk(one_more(machine, cost, mount_point), mount_point), settings):
            # Nodes differ in size, and below crisis_bytes a node is removed at once: the space of one more stays free.
            limit = Blocked(kind=BlockKind.CAPACITY_RESERVE, action=adding, path=mount_point)
        if limit is None:
            return place, machine
        refusal = refusal or limit
    return refusal or no_place(seen, settings)


def _machine_limit(task: Task, then: MachineReading, settings: Settings) -> Blocked | None:
    """Return the task as blocked by a reading that would not be below its limit on the machine as it would be."""
    high = too_high_to_grow(task, then, settings)
    if high is not None:
        return replace(high, kind=BlockKind.CAPACITY)
    full = next((each for each in then.pids if each.percent > MOST_PIDS_PERCENT), None)
    if full is None:
        return None
    where = f"the cgroup {full.where}" if full.where else "this machine"
    return Blocked(kind=BlockKind.CAPACITY_PIDS, action=task, text=where, count=full.used, limit=full.total)


def _disk_limit(task: Task, then: MachineReading, mount_point: str, settings: Settings) -> Blocked | None:
    """The same for the disk that the node's data lies on; a disk that was not seen has no free space."""
    if mount_point not in [each.mount_point for each in then.file_systems]:
        return Blocked(kind=BlockKind.DISK_UNSEEN, action=task, path=mount_point)
    disk = _disk(then, mount_point)
    if in_crisis(disk, settings):
        return Blocked(kind=BlockKind.CAPACITY_DISK, action=task, path=mount_point, count=disk.free_bytes)
    gauge, inodes = disk_gauge(disk, settings), inode_gauge(disk, settings)
    if not gauge.allows_growth:
        return Blocked(kind=BlockKind.CAPACITY, action=task, reading=gauge.against(gauge.allow))
    return None if inodes is None or inodes.allows_growth else _inodes_short(task, inodes)


def _inodes_short(task: Task, inodes: Gauge) -> Blocked:
    return Blocked(kind=BlockKind.READING_HIGH, action=task, reading=inodes.against(inodes.allow))


def _disk(machine: MachineReading, mount_point: str) -> FileSystem:
    return next(each for each in machine.file_systems if each.mount_point == mount_point)


def node_cost(seen: Observation) -> NodeCost:
    """The mean of the nodes that have run for a minute; a guess while there are none."""
    cores, memory, threads = [], [], []
    for each in seen.nodes:
        process = each.reading.process
        if not isinstance(process, ProcessReading) or process.started_at is None:
            continue
        if (seen.now - process.started_at).total_seconds() < SETTLED_AFTER_SECONDS:
            continue
        if process.cpu_percent is not None:
            cores.append(process.cpu_percent / 100 * seen.machine.usable_cores)
        if process.memory_bytes is not None:
            memory.append(float(process.memory_bytes))
        if process.threads is not None:
            threads.append(process.threads)
    disk = [float(each.node.disk_bytes) for each in seen.nodes if each.node.disk_bytes is not None]
    return NodeCost(
        cores=fmean(cores) if cores else UNKNOWN_COST.cores,
        memory_bytes=fmean(memory) if memory else UNKNOWN_COST.memory_bytes,
        disk_bytes=fmean(disk) if disk else UNKNOWN_COST.disk_bytes,
        threads=max(threads, default=UNKNOWN_COST.threads),
    )


def after_starting(seen: Observation, cost: NodeCost) -> MachineReading:
    """The machine when what is reserved, and the nodes that are starting or will come back, have taken their share."""
    machine = seen.machine
    for each in [each for each in seen.reservations if each.holds(seen.now)]:
        taken = NodeCost(cores=each.cores, memory_bytes=each.memory_bytes, disk_bytes=0, threads=0)
        machine = one_more(machine, taken, None)
        for path, amount in each.disk_bytes.items():
            # The innermost file system that the path is on, among those that were seen.
            mounts = [
                system.mount_point
                for system in machine.file_systems
                if f"{path}/".startswith(f"{system.mount_point.rstrip('/')}/")
            ]
            taken = NodeCost(cores=0, memory_bytes=0, disk_bytes=amount, threads=0)
            machine = one_more(machine, taken, max(mounts, key=len, default=None))
    for one in seen.nodes:
        if one.node.status in UNDER_WAY or (one.node.crashed and is_stopped(one)):
            machine = one_more(machine, cost, None)
    return machine


def one_more(machine: MachineReading, cost: NodeCost, mount_point: str | None) -> MachineReading:
    """The machine with one more node, its data on the file system at `mount_point`; None if they are there."""
    load = machine.load
    cpu = cost.cores / max(machine.usable_cores, 0.01) * 100
    memory = cost.memory_bytes / max(machine.memory_total_bytes, 1) * 100
    systems = [
        replace(
            each,
            free_bytes=int(each.free_bytes - cost.disk_bytes),
            used_percent=each.used_percent + cost.disk_bytes / max(each.total_bytes, 1) * 100,
        )
        if each.mount_point == mount_point
        else each
        for each in machine.file_systems
    ]
    bounds = tuple(_fuller(each, int(cost.memory_bytes)) for each in machine.memory)
    percent = _plus(machine.memory_percent, memory)
    return replace(
        machine,
        cpu_percent=_plus(machine.cpu_percent, cpu),
        memory_percent=max(each.percent for each in bounds) if bounds else percent,
        memory=bounds,
        pids=tuple(_fuller(each, cost.threads) for each in machine.pids),
        load=load if isinstance(load, Unseen) else replace(load, one=load.one + cost.cores),
        file_systems=tuple(systems),
    )


def _fuller(bound: Bound, more: int) -> Bound:
    return replace(bound, used=bound.used + more)


def _plus(value: float | Unseen, more: float) -> float | Unseen:
    return value if isinstance(value, Unseen) else value + more
