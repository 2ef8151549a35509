"""Files for other programs: there as a whole or as they were, and never in place of something else."""

import os
import random
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from wnm.core.errors import NeedsOperator, Transient
from wnm.system.files import publish, withdraw

MARK = b"# ours"
OLD, NEW = MARK + b"\nold\n", MARK + b"\nnew\n"
NOBODY = 65534
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs root, who alone can be led astray")
as_somebody = pytest.mark.skipif(os.geteuid() == 0, reason="root needs no permission")

# Writes one whole file after another until it is killed.
RESTLESS = """
import itertools, sys
from wnm.system.files import publish
for number in itertools.count():
    publish(sys.argv[1], b"# ours\\n" + f"{number}\\n".encode() * 20_000, marker=b"# ours")
    print(number, flush=True)
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "wnm.prom"


def link_to(file: Path) -> None:
    other = file.with_name("other")
    other.write_bytes(OLD)
    file.symlink_to(other)


def put(file: Path) -> None:
    publish(str(file), NEW, marker=MARK)


def take_away(file: Path) -> None:
    withdraw(str(file), marker=MARK)


FOREIGN: dict[str, Callable[[Path], object]] = {
    "somebody's file": lambda file: file.write_bytes(b"precious"),
    "a mark that comes late": lambda file: file.write_bytes(b"x" * 600 + MARK),
    "a link to a file of ours": link_to,
    "a link to nothing": lambda file: file.symlink_to("nowhere"),
    "a folder": Path.mkdir,
    "a pipe": os.mkfifo,
}


def test_a_new_file_can_be_read_by_all_whatever_the_umask_is(file: Path) -> None:
    before = os.umask(0o077)
    try:
        publish(str(file), NEW, marker=MARK)
    finally:
        os.umask(before)
    assert file.read_bytes() == NEW
    assert stat.S_IMODE(file.stat().st_mode) == 0o644
    assert list(file.parent.iterdir()) == [file]


@pytest.mark.parametrize("before", [OLD, b""], ids=["ours", "empty"])
def test_what_is_ours_is_replaced_and_whoever_reads_it_keeps_it(file: Path, before: bytes) -> None:
    file.write_bytes(before)
    with file.open("rb") as reader:
        publish(str(file), NEW, marker=MARK)
        assert reader.read() == before
    assert file.read_bytes() == NEW


@pytest.mark.parametrize("make", FOREIGN.values(), ids=FOREIGN)
@pytest.mark.parametrize("work", [put, take_away])
def test_what_is_not_ours_stays_as_it_is(
    file: Path, make: Callable[[Path], object], work: Callable[[Path], None]
) -> None:
    make(file)
    before = [(each.name, each.lstat().st_ino, each.lstat().st_mtime_ns) for each in file.parent.iterdir()]
    with pytest.raises(NeedsOperator, match="move it away or give another path"):
        work(file)
    assert before == [
        (each.name, each.lstat().st_ino, each.lstat().st_mtime_ns) for each in file.parent.iterdir()
    ]


@pytest.mark.parametrize("folder", ["missing", "a file"])
def test_a_missing_folder_is_not_made(tmp_path: Path, folder: str) -> None:
    (tmp_path / "a file").write_bytes(b"")
    with pytest.raises(NeedsOperator, match=r"there is no folder .*: make it"):
        publish(str(tmp_path / folder / "wnm.prom"), NEW, marker=MARK)
    assert [each.name for each in tmp_path.iterdir()] == ["a file"]


@as_somebody
def test_a_folder_that_may_not_be_written_to_is_named(file: Path) -> None:
    file.write_bytes(OLD)
    file.parent.chmod(0o555)
    try:
        with pytest.raises(Transient, match=r"cannot write .*wnm\.prom: Permission denied"):
            publish(str(file), NEW, marker=MARK)
    finally:
        file.parent.chmod(0o755)
    assert file.read_bytes() == OLD


@as_somebody
def test_an_ordinary_user_may_go_through_links(file: Path) -> None:
    short = file.with_name("short")
    short.symlink_to(file.parent)
    publish(str(short / file.name), NEW, marker=MARK)
    assert file.read_bytes() == NEW


@as_root
def test_root_is_not_led_elsewhere(tmp_path: Path) -> None:
    theirs, precious = tmp_path / "theirs", tmp_path / "precious"
    precious.mkdir()
    theirs.mkdir()
    os.chown(theirs, NOBODY, NOBODY)
    (theirs / "way").symlink_to(precious)
    for way in (theirs / "way" / "wnm.prom", theirs / "way" / "deeper" / "wnm.prom"):
        (precious / "deeper").mkdir(exist_ok=True)
        with pytest.raises(NeedsOperator, match=f"symbolic link: give {precious}"):
            publish(str(way), NEW, marker=MARK)
    assert [each.name for each in precious.rglob("*")] == ["deeper"]


@as_root
def test_root_writes_into_the_folder_of_another_user(tmp_path: Path) -> None:
    os.chown(tmp_path, NOBODY, NOBODY)
    file = tmp_path / "wnm.prom"
    # Something that its owner put where the new file is made first.
    trap = tmp_path / "trap"
    trap.write_bytes(b"precious")
    (tmp_path / ".wnm.prom.new").symlink_to(trap)
    publish(str(file), NEW, marker=MARK)
    assert (file.read_bytes(), trap.read_bytes()) == (NEW, b"precious")
    assert file.is_file()


def test_a_kill_leaves_a_whole_file_and_the_next_one_goes_on(file: Path) -> None:
    chance = random.Random(7)
    for _ in range(6):
        writer = subprocess.Popen(
            [sys.executable, "-c", RESTLESS, str(file)], stdout=subprocess.PIPE, text=True
        )
        assert writer.stdout is not None
        writer.stdout.readline()
        time.sleep(chance.random() / 20)
        writer.send_signal(signal.SIGKILL)
        writer.communicate()
        mark, *lines = file.read_text().splitlines()
        assert (mark, len(lines), len(set(lines))) == ("# ours", 20_000, 1)
    publish(str(file), NEW, marker=MARK)
    assert list(file.parent.iterdir()) == [file]


def test_withdrawing_takes_ours_away_and_what_is_gone_is_gone(file: Path) -> None:
    publish(str(file), NEW, marker=MARK)
    withdraw(str(file), marker=MARK)
    withdraw(str(file), marker=MARK)
    withdraw(str(file.parent / "no folder" / "x"), marker=MARK)
    assert list(file.parent.iterdir()) == []
