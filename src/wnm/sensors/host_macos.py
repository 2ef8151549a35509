"""What only macOS says of itself."""

from datetime import timedelta

from wnm.system.command import CommandFailed, run

SYSCTL = "/usr/sbin/sysctl"
_TIME_LIMIT = timedelta(seconds=5)


def boot_id(sysctl: str = SYSCTL) -> str | None:
    """The id that the kernel drew at its start, None if it tells none. A boot time would follow the clock instead."""
    return _value_of(sysctl, "kern.bootsessionuuid")


def system_id(sysctl: str = SYSCTL) -> str | None:
    """The id of this Mac, None if the kernel tells none."""
    return _value_of(sysctl, "kern.hostuuid")


def _value_of(sysctl: str, name: str) -> str | None:
    try:
        return run((sysctl, "-n", name), _TIME_LIMIT).stdout.strip() or None
    except CommandFailed:
        return None
