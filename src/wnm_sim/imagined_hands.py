"""Hands in an imagined machine: they keep the promises of the real ones, one interruptible step after another."""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from posixpath import dirname

from msgspec.structs import replace

from wnm.core.errors import Permanent, Transient
from wnm.core.node import Node, ProcessState
from wnm.core.observation import FirewallReading, PortRule, ProcessReading, Unseen
from wnm_sim.world import Folder, Process, World

SMALLEST_NODE_BYTES = 150_000_000


class ImaginedManager:
    """A process manager; see `wnm.core.contracts.ProcessManager` for what its verbs promise."""

    def __init__(self, world: World) -> None:
        self._world = world

    def create_node(self, node: Node, program: str) -> None:
        world = self._world
        there = world.folders.get(node.root_dir) if world.is_there(node.root_dir) else None
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
        self._world.folders[node.root_dir] = replace(
            folder, version=folder.previous, changed_at=self._world.now
        )

    def forget_former_program(self, node: Node) -> None:
        self._world.step()
        if self._world.is_there(node.root_dir):
            folder = self._world.folders[node.root_dir]
            self._world.folders[node.root_dir] = replace(folder, previous=None)

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
        world.processes[node.root_dir] = self._process(node, folder.version)
        size = SMALLEST_NODE_BYTES + int(world.share(node, "disk") * SMALLEST_NODE_BYTES)
        world.folders[node.root_dir] = replace(
            folder, born=folder.born or world.now, data_bytes=folder.data_bytes or size
        )

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
        return {name: f"/imagined/{name}.service" for name in self._world.units}

    def settle(self) -> None:
        pass

    def remove_node(self, node: Node) -> int:
        world = self._world
        self.stop_node(node)
        self._try("remove", node)
        folder = world.folders.get(node.root_dir) if world.is_there(node.root_dir) else None
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
        if not self._world.is_there(node.root_dir):
            raise Permanent(f"{node.root_dir} is not there")
        return self._world.folders[node.root_dir]

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
        self._world.folders[node.root_dir] = replace(
            folder, version=version, changed_at=self._world.now, previous=previous
        )

    def _process(self, node: Node, version: str) -> Process:
        world = self._world
        settling = timedelta(minutes=world.slowest_start_minutes * world.share(node, "start"))
        return Process(
            pid=1000 + world.started,
            started_at=world.now,
            root_dir=node.root_dir,
            metrics_port=node.metrics_port,
            version=version,
            cores=0.04 + 0.04 * world.share(node, "cores"),
            memory_bytes=int(100e6 + 100e6 * world.share(node, "memory")),
            answers_at=world.now + settling,
        )


class ImaginedFirewall:
    """Opens ports; see `wnm.core.contracts.Firewall`."""

    name = "imagined"

    def __init__(self, world: World) -> None:
        self._world = world

    def read(self) -> FirewallReading:
        rules = self._world.open_ports.items()
        return FirewallReading(
            active=True, own=tuple(PortRule(port=port, comment=comment) for comment, port in rules)
        )

    def open_port(self, port: int, comment: str) -> None:
        if self._world.fails("open"):
            raise Transient(f"port {port} could not be opened")
        self._world.step()
        self._world.open_ports[comment] = port

    def close_port(self, port: int, comment: str) -> None:
        self._world.step()
        self._world.open_ports.pop(comment, None)
