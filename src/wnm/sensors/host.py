"""Readings of the machine: counters, load, memory, cores and which start of it this is."""

import os
import sys
from typing import NamedTuple

from wnm.core.contracts import Clock
from wnm.core.observation import Load, Unseen
from wnm.core.rates import Counters
from wnm.formats.proc import Memory
from wnm.sensors import host_linux, host_psutil
from wnm.sensors.file_systems import file_system_of
from wnm.sensors.patience import read_with_timeout
from wnm.sensors.ports import bound_ports

__all__ = [
    "MemoryUse",
    "boot_id",
    "bound_ports",
    "file_system_of",
    "own_cpu_seconds",
    "read_counters",
    "read_load",
    "read_memory",
    "read_with_timeout",
    "short_sample",
    "system_id",
    "usable_cores",
]

_SAMPLE_SECONDS = 0.25


class MemoryUse(NamedTuple):
    """Percent of main memory that is not available, and all of it in bytes."""

    percent: float
    total_bytes: int


def read_counters(clock: Clock) -> Counters:
    """The counters as they stand now; None for what this system does not count."""
    counters = host_linux.counters if sys.platform == "linux" else host_psutil.counters
    return counters(boot_id(), clock.now())


def short_sample(clock: Clock) -> tuple[Counters, Counters]:
    """Two readings a quarter of a second apart, for when no usable one is stored."""
    before = read_counters(clock)
    clock.sleep(_SAMPLE_SECONDS)
    return before, read_counters(clock)


def own_cpu_seconds() -> float:
    """CPU time that this process and its ended children have used."""
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system


def read_load() -> Load | Unseen:
    """The load averages."""
    try:
        one, five, fifteen = os.getloadavg()
    except OSError:
        return Unseen(reason="the system gives no load average")
    return Load(one=one, five=five, fifteen=fifteen)


def read_memory() -> MemoryUse | Unseen:
    """The use of main memory."""
    memory = _memory()
    if memory is None or memory.total_bytes <= 0:
        return Unseen(reason="the system does not say how much memory is available")
    available = min(memory.available_bytes / memory.total_bytes, 1.0)
    return MemoryUse(percent=100 * (1 - available), total_bytes=memory.total_bytes)


def boot_id() -> str:
    """A text that is another one after every start of the machine."""
    if sys.platform == "linux":
        known = host_linux.boot_id()
    else:
        from wnm.sensors import host_macos

        known = host_macos.boot_id()
    return known or host_psutil.boot_id()


def system_id() -> str:
    """A text that stays this installation's through all its starts; empty where there is none."""
    if sys.platform == "linux":
        return host_linux.system_id() or ""
    from wnm.sensors import host_macos

    return host_macos.system_id() or ""


def usable_cores() -> float:
    """Cores that this process may use, fractions allowed: its CPU set and the quotas of its cgroups."""
    if sys.platform == "linux":
        return host_linux.usable_cores()
    return float(os.cpu_count() or 1)


def _memory() -> Memory | None:
    return host_linux.memory() if sys.platform == "linux" else host_psutil.memory()
