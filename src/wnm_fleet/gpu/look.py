"""Looks at this machine's GPUs: through NVML, else through nvidia-smi, and for Xids into the kernel's log."""

import ctypes
import os
import re
import shutil
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import msgspec

from wnm.core.codec import from_json
from wnm.core.errors import BadInput
from wnm_fleet.core.gpu import GpuLook, Xid
from wnm_fleet.gpu import nvidia_smi
from wnm_fleet.gpu.program import ProgramFailed, run

LIBRARY = "libnvidia-ml.so.1"
PROGRAM = "nvidia-smi"
MODULE = "wnm_fleet.gpu.nvml"
TIMEOUT_SECONDS = 10.0
"""For one answer of the driver: 8 GPUs answer within a second, and the first answer after a start takes a few."""
KERNEL_LOG = "/dev/kmsg"
LONGEST_RECORD = 8192

# `3,1042,88120023,-;NVRM: Xid (PCI:0000:18:00): 79, pid=4242, GPU has fallen off the bus.` The numbers are priority,
# sequence and microseconds since boot (Documentation/ABI/testing/dev-kmsg of the kernel).
_XID = re.compile(rb"^\d+,(\d+),(\d+),[^;]*;NVRM: Xid \(PCI:([0-9A-Fa-f:.]+)\): (\d{1,4})\b")


def look(now: datetime, timeout: float = TIMEOUT_SECONDS) -> GpuLook:
    """Return the GPUs of this machine. Raises nothing.

    A machine without driver has none. A driver that hangs, crashes or contradicts itself is a `problem`, in words.
    """
    problem = None
    if _has_library():
        try:
            found = from_json(GpuLook, run([sys.executable, "-m", MODULE], timeout))
        except ProgramFailed as failure:
            problem = f"NVML {failure}"
        except BadInput as error:
            problem = f"NVML gave no list of GPUs: {error}"
        else:
            if found.problem is None and found.source is not None:
                return msgspec.structs.replace(found, at=now)
            problem = found.problem
    program = shutil.which(PROGRAM)
    if program is None:
        return GpuLook(at=now, source=None if problem is None else "nvml", problem=problem)
    second = nvidia_smi.look(now, program, timeout)
    if second.source is None and problem is not None:
        return GpuLook(at=now, source="nvml", problem=problem)
    return second


def xids(boot: datetime, path: str = KERNEL_LOG) -> tuple[Xid, ...] | None:
    """Return the Xids that the kernel's log still holds, oldest first; None if it may not be read.

    `boot` is when this machine started. The log forgets its oldest lines, so what is fatal is to be remembered.
    """
    try:
        log = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        return tuple(
            Xid(
                code=int(match[4]),
                pci_bus_id=match[3].decode(),
                at=boot + timedelta(microseconds=int(match[2])),
            )
            for match in map(_XID.match, _records(log))
            if match is not None
        )
    finally:
        os.close(log)


def boot_time() -> datetime:
    """Return when this machine started, by the clock that the kernel's log counts with."""
    return datetime.now(UTC) - timedelta(seconds=time.monotonic())


def _records(log: int) -> Iterator[bytes]:
    while True:
        try:
            record = os.read(log, LONGEST_RECORD)
        except BlockingIOError:
            return
        except BrokenPipeError:
            continue  # Overwritten while it was read: the next read goes on with the oldest that is there.
        except OSError:
            return
        if not record:
            return
        yield record


def _has_library() -> bool:
    try:
        ctypes.CDLL(LIBRARY)
    except OSError:
        return False
    return True
