"""Accounts of the system that nodes run as: looked up, made when missing, and removed if wnm made them."""

import fcntl
import grp
import os
import pwd
import stat
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from wnm.core.errors import NeedsOperator, Permanent, Transient
from wnm.system.command import CommandFailed, run

MADE_BY_WNM = "runs nodes for wnm"
"""What the account file says of an account that wnm made, so that it removes no other one."""
PATIENCE = timedelta(seconds=10)
LOCK = "/etc/.pwd.lock"
"""Root's own, so nobody else can keep us waiting; those who change the account files use it in another way."""
NO_SHELL = ("/usr/sbin/nologin", "/sbin/nologin", "/bin/false")


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """A user and its own group, by number; `groups` are all that it is a member of."""

    name: str
    user_id: int
    group_id: int
    groups: frozenset[int]


def find(name: str) -> Account | None:
    """The account of that name; None if there is none."""
    try:
        entry = pwd.getpwnam(name)
    except KeyError:
        return None
    groups = frozenset(os.getgrouplist(name, entry.pw_gid))
    return Account(name=name, user_id=entry.pw_uid, group_id=entry.pw_gid, groups=groups)


def ensure(name: str) -> Account:
    """The account of that name, made as a system account without shell or home when it is missing.

    Permanent if it is the superuser's. NeedsOperator if it cannot be made.
    """
    found = find(name)
    if found is None:
        with _alone(name):
            found = find(name)
            if found is None:
                _make(name)
                found = find(name)
    if found is None:
        raise NeedsOperator(f"account {name} was made and is not there", remedy=f"run: id {name}")
    if found.user_id == 0:
        raise Permanent(f"account {name} is the superuser: nodes need an account of their own")
    return found


@contextmanager
def _alone(name: str) -> Iterator[None]:
    """Of two useradd at once, each makes an account of that name: it looks before it locks."""
    try:
        descriptor = os.open(LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    except OSError as error:
        raise NeedsOperator(
            f"account {name} is missing and cannot be made: {LOCK}: {error.strerror}",
            remedy="run wnm as root",
        ) from error
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _make(name: str) -> None:
    shell = next((path for path in NO_SHELL if Path(path).exists()), NO_SHELL[-1])
    options = ["--system", "--no-create-home", "--home-dir", "/nonexistent", "--shell", shell]
    # A group of that name may be left from an account that was deleted.
    options += ["--gid", name] if _has_group(name) else ["--user-group"]
    try:
        run(("useradd", *options, "--comment", MADE_BY_WNM, name), PATIENCE, _environment())
    except CommandFailed as error:
        if find(name) is None:
            raise NeedsOperator(
                f"account {name} is missing and cannot be made: {error}",
                remedy=f"run: useradd --system --user-group --shell {shell} {name}",
            ) from error


def _environment() -> dict[str, str]:
    """What an administrator's program gets: cron's PATH does not have its folder."""
    path = os.pathsep.join([os.environ.get("PATH", os.defpath), "/usr/sbin", "/sbin"])
    return {**os.environ, "LC_ALL": "C", "PATH": path}


def remove_if_made_here(name: str) -> bool:
    """Remove the account if wnm made it; True if it did. Transient if it cannot be removed."""
    try:
        entry = pwd.getpwnam(name)
    except KeyError:
        return False
    if entry.pw_gecos != MADE_BY_WNM:
        return False
    try:
        run(("userdel", name), PATIENCE, _environment())
    except CommandFailed as error:
        raise Transient(f"account {name} was made by wnm and cannot be removed: {error}") from error
    return True


def give(path: str, account: Account) -> None:
    """Return when a file or folder, not what a link points to, belongs to the account and its group."""
    try:
        os.chown(path, account.user_id, account.group_id, follow_symlinks=False)
    except OSError as error:
        raise Transient(f"cannot give {path} to {account.name}: {error.strerror}") from error


def open_way(path: str, account: Account, *, ours: Sequence[str]) -> None:
    """Return when the account can pass through all folders above `path`; those that are missing are made.

    Of folders that are there only the listed ones are changed: others may then pass through, not look into them.
    NeedsOperator if it is another one that is in the way.
    """
    for folder in reversed(Path(path).parents):
        try:
            _make_passable(folder)
            seen = folder.stat()
            if _may_pass(seen, account):
                continue
            if str(folder) in ours:
                folder.chmod(stat.S_IMODE(seen.st_mode) | 0o011)
                continue
        except OSError as error:
            raise Transient(f"cannot open {folder} for {account.name}: {error.strerror}") from error
        raise NeedsOperator(
            f"account {account.name} may not pass through {folder}, where nodes are to be",
            remedy=f"run: chmod o+x {folder}, or choose another folder",
        )


def _make_passable(folder: Path) -> None:
    """Make the folder if it is missing, whatever the umask is."""
    try:
        folder.mkdir(0o755)
    except FileExistsError:
        return
    folder.chmod(0o755)


def _may_pass(seen: os.stat_result, account: Account) -> bool:
    if seen.st_uid == account.user_id:
        return bool(seen.st_mode & 0o100)
    if seen.st_gid in account.groups:
        return bool(seen.st_mode & 0o010)
    return bool(seen.st_mode & 0o001)


def _has_group(name: str) -> bool:
    try:
        grp.getgrnam(name)
    except KeyError:
        return False
    return True
