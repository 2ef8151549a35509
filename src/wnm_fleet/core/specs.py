"""Reads what people write of a workload: options of a command line, and files in the short and the long form.

The short form has the names of the options. The long form is that of `kind: Workload`. A key that is not known is an
error that names its place, and so is a field that this engine cannot carry: nothing is passed over.
"""

import posixpath
import re
import shlex
from collections.abc import Mapping, Sequence
from typing import Any, Literal

import msgspec
from msgspec import Struct, field

from wnm.core.errors import BadInput
from wnm_fleet.core.quantities import duration, size
from wnm_fleet.core.workload import (
    AllGpus,
    GpuCount,
    GpuIndices,
    GpuWish,
    Mount,
    Port,
    Priority,
    Restart,
    Spec,
)

RESERVED_ENVIRONMENT = frozenset({"NVIDIA_VISIBLE_DEVICES", "CUDA_VISIBLE_DEVICES"})
"""Names that a workload may not set: with them it would give itself the GPUs of others."""
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,62}")
_IMAGE = re.compile(r"[a-z0-9][A-Za-z0-9_.:/@-]{0,250}")
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
MOST_GPUS = 64
MOST_CORES = 1024.0


class Written(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A workload as it is written in the short form; None is what was not written. `gpus` may be 2, `all` or `0,1`."""

    image: str | None = None
    name: str | None = None
    gpus: int | str | None = None
    gpu_type: str | None = None
    command: str | list[str] | None = None
    entrypoint: list[str] | None = None
    args: list[str] | None = None
    env: dict[str, str | int | float] | list[str] | None = None
    memory: str | int | None = None
    cpus: float | None = None
    disk: str | int | None = None
    pids: int | None = None
    shm: str | int | None = None
    mounts: list[str] | None = None
    ports: list[str | int] | None = None
    priority: str | None = None
    timeout: str | None = None
    grace: str | None = None
    restart: str | None = None
    retries: int | None = None
    node: str | None = None
    labels: dict[str, str] | None = None


class _Metadata(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    name: str | None = None
    labels: dict[str, str] = {}
    annotations: dict[str, str] = {}


class _Gpus(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    count: int | str = 0
    type: str | None = None


class _Resources(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    cpu: str | float | None = None
    memory: str | int | None = None


class _Variable(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    name: str
    value: str | int | float = ""


class _Volume(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    source: str
    mount_path: str = field(name="mountPath")
    name: str | None = None
    is_read_only: bool = field(name="readOnly", default=False)


class _Scheduling(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    priority: str | None = None


class _Constraints(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    timeout: str | None = None
    retries: int | None = None


class _Networking(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    ports: list[str | int] = []


class _LongSpec(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    image: str
    command: list[str] | None = None
    args: list[str] | None = None
    gpus: _Gpus = _Gpus()
    resources: _Resources = _Resources()
    env: list[_Variable] = []
    volumes: list[_Volume] = []
    scheduling: _Scheduling = _Scheduling()
    constraints: _Constraints = _Constraints()
    networking: _Networking = _Networking()


class _Long(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    api_version: Literal["clawbernetes/v1", "wnm-fleet/v1"] = field(name="apiVersion")
    kind: Literal["Workload"]
    spec: _LongSpec
    metadata: _Metadata = _Metadata()


def from_file(data: object) -> Written:
    """Return what a file says, which was YAML or JSON. BadInput names the place of what is not understood."""
    is_long = isinstance(data, Mapping) and ("kind" in data or "apiVersion" in data)
    try:
        return _short_of(msgspec.convert(data, _Long)) if is_long else msgspec.convert(data, Written)
    except msgspec.ValidationError as error:
        raise BadInput(f"the file is not understood: {_plain(str(error))}") from None


def merged(below: Written, above: Written) -> Written:
    """Return what is written above, and where nothing is, what is below: options over a file."""
    given = {name: value for name in Written.__struct_fields__ if (value := getattr(above, name)) is not None}
    return msgspec.structs.replace(below, **given)


def spec_of(written: Written) -> Spec:
    """Return the whole of what is asked for. BadInput says which part of it cannot be, and how it is written."""
    if written.image is None:
        raise BadInput("no image is named: give --image NAME")
    entrypoint, arguments = _command(written)
    return Spec(
        image=_matching(
            written.image, _IMAGE, "--image", "a name such as pytorch/pytorch:2.1-cuda12.1-runtime"
        ),
        name=None
        if written.name is None
        else _matching(written.name, _NAME, "--name", "letters, digits, - _ and ."),
        entrypoint=entrypoint,
        arguments=arguments,
        environment=_environment(written.env),
        gpus=_gpus(written.gpus, written.gpu_type),
        memory_bytes=_quantity(written.memory, "--memory"),
        cores=_bounded(written.cpus, 0.01, MOST_CORES, "--cpus"),
        disk_bytes=_quantity(written.disk, "--disk") or 0,
        pids=_bounded(written.pids, 1, 1_000_000, "--pids"),
        shm_bytes=_quantity(written.shm, "--shm"),
        mounts=tuple(_mount(each) for each in written.mounts or ()),
        ports=tuple(_port(each) for each in written.ports or ()),
        priority=_word(written.priority, Priority, Priority.NORMAL, "--priority"),
        timeout=_span(written.timeout, "--timeout"),
        grace=_span(written.grace, "--grace") or Spec(image="").grace,
        restart=_restart(written),
        most_restarts=Spec(image="").most_restarts if written.retries is None else written.retries,
        machine=written.node,
        labels=written.labels or {},
    )


def _short_of(long: _Long) -> Written:
    spec = long.spec
    return Written(
        image=spec.image,
        name=long.metadata.name,
        gpus=spec.gpus.count,
        gpu_type=spec.gpus.type,
        entrypoint=spec.command,
        args=spec.args,
        env={each.name: each.value for each in spec.env},
        memory=spec.resources.memory,
        cpus=None if spec.resources.cpu is None else _cores(spec.resources.cpu),
        mounts=[
            f"{each.source}:{each.mount_path}{':ro' if each.is_read_only else ''}" for each in spec.volumes
        ],
        ports=spec.networking.ports,
        priority=spec.scheduling.priority,
        timeout=spec.constraints.timeout,
        retries=spec.constraints.retries,
        labels=long.metadata.labels,
    )


def _cores(text: str | float) -> float:
    """Return cores of `2`, `0.5` or `500m`, thousandths as Kubernetes writes them."""
    try:
        return float(text[:-1]) / 1000 if isinstance(text, str) and text.endswith("m") else float(text)
    except ValueError:
        raise BadInput(f"resources.cpu {text!r} is no number of cores: write 2, 0.5 or 500m") from None


def _command(written: Written) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return entrypoint and arguments; a command of one text is split as a shell does, and replaces the image's."""
    if written.command is not None and (written.entrypoint or written.args):
        raise BadInput("command stands for entrypoint and args: give one or the others")
    if written.command is None:
        return tuple(written.entrypoint or ()), tuple(written.args or ())
    try:
        words = shlex.split(written.command) if isinstance(written.command, str) else written.command
    except ValueError as error:
        raise BadInput(f"--command {written.command!r} cannot be split: {error}") from None
    if not words:
        raise BadInput("--command is empty")
    return tuple(words[:1]), tuple(words[1:])


def _environment(given: Mapping[str, object] | Sequence[str] | None) -> Mapping[str, str]:
    pairs: list[tuple[str, str]] = []
    if isinstance(given, Mapping):
        pairs = [(name, str(value)) for name, value in given.items()]
    for each in given if isinstance(given, list) else ():
        name, equals, value = each.partition("=")
        if not equals:
            raise BadInput(f"--env {each!r} has no value: write it as NAME=VALUE")
        pairs.append((name, value))
    for name, _ in pairs:
        if name in RESERVED_ENVIRONMENT:
            raise BadInput(f"--env {name} is not for a workload to set: ask for GPUs by --gpus")
        if not _VARIABLE.fullmatch(name):
            raise BadInput(f"--env {name!r} is no name of a variable")
    return dict(pairs)


def _gpus(count: int | str | None, model: str | None) -> GpuWish:
    if isinstance(count, str) and count.strip().isdigit():
        count = int(count)
    if count is None or isinstance(count, int):
        if not 0 <= (count or 0) <= MOST_GPUS:
            raise BadInput(f"--gpus {count} is not from 0 to {MOST_GPUS}")
        return GpuCount(count=count or 0, model=model)
    if model is not None:
        raise BadInput(f"--gpu-type goes with a number of GPUs, not with {count!r}")
    if count == "all":
        return AllGpus()
    listed = count.removeprefix("device=").split(",")
    if not all(each.isdigit() and len(each) < 4 for each in listed):
        raise BadInput(f"--gpus {count!r} is neither a number, nor all, nor indices such as 0,1 or device=0")
    return GpuIndices(indices=tuple(sorted({int(each) for each in listed})))


def _mount(text: str) -> Mount:
    parts = text.split(":")
    if len(parts) not in (2, 3) or (len(parts) == 3 and parts[2] not in ("ro", "rw")):
        raise BadInput(
            f"--mount {text!r} is not understood: write it as /SOURCE:/TARGET or /SOURCE:/TARGET:ro"
        )
    source, target = parts[:2]
    if (
        not posixpath.isabs(source)
        or not posixpath.isabs(target)
        or ".." in (*source.split("/"), *target.split("/"))
    ):
        raise BadInput(f"--mount {text!r}: both are absolute paths without ..")
    return Mount(
        source=posixpath.normpath(source), target=posixpath.normpath(target), is_read_only=parts[2:] == ["ro"]
    )


def _port(text: str | int) -> Port:
    numbers, _, protocol = str(text).partition("/")
    host, colon, container = numbers.rpartition(":")
    wanted = [each for each in (host, container) if each]
    if protocol not in ("", "tcp", "udp") or not all(
        each.isdigit() and 0 < int(each) < 65_536 for each in wanted
    ):
        raise BadInput(f"--port {text!r} is not understood: write it as 80, 8080:80 or 5000/udp")
    if (colon and not host) or not container:
        raise BadInput(f"--port {text!r} is not understood: write it as 80, 8080:80 or 5000/udp")
    return Port(container=int(container), host=int(host) if host else None, protocol=protocol or "tcp")


def _restart(written: Written) -> Restart:
    if written.retries is not None and not 0 <= written.retries <= 1000:
        raise BadInput(f"--retries {written.retries} is not from 0 to 1000")
    otherwise = Restart.ON_FAILURE if written.retries else Restart.NEVER
    return _word(written.restart, Restart, otherwise, "--restart")


def _word[E: (Priority, Restart)](text: str | None, kind: type[E], otherwise: E, option: str) -> E:
    if text is None:
        return otherwise
    try:
        return kind(text.lower())
    except ValueError:
        raise BadInput(f"{option} {text!r} is none of {', '.join(kind)}") from None


def _quantity(text: str | int | None, option: str) -> int | None:
    try:
        return None if text is None else size(str(text))
    except ValueError as error:
        raise BadInput(f"{option}: {error}") from None


def _span(text: str | None, option: str) -> Any:
    try:
        return None if text is None else duration(text)
    except ValueError as error:
        raise BadInput(f"{option}: {error}") from None


def _bounded[N: (int, float)](number: N | None, low: N, high: N, option: str) -> N | None:
    if number is not None and not low <= number <= high:
        raise BadInput(f"{option} {number} is not from {low} to {high}")
    return number


def _matching(text: str, pattern: re.Pattern[str], option: str, words: str) -> str:
    if not pattern.fullmatch(text):
        raise BadInput(f"{option} {text[:60]!r} is not {words}")
    return text


def _plain(complaint: str) -> str:
    """Return msgspec's complaint with the place first: `spec.gpus: unknown field \\`vram\\``."""
    words, _, place = complaint.partition(" - at `$")
    where = place.rstrip("`").lstrip(".") or "at its top"
    return f"{where}: {words.replace('Object contains unknown field', 'unknown key')}"
