"""A machine that is only thought of: disks, processes, folders and ports, and what may befall them."""

import math
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from posixpath import dirname

from msgspec import Struct
from msgspec.structs import replace

from wnm.core.node import Node
from wnm.core.observation import Load

START = datetime(2026, 1, 1, tzinfo=UTC)
ROOT = "/"
GB = 10**9


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
    """What is wrong with a version, for a share of all nodes.

    It does not start, ends so many minutes after its start, never gets peers, or says that it is another version.
    """

    ends_at_start: bool = False
    ends_after_minutes: float | None = None
    has_no_peers: bool = False
    says: str | None = None
    share: float = 1.0


SOUND = Flaw()


@dataclass(slots=True)
class World:
    """Everything outside of wnm, by what it is called there. `steps_left` counts down to a power cut.

    `flaws` are those of versions, `least_version` is the oldest that the network takes; where the service manager
    `keeps_up` nodes, it starts again what ends by itself.
    """

    seed: int
    now: datetime = START
    boot: int = 1
    cores: float = 4.0
    memory_total_bytes: int = 16 * GB
    memory_other_bytes: int = 2 * GB
    busy_cores: float = 0.2
    load: Load = field(default_factory=lambda: Load(one=0.2, five=0.2, fifteen=0.2))
    program: str | None = "0.4.0"
    slowest_start_minutes: int = 4
    disks: dict[str, Disk] = field(default_factory=dict)
    storages: dict[str, str] = field(default_factory=dict)
    folders: dict[str, Folder] = field(default_factory=dict)
    log_folders: set[str] = field(default_factory=set)
    units: set[str] = field(default_factory=set)
    open_ports: dict[str, int] = field(default_factory=dict)
    processes: dict[str, Process] = field(default_factory=dict)
    keys: set[str] = field(default_factory=set)
    failing: dict[str, int] = field(default_factory=dict)
    sick: set[str] = field(default_factory=set)
    shuns: dict[str, int] = field(default_factory=dict)
    flaws: dict[str, Flaw] = field(default_factory=dict)
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

    # ---- what there is

    def is_there(self, root_dir: str) -> bool:
        """Whether a folder is to be seen, which takes its disk."""
        folder = self.folders.get(root_dir)
        return folder is not None and folder.disk == self.disk_under(dirname(root_dir))

    def disk_under(self, storage: str) -> str:
        """The mount point of the file system that a storage folder lies on at present."""
        own = self.storages[storage]
        return own if self.disks[own].mounted else ROOT

    def used_bytes(self, mount_point: str) -> int:
        """What is stored on a disk."""
        nodes = sum(each.data_bytes for each in self.folders.values() if each.disk == mount_point)
        return min(self.disks[mount_point].total_bytes, self.disks[mount_point].other_bytes + nodes)

    @property
    def cores_in_use(self) -> float:
        """The work of all programs, as a number of cores."""
        return self.busy_cores + sum(each.cores for each in self.processes.values())

    @property
    def memory_used_bytes(self) -> int:
        return self.memory_other_bytes + sum(each.memory_bytes for each in self.processes.values())

    def share(self, node: Node, what: str) -> float:
        """A number from 0 to 1 that is this node's own, for good."""
        digest = sha256(f"{self.seed}:{node.id}:{what}".encode()).digest()
        return int.from_bytes(digest[:4]) / 2**32

    # ---- what befalls it

    def pass_time(self, minutes: float = 1) -> None:
        """Time goes by; load averages follow the work, and sick nodes end."""
        self.now += timedelta(minutes=minutes)
        work = self.cores_in_use
        self.load = Load(
            one=_towards(self.load.one, work, minutes / 1),
            five=_towards(self.load.five, work, minutes / 5),
            fifteen=_towards(self.load.fifteen, work, minutes / 15),
        )
        for root_dir in self.sick & set(self.processes):
            del self.processes[root_dir]
        for root_dir, process in list(self.processes.items()):
            minutes_lived = (self.now - process.started_at) / timedelta(minutes=1)
            limit = self.flaw_of(process.version, root_dir).ends_after_minutes
            if limit is not None and minutes_lived >= limit:
                self.crash(root_dir)

    def flaw_of(self, version: str, root_dir: str) -> Flaw:
        """What is wrong with a version for one node."""
        flaw = self.flaws.get(version)
        if flaw is None:
            return SOUND
        digest = sha256(f"{self.seed}:{root_dir}:{version}".encode()).digest()
        return flaw if int.from_bytes(digest[:4]) / 2**32 < flaw.share else SOUND

    def upgrade_itself(self, root_dir: str, version: str) -> None:
        """A node puts another version in the place of its program, and restarts on it if it runs."""
        self.folders[root_dir] = replace(self.folders[root_dir], version=version, changed_at=self.now)
        process = self.processes.get(root_dir)
        if process is not None:
            self._replace(process, version)

    def _replace(self, process: Process, version: str) -> None:
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
            self._replace(process, folder.version)

    def hang(self, root_dir: str) -> None:
        """A node's process goes on and answers no more."""
        self.processes[root_dir] = replace(self.processes[root_dir], hung=True)

    def lose(self, root_dir: str) -> None:
        """A node's folder is deleted by somebody else."""
        del self.folders[root_dir]

    def mount(self, mount_point: str, mounted: bool) -> None:
        """A disk is put in or taken away, with all that lies on it."""
        self.disks[mount_point] = replace(self.disks[mount_point], mounted=mounted)

    def fill(self, mount_point: str, other_bytes: int) -> None:
        """Others than nodes hold this much on a disk from now on."""
        self.disks[mount_point] = replace(self.disks[mount_point], other_bytes=other_bytes)

    def heal(self) -> None:
        """Nothing fails by itself any more."""
        self.failing.clear()
        self.sick.clear()
        self.shuns.clear()
        self.flaws.clear()


def _towards(present: float, goal: float, periods: float) -> float:
    """An exponential average after `periods` of its time constant."""
    return goal + (present - goal) * math.exp(-periods)


def new_world(seed: int, storages: dict[str, str], disk_bytes: int = 100 * GB) -> World:
    """A machine with these storage folders, each with the mount point that it lies on."""
    disks = {ROOT: Disk(mount_point=ROOT, total_bytes=disk_bytes, other_bytes=disk_bytes // 10)}
    for mount_point in storages.values():
        disks.setdefault(mount_point, Disk(mount_point=mount_point, total_bytes=disk_bytes))
    return World(seed=seed, disks=disks, storages=dict(storages))
