"""After a teardown the machine has what it had: what was absent is taken away, what was there stays."""

from pathlib import Path

from wnm.system.removal import absent_account, absent_folders, clear_away


def test_missing_folders_are_found_up_to_the_first_that_is_there(tmp_path: Path) -> None:
    (tmp_path / "there").mkdir()
    wanted = [str(tmp_path / "there" / "x" / "y"), str(tmp_path / "z"), str(tmp_path / "there")]
    assert absent_folders(wanted) == [str(tmp_path / end) for end in ("there/x", "there/x/y", "z")]


def test_a_link_that_leads_nowhere_is_there(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path / "nowhere")
    assert absent_folders([str(tmp_path / "link")]) == []


def test_only_what_was_absent_and_is_empty_goes(tmp_path: Path) -> None:
    (tmp_path / "before").mkdir()
    absent = absent_folders([str(tmp_path / "before" / "made" / "deeper"), str(tmp_path / "kept")])
    (tmp_path / "before" / "made" / "deeper").mkdir(parents=True)
    (tmp_path / "kept").mkdir()
    (tmp_path / "kept" / "key").write_text("secret")
    assert clear_away(absent) == []
    assert sorted(path.name for path in tmp_path.iterdir()) == ["before", "kept"]
    assert list((tmp_path / "before").iterdir()) == []
    assert (tmp_path / "kept" / "key").read_text() == "secret"


def test_an_account_that_is_there_is_not_noted_and_one_that_wnm_did_not_make_stays() -> None:
    assert absent_account("root") == []
    assert absent_account("wnm-no-such-account") == ["account:wnm-no-such-account"]
    assert clear_away(["account:nobody", "account:wnm-no-such-account"]) == []
