"""What a default may depend on: the machine, the account that runs wnm, and where things go on it."""

from collections.abc import Mapping
from dataclasses import dataclass
from posixpath import join
from typing import Literal

type Platform = Literal["linux", "darwin"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Host:
    """Facts of the machine and account. `home` is absolute; `environ` is what `$VAR` in paths stands for.

    `program` is the node program that was found (`~/.local/bin/antnode`, else the first on PATH), or None.
    `program_kind` and `ufw_active` are None while nobody has asked.
    """

    platform: Platform
    is_root: bool
    user: str
    home: str
    environ: Mapping[str, str]
    usable_cores: float
    program: str | None = None
    program_kind: str | None = None
    ufw_active: bool | None = None


def data_folder(host: Host) -> str:
    """Where the database, the lock file and the backed-up keys are."""
    if host.platform == "darwin":
        return join(host.home, "Library/Application Support/autonomi")
    return "/var/antctl" if host.is_root else join(host.home, ".local/share/autonomi")


def node_folder(host: Host) -> str:
    """Where each node has its root directory, unless `node_storage` says otherwise."""
    root_mode = host.platform == "linux" and host.is_root
    return f"{data_folder(host)}/services" if root_mode else f"{data_folder(host)}/node"


def log_folder(host: Host) -> str:
    """Where each node has its log folder, unless `log_storage` says otherwise."""
    if host.platform == "darwin":
        return join(host.home, "Library/Logs/autonomi")
    return "/var/log/antnode" if host.is_root else f"{data_folder(host)}/logs"


def default_manager(host: Host) -> str:
    """The process manager of the platform and account."""
    if host.platform == "darwin":
        return "launchd"
    return "systemd" if host.is_root else "setsid"
