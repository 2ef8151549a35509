"""The file that root has in cron.d, and which program a line starts."""

import stat
import sys
from pathlib import Path

import pytest
from tests.cli.footprints import differences, footprint
from tests.cli.operator import WNM

from wnm.app.schedule import NotOurs, SystemFile, own_program, passing_folder
from wnm.core.errors import NeedsOperator
from wnm.system.crontabs import has_cron, write_system_file


def system_file(path: Path) -> SystemFile:
    """Root's place, in a folder of the test's."""
    return SystemFile(path, "/var/antctl/colony.db", "wnm cron remove")


def test_the_file_of_root(tmp_path: Path) -> None:
    path = tmp_path / "cron.d" / "wnm"
    place = system_file(path)
    with pytest.raises(NeedsOperator, match="install cron"):
        write_system_file(path, "x")
    path.parent.mkdir()
    assert (place.line(), place.remove()) == (None, False)
    write_system_file(path, place.text_with("* * * * * root x"))
    assert stat.S_IMODE(path.stat().st_mode) == 0o644
    assert [each.name for each in path.parent.iterdir()] == ["wnm"]
    assert path.read_text().startswith("# Written by wnm cron install for /var/antctl/colony.db; ")
    assert place.line() == "* * * * * root x"
    assert place.remove() is True
    assert list(path.parent.iterdir()) == []


@pytest.mark.skipif(not has_cron(), reason="needs an installed cron")
def test_the_file_of_root_is_written_once(tmp_path: Path) -> None:
    place = system_file(tmp_path / "wnm")
    assert place.install("* * * * * root x") is True
    before = footprint(tmp_path)
    assert place.install("* * * * * root x") is False
    assert differences(before, footprint(tmp_path)) == []
    assert place.install("* * * * * root y") is True
    assert place.line() == "* * * * * root y"


def test_files_of_others_stay(tmp_path: Path) -> None:
    (tmp_path / "wnm").write_text("* * * * * root wnm\n")
    (tmp_path / "link").symlink_to(tmp_path / "target")
    (tmp_path / "target").write_text(system_file(tmp_path).text_with("x"))
    (tmp_path / "folder").mkdir()
    before = footprint(tmp_path)
    with pytest.raises(NotOurs, match="was not written by wnm"):
        system_file(tmp_path / "wnm").remove()
    for name, why in (("link", "symbolic link"), ("folder", "move it out")):
        with pytest.raises(NeedsOperator, match=why):
            system_file(tmp_path / name).remove()
        with pytest.raises(NeedsOperator, match=why):
            system_file(tmp_path / name).line()
    assert differences(before, footprint(tmp_path)) == []


def test_the_program_is_this_one() -> None:
    assert own_program() == (str(WNM),)
    assert Path(own_program()[0]).parent == Path(sys.executable).parent


@pytest.mark.parametrize(
    ("program", "folder"),
    [
        ("/tmp/venv/bin/wnm", "/tmp"),
        ("/home/u/.cache/uv/x/bin/wnm", "/home/u/.cache"),
        ("/var/folders/ab/T/wnm", "/var/folders"),
        ("/home/u/.venv/bin/wnm", None),
        ("/tmpfiles/wnm", None),
    ],
)
def test_a_program_in_a_folder_that_is_emptied(program: str, folder: str | None) -> None:
    assert passing_folder(program, "/home/u") == folder
