"""Removal stays strictly inside of the allowed folders, whatever is asked of it."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wnm.core.errors import Permanent
from wnm.system.removal import remove_tree, require_inside

PARTS = ["nodes", "nodes2", "home", "a", "b", "link", "up", "file", "..", ".", "", "loop", "a ", "\n", "\0"]


def world(folder: Path) -> Path:
    """A storage `nodes` with nodes and links, beside a home that is nobody's business."""
    for path in ("nodes/a/b", "nodes/b/a", "home/a/b", "nodes2/a"):
        (folder / path).mkdir(parents=True)
        (folder / path / "file").write_text(path)
    (folder / "nodes/link").symlink_to(folder / "home")
    (folder / "nodes/a/link").symlink_to(folder / "home")
    (folder / "nodes/up").symlink_to("..")
    (folder / "nodes/loop").symlink_to("loop")
    (folder / "nodes/file").write_text("file")
    return folder / "nodes"


def contents(folder: Path) -> dict[str, str]:
    return {
        str(path.relative_to(folder)): path.read_text() if path.is_file() and not path.is_symlink() else ""
        for path in folder.rglob("*")
    }


def outside(folder: Path) -> dict[str, str]:
    return {path: text for path, text in contents(folder).items() if not path.startswith("nodes/")}


@settings(deadline=None, max_examples=150)
@given(parts=st.lists(st.sampled_from(PARTS), max_size=6), absolute=st.booleans(), slash=st.booleans())
def test_nothing_outside_is_ever_touched(
    tmp_path_factory: pytest.TempPathFactory, parts: list[str], absolute: bool, slash: bool
) -> None:
    folder = tmp_path_factory.mktemp("world")
    storage = world(folder)
    before, all_before = outside(folder), contents(folder)
    path = "/".join([*([str(folder)] if absolute else []), *parts]) + ("/" if slash else "")
    try:
        remove_tree(path, inside=[str(storage)])
    except Permanent:
        assert contents(folder) == all_before
    assert outside(folder) == before
    assert storage.is_dir()


@settings(deadline=None, max_examples=50)
@given(
    names=st.lists(
        st.sampled_from(["a", "b", "c", "-x", "ä", "sp ace", "line\nbreak"]), min_size=1, max_size=4
    )
)
def test_what_is_inside_is_removed_and_again_is_fine(
    tmp_path_factory: pytest.TempPathFactory, names: list[str]
) -> None:
    storage = tmp_path_factory.mktemp("nodes")
    path = storage.joinpath(*names)
    path.mkdir(parents=True)
    (path / "data").write_bytes(os.urandom(10_000))
    sibling = storage / "sibling"
    sibling.mkdir()
    top = storage / names[0]
    require_inside(str(path), [str(storage)])
    assert remove_tree(f"{top}/", inside=["/nonexistent", str(storage)]) >= 10_000
    assert [each.name for each in storage.iterdir()] == ["sibling"]
    assert remove_tree(str(top), inside=[str(storage)]) == 0


@pytest.mark.parametrize(
    "path",
    [
        *(
            "nodes",
            "nodes/",
            "nodes/.",
            "nodes/../home",
            "nodes/a/../../home",
            "home/a",
            "nodes2/a",
            "",
            "nodes//a",
        ),
        *("nodes/link", "nodes/link/", "nodes/link/a", "nodes/a/link", "nodes/up/home", "nodes/up/nodes/a"),
        *("nodes/file", "nodes/file/x", "nodes/loop", "nodes/loop/x", "nodes/a\0b"),
    ],
)
def test_these_are_refused_by_name(tmp_path: Path, path: str) -> None:
    storage = world(tmp_path)
    before = contents(tmp_path)
    with pytest.raises(Permanent) as caught:
        remove_tree(f"{tmp_path}/{path}", inside=[str(storage)])
    assert path.rstrip("/").replace("\0", "\\x00") in str(caught.value)
    assert "\n" not in str(caught.value)
    assert contents(tmp_path) == before


@pytest.mark.parametrize("inside", [[], ["/"], [""], ["."]])
def test_without_a_real_allowed_folder_nothing_is_removed(tmp_path: Path, inside: list[str]) -> None:
    storage = world(tmp_path)
    before = contents(tmp_path)
    if inside == ["/"]:
        with pytest.raises(Permanent):
            remove_tree("/", inside=inside)
    else:
        with pytest.raises(Permanent):
            remove_tree(str(storage / "a"), inside=inside)
    assert contents(tmp_path) == before


def test_the_storage_itself_may_be_reached_through_a_link(tmp_path: Path) -> None:
    storage = world(tmp_path)
    (tmp_path / "short").symlink_to(storage)
    remove_tree(str(tmp_path / "short" / "a"), inside=[str(tmp_path / "short")])
    remove_tree(str(storage / "b"), inside=[str(tmp_path / "short")])
    assert not (storage / "a").exists()
    assert not (storage / "b").exists()


def test_freed_bytes_are_those_that_were_allocated(tmp_path: Path) -> None:
    storage = world(tmp_path)
    kept = tmp_path / "kept"
    kept.write_bytes(os.urandom(400_000))
    os.link(kept, storage / "a" / "also kept")
    one = storage / "a" / "one"
    one.write_bytes(os.urandom(300_000))
    os.link(one, storage / "a" / "b" / "two")
    freed_bytes = remove_tree(str(storage / "a"), inside=[str(storage)])
    assert 300_000 <= freed_bytes < 400_000
    assert kept.stat().st_size == 400_000


def test_a_very_deep_tree_is_refused_not_a_crash(tmp_path: Path) -> None:
    storage = world(tmp_path)
    (storage / "a" / "/".join("d" * 150)).mkdir(parents=True)
    with pytest.raises(Permanent, match="deep"):
        remove_tree(str(storage / "a"), inside=[str(storage)])


REMOVE_WITHOUT_PERMISSION = """
import os, tempfile
from pathlib import Path
from wnm.core.errors import Transient
from wnm.system.removal import remove_tree
if os.geteuid() == 0:
    os.seteuid(65534)  # root may remove everything
with tempfile.TemporaryDirectory() as storage:
    node = Path(storage, "node")
    node.mkdir()
    (node / "data").write_text("")
    node.chmod(0o500)
    try:
        remove_tree(str(node), inside=[storage])
    except Transient as error:
        print(error)
    assert (node / "data").exists()
    node.chmod(0o700)
"""


def test_what_may_not_be_removed_is_an_error_that_names_it() -> None:
    argv = [sys.executable, "-c", REMOVE_WITHOUT_PERMISSION]
    said = subprocess.run(argv, check=True, capture_output=True, text=True).stdout
    assert "/node: Permission denied (data)" in said


MOUNT_AND_REMOVE = """
import ctypes, os, sys
from wnm.core.errors import Permanent
from wnm.system.removal import remove_tree
storage, source, target, kind = sys.argv[1:]
libc = ctypes.CDLL(None, use_errno=True)
user = os.geteuid()
if libc.unshare(0x10000000 | 0x00020000):  # its own users and mounts
    sys.exit(77)
flags = 0x1000 if kind == "bind" else 0
if libc.mount(source.encode(), target.encode(), kind.encode(), flags, None):
    sys.exit(77)
try:
    remove_tree(storage + "/a", inside=[storage])
except Permanent as error:
    assert "mount point" in str(error), error
    sys.exit(0)
sys.exit("it was removed")
"""


@pytest.mark.skipif(sys.platform != "linux", reason="mounts in a namespace of its own")
@pytest.mark.parametrize("kind", ["bind", "tmpfs"])
@pytest.mark.parametrize("where", ["a", "a/b"])
def test_mount_points_are_not_crossed(tmp_path: Path, kind: str, where: str) -> None:
    storage = world(tmp_path)
    before = contents(tmp_path)
    argv = [
        sys.executable,
        "-c",
        MOUNT_AND_REMOVE,
        str(storage),
        str(tmp_path / "home"),
        str(storage / where),
        kind,
    ]
    code = subprocess.run(argv, check=False).returncode
    if code == 77:
        pytest.skip("no mounts without privileges here")
    assert code == 0
    assert contents(tmp_path) == before
