"""Files appear complete, private and where they were asked for."""

import os
import stat
import threading
from pathlib import Path

import pytest

from wnm.core.errors import Permanent, Transient
from wnm.system.files import (
    keep_beside,
    make_private_dir,
    place_file,
    stamp_of,
    tree_bytes,
    trim_log,
    write_private,
)


def names_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def mode(path: Path) -> int:
    return stat.S_IMODE(path.lstat().st_mode)


def test_a_placed_file_is_a_copy_with_the_mode_asked_for(tmp_path: Path) -> None:
    source, target = tmp_path / "source", tmp_path / "target"
    source.write_bytes(os.urandom(3_000_000))
    source.chmod(0o400)
    before = os.umask(0o077)
    try:
        place_file(str(source), str(target), 0o755)
    finally:
        os.umask(before)
    assert target.read_bytes() == source.read_bytes()
    assert mode(target) == 0o755
    assert not target.samefile(source)
    assert names_in(tmp_path) == ["source", "target"]


def test_whoever_has_the_old_file_open_keeps_it(tmp_path: Path) -> None:
    source, target = tmp_path / "source", tmp_path / "target"
    source.write_text("new")
    target.write_text("old")
    with target.open() as old:
        place_file(str(source), str(target), 0o755)
        assert old.read() == "old"
    assert target.read_text() == "new"


def test_a_link_at_the_target_is_replaced_not_followed(tmp_path: Path) -> None:
    source, elsewhere, target = tmp_path / "source", tmp_path / "elsewhere", tmp_path / "target"
    source.write_text("new")
    elsewhere.write_text("precious")
    target.symlink_to(elsewhere)
    (tmp_path / ".target.new").symlink_to(elsewhere)
    place_file(str(source), str(target), 0o600)
    assert elsewhere.read_text() == "precious"
    assert not target.is_symlink()


@pytest.mark.parametrize("kind", ["folder", "fifo", "missing", "device"])
def test_only_a_regular_file_is_copied(tmp_path: Path, kind: str) -> None:
    source, target = tmp_path / "source", tmp_path / "target"
    target.write_text("old")
    if kind == "folder":
        source.mkdir()
    elif kind == "fifo":
        os.mkfifo(source)
    path = "/dev/zero" if kind == "device" else str(source)
    with pytest.raises(Transient, match=path):
        place_file(path, str(target), 0o755)
    assert target.read_text() == "old"


def test_a_source_that_changes_meanwhile_is_not_placed(tmp_path: Path) -> None:
    source, target = tmp_path / "source", tmp_path / "target"
    target.write_text("old")
    source.write_bytes(bytes(50_000_000))
    over = threading.Event()

    def write_on() -> None:
        with source.open("ab") as file:
            while not over.is_set():
                file.write(b"x")
                file.flush()

    writer = threading.Thread(target=write_on)
    writer.start()
    try:
        with pytest.raises(Transient, match="changed while it was copied"):
            place_file(str(source), str(target), 0o755)
    finally:
        over.set()
        writer.join()
    assert target.read_text() == "old"
    assert names_in(tmp_path) == ["source", "target"]


def test_a_folder_that_is_missing_is_an_error_that_names_the_target(tmp_path: Path) -> None:
    with pytest.raises(Transient, match=f"cannot write {tmp_path}/none/key"):
        write_private(str(tmp_path / "none" / "key"), b"x")


def test_what_is_private_is_never_readable_by_others(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        write_private(str(tmp_path / "key"), b"one")
        write_private(str(tmp_path / "key"), b"two")
    finally:
        os.umask(before)
    assert (tmp_path / "key").read_bytes() == b"two"
    assert mode(tmp_path / "key") == 0o600


def test_keeping_beside_costs_no_space_and_can_be_repeated(tmp_path: Path) -> None:
    source, target = tmp_path / "program", tmp_path / "program.previous"
    source.write_text("1")
    target.write_text("0")
    for _ in range(3):
        keep_beside(str(source), str(target))
        assert source.samefile(target)
        assert names_in(tmp_path) == ["program", "program.previous"]
    with pytest.raises(Transient, match="none"):
        keep_beside(str(tmp_path / "none"), str(target))


def test_a_folder_that_cannot_be_made_is_named_with_where_the_remedy_is() -> None:
    with pytest.raises(Transient, match=r"^cannot make /proc/of/wnm: .+: see wnm doctor$"):
        make_private_dir("/proc/of/wnm")


def test_private_folders_are_made_with_all_above(tmp_path: Path) -> None:
    before = os.umask(0o022)
    try:
        make_private_dir(str(tmp_path / "a" / "b" / "c"))
    finally:
        os.umask(before)
    assert {mode(tmp_path / name) for name in ("a", "a/b", "a/b/c")} == {0o700}
    (tmp_path / "a").chmod(0o755)
    (tmp_path / "a" / "b").chmod(0o755)
    make_private_dir(str(tmp_path / "a" / "b"))
    assert (mode(tmp_path / "a"), mode(tmp_path / "a" / "b")) == (0o755, 0o700)


@pytest.mark.parametrize("kind", ["file", "link", "dangling"])
def test_what_is_no_folder_is_not_taken_for_one(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "x"
    if kind == "file":
        path.write_text("")
    else:
        (tmp_path / "there").mkdir(0o755)
        path.symlink_to(tmp_path / ("there" if kind == "link" else "nowhere"))
    with pytest.raises(Permanent, match=str(path)):
        make_private_dir(str(path))
    with pytest.raises((Permanent, Transient)):
        make_private_dir(str(path / "y")) if kind == "file" else make_private_dir(str(path))


def test_a_trimmed_log_keeps_its_end_and_its_writer(tmp_path: Path) -> None:
    path = tmp_path / "log"
    with path.open("ab", buffering=0) as writer:
        writer.write(b"".join(b"line %05d\n" % number for number in range(1000)))
        assert trim_log(str(path), 20_000) is False
        assert trim_log(str(path), 1_000) is True
        writer.write(b"after\n")
    assert path.read_bytes() == b"after\n"
    kept = (tmp_path / "log.1").read_bytes().splitlines()
    assert (kept[0], kept[-1], len(kept)) == (b"line 00910", b"line 00999", 90)
    assert mode(tmp_path / "log.1") == 0o600
    assert trim_log(str(tmp_path / "none"), 1) is False


def test_a_log_that_is_a_link_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "precious").write_text("x" * 100)
    (tmp_path / "log").symlink_to(tmp_path / "precious")
    with pytest.raises(Transient):
        trim_log(str(tmp_path / "log"), 10)
    assert (tmp_path / "precious").read_text() == "x" * 100


def test_a_stamp_changes_with_the_file(tmp_path: Path) -> None:
    path, other = tmp_path / "a", tmp_path / "b"
    path.write_text("1")
    stamps = [stamp_of(path.stat())]
    assert stamp_of(path.stat()) == stamps[0]
    path.write_text("12")
    stamps.append(stamp_of(path.stat()))
    os.utime(path, ns=(1, 1))
    stamps.append(stamp_of(path.stat()))
    other.write_text("12")
    os.utime(other, ns=(1, 1))
    other.replace(path)
    stamps.append(stamp_of(path.stat()))
    assert len(set(stamps)) == 4


def test_a_tree_takes_up_what_is_allocated_each_file_once(tmp_path: Path) -> None:
    tree = tmp_path / "tree"
    (tree / "deep").mkdir(parents=True)
    (tmp_path / "outside").write_bytes(os.urandom(1_000_000))
    (tree / "deep" / "a").write_bytes(os.urandom(500_000))
    os.link(tree / "deep" / "a", tree / "b")
    (tree / "link").symlink_to(tmp_path / "outside")
    with (tree / "sparse").open("wb") as sparse:
        sparse.truncate(10**9)
    used = tree_bytes(str(tree))
    assert used is not None
    assert 500_000 <= used < 600_000
    assert tree_bytes(str(tree), seconds=-1) is None
    assert tree_bytes(str(tmp_path / "none")) is None
