"""The process managers that an older wnm named, and which of them wnm has."""

from wnm.core.host import Host

_SAME = {
    "systemd": "systemd",
    "systemd+sudo": "systemd",
    "systemd+user": "systemd+user",
    "setsid": "setsid",
    "setsid+user": "setsid",
    "setsid+sudo": "setsid",
    "launchd": "launchd",
    "launchd+user": "launchd",
}


def manager_of(name: str, host: Host) -> str | None:
    """The process manager here for one there, None if there is none on this machine for this account."""
    return _SAME[name.strip().lower()] if why_not(name, host) is None else None


def why_not(name: str, host: Host) -> str | None:
    """Why nodes under that process manager cannot be taken over, None if they can."""
    name = name.strip().lower()
    base = name.partition("+")[0]
    if base == "antctl":
        return "its nodes belong to antctl, whose services wnm does not run; wnm can only make new ones"
    if base in ("docker", "s6overlay"):
        return "its nodes run in containers, which wnm does not manage; wnm can only make new ones"
    if name not in _SAME:
        return (
            "wnm does not have it"
            if base != "launchd"
            else "wnm has launchd only for the account's own agents"
        )
    if base == "launchd" and host.platform != "darwin":
        return "it is only on macOS"
    if base == "systemd" and host.platform != "linux":
        return "it is only on Linux"
    if name == "setsid+sudo" and not host.is_root:
        return "its nodes run as root: run wnm as root too"
    return None
