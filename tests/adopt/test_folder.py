"""What a takeover keeps comes back exactly as it was, whatever happened to it meanwhile, or is refused loudly."""

import os
from datetime import UTC, datetime
from pathlib import Path

import pytest
from msgspec.structs import replace

from wnm.core.errors import NeedsOperator
from wnm_adopt.takeover_folder import COPIES, MANIFEST, Manifest, Sort, Step, TakeoverFolder, takeovers

NOW = datetime(2026, 11, 20, 1, 2, 3, tzinfo=UTC)


@pytest.fixture
def folder(tmp_path: Path) -> TakeoverFolder:
    (tmp_path / "data").mkdir()
    manifest = Manifest(source="anm", database=str(tmp_path / "data/colony.db"), began_at=NOW)
    return TakeoverFolder.create(str(tmp_path / "data"), manifest)


@pytest.fixture
def machine(tmp_path: Path) -> Path:
    """A file with a mode and time of its own, one that is not UTF-8, a link, and nothing."""
    place = tmp_path / "etc"
    place.mkdir()
    (place / "cron").write_text("* * * * * root true\n")
    (place / "cron").chmod(0o640)
    os.utime(place / "cron", ns=(1_600_000_000_123_456_789, 1_600_000_000_123_456_789))
    (place / "odd").write_bytes(b"\xff\x00\n")
    (place / "link").symlink_to("/nowhere/at all")
    return place


def picture(place: Path) -> dict[str, object]:
    """Everything about the files of a folder that an operator could tell apart."""
    seen: dict[str, object] = {}
    for path in sorted(place.rglob("*")):
        stat = path.lstat()
        content = str(path.readlink()) if path.is_symlink() else path.read_bytes() if path.is_file() else None
        modified = None if path.is_dir() or path.is_symlink() else stat.st_mtime_ns
        seen[str(path)] = (stat.st_mode, stat.st_uid, stat.st_gid, modified, content)
    return seen


def paths(machine: Path) -> list[str]:
    return [str(machine / name) for name in ("cron", "odd", "link", "nothing")]


def restore_all(folder: TakeoverFolder) -> list[str | None]:
    return [folder.restore(kept) for kept in folder.manifest.kept]


def test_what_was_changed_removed_or_made_comes_back_bit_for_bit(
    folder: TakeoverFolder, machine: Path
) -> None:
    before = picture(machine)
    folder.keep(paths(machine))
    (machine / "cron").write_text("changed")
    (machine / "odd").unlink()
    (machine / "link").unlink()
    (machine / "link").write_text("no link any more")
    (machine / "nothing").write_text("something")
    replaced = restore_all(folder)
    assert picture(machine) == before
    assert [bool(each) for each in replaced] == [True, False, True, True]
    aside = sorted(path.read_text() for path in (folder.path / "replaced").iterdir())
    assert aside == ["changed", "no link any more", "something"], "what was there instead is not lost"
    assert restore_all(folder) == [None] * 4, "twice is the same"


def test_taking_out_leaves_nothing_and_is_remembered_before(folder: TakeoverFolder, machine: Path) -> None:
    before = picture(machine)
    cron = str(machine / "cron")
    folder.keep(paths(machine))
    folder.take_out(cron)
    folder.take_out(cron)
    assert not os.path.lexists(cron)
    assert takeovers(str(folder.path.parent))[0].manifest.taken_out == (cron,)
    assert folder.content(cron) == b"* * * * * root true\n"
    restore_all(folder)
    assert picture(machine) == before


def test_on_the_same_disk_the_very_file_comes_back(folder: TakeoverFolder, machine: Path) -> None:
    """That needs no room, and keeps what no copy has."""
    cron = machine / "cron"
    before = cron.stat()
    folder.keep(paths(machine))
    folder.take_out(str(cron))
    assert folder.content(str(cron)) == b"* * * * * root true\n"
    restore_all(folder)
    assert (cron.stat().st_ino, cron.stat().st_mtime_ns) == (before.st_ino, before.st_mtime_ns)


def test_what_was_moved_and_changed_since_comes_back_from_its_copy(
    folder: TakeoverFolder, machine: Path
) -> None:
    before = picture(machine)
    folder.keep(paths(machine))
    folder.take_out(str(machine / "cron"))
    (moved,) = (folder.path / "moved").iterdir()
    moved.write_text("rotten")
    restore_all(folder)
    assert picture(machine) == before


def test_what_is_only_noted_is_compared_and_not_put_back(folder: TakeoverFolder, machine: Path) -> None:
    folder.note(paths(machine))
    assert folder.differing() == []
    (machine / "odd").write_text("another rule")
    (line,) = folder.differing()
    assert line.startswith(f"{machine / 'odd'} is not what it was")
    restore_all(folder)
    assert (machine / "odd").read_text() == "another rule"
    (again,) = takeovers(str(folder.path.parent))
    assert again.differing() == [line]


def test_a_file_that_changed_after_it_was_kept_is_kept_anew(folder: TakeoverFolder, machine: Path) -> None:
    folder.keep(paths(machine))
    (machine / "cron").write_text("an operator was here")
    folder.take_out(str(machine / "cron"))
    assert not (machine / "cron").exists()
    assert not folder.is_back()
    restore_all(folder)
    assert (machine / "cron").read_text() == "an operator was here"
    assert folder.is_back()
    copies = [copy.read_text(errors="replace") for copy in (folder.path / COPIES).iterdir()]
    assert "* * * * * root true\n" in copies, "the first copy stays too"


def test_a_damaged_copy_is_found_before_anything_is_lost(folder: TakeoverFolder, machine: Path) -> None:
    folder.keep(paths(machine))
    kept = folder.manifest.kept_at(str(machine / "cron"))
    assert kept is not None
    assert kept.copy is not None
    (folder.path / COPIES / kept.copy).write_text("rotten")
    with pytest.raises(NeedsOperator, match="damaged"):
        folder.take_out(str(machine / "cron"))
    assert (machine / "cron").exists()
    (machine / "cron").write_text("new")
    with pytest.raises(NeedsOperator, match="damaged"):
        folder.restore(kept)
    assert (machine / "cron").read_text() == "new"


def test_keeping_again_takes_what_is_there_last_but_not_what_was_taken_out(
    folder: TakeoverFolder, machine: Path
) -> None:
    folder.keep(paths(machine))
    folder.take_out(str(machine / "cron"))
    (machine / "odd").write_bytes(b"its manager's last word")
    folder.keep_again()
    assert folder.content(str(machine / "odd")) == b"its manager's last word"
    assert folder.content(str(machine / "cron")) == b"* * * * * root true\n"


def test_the_manifest_survives_on_disk_and_a_broken_one_is_refused(
    folder: TakeoverFolder, machine: Path
) -> None:
    folder.keep(paths(machine))
    folder.done(Step.BACKED_UP, NOW)
    (again,) = takeovers(str(folder.path.parent))
    assert again.manifest == folder.manifest
    assert again.manifest.has(Step.BACKED_UP)
    assert not again.manifest.finished
    assert [kept.sort for kept in again.manifest.kept] == [Sort.FILE, Sort.FILE, Sort.LINK, Sort.ABSENT]
    (folder.path / MANIFEST).write_text('{"is": "Manifest"')
    with pytest.raises(NeedsOperator, match="cannot be read"):
        takeovers(str(folder.path.parent))


def test_only_the_owner_may_look(folder: TakeoverFolder, machine: Path) -> None:
    folder.keep(paths(machine))
    for path in [folder.path, *folder.path.rglob("*")]:
        assert not path.stat().st_mode & 0o077, path


def test_a_finished_or_undone_one_is_finished() -> None:
    manifest = Manifest(source="anm", database="/x", began_at=NOW)
    assert not manifest.finished
    assert replace(manifest, steps=((Step.VERIFIED, NOW),)).finished
    assert replace(manifest, undone_at=NOW).finished


def test_a_folder_becomes_ours_and_goes_back_to_whom_it_was(folder: TakeoverFolder, tmp_path: Path) -> None:
    logs = tmp_path / "logs"
    logs.mkdir(mode=0o775)
    logs.chmod(0o775)
    if os.geteuid() == 0:
        os.chown(logs, 12345, 54321)
    before = logs.stat()
    folder.take_ownership(str(logs))
    assert (logs.stat().st_uid, logs.stat().st_mode & 0o777) == (os.geteuid(), 0o755)
    kept = folder.manifest.kept_at(str(logs))
    assert kept is not None
    assert folder.restore(kept) is None
    after = logs.stat()
    assert (after.st_mode, after.st_uid, after.st_gid) == (before.st_mode, before.st_uid, before.st_gid)


def test_what_is_no_file_is_refused_by_name(folder: TakeoverFolder, tmp_path: Path) -> None:
    odd = tmp_path / "odd"
    os.mkfifo(odd)
    with pytest.raises(NeedsOperator, match=str(odd)):
        folder.keep([str(odd)])


def test_keeping_again_never_takes_our_own_doing_for_what_was_there(
    folder: TakeoverFolder, machine: Path, tmp_path: Path
) -> None:
    logs = tmp_path / "logs"
    logs.mkdir(mode=0o700)
    logs.chmod(0o777)
    folder.keep([str(machine / "nothing")])
    folder.make(str(machine / "nothing"), "ours")
    folder.take_ownership(str(logs))
    folder.keep_again()
    assert [kept.sort for kept in folder.manifest.kept] == [Sort.ABSENT, Sort.FOLDER]
    restore_all(folder)
    assert not (machine / "nothing").exists()
    assert logs.stat().st_mode & 0o777 == 0o777


def test_a_link_is_not_followed_to_a_folder_that_is_somebody_elses(
    folder: TakeoverFolder, tmp_path: Path
) -> None:
    theirs = tmp_path / "theirs"
    theirs.mkdir()
    theirs.chmod(0o777)
    logs = tmp_path / "logs"
    logs.symlink_to(theirs)
    with pytest.raises(NeedsOperator, match=str(logs)):
        folder.take_ownership(str(logs))
    assert theirs.stat().st_mode & 0o777 == 0o777
