"""Turns an attempt into what Docker's API takes for a container, and back into what Docker says of one."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from wnm_fleet.core.tasks import Task, TaskState
from wnm_fleet.core.workload import HealthCheck, Port
from wnm_fleet.engine.contract import Job

LABEL = "wnm-fleet"
WORKLOAD, ATTEMPT, GPUS = f"{LABEL}.workload", f"{LABEL}.attempt", f"{LABEL}.gpus"
VISIBLE = "NVIDIA_VISIBLE_DEVICES"
LOG = {"Type": "json-file", "Config": {"max-size": "20m", "max-file": "3"}}
OOM_SCORE = 500
"""Above that of every antnode: where memory runs out, a workload gives way before a node does."""
NEVER = "0001-01-01T00:00:00Z"


def config(job: Job, *, has_cdi: bool) -> dict[str, Any]:
    """Return the body of `POST /containers/create` (Docker Engine API 1.41 and later)."""
    spec = job.spec
    # An image may say that it wants to see every GPU, and a runtime for GPUs would obey it: what is not given is void.
    environment = {**spec.environment, VISIBLE: "void"}
    if job.gpu_uuids and not has_cdi:
        environment[VISIBLE] = ",".join(job.gpu_uuids)
    host: dict[str, Any] = {
        "Memory": job.memory_bytes,
        "MemorySwap": job.memory_bytes,
        "OomScoreAdj": OOM_SCORE,
        "Init": True,
        "SecurityOpt": ["no-new-privileges"],
        "RestartPolicy": {"Name": "no"},
        "LogConfig": LOG,
        "Mounts": [
            {"Type": "bind", "Source": each.source, "Target": each.target, "ReadOnly": each.is_read_only}
            for each in spec.mounts
        ],
        "PortBindings": {_port(each): [{"HostPort": str(each.host)}] for each in job.ports},
        "DeviceRequests": [_device_request(job.gpu_uuids, has_cdi=has_cdi)] if job.gpu_uuids else [],
    }
    if spec.cores is not None:
        host["NanoCpus"] = round(spec.cores * 1e9)
    if spec.pids is not None:
        host["PidsLimit"] = spec.pids
    if spec.shm_bytes is not None:
        host["ShmSize"] = spec.shm_bytes
    body: dict[str, Any] = {
        "Image": job.image,
        "Env": [f"{name}={value}" for name, value in environment.items()],
        "Labels": {
            **spec.labels,
            WORKLOAD: job.workload,
            ATTEMPT: str(job.attempt),
            GPUS: ",".join(job.gpu_uuids),
        },
        "ExposedPorts": {_port(each): {} for each in job.ports},
        "StopTimeout": round(spec.grace.total_seconds()),
        "HostConfig": host,
    }
    if spec.entrypoint:
        body["Entrypoint"] = list(spec.entrypoint)
    if spec.arguments:
        body["Cmd"] = list(spec.arguments)
    if spec.health is not None:
        body["Healthcheck"] = _health(spec.health)
    return body


def task_of(found: Mapping[str, Any]) -> Task:
    """Return an attempt from what `docker inspect` says of its container, which has our labels."""
    state, labels = found["State"], found["Config"]["Labels"]
    ended = state["Status"] in ("exited", "dead")
    started_at, ended_at = moment(state["StartedAt"]), moment(state["FinishedAt"]) if ended else None
    if started_at is not None and ended_at is not None:
        # Docker takes the start's time after the start: that of a container that ends at once is after its end.
        started_at = min(started_at, ended_at)
    health = state.get("Health", {}).get("Status")
    return Task(
        name=found["Name"].removeprefix("/"),
        workload=labels[WORKLOAD],
        attempt=int(labels[ATTEMPT]),
        container=found["Id"],
        state=_state(state),
        image_id=found["Image"],
        gpu_uuids=tuple(filter(None, labels.get(GPUS, "").split(","))),
        is_healthy={"healthy": True, "unhealthy": False}.get(health),
        started_at=started_at,
        ended_at=ended_at,
        exit_code=state["ExitCode"] if ended else None,
        is_oom_killed=state["OOMKilled"],
        error=state["Error"],
    )


def moment(text: str) -> datetime | None:
    """Return a time of Docker's, to the microsecond; None for the one that means never."""
    if text == NEVER:
        return None
    whole, dot, rest = text.partition(".")
    digits = rest.rstrip("Z")[:6]
    return datetime.fromisoformat(f"{whole.removesuffix('Z')}{dot}{digits}+00:00")


def _state(state: Mapping[str, Any]) -> TaskState:
    match state["Status"]:
        case "created":
            return TaskState.CREATED
        case "exited" | "dead":
            return TaskState.ENDED
        case _:
            return TaskState.RUNNING  # Also paused, restarting and removing: it has its GPUs and its memory.


def _device_request(uuids: tuple[str, ...], *, has_cdi: bool) -> dict[str, Any]:
    """Return the request for exactly these GPUs: by CDI where the engine knows it, else as `--gpus device=…` does."""
    if has_cdi:
        return {"Driver": "cdi", "DeviceIDs": [f"nvidia.com/gpu={uuid}" for uuid in uuids]}
    return {"Driver": "nvidia", "DeviceIDs": list(uuids), "Capabilities": [["gpu", "compute", "utility"]]}


def _port(port: Port) -> str:
    return f"{port.container}/{port.protocol}"


def _health(check: HealthCheck) -> dict[str, Any]:
    return {
        "Test": ["CMD", *check.command],
        "Interval": _nanoseconds(check.interval),
        "Timeout": _nanoseconds(check.timeout),
        "Retries": check.retries,
        "StartPeriod": _nanoseconds(check.start_period),
    }


def _nanoseconds(span: timedelta) -> int:
    return round(span.total_seconds() * 1e9)
