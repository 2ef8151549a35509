"""Accounts that nodes run as: what they may reach, what is given to them, and that only our own are removed."""

import os
import pwd
import secrets
import stat
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from wnm.core.errors import NeedsOperator, Permanent, Transient
from wnm.system import accounts
from wnm.system.accounts import Account, ensure, find, give, open_way, remove_if_made_here
from wnm.system.removal import absent_account

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can change accounts and owners")


def nobody() -> Account:
    account = find("nobody")
    assert account is not None
    return account


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@pytest.fixture
def fresh_name() -> Iterator[str]:
    """A name that no account has; whatever a test makes of it is removed."""
    name = f"wnm-{secrets.token_hex(4)}"
    yield name
    remove_if_made_here(name)


def test_there_is_no_account_of_a_name_that_nobody_has(fresh_name: str) -> None:
    assert find(fresh_name) is None


@needs_root
def test_a_missing_account_is_made_without_shell_or_home_and_only_once(fresh_name: str) -> None:
    made = ensure(fresh_name)
    entry = pwd.getpwnam(fresh_name)
    assert (entry.pw_uid, entry.pw_gid) == (made.pw_uid, made.pw_gid)
    assert entry.pw_shell in accounts.NO_SHELL
    assert not Path(entry.pw_dir).exists()
    assert 0 < entry.pw_uid < 1000
    assert ensure(fresh_name) == made


@needs_root
def test_an_account_that_wnm_made_is_removed_and_no_other(fresh_name: str) -> None:
    ensure(fresh_name)
    assert remove_if_made_here(fresh_name) is True
    assert find(fresh_name) is None
    assert remove_if_made_here(fresh_name) is False
    assert remove_if_made_here("nobody") is False
    assert find("nobody") is not None


@needs_root
def test_an_account_stays_while_a_service_is_to_run_as_it(fresh_name: str, tmp_path: Path) -> None:
    ensure(fresh_name)
    unit = tmp_path / "antnode0007.service"
    unit.write_text(f"[Service]\nExecStart=/bin/true\nUser={fresh_name}\n")
    (tmp_path / "dangling.service").symlink_to(tmp_path / "nowhere")
    assert remove_if_made_here(fresh_name, units=str(tmp_path)) is False
    assert find(fresh_name) is not None
    unit.write_text(f"[Service]\nExecStart=/bin/true\nUser={fresh_name}-2\n")
    assert remove_if_made_here(fresh_name, units=str(tmp_path)) is True


@needs_root
def test_an_account_stays_while_a_process_of_its_own_is_left(fresh_name: str) -> None:
    ensure(fresh_name)
    with subprocess.Popen(["sleep", "60"], user=fresh_name) as left:
        try:
            with pytest.raises(Transient, match=f"process {left.pid} runs as it"):
                remove_if_made_here(fresh_name)
            assert find(fresh_name) is not None
        finally:
            left.kill()


@needs_root
def test_an_account_that_wnm_made_is_noted_by_each_database(fresh_name: str) -> None:
    ensure(fresh_name)
    assert absent_account(fresh_name) == [f"account:{fresh_name}"]


def test_the_superuser_is_no_account_for_nodes() -> None:
    with pytest.raises(Permanent, match="superuser"):
        ensure("root")


@needs_root
def test_what_is_given_is_the_thing_itself_and_not_what_a_link_points_to(tmp_path: Path) -> None:
    target = tmp_path / "target"
    target.write_text("ours")
    link = tmp_path / "link"
    link.symlink_to(target)
    give(str(link), nobody())
    assert target.stat().st_uid == 0
    assert link.lstat().st_uid == nobody().pw_uid


@needs_root
def test_missing_folders_are_made_passable_whatever_the_umask_is(tmp_path: Path) -> None:
    for folder in (tmp_path, *tmp_path.parents):
        if not mode(folder) & 0o001:
            folder.chmod(mode(folder) | 0o001)
    before = os.umask(0o077)
    try:
        open_way(str(tmp_path / "a" / "b" / "node"), nobody(), ours=())
    finally:
        os.umask(before)
    assert mode(tmp_path / "a") == mode(tmp_path / "a" / "b") == 0o755
    assert not (tmp_path / "a" / "b" / "node").exists()


@needs_root
def test_our_own_folder_is_opened_just_enough_and_a_foreign_one_not_at_all(tmp_path: Path) -> None:
    for folder in (tmp_path, *tmp_path.parents):
        if not mode(folder) & 0o001:
            folder.chmod(mode(folder) | 0o001)
    ours = tmp_path / "ours"
    ours.mkdir(mode=0o700)
    open_way(str(ours / "node"), nobody(), ours=[str(ours)])
    assert mode(ours) == 0o711
    foreign = tmp_path / "foreign"
    foreign.mkdir(mode=0o700)
    with pytest.raises(NeedsOperator) as refused:
        open_way(str(foreign / "node"), nobody(), ours=[str(ours)])
    assert f"chmod o+x {foreign}" in refused.value.remedy
    assert mode(foreign) == 0o700
