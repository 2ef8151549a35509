"""Reads what the cgroups of a process leave it of memory, CPU and processes, and how long work waits for them.

Version 1 and version 2 alike (see cgroups(7) and the kernel's admin-guide/cgroup-v1 and cgroup-v2): each controller is
looked for where /proc/self/cgroup says it is. A container often sees only its own part of the tree, below the same
mount points, while the path is told from the top of the machine's.
"""

from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from msgspec import Struct

from wnm.core.observation import Bound, Stall
from wnm.formats import proc

RESOURCES = ("cpu", "memory", "io")


class Tree(Struct, frozen=True):
    """The folders that the kernel tells of processes and of cgroups in."""

    proc: Path = Path("/proc")
    cgroups: Path = Path("/sys/fs/cgroup")


class Quota(Struct, frozen=True, kw_only=True):
    """The cgroup with the smallest CPU quota: the cores that it may use, and the CPU seconds that it has used."""

    where: str
    cores: float
    used_seconds: float | None


class Limits(Struct, frozen=True, kw_only=True):
    """The bounds of a chain of cgroups, innermost first; those without a limit are left out."""

    memory: tuple[Bound, ...]
    pids: tuple[Bound, ...]


REAL = Tree()


def read_limits(group: str | None = None, tree: Tree = REAL) -> Limits:
    """The limits above this process, or above those in `group`, a path in every hierarchy."""
    text = _text(tree.proc / "self/cgroup")
    memory = (_memory(at, folder) for at, folder in _chain(text, "memory", group, tree))
    pids = (_pids(at, folder) for at, folder in _chain(text, "pids", group, tree))
    return Limits(memory=tuple(each for each in memory if each), pids=tuple(each for each in pids if each))


def memory_group(pid: int, tree: Tree = REAL) -> str | None:
    """The cgroup that counts the memory of a process, as a path in its hierarchy; None if it is not there."""
    return proc.cgroup_of(_text(tree.proc / f"{pid}/cgroup"), "memory")[0]


def read_quota(group: str | None = None, tree: Tree = REAL) -> Quota | None:
    """The smallest CPU quota above this process, or above those in `group`."""
    text = _text(tree.proc / "self/cgroup")
    found = [quota for at, folder in _chain(text, "cpu", group, tree) if (quota := _quota(at, folder, tree))]
    return min(found, key=lambda each: each.cores, default=None)


def machine_pids(tree: Tree = REAL) -> Bound | None:
    """Processes and threads of the whole machine, and how many there may be."""
    limits = [_number(tree.proc / "sys/kernel" / name) for name in ("pid_max", "threads-max")]
    total = min((each for each in limits if each is not None), default=None)
    used = proc.tasks(_text(tree.proc / "loadavg"))
    return None if total is None or used is None else Bound(where="", total=total, used=used)


def read_stalls(tree: Tree = REAL) -> tuple[Stall, ...]:
    """The share of the last minute in which work waited for a resource; none where the kernel does not tell."""
    found = ((name, proc.pressure(_text(tree.proc / "pressure" / name))) for name in RESOURCES)
    return tuple(
        Stall(resource=name, some_percent=some, full_percent=full)
        for name, (some, full) in found
        if some is not None
    )


def _chain(text: str, controller: str, group: str | None, tree: Tree) -> Iterator[tuple[str, Path]]:
    """The cgroup for a controller and all above it, as path and folder, innermost first."""
    path, version = proc.cgroup_of(text, controller)
    if path is None:
        return
    path = group if group is not None else path
    bases = [tree.cgroups / controller, tree.cgroups / f"{controller},{controller}acct"]
    if version == 2:
        bases = [tree.cgroups / "unified", tree.cgroups]
    base = next((each for each in bases if each.is_dir()), None)
    if base is None:
        return
    parts = PurePosixPath(path).parts[1:]
    # What a container sees begins somewhere below the top: the longest end of the path that is there.
    start = next(number for number in range(len(parts) + 1) if base.joinpath(*parts[number:]).is_dir())
    for end in range(len(parts), start - 1, -1):
        yield "/" + "/".join(parts[:end]), base.joinpath(*parts[start:end])


def _memory(where: str, folder: Path) -> Bound | None:
    """What is used against the limit: as in MemAvailable, pages of files and slabs that can be had back do not count.

    The kernel takes them back before it ends a process; a node that reads its records fills every limit with them.
    """
    limits = [_number(folder / name) for name in ("memory.max", "memory.high", "memory.limit_in_bytes")]
    total = min((each for each in limits if each is not None), default=None)
    used = _number(folder / "memory.current")
    free: tuple[str, ...] = ("inactive_file", "active_file", "slab_reclaimable")
    if used is None:
        used = _number(folder / "memory.usage_in_bytes")
        free = ("total_inactive_file", "total_active_file")
    if total is None or used is None or total <= 0:
        return None
    stat = _text(folder / "memory.stat")
    return Bound(
        where=where, total=total, used=max(used - sum(proc.figure_in(stat, each) or 0 for each in free), 0)
    )


def _pids(where: str, folder: Path) -> Bound | None:
    total, used = _number(folder / "pids.max"), _number(folder / "pids.current")
    return None if total is None or used is None or total <= 0 else Bound(where=where, total=total, used=used)


def _quota(where: str, folder: Path, tree: Tree) -> Quota | None:
    cores = proc.cpu_quota(_text(folder / "cpu.max"))
    if cores is not None:
        used = proc.figure_in(_text(folder / "cpu.stat"), "usage_usec")
        return Quota(where=where, cores=cores, used_seconds=None if used is None else used / 1e6)
    quota, period = _number(folder / "cpu.cfs_quota_us"), _number(folder / "cpu.cfs_period_us")
    if quota is None or not period or quota <= 0:
        return None
    usage = _number(_twin(folder, tree) / "cpuacct.usage")
    return Quota(where=where, cores=quota / period, used_seconds=None if usage is None else usage / 1e9)


def _twin(folder: Path, tree: Tree) -> Path:
    """The same group where CPU time is counted, which version 1 may keep in a hierarchy of its own."""
    if (folder / "cpuacct.usage").exists():
        return folder
    return tree.cgroups / "cpuacct" / folder.relative_to(tree.cgroups / "cpu")


def _number(file: Path) -> int | None:
    """The number in a file of the kernel; None for `max`, and for what is not there."""
    text = _text(file).strip()
    return int(text) if text.lstrip("-").isdigit() else None


def _text(file: Path) -> str:
    try:
        return file.read_text(errors="replace")
    except OSError:
        return ""
