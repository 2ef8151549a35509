"""The lock is the kernel's: one holder, free after any death, and never a file whose name is gone."""

import os
import signal
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import FrameType

import pytest

from wnm.core.errors import Busy, NeedsOperator
from wnm.system.lock import holder, only_one, release_stale

HOLD = """
import sys, time
from wnm.system.lock import only_one
with only_one(sys.argv[1]):
    print("held", flush=True)
    time.sleep(60)
"""


@contextmanager
def held_by_another(path: Path) -> Iterator["subprocess.Popen[str]"]:
    process = subprocess.Popen([sys.executable, "-c", HOLD, str(path)], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    try:
        assert process.stdout.readline() == "held\n"
        yield process
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


def test_only_one_holds_it_and_the_other_learns_who(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    with held_by_another(path) as process:
        with pytest.raises(Busy, match=f"process {process.pid} holds {path}"), only_one(str(path)):
            pytest.fail("two hold it")
        assert holder(str(path)) == process.pid
        with pytest.raises(Busy, match=str(process.pid)):
            release_stale(str(path))
        assert path.exists()


def test_kill_9_of_the_holder_frees_it(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    with held_by_another(path) as process:
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
        assert path.read_text() == f"{process.pid}\n"
        assert holder(str(path)) is None
        with only_one(str(path)):
            assert holder(str(path)) == os.getpid()
        release_stale(str(path))
        assert not path.exists()


def test_it_stays_as_a_private_empty_file(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    for _ in range(2):
        with only_one(str(path)):
            assert path.read_text() == f"{os.getpid()}\n"
        assert path.read_text() == ""
        assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_it_is_free_after_an_error(tmp_path: Path) -> None:
    path = str(tmp_path / "lock")
    with pytest.raises(ZeroDivisionError), only_one(path):
        _ = 1 / 0
    with only_one(path):
        pass


def test_it_excludes_the_same_process_too(tmp_path: Path) -> None:
    path = str(tmp_path / "lock")
    with only_one(path), pytest.raises(Busy, match=str(os.getpid())), only_one(path):
        pytest.fail("two hold it")


def test_a_longer_pid_from_before_leaves_nothing(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    path.write_text("123456789012\nrubbish")
    with only_one(str(path)):
        assert path.read_text() == f"{os.getpid()}\n"


def test_nobody_holds_what_is_not_there_and_asking_makes_nothing(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    assert holder(str(path)) is None
    release_stale(str(path))
    assert not path.exists()


def test_asking_who_holds_it_turns_no_cycle_away(tmp_path: Path) -> None:
    path = str(tmp_path / "lock")
    with only_one(path):
        pass
    over = threading.Event()

    def ask() -> None:
        while not over.is_set():
            holder(path)

    asking = threading.Thread(target=ask)
    asking.start()
    try:
        for _ in range(200):
            with only_one(path):
                pass
    finally:
        over.set()
        asking.join()


def test_a_file_that_loses_its_name_between_opening_and_locking_is_not_the_lock(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    removed: list[str] = []

    def remove_once(frame: FrameType, event: str, _: object) -> None:
        if frame.f_code.co_name == "_lock" and not removed:
            removed.append(event)
            path.unlink()

    sys.settrace(remove_once)
    try:
        with only_one(str(path)):
            sys.settrace(None)
            assert removed == ["call"]
            with pytest.raises(Busy), only_one(str(path)):
                pytest.fail("two hold it")
    finally:
        sys.settrace(None)


def test_removing_the_file_meanwhile_never_lets_two_in(tmp_path: Path) -> None:
    path = str(tmp_path / "lock")
    inside: list[int] = []
    seen: list[int] = []
    begun = time.monotonic()

    def enough() -> bool:
        lasted = time.monotonic() - begun
        return lasted > 60 or (lasted > 1 and len(seen) > 100)

    def hold(number: int) -> None:
        while not enough():
            with suppress(Busy), only_one(path):
                inside.append(number)
                os.sched_yield()
                seen.append(len(inside))
                inside.remove(number)

    def remove() -> None:
        while not enough():
            with suppress(Busy):
                release_stale(path)

    threads = [threading.Thread(target=hold, args=(number,)) for number in range(6)]
    threads += [threading.Thread(target=remove) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(seen) > 100
    assert set(seen) == {1}


@pytest.mark.parametrize(
    ("make", "remedy"),
    [
        (lambda path: None, "wnm --init"),
        (lambda path: path.parent.mkdir() or path.mkdir(), "remove it"),
        (lambda path: path.parent.mkdir() or path.symlink_to("/etc/hostname"), "remove it"),
    ],
    ids=["no folder", "a folder", "a link"],
)
def test_what_cannot_be_a_lock_needs_the_operator(tmp_path: Path, make: object, remedy: str) -> None:
    path = tmp_path / "data" / "lock"
    assert callable(make)
    make(path)
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(NeedsOperator, match=remedy), only_one(str(path)):
        pytest.fail("it was locked")
    assert sorted(tmp_path.rglob("*")) == before
