"""Simulates a machine: disks, processes, folders and ports, events that change them, and backends that act on them."""

import math
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from posixpath import dirname

from msgspec import Struct, field
from msgspec.structs import replace

from wnm.core.errors import Permanent, Transient
from wnm.core.node import Node, ProcessState
from wnm.core.observation import FirewallReading, Load, PortRule, ProcessReading, Unseen
from wnm.core.places import Marker

START = datetime(2026, 1, 1, tzinfo=UTC)
ROOT = "/"
GB = 10**9
SMALLEST_NODE_BYTES = 150_000_000


class PowerCutError(BaseException):
    """The machine, or wnm alone, is gone in the middle of what it did. Nothing may catch it."""


class Disk(Struct, frozen=True, kw_only=True):
    """A file system; `other_bytes` is what others than nodes hold there."""

    mount_point: str
    total_bytes: int
    other_bytes: int = 0
    mounted: bool = True


class Folder(Struct, frozen=True, kw_only=True):
    """A node's root directory. `born` is None until the node first ran; `previous` is its kept older program."""

    disk: str
    version: str | None = None
    changed_at: datetime | None = None
    previous: str | None = None
    born: datetime | None = None
    data_bytes: int = 0


class Process(Struct, frozen=True, kw_only=True):
    """A running node. A hung one runs and does not answer."""

    pid: int
    started_at: datetime
    root_dir: str
    metrics_port: int
    version: str
    cores: float
    memory_bytes: int
    answers_at: datetime
    hung: bool = False


class Flaw(Struct, frozen=True, kw_only=True):
    """A fault of a version, for a share of all nodes.

    It does not start, ends so many minutes after its start, never gets peers, or says that it is another version.
    """

    ends_at_start: bool = False
    ends_after_minutes: float | None = None
    has_no_peers: bool = False
    says: str | None = None
    share: float = 1.0


SOUND = Flaw()


class World(Struct):
    """Everything outside of wnm, by its name there. `steps_left` counts down to a power cut.

    `markers` are those of storage folders, by disk and path. `flaws` are those of versions, `least_version` is the
    oldest that the network takes; where the service manager `keeps_up` nodes, it starts again what ends by itself.
    `failing` counts the calls of a verb that are still to fail, nodes in `sick` end within a minute.
    """

    seed: int
    disks: dict[str, Disk]
    storages: dict[str, str]
    now: datetime = START
    boot: int = 1
    cores: float = 4.0
    memory_total_bytes: int = 16 * GB
    memory_other_bytes: int = 2 * GB
    busy_cores: float = 0.2
    load: Load = field(default_factory=lambda: Load(one=0.2, five=0.2, fifteen=0.2))
    program: str | None = "0.4.0"
    slowest_start: timedelta = timedelta(minutes=4)
    folders: dict[str, Folder] = {}
    markers: dict[tuple[str, str], Marker] = {}
    log_folders: set[str] = set()
    units: set[str] = set()
    open_ports: dict[str, int] = {}
    processes: dict[str, Process] = {}
    keys: set[str] = set()
    failing: dict[str, int] = {}
    sick: set[str] = set()
    shuns: dict[str, int] = {}
    flaws: dict[str, Flaw] = {}
    least_version: str | None = None
    keeps_up: bool = False
    started: int = 0
    steps: int = 0
    steps_left: int | None = None

    def step(self) -> None:
        """One thing that is done whole or not at all. Raises PowerCutError when the power goes before it."""
        if self.steps_left is not None:
            if self.steps_left == 0:
                self.steps_left = None
                raise PowerCutError
            self.steps_left -= 1
        self.steps += 1

    def fails(self, verb: str) -> bool:
        """Whether this call of a verb is one of those that fail."""
        left = self.failing.get(verb, 0)
        self.failing[verb] = max(0, left - 1)
        return left > 0

    # ---- state

    def folder(self, root_dir: str) -> Folder | None:
        """A node's folder, None without one or while its disk is away."""
        folder = self.folders.get(root_dir)
        return folder if folder and folder.disk == self.disk_under(dirname(root_dir)) else None

    def disk_under(self, storage: str) -> str:
        """The mount point of the file system that a storage folder lies on at present."""
        own = self.storages[storage]
        return own if self.disks[own].mounted else ROOT

    def used_bytes(self, mount_point: str) -> int:
        """Return the bytes that are used on a disk."""
        nodes = sum(each.data_bytes for each in self.folders.values() if each.disk == mount_point)
        return min(self.disks[mount_point].total_bytes, self.disks[mount_point].other_bytes + nodes)

    @property
    def cores_in_use(self) -> float:
        return self.busy_cores + sum(each.cores for each in self.processes.values())

    @property
    def memory_used_bytes(self) -> int:
        return self.memory_other_bytes + sum(each.memory_bytes for each in self.processes.values())

    def share(self, node: object, figure: str) -> float:
        """A number from 0 to 1 that is this node's own, for good."""
        digest = sha256(f"{self.seed}:{node}:{figure}".encode()).digest()
        return int.from_bytes(digest[:4]) / 2**32

    def flaw_of(self, version: str, root_dir: str) -> Flaw:
        """The fault of a version for one node."""
        flaw = self.flaws.get(version, SOUND)
        return flaw if self.share(root_dir, version) < flaw.share else SOUND

    # ---- events

    def pass_time(self, minutes: float = 1) -> None:
        """Time goes by; load averages follow the work, and sick nodes end."""
        self.now += timedelta(minutes=minutes)
        work, load = self.cores_in_use, self.load
        one, five, fifteen = (
            math.exp(-minutes / constant) for constant in (1, 5, 15)
        )  # exponential averages
        self.load = Load(
            one=work + (load.one - work) * one,
            five=work + (load.five - work) * five,
            fifteen=work + (load.fifteen - work) * fifteen,
        )
        for root_dir in self.sick & set(self.processes):
            del self.processes[root_dir]
        for root_dir, process in list(self.processes.items()):
            minutes_lived = (self.now - process.started_at) / timedelta(minutes=1)
            limit = self.flaw_of(process.version, root_dir).ends_after_minutes
            if limit is not None and minutes_lived >= limit:
                self.crash(root_dir)

    def restart(self, process: Process, version: str) -> None:
        """A node's process is followed by another of this version."""
        self.started += 1
        self.processes[process.root_dir] = replace(
            process, pid=1000 + self.started, started_at=self.now, version=version, hung=False
        )

    def reboot(self) -> None:
        """Every process ends, and no node starts by itself."""
        self.boot += 1
        self.processes.clear()

    def crash(self, root_dir: str) -> None:
        """A node's process ends by itself."""
        process = self.processes.pop(root_dir, None)
        folder = self.folders.get(root_dir)
        if self.keeps_up and process is not None and folder is not None and folder.version is not None:
            self.restart(process, folder.version)

    def hang(self, root_dir: str) -> None:
        """A node's process goes on and answers no more."""
        self.processes[root_dir] = replace(self.processes[root_dir], hung=True)

    def lose(self, root_dir: str) -> None:
        del self.folders[root_dir]

    def fill(self, mount_point: str, other_bytes: int) -> None:
        """Others than nodes hold this much on a disk from now on."""
        self.disks[mount_point] = replace(self.disks[mount_point], other_bytes=other_bytes)


def new_world(seed: int, storages: dict[str, str], disk_bytes: int = 100 * GB) -> World:
    """A machine with these storage folders, each with the mount point that it lies on."""
    disks = {ROOT: Disk(mount_point=ROOT, total_bytes=disk_bytes, other_bytes=disk_bytes // 10)}
    for mount_point in storages.values():
        disks.setdefault(mount_point, Disk(mount_point=mount_point, total_bytes=disk_bytes))
    return World(seed=seed, disks=disks, storages=dict(storages))


class SimulatedBackends:
    """Process manager and firewall in one, working step by step; `wnm.core.contracts` says what their verbs promise."""

    name = "simulated"

    def __init__(self, world: World) -> None:
        self._world = world

    def create_node(self, node: Node, program: str) -> None:
        world = self._world
        there = world.folder(node.root_dir)
        if there is not None and there.born is not None:
            raise Permanent(f"{node.root_dir} already holds a node")
        self._try("create", node)
        if there is None:
            world.step()
            world.folders[node.root_dir] = Folder(disk=world.disk_under(dirname(node.root_dir)))
        world.step()
        world.log_folders.add(node.log_dir)
        world.step()
        self._copy(node, program, keep=False)
        world.step()
        world.units.add(node.name)

    def place_program(self, node: Node, program: str) -> None:
        self._try("place", node)
        self._require_folder(node)
        self._world.step()
        self._copy(node, program, keep=True)

    def check_program(self, node: Node, version: str) -> None:
        self._try("check", node)

    def restore_program(self, node: Node) -> None:
        folder = self._require_folder(node)
        if folder.previous is None:
            raise Permanent(f"{node.name} has no earlier program")
        self._world.step()
        self._change(node, version=folder.previous, changed_at=self._world.now)

    def forget_former_program(self, node: Node) -> None:
        self._world.step()
        if self._world.folder(node.root_dir):
            self._change(node, previous=None)

    def start_node(self, node: Node) -> None:
        world = self._world
        folder = self._require_folder(node)
        if folder.version is None:
            raise Permanent(f"{node.program} is missing")
        if node.root_dir in world.processes:
            return
        self._try("start", node)
        world.step()
        world.started += 1
        if world.flaw_of(folder.version, node.root_dir).ends_at_start:
            raise Transient(f"{node.name} ended at once: no such flag")
        world.log_folders.add(node.log_dir)
        world.units.add(node.name)
        world.processes[node.root_dir] = Process(
            pid=1000 + world.started,
            started_at=world.now,
            root_dir=node.root_dir,
            metrics_port=node.metrics_port,
            version=folder.version,
            cores=0.04 + 0.04 * world.share(node.id, "cores"),
            memory_bytes=int(100e6 + 100e6 * world.share(node.id, "memory")),
            answers_at=world.now + world.slowest_start * world.share(node.id, "start"),
        )
        size = SMALLEST_NODE_BYTES + int(world.share(node.id, "disk") * SMALLEST_NODE_BYTES)
        self._change(node, born=folder.born or world.now, data_bytes=folder.data_bytes or size)

    def stop_node(self, node: Node) -> bool:
        if node.root_dir in self._world.processes:
            self._try("stop", node)
            self._world.step()
            self._world.processes.pop(node.root_dir, None)
        return False

    def restart_node(self, node: Node) -> bool:
        killed = self.stop_node(node)
        self.start_node(node)
        return killed

    def get_status(self, node: Node) -> ProcessReading | Unseen:
        process = self._world.processes.get(node.root_dir)
        if process is None:
            return ProcessReading(state=ProcessState.STOPPED)
        return ProcessReading(
            state=ProcessState.RUNNING,
            pid=process.pid,
            started_at=process.started_at,
            cpu_percent=process.cores / self._world.cores * 100,
            memory_bytes=process.memory_bytes,
        )

    def survey_nodes(self, nodes: Sequence[Node]) -> Mapping[int, ProcessReading | Unseen]:
        return {node.id: self.get_status(node) for node in nodes}

    def trim_logs(self, nodes: Sequence[Node]) -> Sequence[str]:
        return ()

    def claimed_names(self) -> Mapping[str, str]:
        return {name: f"/simulated/{name}.service" for name in self._world.units}

    def settle(self) -> None:
        pass

    def remove_node(self, node: Node) -> int:
        world = self._world
        self.stop_node(node)
        self._try("remove", node)
        folder = world.folder(node.root_dir)
        if folder is not None and folder.born is not None:
            world.step()
            world.keys.add(node.root_dir)
        world.step()
        world.units.discard(node.name)
        freed = 0
        if folder is not None:
            world.step()
            freed = folder.data_bytes
            del world.folders[node.root_dir]
        world.step()
        world.log_folders.discard(node.log_dir)
        return freed

    def _try(self, verb: str, node: Node) -> None:
        if self._world.fails(verb):
            raise Transient(f"{verb} of {node.name} failed")

    def _require_folder(self, node: Node) -> Folder:
        folder = self._world.folder(node.root_dir)
        if folder is None:
            raise Permanent(f"{node.root_dir} is not there")
        return folder

    def _change(self, node: Node, **changes: object) -> None:
        self._world.folders[node.root_dir] = replace(self._world.folders[node.root_dir], **changes)

    def _copy(self, node: Node, program: str, *, keep: bool) -> None:
        """Give the node the program at that path: another node's, or the one that is there for all."""
        other = self._world.folders.get(dirname(program))
        version = self._world.program if other is None else other.version
        if version is None:
            raise Permanent("there is no node program")
        folder = self._world.folders[node.root_dir]
        if folder.version == version:
            return
        previous = folder.version if keep else folder.previous
        self._change(node, version=version, changed_at=self._world.now, previous=previous)

    def read(self) -> FirewallReading:
        rules = [PortRule(port=port, comment=comment) for comment, port in self._world.open_ports.items()]
        return FirewallReading(active=True, own=tuple(rules))

    def open_port(self, port: int, comment: str) -> None:
        if self._world.fails("open"):
            raise Transient(f"port {port} could not be opened")
        self._world.step()
        self._world.open_ports[comment] = port

    def close_port(self, port: int, comment: str) -> None:
        self._world.step()
        self._world.open_ports.pop(comment, None)
