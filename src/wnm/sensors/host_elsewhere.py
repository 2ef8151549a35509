"""Reads the machine through psutil, and what only macOS tells through sysctl: for systems without /proc."""

import os
from datetime import datetime, timedelta

from wnm.core.observation import Counters
from wnm.formats.proc import Memory
from wnm.system.command import CommandFailed, run

SYSCTL = "/usr/sbin/sysctl"
_TIME_LIMIT = timedelta(seconds=5)
_LOOPBACK = ("lo", "lo0")


def counters(boot: str, now: datetime, group: str | None) -> Counters:
    """The counters as they stand at `now`; None for what the system does not count."""
    import psutil

    cpu = psutil.cpu_times()
    cards = [each for name, each in psutil.net_io_counters(pernic=True).items() if name not in _LOOPBACK]
    disks = psutil.disk_io_counters()
    total = sum((cpu.user, cpu.system, cpu.idle, getattr(cpu, "nice", 0.0), getattr(cpu, "iowait", 0.0)))
    return Counters(
        boot_id=boot,
        taken_at=now,
        cpu_busy_seconds=total - cpu.idle - getattr(cpu, "iowait", 0.0),
        cpu_total_seconds=total,
        netio_read_bytes=sum(each.bytes_recv for each in cards) if cards else None,
        netio_write_bytes=sum(each.bytes_sent for each in cards) if cards else None,
        hdio_read_bytes=disks.read_bytes if disks else None,
        hdio_write_bytes=disks.write_bytes if disks else None,
    )


def memory() -> Memory:
    """Main memory."""
    import psutil

    seen = psutil.virtual_memory()
    return Memory(total_bytes=seen.total, available_bytes=seen.available)


def started_at() -> str:
    """When the machine was started, as text."""
    import psutil

    return f"started-at-{psutil.boot_time():.0f}"


def usable_cores(group: str | None = None) -> float:
    """All cores."""
    return float(os.cpu_count() or 1)


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
