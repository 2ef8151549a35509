"""An operator at a machine of his own: the installed `wnm`, a home, simulated node programs, and what runs there."""

import http.client
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any

import psutil
from tests.cli.forks import Forks
from tests.cli.port_blocks import PORTS, PortBlocks
from tests.waiting import eventually

from wnm.core.node import Node
from wnm.core.observation import Unseen
from wnm.core.places import MARKER_NAME
from wnm.storage.database import open_for_reading
from wnm.storage.timeline import Timeline
from wnm_sim.make_program import write_program

WNM = Path(sys.executable).with_name("wnm")
PATH = "/usr/bin:/bin"
PATIENCE_SECONDS = 120.0
OLD, NEW = "0.4.17", "0.4.18"
QUIET_PERCENT = 97.0
BREATH_SECONDS = 0.3
FORKS = Forks()
# Wide enough that a busy test machine neither holds growth back nor sheds anything; no CPU is above 100 %.
LIMITS: Mapping[str, object] = {
    "cpu_less_than": 99.9,
    "cpu_remove": 100,
    "mem_less_than": 98,
    "mem_remove": 99,
    "hd_less_than": 98,
    "hd_remove": 99,
    "desired_load_average": 1000,
    "max_load_average_allowed": 2000,
    "crisis_bytes": 0,
    "delay_start": 0,
    "delay_restart": 0,
    "delay_upgrade": 0,
    "delay_remove": 0,
    "stop_grace": 10,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """How one run of `wnm` ended and what it said."""

    code: int
    out: str
    err: str
    seconds: float

    @property
    def lines(self) -> list[str]:
        """Every line it wrote, to stdout and to stderr."""
        return [*self.out.splitlines(), *self.err.splitlines()]


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeProcess:
    """A living process of a node, as the process table shows it."""

    pid: int
    root_dir: str
    started_at: float

    @property
    def name(self) -> str:
        return Path(self.root_dir).name


@dataclass(kw_only=True)
class Operator:
    """Everything lies below `home`; nothing of the surroundings of the tests reaches `wnm`."""

    home: Path
    ports: PortBlocks = field(default_factory=PortBlocks)
    port_start: int = 0
    metrics_port_start: int = 0
    background: list[subprocess.Popen[str]] = field(default_factory=list)

    @property
    def database(self) -> Path:
        return self.home / "data" / "colony.db"

    @property
    def nodes(self) -> Path:
        return self.home / "nodes"

    @property
    def logs(self) -> Path:
        return self.home / "logs"

    @property
    def keys(self) -> Path:
        return self.home / "keys"

    @property
    def program(self) -> Path:
        return self.home / "bin" / "antnode"

    def settle_in(self) -> None:
        """A home with a node program in it, and ports that are free."""
        self.program.parent.mkdir(parents=True)
        self.offer(OLD)
        self.port_start, self.metrics_port_start = self.ports.reserve(), self.ports.reserve()

    def offer(self, version: str, **orders: object) -> None:
        """Put another version of the node program where new nodes take theirs from; `orders` are what it does wrong."""
        unfinished = self.program.with_name("unfinished")
        unfinished.write_bytes(program_bytes(version, json.dumps(orders) if orders else ""))
        unfinished.chmod(0o755)
        unfinished.replace(self.program)

    def environment(self, extra: Mapping[str, str] | None = None) -> dict[str, str]:
        """What `wnm` sees of its surroundings."""
        return {"PATH": PATH, "HOME": str(self.home), **(extra or {})}

    def run(
        self,
        *words: object,
        env: Mapping[str, str] | None = None,
        before: Sequence[str] = (),
        cwd: Path | None = None,
    ) -> Result:
        """Run `wnm` on this operator's database; `before` are the words of a program that starts it."""
        started = time.monotonic()
        ran = subprocess.run(
            [*before, *self.command(*words)],
            env=self.environment(env),
            cwd=cwd or self.home,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=PATIENCE_SECONDS,
            start_new_session=True,
            check=False,
        )
        seconds = time.monotonic() - started
        return Result(code=ran.returncode, out=ran.stdout, err=ran.stderr, seconds=seconds)

    def ask(self, *words: object, env: Mapping[str, str] | None = None) -> Result:
        """The same without the imports of `wnm`: for what is refused or only read."""
        started = time.monotonic()
        code, out, err = FORKS.run(self.command(*words), self.environment(env), self.home)
        return Result(code=code, out=out, err=err, seconds=time.monotonic() - started)

    def begin(self, *words: object) -> subprocess.Popen[str]:
        """Start `wnm` and do not wait for it; it leads a process group of its own."""
        process = subprocess.Popen(
            self.command(*words),
            env=self.environment(),
            cwd=self.home,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        self.background.append(process)
        return process

    def command(self, *words: object) -> list[str]:
        """The command line of `wnm` with these words."""
        return [str(WNM), "--dbpath", str(self.database), *map(str, words)]

    def wishes(self, **settings: object) -> list[str]:
        """The options of `--init` for this home; `settings` replace or add some."""
        wished: dict[str, object] = {
            "rewards_address": "faucet",
            "antnode_path": self.program,
            "process_manager": "setsid",
            "firewall": "null",
            "node_storage": self.nodes,
            "log_storage": self.logs,
            "key_storage": self.keys,
            "port_start": self.port_start,
            "metrics_port_start": self.metrics_port_start,
            **LIMITS,
            **settings,
        }
        return [f"--{name}={value}" for name, value in wished.items()]

    def init(self, **settings: object) -> Result:
        """`wnm --init`, which must succeed."""
        result = self.ask("--init", *self.wishes(**settings))
        assert result.code == 0, result
        return result

    def cycle(self, *words: object, env: Mapping[str, str] | None = None) -> Result:
        """One run of `wnm` without a subcommand, as cron would start it."""
        return self.run(*words, env=env)

    def good_cycle(self, *words: object) -> Result:
        """A cycle that must end with exit code 0."""
        result = self.cycle(*words)
        assert result.code == 0, result
        return result

    def unhurried_cycle(self, *words: object, before: Sequence[str] = ()) -> Result:
        """A cycle that did something, or that no busy CPU held back; there may have been some that it did hold back."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while True:
            result = self.run(*words, before=before)
            if not self.was_too_busy() or self.report("decisions")["actions"]:
                return result
            assert time.monotonic() < deadline, result
            time.sleep(BREATH_SECONDS)

    def cycles_until(
        self, holds: Callable[[], bool], *words: object, at_most: int, codes: Sequence[int] = (0,)
    ) -> list[Result]:
        """Run cycles until `holds`. A cycle in which a busy CPU held growth back does not count."""
        return self._cycles_until(self.cycle, holds, *words, at_most=at_most, codes=codes)

    def _cycles_until(
        self,
        cycle: Callable[..., Result],
        holds: Callable[[], bool],
        *words: object,
        at_most: int,
        codes: Sequence[int] = (0,),
    ) -> list[Result]:
        results: list[Result] = []
        counted, deadline = 0, time.monotonic() + PATIENCE_SECONDS
        while not holds():
            assert counted < at_most, f"not so after {at_most} cycles: {results}\n{self.ask('explain').out}"
            assert time.monotonic() < deadline, f"not so in time: {results}"
            results.append(cycle(*words))
            assert results[-1].code in codes, results[-1]
            if holds():
                break
            if self.was_too_busy():
                time.sleep(BREATH_SECONDS)
            else:
                counted += 1
        return results

    def bring_up(self, count: int, **settings: object) -> list[int]:
        """Initialise unless that was done, run cycles until `count` nodes are RUNNING; returns their pids."""
        if not self.database.exists():
            self.init(node_cap=count, **settings)
        together = ("--max_concurrent_starts", count, "--max_concurrent_operations", count)
        self._cycles_until(self.ask, lambda: self.running() == count, *together, at_most=12)
        assert self.ask("--max_concurrent_starts=1", "--max_concurrent_operations=1").code == 0
        assert self.running() == count
        return self.pids()

    def was_too_busy(self) -> bool:
        """Whether the last cycle left nodes unstarted because the CPU was busy with something else."""
        with open_for_reading(str(self.database)) as database:
            cycle = Timeline(database).cycle()
        return cycle is not None and any(
            held.reading is not None and held.reading.key == "cpu_percent" for held in cycle.held
        )

    def report(self, name: str) -> dict[str, Any]:
        """A report as JSON."""
        result = self.ask("--report", name, "--json")
        assert (result.code, result.err) == (0, ""), result
        found: dict[str, Any] = json.loads(result.out)
        return found

    def rows(self) -> dict[int, dict[str, Any]]:
        """The nodes that `wnm` knows, by id."""
        return {node["id"]: node for node in self.report("node-status-details")["nodes"]}

    def oldest_first(self) -> list[int]:
        """The ids in the order of the nodes' birth, which is not that of their ids when they came up together."""
        return [
            int(node.id) for node in sorted(self.remembered().values(), key=lambda node: (node.born, node.id))
        ]

    def remembered(self) -> dict[int, Node]:
        """The same from the database itself: tests that wait look often, and a report takes its time."""
        with open_for_reading(str(self.database)) as database:
            return {int(node.id): node for node in Timeline(database).nodes()}

    def statuses(self) -> dict[int, str]:
        """The status of each node."""
        return {node_id: str(node.status) for node_id, node in self.remembered().items()}

    def versions(self) -> dict[int, str | None]:
        """The version of each node's own copy of the program."""
        return {node_id: node.binary_version for node_id, node in self.remembered().items()}

    def running(self) -> int:
        """How many nodes are RUNNING."""
        return list(self.statuses().values()).count("RUNNING")

    def processes(self) -> list[NodeProcess]:
        """The living processes whose --root-dir lies in this home, found without the code under test."""
        found = []
        for process in psutil.process_iter():
            with suppress(psutil.Error):
                root = _root_dir(process.cmdline())
                if root and self.home in Path(root).parents and process.status() != psutil.STATUS_ZOMBIE:
                    found.append(
                        NodeProcess(pid=process.pid, root_dir=root, started_at=process.create_time())
                    )
        return sorted(found, key=lambda process: (process.name, process.pid))

    def pids(self) -> list[int]:
        """The pids of the nodes' processes, in the order of their names."""
        return [process.pid for process in self.processes()]

    def pids_of(self, node_id: int) -> list[int]:
        """The pids of one node."""
        return [process.pid for process in self.processes() if process.name == f"antnode{node_id:04d}"]

    def kill(self, node_id: int) -> None:
        """`kill -9` of a node's only process; returns when it is gone."""
        (pid,) = self.pids_of(node_id)
        os.kill(pid, signal.SIGKILL)
        eventually(lambda: pid not in self.pids())

    def folder(self, node_id: int) -> Path:
        """The root directory of a node."""
        return self.nodes / f"antnode{node_id:04d}"

    def in_storage(self) -> list[str]:
        """What lies in the storage folder besides its marker, by name."""
        return sorted(set(os.listdir(self.nodes)) - {MARKER_NAME}) if self.nodes.exists() else []  # noqa: PTH208

    def order(self, node_id: int, **orders: object) -> None:
        """Tell a simulated node how to misbehave; returns when it does."""
        journal = self.logs / f"antnode{node_id:04d}" / "antnode.log"
        said = journal.read_text().count("Behaviour is now")
        unfinished = self.folder(node_id) / "orders.new"
        unfinished.write_text(json.dumps(orders))
        unfinished.replace(self.folder(node_id) / "misbehave.json")
        eventually(lambda: journal.read_text().count("Behaviour is now") > said)

    def answers(self, node_id: int) -> bool:
        """Whether a node gives its metrics on the port that belongs to its id."""
        connection = http.client.HTTPConnection("127.0.0.1", self.metrics_port(node_id), timeout=2)
        try:
            connection.request("GET", "/metrics")
            return b"ant_node_uptime" in connection.getresponse().read()
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()

    def metrics_port(self, node_id: int) -> int:
        """The metrics port that is promised to an id."""
        return self.metrics_port_start * PORTS + node_id

    def end(self) -> None:
        """Kill what was left running, and nothing else."""
        for process in self.background:
            with suppress(ProcessLookupError):
                process.kill()
            process.communicate()

        def none_left() -> bool:
            left = self.processes()
            for each in left:
                with suppress(ProcessLookupError):
                    os.kill(each.pid, signal.SIGKILL)
            return not left

        eventually(none_left)
        self.ports.free()


def is_quiet(cpu_percent: float | Unseen) -> bool:
    """Whether the CPU leaves room for another node or two."""
    return not isinstance(cpu_percent, Unseen) and cpu_percent < QUIET_PERCENT


@cache
def program_bytes(version: str, misbehave: str = "") -> bytes:
    """The simulated node program of a version, made once; `misbehave` is a JSON object."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "antnode")
        write_program(path, version, misbehave=misbehave)
        return path.read_bytes()


def _root_dir(arguments: list[str]) -> str | None:
    for flag, value in pairwise(arguments):
        if flag == "--root-dir":
            return value
    return None
