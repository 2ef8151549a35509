"""Describes the host that defaults depend on: the machine, the account that runs wnm, and its folders."""

from collections.abc import Mapping
from posixpath import join
from typing import Literal

from msgspec.structs import replace

from wnm.core.backends import traits_of
from wnm.core.values import Value

type Platform = Literal["linux", "darwin"]

SYSTEM_DATA = "/var/antctl"


class Host(Value, frozen=True, kw_only=True):
    """Facts of the machine and account. `home` is absolute; `environ` is what `$VAR` in paths stands for.

    `program` is the node program that was found (`~/.local/bin/antnode`, else the first on PATH), or None.
    `program_kind` and `ufw_active` are None while nobody has asked. `system_services` is true where nodes are
    services of the whole system, in the system's folders, whoever runs wnm.
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
    system_services: bool = False


def for_manager(host: Host, process_manager: str) -> Host:
    """The host as defaults depend on it once the process manager is known."""
    return replace(
        host, system_services=host.platform == "linux" and traits_of(process_manager).system_services
    )


def data_folder(host: Host) -> str:
    """Return the folder of the database and the lock file."""
    if host.platform == "darwin":
        return join(host.home, "Library/Application Support/autonomi")
    return SYSTEM_DATA if host.is_root else join(host.home, ".local/share/autonomi")


def node_folder(host: Host) -> str:
    """Return the folder with the root directories of the nodes, unless `node_storage` says otherwise."""
    return f"{SYSTEM_DATA}/services" if _in_system_folders(host) else f"{data_folder(host)}/node"


def log_folder(host: Host) -> str:
    """Return the folder with the log folders of the nodes, unless `log_storage` says otherwise."""
    if host.platform == "darwin":
        return join(host.home, "Library/Logs/autonomi")
    return "/var/log/antnode" if _in_system_folders(host) else f"{data_folder(host)}/logs"


def key_folder(host: Host) -> str:
    """Return the folder for the secret keys of removed nodes, unless `key_storage` says otherwise."""
    return f"{SYSTEM_DATA if _in_system_folders(host) else data_folder(host)}/keys"


def default_manager(host: Host) -> str:
    """The process manager of the platform and account."""
    if host.platform == "darwin":
        return "launchd"
    return "systemd" if host.is_root else "setsid"


def _in_system_folders(host: Host) -> bool:
    return host.platform == "linux" and (host.is_root or host.system_services)
