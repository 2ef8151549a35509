"""What a cycle sees of an imagined machine."""

from datetime import datetime, timedelta
from posixpath import basename, dirname

from wnm.core.node import Node, ProcessState, Reachability, id_in_name
from wnm.core.observation import (
    Claim,
    FileSystem,
    MachineReading,
    NodePage,
    NodeReading,
    NodeSeen,
    Observation,
    ProcessReading,
    ProgramReading,
    ShunRates,
    Storage,
    Unseen,
)
from wnm.core.settings import Settings
from wnm_sim.imagined_hands import ImaginedFirewall, ImaginedManager
from wnm_sim.memory_ledger import MemoryLedger
from wnm_sim.world import World

MEASURED_EVERY = timedelta(minutes=30)
UNSEEN = Unseen(reason="it did not answer in time")


def observe(world: World, ledger: MemoryLedger, settings: Settings, *, blind: bool = False) -> Observation:
    """One cycle's view. In a blind one the service manager and the counters of the machine do not answer."""
    boot_id = f"boot {world.boot}"
    return Observation(
        now=world.now,
        seed=world.seed + world.steps,
        rebooted=ledger.boot_id is not None and ledger.boot_id != boot_id,
        machine=_machine(world, ledger, boot_id, blind=blind),
        nodes=tuple(_node(world, node, blind=blind) for node in ledger.nodes),
        storages=tuple(_storage(world, path) for path in world.storages),
        available=_available(world, settings),
        claims=tuple(_claims(world)),
        bound_ports=frozenset(each.metrics_port for each in world.processes.values()),
        interrupted=ledger.interrupted,
        remembered=ledger.remembered,
        machine_seed=world.seed,
        firewall=UNSEEN if blind else ImaginedFirewall(world).read(),
    )


def _machine(world: World, ledger: MemoryLedger, boot_id: str, *, blind: bool) -> MachineReading:
    last = ledger.last_cycle_at
    window = None if last is None else (world.now - last).total_seconds()
    cpu = min(100.0, world.cores_in_use / world.cores * 100)
    memory = min(100.0, world.memory_used_bytes / world.memory_total_bytes * 100)
    mounts = dict.fromkeys(world.disk_under(path) for path in world.storages)
    return MachineReading(
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


def _file_system(world: World, mount_point: str) -> FileSystem:
    total, used = world.disks[mount_point].total_bytes, world.used_bytes(mount_point)
    return FileSystem(
        mount_point=mount_point,
        total_bytes=total,
        free_bytes=total - used,
        used_percent=used / total * 100,
    )


def _storage(world: World, path: str) -> Storage:
    """A folder below a mount point goes with its disk; a mount point itself is left behind, empty."""
    mount_point = world.disk_under(path)
    is_away = mount_point != world.storages[path]
    inside = [each for each in world.folders if dirname(each) == path and world.is_there(each)]
    return Storage(
        path=path,
        present=not is_away or path == world.storages[path],
        empty=not inside,
        mount_point=mount_point,
    )


def _node(world: World, node: Node, *, blind: bool) -> NodeSeen:
    process = UNSEEN if blind else ImaginedManager(world).get_status(node)
    reachable, page = (None, UNSEEN) if blind else _asked(world, node)
    there = world.is_there(node.root_dir)
    folder = world.folders[node.root_dir] if there else None
    program: ProgramReading | Unseen = Unseen(reason=f"{node.program} is not there")
    if folder is not None and folder.version is not None:
        program = ProgramReading(
            path=node.program,
            stamp=f"{folder.version} of {folder.changed_at}",
            version=folder.version,
            changed_at=folder.changed_at,
        )
    ended = isinstance(process, ProcessReading) and process.state is ProcessState.STOPPED
    reading = NodeReading(
        process=process,
        reachable=None if ended else reachable,
        page=page,
        root_dir_present=there,
        born=folder.born if folder is not None else None,
        program=program,
        disk_bytes=folder.data_bytes if folder is not None and _is_due(node, world.now) else None,
        mount_point=folder.disk if folder is not None else None,
    )
    return NodeSeen(node=node, reading=reading)


def _asked(world: World, node: Node) -> tuple[Reachability | None, NodePage | Unseen]:
    process = world.processes.get(node.root_dir)
    if process is None:
        return None, Unseen(reason="not asked: its process does not run")
    if process.hung:
        return Reachability.TIMES_OUT, UNSEEN
    if world.now < process.answers_at:
        return Reachability.REFUSES, Unseen(reason="refused")
    flaw = world.flaw_of(process.version, node.root_dir)
    page = NodePage(
        version=flaw.says or process.version,
        peer_id=f"peer of {node.name}",
        min_version=world.least_version,
        connected_peers=0 if flaw.has_no_peers else 50,
        shun_rates=ShunRates(last_day=world.shuns.get(node.root_dir, 0)),
    )
    return Reachability.ANSWERS, page


def _is_due(node: Node, now: datetime) -> bool:
    return node.disk_measured_at is None or abs(now - node.disk_measured_at) >= MEASURED_EVERY


def _available(world: World, settings: Settings) -> ProgramReading | Unseen:
    path = settings.antnode_path
    if world.program is None:
        return Unseen(reason=f"{path}: No such file or directory")
    return ProgramReading(path=path, stamp=world.program, version=world.program, kind=settings.node_kind)


def _claims(world: World) -> list[Claim]:
    found = [each for each in world.folders if world.is_there(each)]
    paths = dict.fromkeys([*found, *world.processes])
    named = [(id_in_name(basename(path)), path) for path in paths]
    return [Claim(id=number, by=path) for number, path in named if number is not None]
