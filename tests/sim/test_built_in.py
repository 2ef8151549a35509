"""A version can be broken from the start, and still be ordered to behave."""

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.sim.running import WALLET, NodeRun
from tests.waiting import eventually

from wnm_sim.make_program import main, write_program

KINDS = {"antnode": "0.4.18", "ant-node": "0.15.0"}


@pytest.fixture
def broken(tmp_path: Path) -> Callable[..., Path]:
    """Writes a program that misbehaves by itself."""

    def make(kind: str = "antnode", **orders: object) -> Path:
        path = tmp_path / "broken"
        write_program(path, KINDS[kind], kind=kind, misbehave=json.dumps(orders))
        return path

    return make


def _run(program: Path, root: Path, *flags: str) -> subprocess.CompletedProcess[str]:
    command = [program, "--root-dir", str(root), "--rewards-address", WALLET, *flags]
    return subprocess.run([str(word) for word in command], capture_output=True, text=True, timeout=60)


@pytest.mark.parametrize("kind", KINDS)
def test_crashes_at_every_start(broken: Callable[..., Path], tmp_path: Path, kind: str) -> None:
    assert _run(broken(kind, crash_loop=True), tmp_path / "n").returncode == 1


@pytest.mark.parametrize("kind", KINDS)
def test_crashes_after_a_while(broken: Callable[..., Path], tmp_path: Path, kind: str) -> None:
    program = broken(kind, exit_after_seconds=0.4, exit_code=9)
    assert _run(program, tmp_path / "n").returncode == 9


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("flag", ["--root-dir", "--rewards-address"])
def test_does_not_know_a_flag(broken: Callable[..., Path], tmp_path: Path, kind: str, flag: str) -> None:
    done = _run(broken(kind, refuse_flags=[flag]), tmp_path / "n")
    assert done.returncode == 2
    assert done.stderr.startswith(f"error: unexpected argument '{flag}' found\n")
    assert not (tmp_path / "n").exists()


def test_does_not_know_a_flag_that_its_orders_name(tmp_path: Path, program: Path) -> None:
    (tmp_path / "n").mkdir()
    (tmp_path / "n" / "misbehave.json").write_text('{"refuse_flags": ["--log-output-dest"]}')
    done = _run(program, tmp_path / "n", "--log-output-dest", "stdout")
    assert done.returncode == 2
    assert "unexpected argument '--log-output-dest' found" in done.stderr


@pytest.mark.parametrize("kind", KINDS)
def test_does_not_say_its_version(broken: Callable[..., Path], kind: str) -> None:
    done = subprocess.run([broken(kind, refuse_version="exit"), "--version"], capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (1, "")
    with pytest.raises(subprocess.TimeoutExpired):
        subprocess.run([broken(kind, refuse_version="hang"), "--version"], capture_output=True, timeout=0.5)


def test_never_gets_peers_and_shows_an_old_version(
    broken: Callable[..., Path], new_node: Callable[..., NodeRun]
) -> None:
    node = new_node(program=broken(connected_peers=0, metrics="lie", lie_version="0.4.17"))
    node.start_and_wait()
    assert node.figure("ant_networking_connected_peers") == 0
    assert 'antnode_version="0.4.17"' in node.page("/metadata")


def test_leaves_a_critical_failure_and_goes_on(
    broken: Callable[..., Path], new_node: Callable[..., NodeRun]
) -> None:
    node = new_node(program=broken(critical_failure="HardDiskWriteError"))
    process = node.start_and_wait()
    eventually(lambda: node.failure().endswith("Node terminated due to: HardDiskWriteError\n"))
    assert process.poll() is None
    assert node.answers()


def test_stores_nothing(broken: Callable[..., Path], new_node: Callable[..., NodeRun]) -> None:
    node = new_node(program=broken(stores_nothing=True))
    node.start_and_wait()
    assert node.figure("ant_networking_records_stored") == 0
    assert not list((node.root / "record_store").iterdir())


def test_orders_from_elsewhere_change_only_what_they_name(
    broken: Callable[..., Path], new_node: Callable[..., NodeRun]
) -> None:
    node = new_node(program=broken(crash_loop=True, connected_peers=0))
    node.order(crash_loop=False)
    node.start_and_wait()
    assert node.figure("ant_networking_connected_peers") == 0
    (node.root / "misbehave.json").unlink()
    assert node.processes[0].wait(timeout=60) == 1
    process = node.start({"SIMULATED_NODE_MISBEHAVE": '{"crash_loop": false}'})
    eventually(node.answers)
    assert process.poll() is None


def test_is_another_file_than_the_good_one(broken: Callable[..., Path], tmp_path: Path) -> None:
    write_program(tmp_path / "good", KINDS["antnode"])
    write_program(tmp_path / "good too", KINDS["antnode"], misbehave="{}")
    assert broken(crash_loop=True).read_bytes() != (tmp_path / "good").read_bytes()
    assert (tmp_path / "good").read_bytes() == (tmp_path / "good too").read_bytes()


@pytest.mark.parametrize(
    "orders", ["{", "[]", '{"crash_loop": 1}', '{"refuse_flags": ["x"]}', '{"colour": 1}']
)
def test_orders_that_mean_nothing_are_wrong_usage(
    tmp_path: Path, orders: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as refused:
        main(["--out", str(tmp_path / "x"), "--misbehave", orders])
    assert refused.value.code == 2
    assert "--misbehave: " in capsys.readouterr().err
    assert not (tmp_path / "x").exists()


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ([], "Autonomi Node v0.4.17\n"),
        (["--kind", "ant-node"], "ant-node 0.14.2\n"),
        (["--kind", "ant-node", "--version", "0.17.2-beta.2"], "ant-node 0.17.2-beta.2\n"),
    ],
)
def test_the_command_line_writes_either_program(tmp_path: Path, options: list[str], said: str) -> None:
    assert main([*options, "--out", str(tmp_path / "program")]) == 0
    done = subprocess.run([tmp_path / "program", "--version"], capture_output=True, text=True)
    assert done.stdout.splitlines(keepends=True)[0] == said
