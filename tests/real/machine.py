"""A closed network on this machine with real node programs in it, and an operator there who has no special rights.

Everything runs in a network namespace that has only `lo`: both programs look for routers, peers and releases by
themselves. The operator's processes are in a user namespace besides, in which they are an ordinary account.
"""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import count, pairwise
from pathlib import Path
from typing import Any

import psutil
from scripts.real_programs import pinned

WNM = Path(sys.executable).with_name("wnm")
WALLET = "0x1111111111111111111111111111111111111111"
PORTS, METRICS = 22, 23
GENESIS_PORT = 21001
ACCOUNT = 1000
PATIENCE_SECONDS = 90.0
NOWHERE = {"ANT_BOOTSTRAP_PEERS_PATH": "/nonexistent"}
_NUMBERS = count()
# Wide enough that a busy test machine neither holds growth back nor sheds anything.
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
    "delay_upgrade": "5s",
    "delay_remove": 0,
    "stop_grace": 30,
}


def installed(name: str, version: str) -> Path | None:
    """The program in the cache; None where `make real` has not installed it."""
    (found,) = [each.path for each in pinned(everything=True) if (each.name, each.version) == (name, version)]
    return found if found.is_file() else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """How one run of `wnm` ended and what it said."""

    code: int
    out: str
    err: str


@dataclass(kw_only=True)
class Machine:
    """A closed network, a first node in it that wnm knows nothing of, and an operator with a home."""

    home: Path
    kind: str = "ant-node"
    network: str = field(default_factory=lambda: f"wnm-real-{os.getpid()}-{next(_NUMBERS)}")
    started: list[subprocess.Popen[bytes]] = field(default_factory=list)

    @property
    def program(self) -> Path:
        return self.home / "bin" / self.kind

    @property
    def nodes(self) -> Path:
        return self.home / "nodes"

    def begin(self) -> None:
        """Make the network. Only root can."""
        subprocess.run(["ip", "netns", "add", self.network], check=True)
        subprocess.run(self.inside("ip", "link", "set", "lo", "up"), check=True)
        self.program.parent.mkdir(parents=True)

    def end(self) -> None:
        """End every process of the network, by what the kernel says is in it, and the network."""
        for _ in range(100):
            listed = subprocess.run(
                ["ip", "netns", "pids", self.network], capture_output=True, text=True, check=False
            )
            pids = [int(pid) for pid in listed.stdout.split()]
            for pid in pids:
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            if not pids:
                break
            time.sleep(0.05)
        for process in self.started:
            process.wait(timeout=PATIENCE_SECONDS)
        subprocess.run(["ip", "netns", "del", self.network], check=False)

    def inside(self, *words: str) -> list[str]:
        """A command line in the network, as root."""
        return ["ip", "netns", "exec", self.network, *words]

    def as_operator(self, *words: str) -> list[str]:
        """A command line in the network, as an ordinary account."""
        account = (f"--map-user={ACCOUNT}", f"--map-group={ACCOUNT}")
        return self.inside("unshare", "--user", *account, "--", *words)

    def start_genesis(self, program: Path) -> None:
        """Start the first node of the network, which nobody manages; return when it is fully started."""
        root = self.home / "genesis"
        words = (
            *(str(program), "--network-mode", "development", "--ipv4-only", "--port", str(GENESIS_PORT)),
            *("--root-dir", str(root), "--rewards-address", WALLET, "--enable-logging", "--stop-on-upgrade"),
            *("--log-dir", str(root / "logs"), "--disable-webrtc-direct"),
        )
        with (self.home / "genesis.out").open("wb") as output:
            self.started.append(
                subprocess.Popen(
                    self.as_operator(*words),
                    env={**os.environ, **NOWHERE},
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=output,
                )
            )
        self.until(lambda: "waiting for shutdown signal" in self.log_of(root / "logs"), "the first node")

    def offer(self, program: Path) -> None:
        """Put this program where new nodes take theirs from."""
        unfinished = self.program.with_name("unfinished")
        shutil.copy(program, unfinished)
        unfinished.replace(self.program)

    def offer_wrapper(self, version: str, script: str, real: Path | None = None) -> None:
        """Offer a shell script that says it is this version; `script` is what it does when it is to run.

        `$real` in it is the path of the real program.
        """
        text = f'#!/bin/sh\nreal={real}\ncase "$1" in --version) echo "ant-node {version}"; exit 0;; esac\n{script}\n'
        unfinished = self.program.with_name("unfinished")
        unfinished.write_text(text)
        unfinished.chmod(0o755)
        unfinished.replace(self.program)

    def wnm(self, *words: object) -> Result:
        """Run `wnm` as the operator."""
        ran = subprocess.run(
            self.as_operator(str(WNM), "--dbpath", str(self.home / "data" / "colony.db"), *map(str, words)),
            env={"PATH": "/usr/bin:/bin:/usr/sbin:/sbin", "HOME": str(self.home)},
            cwd=self.home,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=PATIENCE_SECONDS,
            check=False,
        )
        return Result(code=ran.returncode, out=ran.stdout, err=ran.stderr)

    def init(self, count: int, **settings: object) -> None:
        """Initialise for this many nodes, which name the first one."""
        network = f"--network-mode development --ipv4-only --bootstrap 127.0.0.1:{GENESIS_PORT}"
        wished: dict[str, object] = {
            "rewards_address": WALLET,
            "antnode_path": self.program,
            "process_manager": "setsid",
            "firewall": "null",
            "node_storage": self.nodes,
            "log_storage": self.home / "logs",
            "key_storage": self.home / "keys",
            "port_start": PORTS,
            "metrics_port_start": METRICS,
            "node_cap": count,
            "start_args": network,
            "environment": " ".join(f"{name}={value}" for name, value in NOWHERE.items()),
            **LIMITS,
            **dict.fromkeys(
                ("max_concurrent_starts", "max_concurrent_removals", "max_concurrent_operations"), 25
            ),
            **settings,
        }
        result = self.wnm("--init", *(f"--{name}={value}" for name, value in wished.items()))
        assert result.code == 0, result

    def cycle(self) -> Result:
        """One cycle; its end is one that a cycle may have."""
        result = self.wnm()
        assert result.code in (0, 1, 3), result
        return result

    def cycles_until(self, holds: Callable[[], bool], what: str, seconds: float = PATIENCE_SECONDS) -> None:
        """Run cycles until something holds."""
        said: list[str] = []

        def look() -> bool:
            result = self.cycle()
            said.append((result.out + result.err).strip())
            return holds()

        self.until(look, what, seconds, lambda: "\n".join(said[-12:]) + "\n" + self.wnm("explain").out)

    def until(
        self,
        holds: Callable[[], bool],
        what: str,
        seconds: float = PATIENCE_SECONDS,
        told: Callable[[], str] = lambda: "",
    ) -> None:
        """Wait until something holds."""
        deadline = time.monotonic() + seconds
        while not holds():
            assert time.monotonic() < deadline, f"{what}: not within {seconds:.0f} s\n{told()}"
            time.sleep(0.2)

    def bring_up(self, count: int, **settings: object) -> None:
        """Initialise and run cycles until this many nodes run; on a busy machine they are added one by one."""
        self.init(count, **settings)
        seconds = PATIENCE_SECONDS + 20 * count
        self.cycles_until(lambda: self.running() == count, f"{count} nodes", seconds)

    def report(self) -> list[dict[str, Any]]:
        """The nodes as `node-status-details` tells of them."""
        result = self.wnm("--report", "node-status-details", "--report_format", "json")
        assert result.code == 0, result
        nodes: list[dict[str, Any]] = json.loads(result.out)["nodes"]
        return nodes

    def running(self) -> int:
        """How many nodes are RUNNING."""
        return sum(node["status"] == "RUNNING" for node in self.report())

    def versions(self) -> list[str | None]:
        """What nodes are of, lowest id first."""
        return [node["version"] for node in self.report()]

    def processes(self) -> dict[str, list[int]]:
        """The pids of every node's processes, by the names of their folders."""
        found: dict[str, list[int]] = {}
        for process in psutil.process_iter(["cmdline"]):
            words: Sequence[str] = process.info["cmdline"] or []
            for option, value in pairwise(words):
                if option == "--root-dir" and value.startswith(f"{self.nodes}/"):
                    found.setdefault(Path(value).name, []).append(process.pid)
        return found

    def log_of(self, folder: Path) -> str:
        """All that lies in a log folder."""
        return "".join(each.read_text(errors="replace") for each in sorted(folder.glob("*.log")))

    def node_log(self, number: int) -> str:
        """The log of a node."""
        return self.log_of(self.home / "logs" / f"antnode{number:04d}")
