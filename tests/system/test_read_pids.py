"""Processes by their numbers."""

import os
import subprocess
import sys

from wnm.system.processes import read_pids


def test_the_living_are_found_and_the_gone_left_out() -> None:
    sleeper = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    try:
        found = read_pids([sleeper.pid, gone.pid, os.getpid()])
        assert set(found) == {sleeper.pid, os.getpid()}
        assert found[os.getpid()].memory_bytes > 1_000_000
        assert found[os.getpid()].user_id == os.geteuid()
    finally:
        sleeper.kill()
        sleeper.wait()


def test_one_that_was_not_waited_for_is_gone_too() -> None:
    zombie = subprocess.Popen([sys.executable, "-c", ""])
    os.waitid(os.P_PID, zombie.pid, os.WEXITED | os.WNOWAIT)
    assert read_pids([zombie.pid]) == {}
    zombie.wait()


def test_none_asked_none_found() -> None:
    assert read_pids([]) == {}
