"""A machine inside the limits of cgroups: real ones, of version 1, of this kernel."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from tests.cli.operator import Operator

ROOT = Path("/sys/fs/cgroup")
MB = 1_000_000


class Box:
    """A cgroup of one controller below our own; programs are started in it by `before`."""

    def __init__(self, controller: str, **limits: object) -> None:
        own = next(
            line.partition(":")[2].partition(":")[2]
            for line in Path("/proc/self/cgroup").read_text().splitlines()
            if controller in line.split(":")[1].split(",")
        )
        self.folder = ROOT / controller / own.strip("/") / f"wnm-test-{os.getpid()}"
        self.folder.mkdir()
        for name, limit in limits.items():
            (self.folder / name.replace("_", ".", 1)).write_text(str(limit))

    @property
    def before(self) -> tuple[str, ...]:
        return ("sh", "-c", 'echo $$ > "$0/cgroup.procs" && exec "$@"', str(self.folder))

    def figure(self, file: str, name: str) -> int:
        lines = (self.folder / file).read_text().splitlines()
        return next(int(line.split()[1]) for line in lines if line.split()[0] == name)

    def end(self) -> None:
        """Let everything in it go on above it, then remove it."""
        for _ in range(50):
            for pid in (self.folder / "cgroup.procs").read_text().split():
                with suppress(OSError):
                    (self.folder.parent / "cgroup.procs").write_text(pid)
            with suppress(OSError):
                self.folder.rmdir()
                return


def needs(controller: str) -> None:
    """Skip where this controller is none of version 1, or not ours to use."""
    if sys.platform != "linux" or os.geteuid() != 0 or not (ROOT / controller / "cgroup.procs").exists():
        pytest.skip(f"the controller {controller} of cgroup version 1 is not here, or not ours")


@pytest.fixture
def memory() -> Iterator[Box]:
    needs("memory")
    box = Box("memory", memory_limit_in_bytes=260 * MB)
    yield box
    box.end()


@pytest.fixture
def pids() -> Iterator[Box]:
    needs("pids")
    box = Box("pids", pids_max=44)
    yield box
    box.end()


def test_no_node_is_started_into_the_oom_killer(operator: Operator, memory: Box) -> None:
    operator.init(node_cap=9, mem_less_than=70, mem_remove=80)
    for _ in range(6):
        assert operator.unhurried_cycle(before=memory.before).code == 0
    assert 1 <= len(operator.pids()) < 9
    assert memory.figure("memory.oom_control", "oom_kill") == 0
    told = " ".join(operator.run("status", before=memory.before).out.split())
    assert "memory is limited to 260.0 MB of" in told, told
    assert "memory is" in operator.ask("explain").out
    bounds = operator.report("machine-metrics")["memory_bounds"]
    assert [each["where"] == "" for each in bounds] == [True, False]


def test_nodes_that_live_elsewhere_do_not_give_way_for_the_limit_of_a_shell(
    operator: Operator, memory: Box
) -> None:
    pids = operator.bring_up(2, mem_less_than=70, mem_remove=80)
    hog = subprocess.Popen(
        [*memory.before, sys.executable, "-c", "held = bytearray(225_000_000); print(flush=True); input()"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    try:
        assert hog.stdout is not None
        hog.stdout.readline()
        assert operator.unhurried_cycle("--node_cap=5", before=memory.before).code == 0
        assert operator.pids() == pids
        assert "memory is" in operator.ask("explain").out
    finally:
        hog.communicate(b"\n")


def test_processes_that_may_not_be_made_are_not_tried(operator: Operator, pids: Box) -> None:
    operator.init(node_cap=9)
    for _ in range(9):
        assert operator.unhurried_cycle(before=pids.before).code == 0
    assert 1 <= len(operator.pids()) < 9
    assert "processes and threads of 44" in operator.ask("explain").out
    assert pids.figure("pids.events", "max") == 0
