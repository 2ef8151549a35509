"""What the contract tests work with: units and nodes in a scratch folder, and every process that they left behind."""

import contextlib
import json
import os
import socket
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path

import psutil
from tests.builders import settings
from tests.waiting import eventually

from wnm.core.contracts import Clock, Unit, UnitDriver
from wnm.core.errors import WnmError
from wnm.core.node import Node, NodeId, ProcessState, Status, node_name
from wnm.core.observation import ProcessReading
from wnm.node_kinds.kinds import ANTNODE, KINDS
from wnm.process_managers.manager import NodeManager
from wnm.system.clock import SystemClock

WALLET = "0x" + "1a" * 20
GRACE = timedelta(seconds=5)
SHORT = timedelta(seconds=0.3)


def free_port() -> int:
    """A port that nobody listens on just now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def processes_naming(folder: Path) -> list[psutil.Process]:
    """All living processes with the folder somewhere in an argument, found without the code under test."""
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            if process.status() != psutil.STATUS_ZOMBIE and any(
                str(folder) in text for text in process.cmdline()
            ):
                found.append(process)
    return found


def end_processes_naming(folder: Path) -> None:
    """Kill them, by pid, until none is left: one may be starting another."""

    def none_left() -> bool:
        left = processes_naming(folder)
        for process in left:
            with contextlib.suppress(psutil.Error):
                process.kill()
        return not left

    eventually(none_left)
    # Those that were our own children.
    with contextlib.suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass


def answers(port: int) -> bool:
    """Whether somebody accepts connections there: the node is up and has its signal handlers."""
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
        return True
    return False


def names_in(folder: str | Path) -> list[str]:
    """The names of what is in a folder, sorted."""
    return sorted(path.name for path in Path(folder).iterdir())


def is_free(port: int) -> bool:
    """Whether nobody accepts connections there."""
    return not answers(port)


class HourlyClock(SystemClock):
    """A clock on which an hour passes between two looks at the time of day."""

    def __init__(self) -> None:
        self._hours = 0

    def now(self) -> datetime:
        self._hours += 1
        return datetime(2026, 1, 1, tzinfo=UTC) + timedelta(hours=self._hours)


@dataclass(frozen=True, slots=True, kw_only=True)
class Workbench:
    """A scratch folder with node programs of two versions and a driver to be held to its promises."""

    folder: Path
    program: Path
    newer: Path
    driver: UnitDriver
    nodes: list[Node] = field(default_factory=list)

    @property
    def storage(self) -> Path:
        return self.folder / "nodes"

    @property
    def logs(self) -> Path:
        return self.folder / "logs"

    @property
    def keys(self) -> Path:
        return self.folder / "keys"

    def node(self, number: int = 1, *, misbehave: Mapping[str, object] | None = None) -> Node:
        """A node as it would be decided; nothing of it exists."""
        name = node_name(number)
        root = self.storage / name
        environment = (("SIMULATED_NODE_MISBEHAVE", json.dumps(dict(misbehave))),) if misbehave else ()
        node = Node(
            id=NodeId(number),
            name=name,
            kind="antnode",
            manager=self.driver.name,
            root_dir=str(root),
            log_dir=str(self.logs / name),
            program=str(root / "antnode"),
            port=free_port(),
            metrics_port=free_port(),
            wallet=WALLET,
            born=datetime(2026, 1, 1, tzinfo=UTC),
            environment=environment,
            status=Status.STOPPED,
            status_since=datetime(2026, 1, 1, tzinfo=UTC),
        )
        self.nodes.append(node)
        return node

    def manager(
        self,
        *,
        keep_keys: bool = True,
        key_storage: Path | None = None,
        clock: Clock | None = None,
        self_upgrade: bool = False,
    ) -> NodeManager:
        """The manager over the driver."""
        chosen = settings(
            node_storage=(str(self.storage),),
            log_storage=str(self.logs),
            key_storage=str(key_storage or self.keys),
            keep_keys=keep_keys,
            self_upgrade="allow" if self_upgrade else "prevent",
            stop_grace=GRACE,
        )
        return NodeManager(self.driver, KINDS, chosen, clock or SystemClock())

    def created(self, number: int = 1, *, misbehave: Mapping[str, object] | None = None) -> Node:
        """A node that was created and not started."""
        node = self.node(number, misbehave=misbehave)
        self.manager().create_node(node, str(self.program))
        return node

    def unit(self, node: Node, *, argv: tuple[str, ...] | None = None) -> Unit:
        """The node as a unit; `argv` puts another program in its place."""
        return Unit(
            name=node.name,
            argv=argv or ANTNODE.command_line(node),
            environment=node.environment,
            working_dir=node.root_dir,
            log_file=f"{node.log_dir}/stdout.log",
            fingerprint=ANTNODE.fingerprint(node.root_dir),
            writable=(node.root_dir, node.log_dir),
        )

    def end(self) -> None:
        """Leave no unit behind: what a service manager keeps running comes back when it is killed."""
        units = [self.unit(node) for node in self.nodes]
        states = self.driver.status(units)
        for unit in units:
            with contextlib.suppress(WnmError):
                if states[unit.name] != ProcessReading(state=ProcessState.STOPPED):
                    self.driver.stop(unit, SHORT)
                self.driver.remove(unit)
        self.driver.settle()

    def script(self, name: str, text: str) -> Path:
        """An executable shell script."""
        path = self.folder / name
        path.write_text(f"#!/bin/sh\n{text}\n")
        path.chmod(0o755)
        return path

    def reading(self, unit: Unit) -> ProcessReading:
        """What the driver says of a unit; it must have been able to look."""
        seen = self.driver.status([unit])[unit.name]
        assert isinstance(seen, ProcessReading), seen
        return seen

    def pids(self, node: Node) -> list[int]:
        """The living processes of a node, found without the code under test."""
        found = []
        for process in processes_naming(Path(node.root_dir)):
            with contextlib.suppress(psutil.Error):
                argv = process.cmdline()
                if ("--root-dir", node.root_dir) in pairwise(argv) or f"--root-dir={node.root_dir}/" in argv:
                    found.append(process.pid)
        return found


@contextlib.contextmanager
def workbench(folder: Path, programs: Mapping[str, Path], driver: UnitDriver) -> Iterator[Workbench]:
    """A workbench whose processes are all ended afterwards."""
    bench = Workbench(folder=folder, program=programs["0.4.17"], newer=programs["0.4.18"], driver=driver)
    bench.storage.mkdir(mode=0o700)
    try:
        yield bench
    finally:
        bench.end()
        end_processes_naming(folder)
