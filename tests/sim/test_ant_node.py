"""A simulated ant-node does to its machine what the real program does."""

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from tests.sim.running import WALLET, NodeRun, free_port, runs_on
from tests.waiting import eventually

from wnm.core.node_log import Proof
from wnm.formats.ant_node_files import close_group, routing_snapshot
from wnm.node_kinds.kinds import KINDS
from wnm_sim.make_program import write_program
from wnm_sim.programs import MAP_BYTES


@dataclass(kw_only=True)
class AntNodeRun(NodeRun):
    """One ant-node on its own root directory, with its log switched on by variables."""

    logging: bool = True

    def command(self) -> list[str]:
        return [
            *(str(self.program), "--root-dir", str(self.root), "--port", str(self.port)),
            *("--metrics-port", str(self.metrics_port), "--rewards-address", WALLET, *self.flags),
        ]

    def start(self, environment: object = None, **orders: object) -> subprocess.Popen[str]:
        given = {"SIMULATED_NODE_MISBEHAVE": json.dumps(orders)} if orders else {}
        log = {"ANT_ENABLE_LOGGING": str(self.logging).lower(), "ANT_LOG_DIR": str(self.log_folder)}
        return super().start(log | given)

    def start_and_wait(self) -> subprocess.Popen[str]:
        process = self.start()
        eventually(lambda: "waiting for shutdown signal" in self.log())
        return process

    def log(self) -> str:
        return "".join(path.read_text() for path in sorted(self.log_folder.glob("ant-node.*.log")))

    @property
    def data(self) -> Path:
        return self.root / "chunks.mdb" / "data.mdb"


@pytest.fixture(scope="session")
def ant_node(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("ant node programs") / "ant-node"
    write_program(path, "0.14.2", kind="ant-node")
    return path


@pytest.fixture
def run_node(ant_node: Path, tmp_path: Path) -> Iterator[Callable[..., AntNodeRun]]:
    made: list[AntNodeRun] = []

    def make(**changes: object) -> AntNodeRun:
        made.append(AntNodeRun(**({"program": ant_node, "root": tmp_path / f"n{len(made)}"} | changes)))  # type: ignore[arg-type]
        return made[-1]

    yield make
    for node in made:
        if pid := _pid_on(node.root):
            os.kill(pid, signal.SIGKILL)  # a successor after a self-upgrade, which holds the pipes open
        node.end()


@pytest.fixture
def node(run_node: Callable[..., AntNodeRun]) -> AntNodeRun:
    return run_node()


def test_opens_its_udp_port_and_no_other(node: AntNodeRun) -> None:
    node.start_and_wait()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe, pytest.raises(OSError, match="in use"):
        probe.bind(("0.0.0.0", node.port))
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", node.metrics_port), timeout=1)


def test_its_files(node: AntNodeRun) -> None:
    node.start_and_wait()
    told = ["close_group_cache.json", "routing_snapshot.json"]
    eventually(lambda: node.data.exists() and all((node.root / name).exists() for name in told))
    key = node.root / "node_identity.key"
    assert key.stat().st_mode & 0o777 == 0o600
    assert sorted(path.name for path in node.root.iterdir()) == sorted(["chunks.mdb", key.name, *told])
    seen = node.data.stat()
    assert seen.st_size == MAP_BYTES
    assert 0 < seen.st_blocks * 512 < 1024 * 1024


def test_its_store_grows_in_what_it_takes_up(node: AntNodeRun) -> None:
    process = node.start(stores_every_seconds=0.1)
    eventually(node.data.exists)
    before, changed = node.data.stat().st_blocks, node.data.stat().st_mtime_ns
    eventually(lambda: node.data.stat().st_blocks > before)
    assert node.data.stat().st_mtime_ns > changed
    assert node.data.stat().st_size == MAP_BYTES
    eventually(lambda: re.search(r"Stored chunk [0-9a-f]{64} \(\d+ bytes\)", node.log()))
    process.terminate()
    assert process.wait(timeout=60) == 0
    taken = node.data.stat().st_blocks
    node.start_and_wait()
    assert node.data.stat().st_blocks >= taken  # the next process goes on where this one ended


def test_can_be_told_to_store_nothing(node: AntNodeRun) -> None:
    node.start(stores_nothing=True, stores_every_seconds=0.1)
    eventually(lambda: "Saved " in node.log())
    taken = node.data.stat().st_blocks
    time.sleep(0.6)
    assert node.data.stat().st_blocks == taken
    assert "Stored chunk" not in node.log()


def test_its_log_reads_like_the_real_one(node: AntNodeRun) -> None:
    node.start_and_wait()
    eventually(lambda: "Saved " in node.log())
    shape = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z (?: INFO| WARN|ERROR) [a-z_:]+: .+"
    lines = node.log().splitlines()
    assert all(re.fullmatch(shape, line) for line in lines)
    assert 'ant_node: ant-node starting version="0.14.2" commit="' in lines[0]
    assert re.search(r"Node identity resolved peer_id=[0-9a-f]{64}$", lines[1])
    assert f"P2P node started listen_addrs=[/ip4/0.0.0.0/udp/{node.port}/quic]" in node.log()
    (file,) = node.log_folder.iterdir()
    assert re.fullmatch(r"ant-node\.\d{4}-\d\d-\d\d\.log", file.name)


def test_logs_nothing_unless_asked_to(run_node: Callable[..., AntNodeRun]) -> None:
    node = run_node(logging=False)
    process = node.start()
    eventually(node.data.exists)
    process.terminate()
    printed, complained = process.communicate(timeout=60)
    assert (printed, complained, process.returncode) == ("", "", 0)
    assert not node.log_folder.exists()


def test_a_json_log(run_node: Callable[..., AntNodeRun]) -> None:
    node = run_node(flags=("--log-format", "json"))
    node.start()
    eventually(lambda: "Saved " in node.log())
    first = json.loads(node.log().splitlines()[0])
    assert (first["message"], first["version"], first["target"]) == (
        "ant-node starting",
        "0.14.2",
        "ant_node",
    )


def test_keeps_its_identity(node: AntNodeRun) -> None:
    process = node.start_and_wait()
    key = (node.root / "node_identity.key").read_bytes()
    process.kill()
    process.wait()
    node.start_and_wait()
    assert (node.root / "node_identity.key").read_bytes() == key


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_ends_cleanly_after_a_signal(node: AntNodeRun, number: signal.Signals) -> None:
    process = node.start_and_wait()
    process.send_signal(number)
    assert process.wait(timeout=60) == 0


def test_what_it_tells_of_itself_is_read_like_that_of_the_real_one(node: AntNodeRun) -> None:
    process = node.start_and_wait()
    snapshot = node.root / "routing_snapshot.json"
    eventually(snapshot.exists)
    process.terminate()
    assert process.wait(timeout=60) == 0
    health = KINDS["ant-node"].log_words.read(node.log().splitlines())
    assert all(health.shows(proof) for proof in Proof)
    assert health.stopping_at is not None
    assert node.log().splitlines()[-1].endswith("ant_node: Goodbye!")
    table = routing_snapshot(snapshot.read_text())
    neighbours = close_group((node.root / "close_group_cache.json").read_text())
    assert table is not None
    assert neighbours is not None
    assert (table.owner, table.peers) == (health.peer_id, health.connected_peers)
    assert 0 < neighbours.peers <= 20


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_before_its_full_start_kills_it(node: AntNodeRun, number: signal.Signals) -> None:
    process = node.start(slow_start_seconds=60)
    eventually(lambda: "Node is running on port" in node.log())
    process.send_signal(number)
    assert process.wait(timeout=60) < 0
    assert "Goodbye!" not in node.log()
    assert "waiting for shutdown signal" not in node.log()


def test_prints_why_it_ends_and_leaves_no_file(node: AntNodeRun) -> None:
    process = node.start(exit_after_seconds=0, exit_code=7, exit_reason="no disk left")
    _, complained = process.communicate(timeout=60)
    assert process.returncode == 7
    assert complained.startswith("Error: \n   0: no disk left\n")
    assert not list(node.root.parent.rglob("critical_failure.log"))


def test_a_critical_failure_is_logged_and_it_goes_on(node: AntNodeRun) -> None:
    process = node.start(critical_failure="something broke")
    eventually(lambda: "ERROR ant_node::node: CRITICAL: something broke" in node.log())
    time.sleep(0.5)
    assert process.poll() is None
    assert node.log().count("CRITICAL") == 1


def test_never_gets_peers_and_lies_about_its_version(node: AntNodeRun) -> None:
    node.start(connected_peers=0, metrics="lie", lie_version="0.10.0")
    eventually(lambda: "Saved 0 close" in node.log())
    assert 'version="0.10.0"' in node.log()


@pytest.mark.parametrize(
    "flag", ["--metrics-server-port=1", "--no-upnp", "--log-output-dest=/x", "evm-arbitrum-one"]
)
def test_refuses_the_flags_of_antnode(ant_node: Path, tmp_path: Path, flag: str) -> None:
    command = [str(ant_node), "--root-dir", str(tmp_path / "n"), "--rewards-address", WALLET, flag]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 2
    assert f"unexpected argument '{flag.partition('=')[0]}' found" in done.stderr
    assert not (tmp_path / "n").exists()


def test_refuses_a_port_in_use(node: AntNodeRun, run_node: Callable[..., AntNodeRun]) -> None:
    node.start_and_wait()
    second = run_node(port=node.port).start()
    _, errors = second.communicate(timeout=60)
    assert second.returncode == 1
    assert "Address already in use" in errors


def _own(ant_node: Path, tmp_path: Path) -> tuple[Path, Path]:
    own = tmp_path / "own" / "ant-node"
    own.parent.mkdir()
    shutil.copy2(ant_node, own)
    newer = tmp_path / "newer"
    write_program(newer, "0.17.2-beta.2", kind="ant-node")
    return own, newer


def _version(program: Path) -> str:
    return subprocess.run([program, "--version"], capture_output=True, text=True, check=True).stdout


def test_upgrades_itself_and_starts_its_successor(
    run_node: Callable[..., AntNodeRun], ant_node: Path, tmp_path: Path
) -> None:
    own, newer = _own(ant_node, tmp_path)
    node = run_node(program=own)
    first = node.start_and_wait()
    node.order(self_upgrade_to=str(newer))
    assert first.wait(timeout=60) == 0
    eventually(lambda: 'starting version="0.17.2-beta.2"' in node.log())
    successor = eventually(lambda: _pid_on(node.root))
    assert successor != first.pid
    assert runs_on(successor, node.root)
    assert (_version(own), _version(own.with_name("ant-node.backup"))) == (
        "ant-node 0.17.2-beta.2\n",
        "ant-node 0.14.2\n",
    )


def test_upgrades_itself_and_ends_with_0_when_asked_to(
    run_node: Callable[..., AntNodeRun], ant_node: Path, tmp_path: Path
) -> None:
    own, newer = _own(ant_node, tmp_path)
    node = run_node(program=own, flags=("--stop-on-upgrade",))
    process = node.start_and_wait()
    node.order(self_upgrade_to=str(newer))
    assert process.wait(timeout=60) == 0
    assert _version(own) == "ant-node 0.17.2-beta.2\n"
    assert _pid_on(node.root) == 0
    node.order()
    node.start_and_wait()
    eventually(lambda: 'starting version="0.17.2-beta.2"' in node.log())


def _pid_on(root: Path) -> int:
    """The process that works on this root directory, by the process table; 0 for none."""
    listed = subprocess.run(["ps", "-eww", "-o", "pid=,stat=,args="], capture_output=True, text=True)
    lines = [line.split(maxsplit=2) for line in listed.stdout.splitlines() if f"--root-dir {root} " in line]
    return next((int(pid) for pid, state, _ in lines if not state.startswith("Z")), 0)


def test_two_nodes_differ(run_node: Callable[..., AntNodeRun]) -> None:
    nodes = [run_node(port=free_port(socket.SOCK_DGRAM)) for _ in range(2)]
    for node in nodes:
        node.start_and_wait()
    assert len({re.findall("peer_id=(.*)", node.log())[0] for node in nodes}) == 2
