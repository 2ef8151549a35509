"""The sandbox sees nothing of its user's wnm, takes free ports, and leaves no process."""

import os
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).resolve().parents[2]
SLEEPER = "import signal, sys, time\n{setup}\nprint('up', flush=True)\ntime.sleep(60)"

type Start = Callable[..., subprocess.Popen[bytes]]


@pytest.fixture
def start() -> Iterator[Start]:
    """Starts a process with arguments that does nothing for a minute; `deaf` to TERM if asked for."""
    started: list[subprocess.Popen[bytes]] = []

    def begin(*arguments: str, deaf: bool = False) -> subprocess.Popen[bytes]:
        setup = "signal.signal(signal.SIGTERM, signal.SIG_IGN)" if deaf else ""
        command = [sys.executable, "-c", SLEEPER.format(setup=setup), *arguments]
        process = subprocess.Popen(command, stdout=subprocess.PIPE)
        started.append(process)
        assert process.stdout is not None
        assert process.stdout.readline() == b"up\n"
        return process

    yield begin
    for process in started:
        process.kill()
        process.communicate()


def end(folder: Path) -> subprocess.CompletedProcess[str]:
    """End what has its root directory in a folder."""
    command = [sys.executable, str(CHECKOUT / "scripts" / "end_sandbox_nodes.py"), str(folder)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_what_runs_in_the_folder_is_ended(start: Start, tmp_path: Path) -> None:
    sandbox = tmp_path / "my checkout" / ".sandbox"
    apart = start("--root-dir", f"{sandbox}/nodes/antnode0001")
    joined = start(f"--root-dir={sandbox}/nodes/antnode0002")
    ran = end(sandbox)
    assert (ran.returncode, ran.stderr) == (0, "")
    assert apart.wait(5) < 0
    assert joined.wait(5) < 0


def test_what_runs_elsewhere_is_left_alone(start: Start, tmp_path: Path) -> None:
    sandbox = tmp_path / ".sandbox"
    others = [
        start("--root-dir", f"{sandbox}-2/nodes/antnode0001"),
        start("--root-dir", f"{sandbox}/../elsewhere/antnode0001"),
        start("--root-dir", str(sandbox)),
        start("--log-dir", f"{sandbox}/nodes/antnode0001"),
        start("--root-dir"),
    ]
    assert end(sandbox).returncode == 0
    assert [process.poll() for process in others] == [None] * len(others)


@pytest.mark.slow
def test_a_process_that_ignores_the_request_is_killed(start: Start, tmp_path: Path) -> None:
    deaf = start("--root-dir", f"{tmp_path}/nodes/antnode0001", deaf=True)
    assert end(tmp_path).returncode == 0
    assert deaf.wait(5) == -9


def test_the_ports_of_a_range_in_use_are_passed_over() -> None:
    command = [sys.executable, str(CHECKOUT / "scripts" / "find_free_ports.py")]
    first = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as node, socket.socket() as metrics:
        node.bind(("127.0.0.1", int(first[0]) * 1000 + 2))
        metrics.bind(("127.0.0.1", int(first[1]) * 1000 + 3))
        second = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()
    assert int(second[0]) > int(first[0])
    assert int(second[1]) > int(first[1])


def test_settings_of_the_user_do_not_reach_the_sandbox(tmp_path: Path) -> None:
    (tmp_path / ".sandbox").mkdir()
    (tmp_path / ".env").write_text("NODE_CAP=7\n")
    command = f". {CHECKOUT}/scripts/sandbox.sh; isolated env; isolated pwd"
    leaky = {**os.environ, "WNM_NODE_CAP": "7", "NODE_CAP": "7", "PORT_START": "7", "HOME": "/nonexistent"}
    ran = subprocess.run(
        ["/bin/sh", "-c", command], cwd=tmp_path, env=leaky, capture_output=True, text=True, check=True
    )
    *environment, place = ran.stdout.splitlines()
    names = {line.partition("=")[0] for line in environment}
    assert names - {"PWD", "SHLVL", "_"} <= {"PATH", "HOME", "TERM", "LANG", "COLUMNS"}
    assert f"HOME={tmp_path.resolve()}/.sandbox/home" in environment
    assert place == f"{tmp_path.resolve()}/.sandbox"
