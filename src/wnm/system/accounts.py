"""Looks up accounts that nodes run as, makes them when missing, and removes those that wnm made."""

import fcntl
import grp
import os
import pwd
import stat
from collections.abc import Sequence
from contextlib import suppress
from datetime import timedelta
from pathlib import Path

from wnm.core.errors import NeedsOperator, Permanent, Transient
from wnm.system.command import CommandFailed, run
from wnm.system.files import OPEN_FOLDER, failing, open_regular, opened

MADE_BY_WNM = "runs nodes for wnm"
"""The text in the account file for an account that wnm made, so that it removes no other one."""
PATIENCE = timedelta(seconds=10)
LARGEST_UNIT_BYTES = 4 * 1024 * 1024
LOCK = "/etc/.pwd.lock"
"""Root's own, so nobody else can keep us waiting; those who change the account files use it in another way."""
SYSTEM_UNITS = "/etc/systemd/system"
NO_SHELL = ("/usr/sbin/nologin", "/sbin/nologin", "/bin/false")


type Account = pwd.struct_passwd


def name_of(user_id: int) -> str:
    """Return the name of an account, its number if it has none."""
    try:
        return pwd.getpwuid(user_id).pw_name
    except KeyError:
        return str(user_id)


def find(name: str) -> Account | None:
    """The account of that name; None if there is none."""
    try:
        return pwd.getpwnam(name)
    except KeyError:
        return None


def ensure(name: str) -> Account:
    """The account of that name, made as a system account without shell or home when it is missing.

    Permanent if it is the superuser's. NeedsOperator if it cannot be made.
    """
    found = find(name)
    if found is None:
        _make(name)
        found = find(name)
    if found is None:
        raise NeedsOperator(f"account {name} was made and is not there", remedy=f"run: id {name}")
    if found.pw_uid == 0:
        raise Permanent(f"account {name} is the superuser: nodes need an account of their own")
    return found


def _make(name: str) -> None:
    """Of two useradd at once, each makes an account of that name, as it looks before it locks: we lock before."""
    try:
        descriptor = os.open(LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    except OSError as error:
        raise NeedsOperator(
            f"account {name} is missing and cannot be made: {LOCK}: {error.strerror}",
            remedy="run wnm as root",
        ) from error
    shell = next((path for path in NO_SHELL if Path(path).exists()), NO_SHELL[-1])
    options = ["--system", "--no-create-home", "--home-dir", "/nonexistent", "--shell", shell]
    try:
        grp.getgrnam(name)  # left from an account that was deleted
        options += ["--gid", name]
    except KeyError:
        options += ["--user-group"]
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        if find(name) is None:
            run(("useradd", *options, "--comment", MADE_BY_WNM, name), PATIENCE, _environment())
    except CommandFailed as error:
        if find(name) is None:
            raise NeedsOperator(
                f"account {name} is missing and cannot be made: {error}",
                remedy=f"run: useradd --system --user-group --shell {shell} {name}",
            ) from error
    finally:
        os.close(descriptor)


def _environment() -> dict[str, str]:
    """Return the environment for an administrator's program: cron's PATH does not have its folder."""
    path = os.pathsep.join([os.environ.get("PATH", os.defpath), "/usr/sbin", "/sbin"])
    return {**os.environ, "LC_ALL": "C", "PATH": path}


def made_here(name: str) -> bool:
    """Whether there is an account of that name and wnm made it."""
    found = find(name)
    return found is not None and found.pw_gecos == MADE_BY_WNM


def remove_if_made_here(name: str, *, units: str = SYSTEM_UNITS) -> bool:
    """Remove the account if wnm made it; True if it did. Transient if it cannot be removed.

    It stays while a service in the folder `units` is to run as it, which may be that of another wnm database, and
    while a process of its own is left.
    """
    if not made_here(name):
        return False
    for file in Path(units).glob("*.service"):
        with suppress(OSError), open_regular(str(file)) as unit:
            if f"User={name}".encode() in unit.read(LARGEST_UNIT_BYTES).splitlines():
                return False
    user_id = pwd.getpwnam(name).pw_uid
    for process in Path("/proc").glob("[0-9]*"):  # userdel finds only some of them
        with suppress(OSError):
            if process.stat().st_uid == user_id:
                raise Transient(
                    f"account {name} was made by wnm and stays: process {process.name} runs as it"
                )
    try:
        run(("userdel", name), PATIENCE, _environment())
    except CommandFailed as error:
        raise Transient(f"account {name} was made by wnm and cannot be removed: {error}") from error
    return True


def give(path: str, account: Account) -> None:
    """Return when a file or folder, not what a link points to, belongs to the account and its group."""
    with failing(f"cannot give {path} to {account.pw_name}"):
        os.chown(path, account.pw_uid, account.pw_gid, follow_symlinks=False)


def open_way(path: str, account: Account, *, ours: Sequence[str]) -> None:
    """Return when the account can pass through all folders above `path`; those that are missing are made.

    Of folders that are there only the listed ones are changed: others may then pass through, not look into them.
    NeedsOperator if it is another one that is in the way.
    """
    for folder in reversed(Path(path).parents):
        # The change is made to the folder that was looked at, even if somebody puts another one, or a link, there.
        with failing(f"cannot open {folder} for {account.pw_name}"):
            try:
                folder.mkdir(0o755)
                made = True
            except FileExistsError:
                made = False
            with opened(folder, OPEN_FOLDER | (os.O_NOFOLLOW if made else 0)) as descriptor:
                seen = os.fstat(descriptor)
                passable = _may_pass(seen, account)
                if made:
                    os.fchmod(descriptor, 0o755)  # whatever the umask is
                elif not passable and str(folder) in ours:
                    os.fchmod(descriptor, stat.S_IMODE(seen.st_mode) | 0o011)
        if not (made or passable or str(folder) in ours):
            raise NeedsOperator(
                f"account {account.pw_name} may not pass through {folder}, where nodes are to be",
                remedy=f"run: chmod o+x {folder}, or choose another folder",
            )


def _may_pass(seen: os.stat_result, account: Account) -> bool:
    if seen.st_uid == account.pw_uid:
        return bool(seen.st_mode & 0o100)
    if seen.st_gid in os.getgrouplist(account.pw_name, account.pw_gid):
        return bool(seen.st_mode & 0o010)
    return bool(seen.st_mode & 0o001)
