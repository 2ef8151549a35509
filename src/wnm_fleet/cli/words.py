"""Makes tables, sentences and JSON of what the fleet says."""

import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from wnm.core.codec import encode
from wnm_fleet.core.decide.admit import Lack, Wait, WaitKind
from wnm_fleet.core.gpu import FATAL_XIDS, FaultKind, Gpu, GpuFault
from wnm_fleet.core.quantities import duration_text, size_text
from wnm_fleet.core.workload import End, EndKind, State, Workload
from wnm_fleet.service.local import View

REMEDIES: Mapping[EndKind, str] = {
    EndKind.OOM_KILLED: "give it more memory: --memory",
    EndKind.WORKLOAD_TIMEOUT: "give it more time: --timeout",
    EndKind.IMAGE_NOT_FOUND: "see whether the image's name is right, and whether this machine may pull it",
    EndKind.REMOVED: "its container was removed by somebody else: submit it again",
}
UNITS = {
    "memory_bytes": "memory",
    "disk_bytes": "disk",
    "cores": "cores",
    "gpus": "GPUs",
    "machine": "machine",
}


def put_json(value: object) -> str:
    """Return a value as indented JSON."""
    return json.dumps(value, indent=2, ensure_ascii=False)


def table(headings: Sequence[str], rows: Iterable[Sequence[str]], width: int) -> str:
    """Return a table with aligned columns; the last column may be cut to `width`."""
    from rich.console import Console
    from rich.table import Table

    made = Table(box=None, pad_edge=False, header_style="bold")
    for heading in headings:
        made.add_column(heading, no_wrap=heading != headings[-1], overflow="fold")
    for row in rows:
        made.add_row(*row)
    console = Console(width=width, highlight=False, markup=False)
    with console.capture() as captured:
        console.print(made)
    return "\n".join(line.rstrip() for line in captured.get().splitlines())


def wait_words(wait: Wait) -> str:
    """Return why a workload waits, in words and numbers."""
    match wait.kind:
        case WaitKind.PAUSE:
            return f"its last attempt failed; the next one starts at {wait.until:%Y-%m-%d %H:%M:%S} UTC"
        case WaitKind.BEHIND:
            return f"workload {wait.behind} waits for the same on {wait.machine} and comes first"
        case WaitKind.CLOSED:
            return f"{wait.machine} takes no work now: {wait.closed}"
        case WaitKind.LACKS:
            return f"{wait.machine} has too little that is free: {_lacks(wait.lacks, empty=False)}"
        case WaitKind.NEVER if wait.machine is not None and wait.lacks:
            return f"no machine could ever hold it; {wait.machine} has {_lacks(wait.lacks, empty=True)}"
        case _:
            return f"there is no machine {wait.machine}" if wait.machine else "there is no machine"


def _lacks(lacks: Iterable[Lack], *, empty: bool) -> str:
    found = []
    for each in lacks:
        has = _amount(each.what, each.most if empty else each.free)
        found.append(f"{has} of {_amount(each.what, each.wanted)} {UNITS[each.what]}")
    return ", ".join(found)


def _amount(what: str, number: float) -> str:
    return size_text(int(number)) if what.endswith("_bytes") and number >= 0 else f"{number:g}"


def end_words(end: End) -> str:
    """Return how an attempt ended."""
    match end.kind:
        case EndKind.EXITED if end.signal is not None:
            words = f"ended by signal {end.signal}"
        case EndKind.EXITED if end.exit_code == 127:
            words = "exited with 127: its program is not in the image"
        case EndKind.EXITED:
            words = f"exited with {end.exit_code}"
        case EndKind.OOM_KILLED:
            words = "OOM_KILLED: it needed more than its memory limit"
        case EndKind.CANCELLED:
            words = "cancelled"
        case kind:
            words = kind.value
    return ": ".join(filter(None, (words, end.detail)))


def fault_words(fault: GpuFault) -> str:
    """Return what keeps a GPU from work."""
    match fault.kind:
        case FaultKind.LOST:
            return "lost: the driver does not reach it any more"
        case FaultKind.HOT:
            return f"GPU_THERMAL_THROTTLE: {fault.celsius} °C, limit {fault.limit_celsius} °C"
        case FaultKind.XID:
            return f"Xid {fault.xid}: {FATAL_XIDS.get(fault.xid or 0, 'an error of the driver')}"
        case FaultKind.UNSEEN:
            return f"not seen: {fault.detail}"


def workload_payload(workload: Workload, wait: Wait | None = None) -> dict[str, Any]:
    """Return a workload for programs; every key is there, null where it does not apply."""
    end = workload.end
    return {
        "id": workload.id,
        "name": workload.spec.name,
        "owner": workload.owner,
        "state": workload.state.value,
        "image": workload.spec.image,
        "digest": workload.digest,
        "machine": workload.machine,
        "attempt": workload.attempt,
        "container_id": workload.container,
        "allocated_gpus": list(workload.gpu_uuids),
        "ports": [{"container": p.container, "host": p.host, "protocol": p.protocol} for p in workload.ports],
        "priority": workload.spec.priority.value,
        "memory_bytes": workload.memory_bytes,
        "submitted_at": moment(workload.submitted_at),
        "started_at": moment(workload.started_at),
        "finished_at": moment(end.at) if end is not None and workload.state.is_over else None,
        "exit_code": None if end is None else end.exit_code,
        "error": None if end is None or end.is_good else end.kind.value,
        "detail": None if end is None else end_words(end),
        "waits_for": None if wait is None else encode(wait),
        "spec": encode(_without_values(workload)),
    }


def _without_values(workload: Workload) -> Any:
    """Return the spec with the values of its environment left out: they may be keys and passwords."""
    from msgspec.structs import replace

    return replace(workload.spec, environment=dict.fromkeys(workload.spec.environment, "***"))


def workload_row(workload: Workload, now: datetime, wait: Wait | None) -> tuple[str, ...]:
    """Return a line of `workload list`."""
    age = duration_text(now - (workload.started_at or workload.submitted_at))
    if workload.state is State.PENDING and wait is not None:
        why = wait_words(wait)
    else:
        why = "" if workload.end is None else end_words(workload.end)
    gpus = str(len(workload.gpu_uuids)) if workload.gpu_uuids else "-"
    return (workload.id, workload.spec.name or "-", workload.state.value, gpus, age, workload.spec.image, why)


def workload_lines(workload: Workload, now: datetime, wait: Wait | None, zone: Any = None) -> list[str]:
    """Return everything of one workload, a line each."""
    pairs = [
        ("id", workload.id),
        ("name", workload.spec.name or "-"),
        ("state", workload.state.value),
        ("image", workload.spec.image),
        ("machine", workload.machine or "-"),
        ("GPUs", ", ".join(workload.gpu_uuids) or "-"),
        ("memory", size_text(workload.memory_bytes)),
        ("ports", ", ".join(f"{p.host}->{p.container}/{p.protocol}" for p in workload.ports) or "-"),
        ("priority", workload.spec.priority.value),
        ("attempt", str(workload.attempt)),
        ("submitted", _ago(workload.submitted_at, now)),
        ("started", "-" if workload.started_at is None else _ago(workload.started_at, now)),
    ]
    if workload.end is not None:
        name = "ended" if workload.state.is_over else "last end"
        pairs.append((name, f"{_ago(workload.end.at, now)}, {end_words(workload.end)}"))
        if remedy := REMEDIES.get(workload.end.kind):
            pairs.append(("remedy", remedy))
    if wait is not None:
        pairs.append(("waits for", wait_words(wait)))
    return [f"{name:<10} {value}" for name, value in pairs]


def _ago(at: datetime, now: datetime) -> str:
    return f"{at:%Y-%m-%d %H:%M:%S} UTC ({duration_text(now - at)} ago)"


def status_of(view: View) -> str:
    """Return the word for the state of a machine: `healthy`, or `degraded` when something of it is wrong."""
    return "degraded" if view.faults or view.problems else "healthy"


def machine_payload(view: View) -> dict[str, Any]:
    """Return a machine for programs."""
    faults = {fault.uuid: fault for fault in view.faults}
    return {
        "id": view.name,
        "name": view.name,
        "status": status_of(view),
        "cores": view.cores,
        "cpu_percent": view.cpu_percent,
        "memory_bytes": view.memory_bytes,
        "memory_used_bytes": view.memory_used_bytes,
        "docker": view.engine,
        "gpus": [
            {
                **{key: value for key, value in encode(gpu).items() if key != "is"},
                "fault": None if gpu.uuid not in faults else encode(faults[gpu.uuid]),
                "workload": view.holders.get(gpu.uuid),
            }
            for gpu in view.gpus
        ],
        "workloads": [each.id for each in view.live],
        "problems": list(view.problems),
        "molt": None,
    }


def machine_lines(view: View) -> list[str]:
    """Return everything of one machine but its GPUs, a line each."""
    pairs = [
        ("node", f"{view.name} ({status_of(view)})"),
        ("CPU", f"{view.cores} cores, {view.cpu_percent:g} %"),
        ("memory", _of(view.memory_used_bytes, view.memory_bytes)),
        ("Docker", view.engine or "does not answer"),
        ("network", "this machine (local:)"),
        ("MOLT", "needs a fleet of several machines"),
        ("workloads", ", ".join(each.id for each in view.live) or "-"),
        *(("problem", problem) for problem in view.problems),
    ]
    return [f"{name:<10} {value}" for name, value in pairs]


def gpu_rows(view: View) -> list[tuple[str, ...]]:
    """Return a line for each GPU."""
    faults = {fault.uuid: fault for fault in view.faults}
    return [
        (
            "-" if gpu.index is None else str(gpu.index),
            gpu.name or "unknown",
            gpu.uuid,
            _of(gpu.memory_used_bytes, gpu.memory_total_bytes),
            "-" if gpu.utilization_percent is None else f"{gpu.utilization_percent} %",
            "-" if gpu.temperature_celsius is None else f"{gpu.temperature_celsius} °C",
            fault_words(faults[gpu.uuid]) if gpu.uuid in faults else view.holders.get(gpu.uuid, "free"),
        )
        for gpu in view.gpus
    ]


def machine_row(view: View) -> tuple[str, ...]:
    """Return the line of `node list`."""
    models = sorted({gpu.name or "unknown" for gpu in view.gpus if gpu.parent is None})
    free = sum(_is_free(gpu, view) for gpu in view.gpus)
    used, total = _sum(view.gpus, "memory_used_bytes"), _sum(view.gpus, "memory_total_bytes")
    load = [gpu.utilization_percent for gpu in view.gpus if gpu.utilization_percent is not None]
    return (
        view.name,
        status_of(view),
        f"{len(view.gpus)} ({free} free)",
        ", ".join(models) or "-",
        _of(used, total) if view.gpus else "-",
        f"{sum(load) / len(load):.0f} %" if load else "-",
        str(len(view.live)),
    )


def _is_free(gpu: Gpu, view: View) -> bool:
    return gpu.uuid not in view.holders and all(fault.uuid != gpu.uuid for fault in view.faults)


def has_free_gpu(view: View) -> bool:
    """Whether a machine has a GPU that would take work."""
    return any(_is_free(gpu, view) for gpu in view.gpus)


def _sum(gpus: Iterable[Gpu], name: str) -> int | None:
    found = [value for gpu in gpus if (value := getattr(gpu, name)) is not None]
    return sum(found) if found else None


def _of(used: int | None, total: int | None) -> str:
    return f"{'-' if used is None else size_text(used)}/{'-' if total is None else size_text(total)}"


def moment(at: datetime | None) -> str | None:
    """Return a time for programs."""
    return None if at is None else at.isoformat()
