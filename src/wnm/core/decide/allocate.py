"""Allocates an id, ports, a folder and a wallet to a new node."""

from datetime import datetime
from hashlib import sha256
from posixpath import join

from wnm.core.backends import traits_of
from wnm.core.decide.gauges import in_crisis
from wnm.core.forms import FAUCET, WeightedWallet
from wnm.core.node import Node, NodeId, Status, node_name
from wnm.core.observation import FileSystem, Observation, Storage
from wnm.core.reasons import Blocked, BlockKind, Task, TaskKind
from wnm.core.settings import Settings
from wnm.core.values import Value

LAST_PORT = 65535


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
    """The storage folders that new nodes may use, most free bytes first; those in a crisis are left out."""
    found = []
    for path in settings.node_storage:
        file_system = file_system_of(path, seen)
        if file_system is not None and not in_crisis(file_system, settings):
            found.append(Place(path=path, file_system=file_system))
    return sorted(found, key=lambda place: -place.file_system.free_bytes)


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
    unseen = [path for path in settings.node_storage if file_system_of(path, seen) is None]
    if unseen:
        return Blocked(kind=BlockKind.STORAGE_UNSEEN, action=adding, path=unseen[0])
    return Blocked(kind=BlockKind.NO_SPACE, action=adding, limit=settings.crisis_bytes)
