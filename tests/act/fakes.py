"""Whole fakes of the backends: they keep state, note what was asked of them, and fail or dawdle where told."""

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from wnm.core.node import Node, ProcessState
from wnm.core.observation import FirewallReading, PortRule, ProcessReading, Unseen

type Trouble = Callable[[], None]


@dataclass
class FakeManager:
    """Nodes as sets of ids. `trouble` maps (verb, node id) to what happens instead of nothing before the verb."""

    folders: set[int] = field(default_factory=set)
    running: set[int] = field(default_factory=set)
    programs: dict[int, str] = field(default_factory=dict)
    kept: dict[int, str] = field(default_factory=dict)
    trouble: dict[tuple[str, int], Trouble] = field(default_factory=dict)
    done: list[str] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)
    busy: int = 0
    busiest: int = 0
    units: dict[str, str] = field(default_factory=dict)
    settled: int = 0

    def _note(self, verb: str, node: Node) -> None:
        with self.lock:
            self.busy += 1
            self.busiest = max(self.busiest, self.busy)
        try:
            self.trouble.get((verb, node.id), lambda: None)()
            with self.lock:
                self.done.append(f"{verb} {node.id}")
        finally:
            with self.lock:
                self.busy -= 1

    def create_node(self, node: Node, program: str) -> None:
        self._note("create", node)
        self.folders.add(node.id)
        self.programs[node.id] = program

    def place_program(self, node: Node, program: str) -> None:
        self._note("place", node)
        self.kept[node.id] = self.programs.get(node.id, "")
        self.programs[node.id] = program

    def check_program(self, node: Node, version: str) -> None:
        self._note("check", node)

    def restore_program(self, node: Node) -> None:
        self._note("restore", node)
        self.programs[node.id] = self.kept[node.id]

    def forget_former_program(self, node: Node) -> None:
        self._note("forget", node)
        self.kept.pop(node.id, None)

    def start_node(self, node: Node) -> None:
        self._note("start", node)
        self.running.add(node.id)

    def stop_node(self, node: Node) -> bool:
        self._note("stop", node)
        self.running.discard(node.id)
        return False

    def restart_node(self, node: Node) -> bool:
        self.stop_node(node)
        self.start_node(node)
        return False

    def get_status(self, node: Node) -> ProcessReading | Unseen:
        return self.survey_nodes([node])[node.id]

    def survey_nodes(self, nodes: Sequence[Node]) -> Mapping[int, ProcessReading | Unseen]:
        up, down = ProcessState.RUNNING, ProcessState.STOPPED
        return {node.id: ProcessReading(state=up if node.id in self.running else down) for node in nodes}

    def trim_logs(self, nodes: Sequence[Node]) -> Sequence[str]:
        return ()

    def claimed_names(self) -> Mapping[str, str]:
        return self.units

    def settle(self) -> None:
        self.trouble.get(("settle", 0), lambda: None)()
        self.settled += 1

    def remove_node(self, node: Node) -> int:
        self._note("remove", node)
        self.running.discard(node.id)
        self.folders.discard(node.id)
        return 1000


@dataclass
class FakeFirewall:
    """Rules as comments by port; `log` is shared with the manager's, so that the order of both can be told."""

    log: list[str]
    rules: dict[int, str] = field(default_factory=dict)
    name: str = "fake"
    trouble: dict[int, Trouble] = field(default_factory=dict)

    def read(self) -> FirewallReading:
        own = tuple(PortRule(port=port, comment=comment) for port, comment in self.rules.items())
        return FirewallReading(active=True, own=own)

    def open_port(self, port: int, comment: str) -> None:
        self.trouble.get(port, lambda: None)()
        self.rules[port] = comment
        self.log.append(f"open {port}")

    def close_port(self, port: int, comment: str) -> None:
        self.rules.pop(port, None)
        self.log.append(f"close {port}")
