"""A well-behaved simulated node does to its machine what the real program does."""

import re
import signal
import socket
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.sim.running import WALLET, NodeRun, get, runs_on
from tests.waiting import eventually


def test_answers_on_its_three_pages_and_nowhere_else(node: NodeRun) -> None:
    node.start_and_wait()
    metrics = node.page("/metrics")
    assert 40_000 <= len(metrics) <= 60_000
    assert 480 <= len(metrics.splitlines()) <= 500
    assert metrics.endswith("# EOF\n")
    assert 'time_frame="LastHour"' in node.page("/metrics_extended")
    metadata = node.page("/metadata")
    assert 'ant_node_antnode_version_info{antnode_version="0.4.17"} 1' in metadata
    assert re.search(r'peer_id_info\{peer_id="12D3KooW[1-9A-HJ-NP-Za-km-z]{44}"\} 1', metadata)
    assert "ant_networking_min_node_version_info{" in metadata
    for path in ("/", "/metric", "/metrics/", "/metadata2"):
        assert get(node.metrics_port, path) == (404, b"")


def test_figures_move(node: NodeRun) -> None:
    node.start_and_wait()
    assert node.figure("ant_networking_connected_peers") > 0
    assert node.figure("ant_networking_records_stored") == len(list((node.root / "record_store").iterdir()))
    assert 1 < node.figure("ant_networking_process_memory_used_mb") < 100
    uptime = node.figure("ant_node_uptime")
    eventually(lambda: node.figure("ant_node_uptime") > uptime)


def test_is_light_and_fast(node: NodeRun) -> None:
    began = time.monotonic()
    node.start_and_wait()
    assert time.monotonic() - began < 2.0  # far above the usual 0.04 s: a loaded machine must pass
    assert node.figure("ant_networking_process_memory_used_mb") < 20


def test_serves_several_requests_on_one_connection(node: NodeRun) -> None:
    node.start_and_wait()
    with socket.create_connection(("127.0.0.1", node.metrics_port), timeout=3) as client:
        client.sendall(b"GET /nothing HTTP/1.1\r\nHost: x\r\n\r\n" * 2)
        received = b""
        while received.count(b"404 Not Found") < 2:
            received += client.recv(4096)
        client.sendall(b"GET /nothing HTTP/1.1\r\nConnection: close\r\n\r\n")
        while chunk := client.recv(4096):
            received += chunk
    assert received.count(b"HTTP/1.1 404 Not Found") == 3


def test_keeps_its_files_as_the_real_program_does(node: NodeRun) -> None:
    process = node.start_and_wait()
    assert node.recorded_pid() == process.pid
    assert runs_on(process.pid, node.root)
    assert (node.root / "secret-key").stat().st_mode & 0o777 == 0o600
    assert (node.root / "historic_quoting_metrics").exists()
    assert sum(file.stat().st_size for file in node.root.rglob("*") if file.is_file()) < 10_000
    assert "Metrics on http://127.0.0.1" in node.log()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_ends_cleanly_after_a_signal(node: NodeRun, number: signal.Signals) -> None:
    process = node.start_and_wait()
    before = {file.relative_to(node.root) for file in node.root.rglob("*")}
    process.send_signal(number)
    assert process.wait(timeout=60) == 0
    after = {file.relative_to(node.root) for file in node.root.rglob("*")}
    assert before - after == {Path("antnode.pid")}
    assert process.stderr is not None
    assert process.stderr.read() == ""


def test_keeps_its_identity_over_restarts(node: NodeRun, new_node: Callable[..., NodeRun]) -> None:
    process = node.start_and_wait()
    key, metadata = (node.root / "secret-key").read_bytes(), node.page("/metadata")
    process.kill()
    process.wait()
    assert node.recorded_pid() == process.pid  # a kill leaves the pid file behind
    node.start_and_wait()
    assert (node.root / "secret-key").read_bytes() == key
    assert node.page("/metadata") == metadata
    other = new_node()
    other.start_and_wait()
    assert other.page("/metadata") != metadata


def test_refuses_a_node_port_in_use(node: NodeRun, new_node: Callable[..., NodeRun]) -> None:
    first = node.start_and_wait()
    second = new_node(root=node.root, port=node.port).start()
    _, errors = second.communicate(timeout=60)
    assert second.returncode == 1
    assert f"cannot listen on UDP 0.0.0.0:{node.port}: Address already in use" in errors
    assert node.recorded_pid() == first.pid


def test_refuses_a_metrics_port_in_use(node: NodeRun, new_node: Callable[..., NodeRun]) -> None:
    node.start_and_wait()
    second = new_node(metrics_port=node.metrics_port).start()
    _, errors = second.communicate(timeout=60)
    assert second.returncode == 1
    assert f"cannot listen on TCP 127.0.0.1:{node.metrics_port}: Address already in use" in errors


def test_logs_to_standard_output_as_json(program: Path, tmp_path: Path) -> None:
    command = [str(program), f"--root-dir={tmp_path}", "--log-output-dest=stdout", "--log-format=json"]
    with subprocess.Popen(
        [*command, f"--rewards-address={WALLET}"], stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        line = process.stdout.readline()
        eventually(lambda: (tmp_path / "antnode.pid").exists())
        process.terminate()
    assert '"message": "Starting 0.4.17 as 12D3KooW' in line
    assert process.returncode == 0
    assert not (tmp_path / "logs").exists()


def test_refuses_a_wrong_command_line(program: Path, tmp_path: Path) -> None:
    root = tmp_path / "node"
    command = [str(program), "--root-dir", str(root), "--rewards-address", WALLET, "--bootstrap", "1.2.3.4:5"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 2
    assert done.stderr.startswith("error: unexpected argument '--bootstrap' found\n")
    assert not root.exists()
