"""Starts simulated node programs as real processes, asks their pages, and ends them."""

import http.client
import json
import os
import signal
import socket
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from tests.waiting import eventually

WALLET = "0x" + "1a" * 20


def free_port(kind: socket.SocketKind = socket.SOCK_STREAM) -> int:
    """A port of 127.0.0.1 that nobody listens on just now."""
    with socket.socket(socket.AF_INET, kind) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def get(port: int, path: str, timeout_seconds: float = 3.0) -> tuple[int, bytes]:
    """Status and body of GET `path`. Raises OSError when nobody answers in time."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=timeout_seconds)
    try:
        connection.request("GET", path)
        response = connection.getresponse()
        return response.status, response.read()
    finally:
        connection.close()


@dataclass(kw_only=True)
class NodeRun:
    """One node on its own root directory; start it as often as a test needs."""

    program: Path
    root: Path
    port: int = field(default_factory=lambda: free_port(socket.SOCK_DGRAM))
    metrics_port: int = field(default_factory=free_port)
    flags: tuple[str, ...] = ()
    processes: list[subprocess.Popen[str]] = field(default_factory=list)

    def command(self) -> list[str]:
        """The command line of this node."""
        return [
            *(str(self.program), "--root-dir", str(self.root), "--port", str(self.port)),
            *("--metrics-server-port", str(self.metrics_port), "--rewards-address", WALLET),
            *("--log-output-dest", str(self.log_folder), *self.flags, "evm-arbitrum-one"),
        ]

    def start(self, environment: Mapping[str, str] | None = None) -> subprocess.Popen[str]:
        """Start the process; it may not answer yet."""
        process = subprocess.Popen(
            self.command(),
            env=dict(os.environ) | dict(environment or {}),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd="/",
        )
        self.processes.append(process)
        return process

    def start_and_wait(self) -> subprocess.Popen[str]:
        """Start the process and return when its pages answer."""
        process = self.start()
        eventually(self.answers)
        return process

    def answers(self) -> bool:
        """Whether the metadata page answers."""
        try:
            return get(self.metrics_port, "/metadata", 1.0)[0] == 200
        except (OSError, http.client.HTTPException):
            return False

    def page(self, path: str) -> str:
        """The text of a page that must be there."""
        status, body = get(self.metrics_port, path)
        assert status == 200
        return body.decode()

    def figure(self, name: str) -> float:
        """The value of an unlabelled sample of /metrics."""
        lines = self.page("/metrics").splitlines()
        return next(float(line.split()[1]) for line in lines if line.startswith(f"{name} "))

    def order(self, **orders: object) -> None:
        """Write the misbehaviour file, whole at once."""
        self.root.mkdir(parents=True, exist_ok=True)
        unfinished = self.root / "orders.new"
        unfinished.write_text(json.dumps(orders))
        unfinished.replace(self.root / "misbehave.json")

    @property
    def log_folder(self) -> Path:
        """Where this node logs."""
        return self.root.parent / f"{self.root.name} logs"

    def log(self) -> str:
        """What it has logged so far."""
        return (self.log_folder / "antnode.log").read_text()

    def failure(self) -> str:
        """The text of its critical_failure.log; empty when there is none."""
        path = self.log_folder / "critical_failure.log"
        return path.read_text() if path.exists() else ""

    def recorded_pid(self) -> int:
        """The pid in antnode.pid, 0 when there is no such file."""
        path = self.root / "antnode.pid"
        text = path.read_text().strip() if path.exists() else ""
        return int(text or 0)

    def end(self) -> None:
        """Kill whatever is left, a successor after a self-upgrade too."""
        pid = self.recorded_pid()
        if pid and runs_on(pid, self.root):
            os.kill(pid, signal.SIGKILL)
        for process in self.processes:
            process.kill()
            process.communicate()


def runs_on(pid: int, root: Path) -> bool:
    """Whether the process works on this root directory, by the process table."""
    listed = subprocess.run(["ps", "-ww", "-o", "args=", "-p", str(pid)], capture_output=True, text=True)
    return f"--root-dir {root}" in listed.stdout
