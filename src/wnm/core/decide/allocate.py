"""Allocates an id, ports, a folder and a wallet to a new node."""

from datetime import datetime, timedelta
from hashlib import sha256
from posixpath import join

from wnm.core.backends import traits_of
from wnm.core.decide.gauges import in_crisis, inode_gauge
from wnm.core.forms import FAUCET, WeightedWallet
from wnm.core.node import Node, NodeId, Status, node_name
from wnm.core.observation import FileSystem, Observation, Storage
from wnm.core.reasons import Blocked, BlockKind, Remedy, RemedyKind, Task, TaskKind
from wnm.core.settings import Settings
from wnm.core.values import Value

LAST_PORT = 65535
AGAIN_AFTER = timedelta(hours=1)
"""The time after which a storage folder where an addition failed is taken for as good as the others."""


class Place(Value, frozen=True, kw_only=True):
    """A storage folder and the file system it lies on."""

    path: str
    file_system: FileSystem


def free_ids(seen: Observation, settings: Settings, count: int) -> list[NodeId]:
    """The lowest ids that no row, folder, process or bound port claims; fewer when ports run out."""
    taken = {each.node.id for each in seen.nodes} | {claim.id for claim in seen.claims}
    used_ports = {each.node.port for each in seen.nodes} | {each.node.metrics_port for each in seen.nodes}
    busy = used_ports | seen.bound_ports
    found: list[NodeId] = []
    candidate = 0
    highest = LAST_PORT - max(settings.port_start, settings.metrics_port_start) * 1000
    while len(found) < count and candidate < highest:
        candidate += 1
        ports = ports_of(candidate, settings)
        if candidate not in taken and not busy.intersection(ports):
            found.append(NodeId(candidate))
    return found


def ports_of(node_id: int, settings: Settings) -> tuple[int, int]:
    """The node port and the metrics port that belong to an id."""
    return settings.port_start * 1000 + node_id, settings.metrics_port_start * 1000 + node_id


def places(seen: Observation, settings: Settings) -> list[Place]:
    """The storage folders that new nodes may use, most free bytes first; those in a crisis are left out.

    A folder in which the last addition failed comes after the others until one succeeds there, or an hour has passed.
    """
    found = []
    for path in settings.node_storage:
        file_system = file_system_of(path, seen)
        if (
            file_system is not None
            and not in_crisis(file_system, settings)
            and file_system.free_inodes != 0
            and place_problem(path, seen) is None
        ):
            found.append(Place(path=path, file_system=file_system))
    return sorted(found, key=lambda place: (_has_failed(place.path, seen), -place.file_system.free_bytes))


def place_problem(path: str, seen: Observation) -> BlockKind | None:
    """What keeps nodes from being put in a storage folder, whatever is free there; None if nothing."""
    storage = next((each for each in seen.storages if each.path == path), None)
    if storage is None:
        return None
    if storage.read_only:
        return BlockKind.PLACE_READ_ONLY
    if storage.noexec:
        return BlockKind.PLACE_NOEXEC
    return None if storage.writable else BlockKind.PLACE_UNWRITABLE


def _has_failed(path: str, seen: Observation) -> bool:
    at = next((each.failed_at for each in seen.remembered.places if each.path == path), None)
    return at is not None and abs(seen.now - at) < AGAIN_AFTER


def has_untried_place(seen: Observation, settings: Settings) -> bool:
    """Whether a node fits somewhere where no addition failed lately, while one did elsewhere."""
    found = [_has_failed(place.path, seen) for place in places(seen, settings)]
    return any(_has_failed(path, seen) for path in settings.node_storage) and False in found


def file_system_of(path: str, seen: Observation) -> FileSystem | None:
    """The file system that a storage folder lies on, as far as it was seen."""
    storage = next((each for each in seen.storages if each.path == path), None)
    return None if storage is None else _mounted(storage, seen)


def _mounted(storage: Storage, seen: Observation) -> FileSystem | None:
    systems = seen.machine.file_systems
    return next((each for each in systems if each.mount_point == storage.mount_point), None)


def draw_wallet(settings: Settings, seed: int, node_id: int) -> str:
    """The address a new node pays to, drawn by weight; the same seed and id always give the same one."""
    wallets = settings.rewards_address
    total = sum(wallet.weight for wallet in wallets)
    digest = sha256(f"{seed}:{node_id}".encode()).digest()
    draw = int.from_bytes(digest[:8]) % total
    for wallet in wallets:
        draw -= wallet.weight
        if draw < 0:
            return address_of(wallet, settings)
    raise ValueError("weights must be positive")


def address_of(wallet: WeightedWallet, settings: Settings) -> str:
    """The address that a wallet's name stands for."""
    return {"donate": settings.donate_address, "faucet": FAUCET}.get(
        wallet.name_or_address, wallet.name_or_address
    )


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
            return Blocked(kind=problem, action=adding, path=path, remedy=_mend(path))
    for path in settings.node_storage:
        system = file_system_of(path, seen)
        if system is None:
            return Blocked(kind=BlockKind.STORAGE_UNSEEN, action=adding, path=path)
        inodes = inode_gauge(system, settings)
        if inodes is not None and not inodes.allows_growth:
            figure = inodes.against(inodes.allow)
            return Blocked(kind=BlockKind.READING_HIGH, action=adding, reading=figure)
    return Blocked(kind=BlockKind.NO_SPACE, action=adding, limit=settings.crisis_bytes)


def _mend(path: str) -> Remedy:
    return Remedy(kind=RemedyKind.MEND_PLACE, path=path)
