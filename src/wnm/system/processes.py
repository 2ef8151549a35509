"""Reads the process table in one pass, and sends signals that never reach a wrong process."""

import os
import re
import signal
import sys
import time
from collections.abc import Collection, Iterable, Mapping
from contextlib import suppress
from datetime import UTC, datetime
from operator import attrgetter

from msgspec import Struct

from wnm.core.errors import Permanent

type Fingerprint = tuple[str, str]

CHUNK_BYTES = 65536
MOST_ARGUMENT_BYTES = 2 * 1024 * 1024
_SLASHES = re.compile(r"//+")


class Process(Struct, frozen=True, kw_only=True):
    """A living process.

    `birth` tells it from a later one with the same pid and is only good for comparing. `started_at` moves with
    the clock of the machine: two readings of it may differ by as much as the clock was set in between.
    """

    pid: int
    birth: float
    started_at: datetime
    argv: tuple[str, ...]
    cpu_seconds: float
    memory_bytes: int
    threads: int
    user_id: int


class ProcessTable(Struct, frozen=True, kw_only=True):
    """The processes whose command lines hold one of the flags that were asked for, by flag and value, oldest first."""

    found: Mapping[Fingerprint, tuple[Process, ...]]

    @classmethod
    def read(cls, flags: Collection[str]) -> "ProcessTable":
        """One pass over all processes of the machine. OSError if they cannot be seen.

        Command lines first: of the few hundred processes only those that matter are looked at closely.
        """
        if sys.platform != "linux":
            return cls.of(_from_psutil(flags), flags)
        wanted = re.compile(b"|".join(re.escape(os.fsencode(flag)) for flag in sorted(flags)))
        pids = [int(name) for name in os.listdir("/proc") if name.isdigit()]  # noqa: PTH208 - of every cycle
        if os.getpid() not in pids:
            raise OSError("/proc does not show the processes of this machine")
        return cls.of([each for pid in pids if (each := _read_proc(pid, wanted))], flags)

    @classmethod
    def of(cls, processes: Iterable[Process], flags: Collection[str]) -> "ProcessTable":
        """A table of these processes."""
        found: dict[Fingerprint, list[Process]] = {}
        for process in sorted(processes, key=attrgetter("birth", "pid")):
            for fingerprint in set(fingerprints(process.argv, flags)):
                found.setdefault(fingerprint, []).append(process)
        return cls(found={key: tuple(each) for key, each in found.items()})

    def holding(self, fingerprint: Fingerprint) -> tuple[Process, ...]:
        """The processes with these neighbouring arguments (or `flag=value`), oldest first."""
        return self.found.get(_normal(fingerprint), ())


def read_pids(pids: Iterable[int]) -> Mapping[int, Process]:
    """The living processes with these numbers; those that are gone by now are left out. Costs nothing for others."""
    if sys.platform == "linux":
        found = [_read_proc(pid) for pid in pids]
    else:
        found = [next(iter(_from_psutil((), only=pid)), None) for pid in pids]
    return {process.pid: process for process in found if process}


def holds(argv: Collection[str], fingerprint: Fingerprint) -> bool:
    """Whether a command line has the flag directly followed by exactly this value, or `flag=value`."""
    return _normal(fingerprint) in fingerprints(tuple(argv), (fingerprint[0],))


def is_alive(process: Process) -> bool:
    """Whether this very process still runs, whatever its command line says by now. A zombie does not."""
    if sys.platform != "linux":
        now = next(iter(_from_psutil((), only=process.pid)), None)
        return now is not None and now.birth == process.birth
    try:
        fields = _stat_fields(process.pid)
    except (FileNotFoundError, ProcessLookupError):
        return False
    return fields is not None and float(fields[19]) == process.birth


def signal_exactly(process: Process, number: signal.Signals) -> bool:
    """Send a signal to this process and no other; False if it is gone or its pid now belongs to another one.

    Permanent if it belongs to another user.
    """
    descriptor = None
    try:
        if hasattr(os, "pidfd_open"):
            with suppress(OSError):
                descriptor = os.pidfd_open(process.pid)
        # From here on the kernel cannot give the number that we hold to another process: look, then act.
        now = read_pids([process.pid]).get(process.pid)
        if now is None or (now.birth, now.argv) != (process.birth, process.argv):
            return False
        if descriptor is None:
            os.kill(process.pid, number)
        else:
            signal.pidfd_send_signal(descriptor, number)
    except ProcessLookupError:
        return False
    except PermissionError as error:
        raise Permanent(
            f"process {process.pid} belongs to user {process.user_id}: end it as that user ({process.argv[0]})"
        ) from error
    finally:
        if descriptor is not None:
            os.close(descriptor)
    return True


def _normal(fingerprint: Fingerprint) -> Fingerprint:
    """The same for every way of writing the path: a doubled slash in it means no more than one."""
    flag, value = fingerprint
    if "//" in value:
        value = _SLASHES.sub("/", value)
    return flag, value.rstrip("/") or value


def fingerprints(argv: tuple[str, ...], flags: Collection[str]) -> Iterable[Fingerprint]:
    """Every one of these flags in a command line with its value, tidied."""
    for position, argument in enumerate(argv):
        flag, equals, value = argument.partition("=")
        if flag not in flags:
            continue
        if equals:
            yield _normal((flag, value))
        elif position + 1 < len(argv):
            yield _normal((flag, argv[position + 1]))


def _read_proc(pid: int, wanted: re.Pattern[bytes] | None = None) -> Process | None:
    """One process; None if it is gone, a zombie or the kernel's, or has none of the wanted texts."""
    try:
        line = _content(f"/proc/{pid}/cmdline")
        if not line or (wanted and not wanted.search(line)):
            return None
        fields = _stat_fields(pid)
        user_id = os.lstat(f"/proc/{pid}").st_uid
    except (FileNotFoundError, ProcessLookupError, PermissionError):
        return None
    if fields is None:
        return None
    ticks = os.sysconf("SC_CLK_TCK")
    started = float(fields[19])
    # The machine's start on the clock from which the kernel counts births.
    boot_time = time.time() - time.clock_gettime(time.CLOCK_BOOTTIME)
    return Process(
        pid=pid,
        birth=started,
        started_at=datetime.fromtimestamp(boot_time + started / ticks, UTC),
        argv=tuple(os.fsdecode(line.removesuffix(b"\0")).split("\0")),
        cpu_seconds=(int(fields[11]) + int(fields[12])) / ticks,
        memory_bytes=int(fields[21]) * os.sysconf("SC_PAGE_SIZE"),
        threads=int(fields[17]),
        user_id=user_id,
    )


def _stat_fields(pid: int) -> list[bytes] | None:
    """The fields of /proc/PID/stat from the third on (see proc_pid_stat(5)); None for one that has ended."""
    # The second is the program's own name in parentheses and may hold anything, parentheses and spaces too.
    fields = _content(f"/proc/{pid}/stat").rpartition(b")")[2].split()
    return None if not fields or fields[0] in (b"Z", b"X", b"x") else fields


def _content(path: str) -> bytes:
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        content = chunk = os.read(descriptor, CHUNK_BYTES)
        while chunk and len(content) < MOST_ARGUMENT_BYTES and len(content) % CHUNK_BYTES == 0:
            chunk = os.read(descriptor, CHUNK_BYTES)
            content += chunk
        return content
    finally:
        os.close(descriptor)


def _from_psutil(flags: Collection[str], only: int | None = None) -> Iterable[Process]:
    """The same where there is no /proc."""
    import psutil

    try:
        every = psutil.process_iter() if only is None else [psutil.Process(only)]
        for process in every:
            try:
                argv = tuple(process.cmdline())
                if not argv or (flags and not any(flag in text for flag in flags for text in argv)):
                    continue
                with process.oneshot():
                    times = process.cpu_times()
                    yield Process(
                        pid=process.pid,
                        birth=process.create_time(),
                        started_at=datetime.fromtimestamp(process.create_time(), UTC),
                        argv=argv,
                        cpu_seconds=times.user + times.system,
                        memory_bytes=process.memory_info().rss,
                        threads=process.num_threads(),
                        user_id=process.uids().effective,
                    )
            except (psutil.NoSuchProcess, psutil.AccessDenied):
                continue
    except psutil.NoSuchProcess:
        return
