"""The process table shows what runs, and signals reach exactly the process that was meant."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest
from msgspec.structs import replace

from wnm.system.processes import Process, ProcessTable, _from_psutil, holds, is_alive, signal_exactly

SLEEPER = "import time; print('started', flush=True); time.sleep(60)"


@contextmanager
def sleeping(*arguments: str) -> Iterator["subprocess.Popen[bytes]"]:
    """A process that has these arguments and has started up: its memory grows no more."""
    with subprocess.Popen([sys.executable, "-c", SLEEPER, *arguments], stdout=subprocess.PIPE) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == b"started\n"
            yield process
        finally:
            process.kill()


def only(value: str) -> Process:
    (process,) = ProcessTable.read({"--root-dir"}).holding(("--root-dir", value))
    return process


@pytest.mark.parametrize(
    ("argv", "is_it"),
    [
        (("x", "--root-dir", "/n/1"), True),
        (("x", "--root-dir", "/n/1/"), True),
        (("x", "--root-dir=/n/1"), True),
        (("x", "--root-dir=/n/1//"), True),
        (("x", "--port", "1", "--root-dir", "/n/1", "y"), True),
        (("x", "--root-dir", "/n/12"), False),
        (("x", "--root-dir", "/n/1/2"), False),
        (("x", "--root-dir", "/old/n/1"), False),
        (("x", "--root-dir", "y", "/n/1"), False),
        (("x", "/n/1"), False),
        (("x", "--root-dir"), False),
        (("x --root-dir /n/1",), False),
        (("x", "--root-dir /n/1"), False),
        (("x", "--root-dirs", "/n/1"), False),
        (("x", "--root-dir", "n/1"), False),
        ((), False),
    ],
)
def test_a_fingerprint_is_two_neighbours_exactly(argv: tuple[str, ...], is_it: bool) -> None:
    assert holds(argv, ("--root-dir", "/n/1")) is is_it
    assert holds(argv, ("--root-dir", "/n/1/")) is is_it


def test_the_root_folder_is_a_path_too() -> None:
    assert holds(("x", "--root-dir", "/"), ("--root-dir", "/"))
    assert not holds(("x", "--root-dir", ""), ("--root-dir", "/"))


def test_what_is_read_agrees_with_another_reader(tmp_path: Path) -> None:
    value = f"{tmp_path}/odd name (x) \n é"
    with sleeping("--root-dir", value) as child:
        process = only(value)
        other = psutil.Process(child.pid)
        assert process.pid == child.pid
        assert list(process.argv) == other.cmdline()
        assert abs(process.started_at.timestamp() - other.create_time()) < 1.5
        assert process.memory_bytes == pytest.approx(other.memory_info().rss, rel=0.2)
        assert process.cpu_seconds == pytest.approx(sum(other.cpu_times()[:2]), abs=0.1)
        assert process.user_id == os.geteuid()


def test_both_readers_find_the_same(tmp_path: Path) -> None:
    with sleeping(f"--root-dir={tmp_path}"):
        by_psutil = ProcessTable.of(_from_psutil({"--root-dir"}), {"--root-dir"})
        (theirs,) = by_psutil.holding(("--root-dir", str(tmp_path)))
        ours = only(str(tmp_path))
        assert (theirs.pid, theirs.argv, theirs.user_id) == (ours.pid, ours.argv, ours.user_id)


def test_the_oldest_comes_first_and_each_once(tmp_path: Path) -> None:
    path = str(tmp_path)
    with sleeping("--root-dir", path, f"--root-dir={path}/") as first:
        time.sleep(0.05)
        with sleeping("--root-dir", path) as second:
            found = ProcessTable.read({"--root-dir"}).holding(("--root-dir", path))
            assert [process.pid for process in found] == [first.pid, second.pid]


def test_a_zombie_is_gone(tmp_path: Path) -> None:
    with sleeping("--root-dir", str(tmp_path)) as child:
        process = only(str(tmp_path))
        assert is_alive(process)
        assert signal_exactly(process, signal.SIGKILL)
        os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)  # ended, and nobody has asked for it
        assert Path(f"/proc/{child.pid}").exists() or sys.platform != "linux"
        assert not is_alive(process)
        assert not signal_exactly(process, signal.SIGTERM)
        assert ProcessTable.read({"--root-dir"}).holding(("--root-dir", str(tmp_path))) == ()


def test_a_pid_that_belongs_to_another_is_never_signalled(tmp_path: Path) -> None:
    with sleeping("--root-dir", str(tmp_path)) as child:
        process = only(str(tmp_path))
        for stale in (replace(process, birth=process.birth - 1), replace(process, argv=("antnode",))):
            assert not signal_exactly(stale, signal.SIGKILL)
        assert not is_alive(replace(process, birth=process.birth - 1))
        time.sleep(0.05)
        assert child.poll() is None
        assert signal_exactly(process, signal.SIGTERM)
        assert child.wait(5) == -signal.SIGTERM


def test_a_process_that_never_was_is_not_alive(tmp_path: Path) -> None:
    with sleeping("--root-dir", str(tmp_path)):
        process = only(str(tmp_path))
    assert not is_alive(process)
    assert not signal_exactly(process, signal.SIGKILL)
