"""Reads texts of Linux' /proc and cgroup files, as far as wnm needs them (see proc(5))."""

import re
from collections.abc import Callable, Collection

from msgspec import Struct

_SECTOR_BYTES = 512  # in /proc/diskstats, whatever the disk itself uses
_SOCKET = re.compile(r"^ *[0-9]+: [0-9A-F]+:([0-9A-F]{4}) [0-9A-F]+:[0-9A-F]{4} ([0-9A-F]{2}) ", re.MULTILINE)
_PRESSURE = re.compile(r"^(some|full) .*avg60=([0-9.]+)", re.MULTILINE)
_LISTEN = "0A"


class Memory(Struct, frozen=True, kw_only=True):
    """Main memory of a machine."""

    total_bytes: int
    available_bytes: int


class Transfer(Struct, frozen=True, kw_only=True):
    """Bytes moved since the machine started."""

    read_bytes: int
    write_bytes: int


def cpu_ticks(stat: str, cpus: Collection[int] | None = None) -> tuple[int, int] | None:
    """(busy, total) ticks from /proc/stat, of all cores or of these; idle and waiting for a disk are not busy."""
    busy, total = 0, 0
    for name, figures in re.findall(r"^cpu([0-9]*) +([0-9]+(?: [0-9]+){3,})", stat, re.MULTILINE):
        if (name != "") if cpus is None else (name == "" or int(name) not in cpus):
            continue
        ticks = [int(text) for text in figures.split()][:8]  # what follows is contained in the first two
        total += sum(ticks)
        busy += sum(ticks) - ticks[3] - (ticks[4] if len(ticks) > 4 else 0)
    return (busy, total) if total else None


def interface_bytes(net_dev: str, counts: Callable[[str], bool]) -> Transfer | None:
    """Received and sent bytes in /proc/net/dev of the interfaces that count; None when none does."""
    pairs = []
    for line in net_dev.splitlines():
        name, colon, figures = line.partition(":")
        columns = figures.split()
        if colon and len(columns) >= 9 and counts(name.strip()):
            pairs.append((int(columns[0]), int(columns[8])))
    return _sum(pairs)


def disk_bytes(diskstats: str, counts: Callable[[str], bool]) -> Transfer | None:
    """Read and written bytes in /proc/diskstats of the devices that count; None when none does."""
    pairs = []
    for line in diskstats.splitlines():
        columns = line.split()
        if len(columns) >= 10 and counts(columns[2]):
            pairs.append((int(columns[5]) * _SECTOR_BYTES, int(columns[9]) * _SECTOR_BYTES))
    return _sum(pairs)


def memory(meminfo: str) -> Memory | None:
    """Total and available bytes from /proc/meminfo."""
    total = re.search(r"^MemTotal: +([0-9]+) kB", meminfo, re.MULTILINE)
    available = re.search(r"^MemAvailable: +([0-9]+) kB", meminfo, re.MULTILINE)
    if total is None or available is None:
        return None
    return Memory(total_bytes=int(total[1]) * 1024, available_bytes=int(available[1]) * 1024)


def local_ports(sockets: str, *, listening_only: bool) -> set[int]:
    """Local ports in /proc/net/tcp, udp and their twins for IPv6; of TCP only what listens is wanted."""
    return {
        int(port, 16) for port, state in _SOCKET.findall(sockets) if state == _LISTEN or not listening_only
    }


def cpu_quota(cpu_max: str) -> float | None:
    """Cores that a cgroup's cpu.max allows; None when it sets no limit."""
    found = re.fullmatch(r"([0-9]+) ([1-9][0-9]*)\s*", cpu_max)
    return int(found[1]) / int(found[2]) if found else None


def cgroup_of(cgroup: str, controller: str) -> tuple[str | None, int]:
    """The path of a process for a controller, from /proc/self/cgroup, and the version of that hierarchy."""
    for line in cgroup.splitlines():
        _, _, rest = line.partition(":")
        controllers, _, path = rest.partition(":")
        if controller in controllers.split(","):
            return path, 1
    found = re.search(r"^0::(/.*)$", cgroup, re.MULTILINE)
    return (found[1] if found else None), 2


def figure_in(stat: str, name: str) -> int | None:
    """A figure of a file with a name and a number in each line, such as memory.stat."""
    found = re.search(rf"^{re.escape(name)} ([0-9]+)$", stat, re.MULTILINE)
    return int(found[1]) if found else None


def pressure(text: str) -> tuple[float | None, float | None]:
    """The avg60 of `some` and `full` in a file of /proc/pressure, in percent; None for what it does not tell."""
    found = {kind: float(value) for kind, value in _PRESSURE.findall(text)}
    return found.get("some"), found.get("full")


def tasks(loadavg: str) -> int | None:
    """Processes and threads that there are, from /proc/loadavg."""
    found = re.match(r"(?:[0-9.]+ ){3}[0-9]+/([0-9]+) ", loadavg)
    return int(found[1]) if found else None


def _sum(pairs: list[tuple[int, int]]) -> Transfer | None:
    if not pairs:
        return None
    return Transfer(read_bytes=sum(read for read, _ in pairs), write_bytes=sum(write for _, write in pairs))
