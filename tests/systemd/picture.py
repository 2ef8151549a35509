"""All of the test machine that wnm could have changed, as a value that can be compared."""

import hashlib
import stat
import subprocess
from collections.abc import Mapping
from pathlib import Path

from tests.systemd.life import added_rules, do

ACCOUNTS = ("passwd", "group", "shadow", "gshadow", "subuid", "subgid")
TREES = (
    "/etc/systemd",
    "/etc/cron.d",
    "/etc/ufw",
    "/etc/sudoers.d",
    "/var/spool/cron",
    "/var/antctl",
    "/home",
    "/srv",
)
# What is written there is not wnm's; new names would be.
NAMES_ONLY = ("/var/log", "/usr/local", "/opt", "/var/lib", "/root")
LEFT_OUT = (
    "/var/log/journal",
    "/srv/wnm",
    "/opt/wnm-venv",
    "/var/lib/systemd",
    "/var/lib/private",
    "/root/.cache",
)

type Picture = Mapping[str, object]


def picture() -> Picture:
    """By the path of a file, or the name of what was asked for."""
    found: dict[str, object] = {f"/etc/{name}": Path("/etc", name).read_text() for name in ACCOUNTS}
    for tree in TREES:
        _walk(Path(tree), found, content=True)
    for tree in NAMES_ONLY:
        _walk(Path(tree), found, content=False)
    found["unit files"] = do("systemctl", "list-unit-files", "--no-legend", "--no-pager")
    # The slice goes with the next boot; until then it is empty.
    units = do("systemctl", "list-units", "--all", "--plain", "--no-legend", "--no-pager", "antnode*")
    found["units of nodes"] = [line.split()[0] for line in units.splitlines()]
    found["rules"] = added_rules()
    found["rules in force"] = do("iptables", "-S"), do("ip6tables", "-S")
    found["processes"] = _processes()
    return found


def difference(before: Picture, after: Picture) -> dict[str, tuple[object, object]]:
    """What is not the same, with both."""
    names = sorted({*before, *after})
    return {
        name: (before.get(name), after.get(name)) for name in names if before.get(name) != after.get(name)
    }


def _walk(folder: Path, found: dict[str, object], *, content: bool) -> None:
    if str(folder) in LEFT_OUT or not folder.is_dir():
        return
    found[str(folder)] = _about(folder, content=content)
    for path in folder.iterdir():
        if path.is_dir() and not path.is_symlink():
            _walk(path, found, content=content)
        elif str(path) not in LEFT_OUT:
            found[str(path)] = _about(path, content=content)


def _about(path: Path, *, content: bool) -> tuple[object, ...]:
    seen = path.lstat()
    facts = (stat.filemode(seen.st_mode), seen.st_uid, seen.st_gid)
    if path.is_symlink():
        return (*facts, str(path.readlink()))
    if content and path.is_file():
        return (*facts, hashlib.sha256(path.read_bytes()).hexdigest())
    return facts


def _processes() -> list[str]:
    listed = subprocess.run(["ps", "-eo", "user,args"], capture_output=True, text=True, check=True)
    return sorted(line for line in listed.stdout.splitlines() if "antnode" in line or "/wnm " in line)
