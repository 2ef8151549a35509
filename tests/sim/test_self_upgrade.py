"""A simulated node replaces its own program and restarts, as the real one does."""

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.sim.running import NodeRun, runs_on
from tests.waiting import eventually

from wnm_sim.make_program import write_program

NEWER = "Autonomi Node v0.4.18-rc.1\n"


@pytest.fixture
def newer(tmp_path: Path) -> Path:
    path = tmp_path / "newer"
    write_program(path, "0.4.18-rc.1")
    return path


@pytest.fixture
def own(program: Path, tmp_path: Path) -> Path:
    """A copy of the program that a test may replace."""
    path = tmp_path / "bin of its own" / "antnode"
    path.parent.mkdir()
    shutil.copy2(program, path)
    return path


def _version_on_disk(program: Path) -> str:
    return subprocess.run([program, "--version"], capture_output=True, text=True).stdout.splitlines(True)[0]


def test_restarts_as_the_newer_version(new_node: Callable[..., NodeRun], own: Path, newer: Path) -> None:
    node = new_node(program=own)
    first = node.start_and_wait()
    key = (node.root / "secret-key").read_bytes()
    node.order(self_upgrade_to=str(newer))
    assert first.wait(timeout=60) == 0
    eventually(node.answers)
    assert 'antnode_version="0.4.18-rc.1"' in node.page("/metadata")
    assert _version_on_disk(own) == NEWER
    assert (node.root / "secret-key").read_bytes() == key
    successor = node.recorded_pid()
    assert successor != first.pid
    assert runs_on(successor, node.root)
    assert node.log().count("Replaced") == 1  # the successor has the same orders and is content


def test_runs_the_old_version_until_its_restart(
    new_node: Callable[..., NodeRun], own: Path, newer: Path
) -> None:
    node = new_node(program=own)
    process = node.start_and_wait()
    node.order(self_upgrade_to=str(newer), self_upgrade_restart_after_seconds=600)
    eventually(lambda: _version_on_disk(own) == NEWER)
    assert process.poll() is None
    assert 'antnode_version="0.4.17"' in node.page("/metadata")


def test_only_stops_when_asked_to(new_node: Callable[..., NodeRun], own: Path, newer: Path) -> None:
    node = new_node(program=own, flags=("--stop-on-upgrade",))
    process = node.start_and_wait()
    node.order(self_upgrade_to=str(newer))
    assert process.wait(timeout=60) == 0
    assert node.recorded_pid() == 0
    assert not node.answers()
    assert _version_on_disk(own) == NEWER


def test_goes_on_when_the_newer_program_is_missing(
    new_node: Callable[..., NodeRun], own: Path, tmp_path: Path
) -> None:
    node = new_node(program=own)
    node.start_and_wait()
    node.order(self_upgrade_to=str(tmp_path / "nothing"))
    eventually(lambda: "Cannot upgrade" in node.log())
    assert node.answers()
    assert _version_on_disk(own) == "Autonomi Node v0.4.17\n"
