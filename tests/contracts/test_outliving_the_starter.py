"""A node started by setsid lives on, whatever becomes of the cycle that started it and of its terminal."""

import os
import pickle
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from tests.contracts import starter
from tests.contracts.workbench import GRACE, Workbench, answers
from tests.waiting import eventually

from wnm.core.contracts import Unit
from wnm.core.errors import Busy
from wnm.core.node import ProcessState
from wnm.system.lock import only_one

CHECKOUT = Path(starter.__file__).parents[2]


@contextmanager
def start_by_another(unit: Unit, lock: Path, terminal: str = "") -> Iterator["subprocess.Popen[str]"]:
    """Start the unit by a process of its own, which then holds the lock until it is ended."""
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.contracts.starter", str(lock), terminal, pickle.dumps(unit).hex()],
        cwd=CHECKOUT,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    assert process.stdout is not None
    try:
        assert process.stdout.readline() == "started\n"
        yield process
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


def test_it_survives_kill_9_of_its_starter_and_keeps_no_lock(setsid: Workbench) -> None:
    node = setsid.created()
    lock = setsid.folder / "wnm_active"
    with start_by_another(setsid.unit(node), lock) as process:
        with pytest.raises(Busy, match=str(process.pid)), only_one(str(lock)):
            pass
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        with only_one(str(lock)):
            eventually(lambda: answers(node.metrics_port))
            assert setsid.reading(setsid.unit(node)).state is ProcessState.RUNNING
    setsid.driver.stop(setsid.unit(node), GRACE)


def test_it_survives_the_end_of_the_terminal(setsid: Workbench) -> None:
    node = setsid.created()
    master, slave = os.openpty()
    with start_by_another(setsid.unit(node), setsid.folder / "lock", os.ttyname(slave)) as process:
        os.close(slave)
        os.close(master)
        assert process.wait(30) == -signal.SIGHUP
        eventually(lambda: answers(node.metrics_port))
        assert setsid.reading(setsid.unit(node)).state is ProcessState.RUNNING
    setsid.driver.stop(setsid.unit(node), GRACE)


def test_it_hears_signals_to_which_its_starter_is_deaf(setsid: Workbench) -> None:
    node = setsid.created()
    with start_by_another(setsid.unit(node), setsid.folder / "lock") as process:
        eventually(lambda: answers(node.metrics_port))
        (pid,) = setsid.pids(node)
        deaf = sum(1 << (number - 1) for number in starter.DEAF_TO)
        for who, ignored in ((process.pid, deaf), (pid, 0)):
            masks = dict(
                line.split(":\t")
                for line in Path(f"/proc/{who}/status").read_text().splitlines()
                if ":\t" in line
            )
            assert int(masks["SigIgn"], 16) & deaf == ignored
            assert int(masks["SigBlk"], 16) & deaf == ignored
        assert setsid.driver.stop(setsid.unit(node), GRACE) is False


def test_it_has_a_session_of_its_own_and_only_its_own_files(setsid: Workbench) -> None:
    node = setsid.created()
    sleeper = setsid.script("sleeper", "")
    sleeper.write_text(f"#!{sys.executable}\nimport time\ntime.sleep(60)\n")
    unit = setsid.unit(node, argv=(str(sleeper), "--root-dir", node.root_dir))
    with start_by_another(unit, setsid.folder / "lock"):
        (pid,) = setsid.pids(node)
        assert os.getsid(pid) == pid
        names = {str(each.readlink()) for each in Path(f"/proc/{pid}/fd").iterdir()}
        assert names <= {"/dev/null", unit.log_file, str(sleeper)}
        assert {"/dev/null", unit.log_file} <= names
    setsid.driver.stop(unit, GRACE)
