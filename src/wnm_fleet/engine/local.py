"""The engine of one machine: plain containers of the Docker that runs here (20.10 or later)."""

import re
import struct
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta
from typing import BinaryIO

import docker
import requests
from docker.errors import APIError, DockerException
from packaging.version import InvalidVersion, Version
from urllib3.exceptions import HTTPError

from wnm.core.errors import Transient
from wnm_fleet.core.tasks import Task, TaskState
from wnm_fleet.engine import spec
from wnm_fleet.engine.contract import (
    EngineFacts,
    EngineTooOld,
    EngineUnreachable,
    ImageNotFound,
    Job,
    LogLine,
    NotThere,
    PortTaken,
    Progress,
    StartFailed,
    Stream,
)

FLOOR = Version("20.10")
ANSWER_SECONDS = 30
"""For one answer; the calls that wait for a container say how much longer."""
SHOWN_SECONDS = 5
_STREAMS = {1: Stream.OUT, 2: Stream.ERR}
_TAKEN = re.compile(r"port is already allocated|address already in use|Ports are not available")
_ABSENT = re.compile(r"manifest unknown|not found|denied|repository does not exist|invalid reference")
_CAUSE = re.compile(
    r"No such file or directory|Permission denied|Connection refused|timed out|Connection aborted"
)


class LocalEngine:
    """The Docker at `url`, by default the one that DOCKER_HOST or /var/run/docker.sock leads to."""

    def __init__(self, url: str | None = None) -> None:
        self._url = url
        self._client: docker.APIClient | None = None
        self._has_cdi: bool | None = None

    def close(self) -> None:
        """Close the connection; the next call opens another."""
        if self._client is not None:
            self._client.close()
            self._client = None

    def facts(self) -> EngineFacts:
        """See `Engine`."""
        with self._answers() as api:
            version, info = api.version(), api.info()
        try:
            is_old = Version(version["Version"].partition("+")[0]) < FLOOR
        except InvalidVersion:
            is_old = False  # A build of somebody's own: what it cannot do, it says.
        if is_old:
            message = f"Docker {version['Version']} is older than {FLOOR}"
            raise EngineTooOld(message, remedy="upgrade it: sudo apt install --only-upgrade docker.io")
        self._has_cdi = bool(info.get("CDISpecDirs"))
        return EngineFacts(
            version=version["Version"],
            api_version=version["ApiVersion"],
            memory_bytes=info["MemTotal"],
            cores=info["NCPU"],
            root=info["DockerRootDir"],
            has_cdi=self._has_cdi,
        )

    def tasks(self) -> tuple[Task, ...]:
        """See `Engine`."""
        with self._answers() as api:
            listed = api.containers(all=True, filters={"label": spec.WORKLOAD})
        found = (self._find(each["Id"]) for each in listed)
        return tuple(sorted((task for task in found if task is not None), key=lambda task: task.name))

    def digest(self, image: str) -> str | None:
        """See `Engine`."""
        with self._answers() as api:
            try:
                found = api.inspect_image(image)
            except docker.errors.NotFound:
                return None
        names: list[str] = found.get("RepoDigests") or [found["Id"]]
        return names[0]

    def pull(self, image: str) -> Iterator[Progress]:
        """See `Engine`."""
        layers: dict[str, tuple[int, int]] = {}
        with self._answers() as api:
            try:
                for event in api.pull(image, stream=True, decode=True):
                    if "error" in event:
                        raise _pull_failed(image, event["error"])
                    detail = event.get("progressDetail") or {}
                    if detail.get("total") and event.get("status") == "Downloading":
                        layers[event["id"]] = (detail["current"], detail["total"])
                        done, total = (sum(each) for each in zip(*layers.values(), strict=True))
                        yield Progress(done_bytes=done, total_bytes=total)
            except (APIError, docker.errors.InvalidRepository) as error:
                raise _pull_failed(image, _words(error)) from None

    def start(self, job: Job) -> str:
        """See `Engine`."""
        if self._has_cdi is None:
            self.facts()
        task = self._find(job.name) or self._created(job)
        if task.state is TaskState.CREATED:
            self._begin(job)
        return task.container

    def stop(self, name: str, grace: timedelta) -> None:
        """See `Engine`."""
        seconds = max(round(grace.total_seconds()), 0)
        with self._answers() as api:
            try:
                if seconds:
                    api.stop(name, timeout=seconds)
                else:
                    api.kill(name)
                    api.wait(name, timeout=ANSWER_SECONDS)
            except docker.errors.NotFound:
                return
            except APIError as error:
                if error.status_code not in (304, 409):  # It has ended already.
                    raise

    def logs(
        self, name: str, *, since: datetime | None = None, tail: int | None = None, follow: bool = False
    ) -> Iterator[LogLine]:
        """See `Engine`."""
        asked = {"stdout": "1", "stderr": "1", "timestamps": "1", "follow": str(int(follow))}
        asked["tail"] = "all" if tail is None else str(tail)
        if since is not None:
            asked["since"] = f"{since.timestamp():.9f}"
        with self._answers() as api:
            # The SDK's own call loses which of the two outputs a line is of.
            address = f"{api.base_url}/v{api.api_version}/containers/{name}/logs"
            timeout = None if follow else ANSWER_SECONDS
            with closing(api.get(address, params=asked, stream=True, timeout=timeout)) as answer:
                if answer.status_code == 404:
                    raise NotThere(f"there is no container {name}")
                answer.raise_for_status()
                yield from _lines(answer.raw)

    def gpus_inside(self, name: str) -> tuple[str, ...] | None:
        """See `Engine`."""
        with self._answers() as api:
            try:
                asked = api.exec_create(name, ["nvidia-smi", "--query-gpu=uuid", "--format=csv,noheader"])
                output = api.exec_start(asked["Id"]).decode(errors="replace")
                code = api.exec_inspect(asked["Id"])["ExitCode"]
            except docker.errors.NotFound:
                raise NotThere(f"there is no container {name}") from None
            except APIError:
                return None  # It has ended, or there is no such program in it.
        return tuple(line.strip() for line in output.splitlines() if line.strip()) if code == 0 else None

    def forget(self, name: str) -> None:
        """See `Engine`."""
        with self._answers() as api:
            try:
                api.remove_container(name, force=True, v=True)
            except docker.errors.NotFound:
                return
            except APIError as error:
                if error.status_code != 409:  # Its removal is under way.
                    raise

    def _created(self, job: Job) -> Task:
        """Create a container, and return it once Docker shows it: a name is taken a moment before it can be seen."""
        self._create(job)
        until = time.monotonic() + SHOWN_SECONDS
        while (task := self._find(job.name)) is None:
            if time.monotonic() > until:
                raise StartFailed(f"the container {job.name} was removed while it was made")
            time.sleep(0.05)
        return task

    def _create(self, job: Job) -> None:
        with self._answers() as api:
            try:
                api.create_container_from_config(spec.config(job, has_cdi=bool(self._has_cdi)), job.name)
            except docker.errors.ImageNotFound:
                raise ImageNotFound(f"the image {job.image} is not on this machine") from None
            except APIError as error:
                if error.status_code == 404 and "No such image" in _words(error):
                    raise ImageNotFound(f"the image {job.image} is not on this machine") from None
                if error.status_code != 409:
                    raise StartFailed(_words(error)) from None
                # Another call with this name was faster: there is one container, which is what was asked for.

    def _begin(self, job: Job) -> None:
        with self._answers() as api:
            try:
                api.start(job.name)
            except docker.errors.NotFound as error:
                raise StartFailed(_words(error)) from None
            except APIError as error:
                words = _words(error)
                if _TAKEN.search(words):
                    raise PortTaken(words) from None
                raise StartFailed(words) from None

    def _find(self, name: str) -> Task | None:
        with self._answers() as api:
            try:
                found = api.inspect_container(name)
            except docker.errors.NotFound:
                return None
        if spec.WORKLOAD not in (found["Config"].get("Labels") or {}):
            raise StartFailed(f"a container named {name} is there that wnm-fleet did not make")
        return spec.task_of(found)

    @contextmanager
    def _answers(self) -> Iterator[docker.APIClient]:
        """Give the connection; whatever ends it becomes EngineUnreachable, in one line."""
        try:
            if self._client is None:
                client = docker.from_env(timeout=ANSWER_SECONDS).api if self._url is None else None
                self._client = client or docker.APIClient(base_url=self._url, timeout=ANSWER_SECONDS)
            yield self._client
        except APIError as error:
            raise Transient(f"Docker: {_words(error)}") from None
        except (DockerException, requests.RequestException, HTTPError, OSError) as error:
            self.close()
            raise EngineUnreachable(f"Docker does not answer: {_cause(error)}") from None


def _lines(raw: BinaryIO) -> Iterator[LogLine]:
    """Yield the lines of Docker's stream of frames: a byte of stream, three of nothing, four of length, the content.

    A line may be spread over frames, and those of the two outputs may alternate.
    """
    parts: dict[Stream, bytes] = dict.fromkeys(Stream, b"")
    while header := raw.read(8):
        kind, length = struct.unpack(">BxxxL", header)
        stream = _STREAMS[kind]
        *whole, parts[stream] = (parts[stream] + raw.read(length)).split(b"\n")
        yield from (_line(stream, each) for each in whole)
    yield from (_line(stream, rest) for stream, rest in parts.items() if rest)


def _line(stream: Stream, line: bytes) -> LogLine:
    stamp, _, text = line.decode(errors="replace").partition(" ")
    return LogLine(
        at=spec.moment(stamp) or datetime.fromtimestamp(0, UTC), stream=stream, text=text.rstrip("\r")
    )


def _pull_failed(image: str, words: str) -> Exception:
    if _ABSENT.search(words):
        return ImageNotFound(f"{image} cannot be pulled: {words}")
    return Transient(f"{image} cannot be pulled now: {words}")


def _words(error: Exception) -> str:
    text = str(getattr(error, "explanation", None) or error)
    return " ".join(text.split())


def _cause(error: BaseException) -> str:
    """Return the heart of an error that requests wraps in the names of its own objects."""
    text = " ".join(str(error).split())
    found = _CAUSE.findall(text)
    return found[-1] if found else text[:200]
