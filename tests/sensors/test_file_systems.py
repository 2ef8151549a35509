"""File systems under paths that exist or not."""

import os
import shutil
import sys
from pathlib import Path

import pytest

from wnm.core.observation import FileSystem, Unseen
from wnm.core.places import MARKER_NAME, UNREADABLE
from wnm.sensors.places import file_system_of, look_at


def _seen(path: Path | str) -> FileSystem:
    found = file_system_of(str(path))
    assert isinstance(found, FileSystem)
    return found


def test_sizes_are_those_of_the_system(tmp_path: Path) -> None:
    usage = shutil.disk_usage(tmp_path)
    found = _seen(tmp_path)
    assert found.total_bytes == usage.total
    assert found.free_bytes == pytest.approx(usage.free, rel=0.05)
    assert found.used_percent == pytest.approx(100 * usage.used / (usage.used + usage.free), abs=2)


def test_the_mount_point_is_one(tmp_path: Path) -> None:
    assert Path(_seen(tmp_path).mount_point).is_mount()


def test_what_is_missing_is_looked_for_further_up(tmp_path: Path) -> None:
    assert _seen(tmp_path / "no" / "such" / "folder").mount_point == _seen(tmp_path).mount_point


def test_a_file_in_the_way_is_no_obstacle(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    assert _seen(tmp_path / "file" / "below").mount_point == _seen(tmp_path).mount_point


@pytest.mark.skipif(sys.platform != "linux", reason="/dev/shm is Linux'")
def test_a_link_leads_to_the_file_system_that_it_points_to(tmp_path: Path) -> None:
    if not Path("/dev/shm").is_mount():
        pytest.skip("no second file system to point to")
    (tmp_path / "link").symlink_to("/dev/shm")
    assert _seen(tmp_path / "link" / "deeper").mount_point == "/dev/shm"


@pytest.mark.skipif(sys.platform != "linux", reason="/proc is Linux'")
def test_a_file_system_without_size_is_unseen() -> None:
    found = file_system_of("/proc")
    assert isinstance(found, Unseen)
    assert "/proc" in found.reason


@pytest.mark.parametrize("path", ["\0", "x" * 5000])
def test_what_is_no_path_is_unseen(path: str) -> None:
    assert isinstance(file_system_of(path), Unseen)


def test_a_loop_of_links_is_unseen_or_somewhere(tmp_path: Path) -> None:
    (tmp_path / "a").symlink_to(tmp_path / "b")
    (tmp_path / "b").symlink_to(tmp_path / "a")
    assert isinstance(file_system_of(str(tmp_path / "a")), Unseen)


@pytest.mark.parametrize("kind", ["a link", "a folder", "not for us"])
def test_what_can_never_be_read_as_a_marker_is_not_ours(tmp_path: Path, kind: str) -> None:
    marker = tmp_path / MARKER_NAME
    match kind:
        case "a link":
            marker.symlink_to("nowhere")
        case "a folder":
            marker.mkdir()
        case _:
            marker.touch(0)
            if os.geteuid() == 0:
                pytest.skip("root may read everything")
    assert look_at(str(tmp_path)).storage.marker == UNREADABLE
