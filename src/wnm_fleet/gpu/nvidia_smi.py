"""Reads GPUs through the program nvidia-smi, where NVML cannot be loaded."""

import csv
import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime

from wnm_fleet.core.gpu import Gpu, GpuLook, GpuProcess, throttles_of
from wnm_fleet.gpu.program import ProgramFailed, run

SOURCE = "nvidia-smi"
MIB = 1024 * 1024

FIELDS = (
    "uuid",
    "index",
    "name",
    "driver_version",
    "compute_cap",
    "pci.bus_id",
    "mig.mode.current",
    "memory.total",
    "memory.used",
    "utilization.gpu",
    "temperature.gpu",
    "power.draw",
    "enforced.power.limit",
    "fan.speed",
    "clocks_throttle_reasons.active",
    "ecc.errors.corrected.volatile.total",
    "ecc.errors.uncorrected.volatile.total",
)
"""Asked for by name, so a column's place does not matter; an older program refuses those that it does not know."""

_UNKNOWN_FIELD = re.compile(r'Field "([^"]+)" is not a valid field')
_NO_DRIVER = re.compile(r"couldn't communicate with the NVIDIA driver|No devices were found")
_LOST = re.compile(r"GPU is lost|GPU requires reset", re.IGNORECASE)
# `  MIG 1g.10gb     Device  0: (UUID: MIG-6f2c…)`, below the line of its GPU: `GPU 0: NAME (UUID: GPU-…)`
_LISTED = re.compile(r"^(GPU|\s+MIG)\s+(.*?)\s*(?:Device\s+)?(\d*):.*\(UUID: ([^)\s]+)\)")


def look(now: datetime, program: str, timeout: float) -> GpuLook:
    """Return the GPUs that `program` tells of, each of its answers within `timeout` seconds. Raises nothing."""
    try:
        rows = _ask(program, timeout)
        owners = _processes(program, timeout) if rows else {}
        gpus = [_gpu(row, owners) for row in rows]
        listed = run([program, "-L"], timeout) if any(gpu.is_mig_enabled for gpu in gpus) else ""
    except ProgramFailed as failure:
        if _NO_DRIVER.search(failure.output):
            return GpuLook(at=now)
        return GpuLook(at=now, source=SOURCE, problem=f"nvidia-smi {failure}")
    return GpuLook(at=now, source=SOURCE, gpus=tuple(_with_instances(gpus, listed)))


def _ask(program: str, timeout: float) -> list[Mapping[str, str]]:
    """Return a row for each GPU; a field that this program does not know is left out of the question."""
    wanted = list(FIELDS)
    while True:
        try:
            text = run([program, f"--query-gpu={','.join(wanted)}", "--format=csv,noheader,nounits"], timeout)
        except ProgramFailed as failure:
            unknown = _UNKNOWN_FIELD.search(failure.output)
            if unknown is None or unknown[1] not in wanted[1:]:
                raise
            wanted.remove(unknown[1])
            continue
        rows = csv.reader(text.splitlines(), skipinitialspace=True)
        return [dict(zip(wanted, row, strict=True)) for row in rows if len(row) == len(wanted)]


def _processes(program: str, timeout: float) -> Mapping[str, list[GpuProcess]]:
    try:
        text = run(
            [program, "--query-compute-apps=gpu_uuid,pid,used_memory", "--format=csv,noheader,nounits"],
            timeout,
        )
    except ProgramFailed:
        return {}
    found: defaultdict[str, list[GpuProcess]] = defaultdict(list)
    for row in csv.reader(text.splitlines(), skipinitialspace=True):
        if len(row) == 3 and (pid := _number(row[1], int)) is not None:
            found[row[0]].append(GpuProcess(pid=pid, used_bytes=_mib(row[2])))
    return found


def _gpu(row: Mapping[str, str], owners: Mapping[str, list[GpuProcess]]) -> Gpu:
    mask = _number(row.get("clocks_throttle_reasons.active"), lambda text: int(text, 16))
    mig = _known(row.get("mig.mode.current"))
    bus = _known(row.get("pci.bus_id"))
    return Gpu(
        uuid=row["uuid"],
        index=_number(row.get("index"), int),
        name=_known(row.get("name")),
        driver_version=_known(row.get("driver_version")),
        compute_capability=_known(row.get("compute_cap")),
        pci_bus_id=None if bus is None else bus.upper(),
        is_mig_enabled=None if mig is None else mig == "Enabled",
        memory_total_bytes=_mib(row.get("memory.total")),
        memory_used_bytes=_mib(row.get("memory.used")),
        utilization_percent=_number(row.get("utilization.gpu"), int),
        temperature_celsius=_number(row.get("temperature.gpu"), int),
        power_watts=_number(row.get("power.draw"), float),
        power_limit_watts=_number(row.get("enforced.power.limit"), float),
        fan_speed_percent=_number(row.get("fan.speed"), int),
        throttles=None if mask is None else throttles_of(mask),
        ecc_corrected_errors=_number(row.get("ecc.errors.corrected.volatile.total"), int),
        ecc_uncorrected_errors=_number(row.get("ecc.errors.uncorrected.volatile.total"), int),
        processes=tuple(owners.get(row["uuid"], ())),
        is_lost=any(_LOST.search(value) for value in row.values()),
    )


def _with_instances(gpus: Iterable[Gpu], listed: str) -> Iterable[Gpu]:
    """Yield each GPU and after it the MIG instances of the program's list; it tells no memory of theirs."""
    instances: defaultdict[str, list[Gpu]] = defaultdict(list)
    parent = None
    by_uuid = {gpu.uuid: gpu for gpu in gpus}
    for line in listed.splitlines():
        match = _LISTED.match(line)
        if match is None:
            continue
        kind, name, number, uuid = match.groups()
        if kind == "GPU":
            parent = by_uuid.get(uuid)
        elif parent is not None:
            instances[parent.uuid].append(
                Gpu(
                    uuid=uuid,
                    index=_number(number, int),
                    parent=parent.uuid,
                    name=f"{parent.name} MIG {name}",
                    driver_version=parent.driver_version,
                    compute_capability=parent.compute_capability,
                    pci_bus_id=parent.pci_bus_id,
                    is_lost=parent.is_lost,
                )
            )
    for gpu in by_uuid.values():
        yield gpu
        yield from instances[gpu.uuid]


def _known(text: str | None) -> str | None:
    """Return a cell, None for `[N/A]`, `[Not Supported]`, `[Unknown Error]` and the like."""
    return None if text is None or not text or text.startswith("[") or text == "N/A" else text


def _number[N: (int, float)](text: str | None, read: Callable[[str], N]) -> N | None:
    known = _known(text)
    try:
        return None if known is None else read(known)
    except ValueError:
        return None


def _mib(text: str | None) -> int | None:
    number = _number(text, int)
    return None if number is None else number * MIB
