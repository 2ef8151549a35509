"""Reads the machine: counters, load, memory, cores, and which start of which machine this is.

The system's own way is in `host_linux`, which does without the cost of importing psutil, and `host_elsewhere`.
"""

import os
import sys
import threading
from collections.abc import Callable, Iterable
from types import ModuleType

from wnm.core.contracts import Clock
from wnm.core.observation import Bound, Counters, Load, Stall, Unseen

_SAMPLE_SECONDS = 0.25
SLICE = "wnm.slice"
"""The group of all nodes under systemd, see `wnm.formats.systemd_unit`."""


def read_counters(clock: Clock, group: str | None = None) -> Counters:
    """The counters as they stand now; None for what this system does not count.

    `group` is the cgroup whose limits count, None for this process' own.
    """
    counters: Counters = _own_way().counters(boot_id(), clock.now(), group)
    return counters


def short_sample(clock: Clock, group: str | None = None) -> tuple[Counters, Counters]:
    """Two readings a quarter of a second apart, for when no usable one is stored."""
    before = read_counters(clock, group)
    clock.sleep(_SAMPLE_SECONDS)
    return before, read_counters(clock, group)


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


def read_bounds(
    group: str | None = None,
) -> tuple[tuple[Bound, ...] | Unseen, tuple[Bound, ...], tuple[Stall, ...]]:
    """Memory in bytes, processes and threads: of the machine first, then of each cgroup with a limit below that.

    The third is how long work waited for what. Only Linux has more than the machine's memory.
    """
    memory = _own_way().memory()
    if memory is None or memory.total_bytes <= 0:
        return Unseen(reason="the system does not say how much memory is available"), (), ()
    total = memory.total_bytes
    whole = Bound(where="", total=total, used=max(total - memory.available_bytes, 0))
    if sys.platform != "linux":
        return (whole,), (), ()
    from wnm.sensors.limits import machine_pids, read_limits, read_stalls

    limits, every = read_limits(group), machine_pids()
    pids = () if every is None else (every,)
    most = every.total if every else sys.maxsize
    return (
        (whole, *(each for each in limits.memory if each.total < total)),
        (*pids, *(each for each in limits.pids if each.total < most)),
        read_stalls(),
    )


def boot_id() -> str:
    """A text that is another one after every start of the machine."""
    known: str | None = _own_way().boot_id()
    if known:
        return known
    from wnm.sensors.host_elsewhere import started_at

    return started_at()


def system_id() -> str:
    """A text that stays this installation's through all its starts; empty where there is none."""
    known: str | None = _own_way().system_id()
    return known or ""


def usable_cores(group: str | None = None) -> float:
    """Cores that this process (or those in a cgroup) may use, fractions allowed: its CPU set and its quotas."""
    cores: float = _own_way().usable_cores(group)
    return cores


def nodes_group(process_manager: str) -> str | None:
    """The cgroup that a service manager starts nodes in; None where they get that of this process."""
    if process_manager == "systemd":
        return f"/{SLICE}"
    user = os.geteuid()
    own = f"/user.slice/user-{user}.slice/user@{user}.service/{SLICE}"
    return own if process_manager == "systemd+user" else None


def group_of(pids: Iterable[int]) -> str | None:
    """The cgroup of the first of these processes that is there, where it is not that of this process; else None."""
    if sys.platform != "linux":
        return None
    from wnm.sensors.limits import memory_group

    first = next((found for pid in pids if (found := memory_group(pid)) is not None), None)
    return None if first == memory_group(os.getpid()) else first


def _own_way() -> ModuleType:
    if sys.platform == "linux":
        from wnm.sensors import host_linux

        return host_linux
    from wnm.sensors import host_elsewhere

    return host_elsewhere


def read_with_timeout[T](read: Callable[[], T], seconds: float, *, what: str = "reading") -> T | Unseen:
    """Return the result of `read`, or Unseen when it fails with an OSError or takes longer than `seconds`.

    `what` names the thing in the reason. A reading that hangs goes on in a daemon thread that nobody waits
    for, so `read` must change nothing. Every other exception is raised here.
    """
    results: list[T] = []
    errors: list[BaseException] = []

    def work() -> None:
        try:
            results.append(read())
        except BaseException as error:  # noqa: BLE001 - raised again below, in the thread that asked
            errors.append(error)

    thread = threading.Thread(target=work, name=f"read {what}", daemon=True)
    thread.start()
    thread.join(seconds)
    if results:
        return results[0]
    if not errors:
        return Unseen(reason=f"{what}: no result within {seconds:g} s")
    if isinstance(errors[0], OSError):
        return Unseen(reason=f"{what}: {errors[0].strerror or errors[0]}")
    raise errors[0]
