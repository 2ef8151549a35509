"""Reads the machine from /proc and /sys of Linux, without the cost of importing psutil."""

import os
from datetime import datetime
from pathlib import Path

from wnm.core.observation import Counters
from wnm.formats import proc
from wnm.sensors.limits import read_quota


def counters(boot: str, now: datetime, group: str | None) -> Counters:
    """The counters as they stand at `now`; None for what cannot be read (containers often hide disks).

    CPU time is that of the CPUs that this process may use, and that of the cgroup with a quota.
    """
    cpus = os.sched_getaffinity(0)
    is_whole = len(cpus) == os.cpu_count()
    ticks = proc.cpu_ticks(_text("/proc/stat"), None if is_whole else cpus)
    quota = read_quota(group)
    ticks_per_second = os.sysconf("SC_CLK_TCK")
    network = network_bytes()
    disks = disk_bytes()
    return Counters(
        boot_id=boot,
        taken_at=now,
        cpu_busy_seconds=ticks[0] / ticks_per_second if ticks else None,
        cpu_total_seconds=ticks[1] / ticks_per_second if ticks else None,
        netio_read_bytes=network.read_bytes if network else None,
        netio_write_bytes=network.write_bytes if network else None,
        hdio_read_bytes=disks.read_bytes if disks else None,
        hdio_write_bytes=disks.write_bytes if disks else None,
        cpus=None if is_whole else tuple(sorted(cpus)),
        quota_group=quota.where if quota else None,
        quota_cores=quota.cores if quota else None,
        quota_seconds=quota.used_seconds if quota else None,
    )


def network_bytes() -> proc.Transfer | None:
    """Traffic of the network cards. In a container, which has none, that of everything but loopback."""
    text = _text("/proc/net/dev")
    # Bridges, tunnels and pairs for containers pass on what a card counts already.
    virtual = {"lo", *_names("/sys/devices/virtual/net")}
    return proc.interface_bytes(text, lambda name: name not in virtual) or proc.interface_bytes(
        text, lambda name: name != "lo"
    )


def disk_bytes() -> proc.Transfer | None:
    """Traffic of whole disks: partitions, mappings, arrays, loop devices and memory are left out."""
    disks = _names("/sys/block") - _names("/sys/devices/virtual/block")
    return proc.disk_bytes(_text("/proc/diskstats"), disks.__contains__)


def memory() -> proc.Memory | None:
    """Main memory."""
    return proc.memory(_text("/proc/meminfo"))


def boot_id() -> str | None:
    """The random name that the kernel gives to this start of the machine."""
    return _text("/proc/sys/kernel/random/boot_id").strip() or None


def system_id() -> str | None:
    """The name that this installation of the system got, see machine-id(5)."""
    return _text("/etc/machine-id").strip() or None


def usable_cores(group: str | None = None) -> float:
    """Cores in this process' CPU set, or what the smallest quota of its cgroups (or of a group's) allows if less."""
    quota = read_quota(group)
    allowed = float(len(os.sched_getaffinity(0)))
    return allowed if quota is None else min(allowed, quota.cores)


def _text(path: str | Path) -> str:
    """A file of the kernel, empty when it is not there or not for us."""
    try:
        return Path(path).read_text(errors="replace")
    except OSError:
        return ""


def _names(folder: str) -> set[str]:
    try:
        return set(os.listdir(folder))  # noqa: PTH208 - names are wanted, not paths
    except OSError:
        return set()
