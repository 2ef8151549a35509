"""The calls that an engine answers, the values they give, and the errors they raise.

An engine keeps the only book of what runs. Every call is idempotent by the name of an attempt: a start that is asked
for twice starts one container, and one that has ended is not started again by a repeated request.
"""

from collections.abc import Iterator
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Protocol

from wnm.core.errors import NeedsOperator, Permanent, Transient
from wnm.core.values import Moment, Value
from wnm_fleet.core.tasks import Task
from wnm_fleet.core.workload import Port, Spec


class EngineUnreachable(Transient):
    """The engine does not answer; what it runs goes on or not, that is not known."""


class EngineTooOld(NeedsOperator):
    """The engine lacks what is needed."""


class ImageNotFound(Permanent):
    """The image is in no registry that answers, or may not be pulled."""


class StartFailed(Permanent):
    """The engine refused to start the container, in its words."""


class PortTaken(Transient):
    """A port of the machine that the container asks for is in use."""


class NotThere(Transient):
    """The engine has no container of that name."""


class Job(Value, frozen=True, kw_only=True):
    """One attempt, complete: nothing of it is left for the engine to choose.

    `name` is unique among all attempts. `memory_bytes` is the limit. `ports` have all their host ports.
    """

    name: str
    workload: str
    attempt: int
    spec: Spec
    image: str
    memory_bytes: int
    gpu_uuids: tuple[str, ...] = ()
    ports: tuple[Port, ...] = ()


class Stream(StrEnum):
    """One of the two outputs of a container."""

    OUT = "stdout"
    ERR = "stderr"


class LogLine(Value, frozen=True, kw_only=True):
    """One line of output, without its line end."""

    at: Moment
    stream: Stream
    text: str


class Progress(Value, frozen=True, kw_only=True):
    """How far the pull of an image is: bytes of all layers that are known so far."""

    done_bytes: int
    total_bytes: int


class EngineFacts(Value, frozen=True, kw_only=True):
    """What an engine tells of itself and its machine; `root` is the folder that images and containers fill."""

    version: str
    api_version: str
    memory_bytes: int
    cores: int
    root: str
    has_cdi: bool


class Engine(Protocol):
    """Starts, watches and ends containers. EngineUnreachable from every call while it does not answer."""

    def close(self) -> None:
        """Close the connection; the next call opens another."""

    def facts(self) -> EngineFacts:
        """Return what the engine says of itself. EngineTooOld below the floor."""

    def tasks(self) -> tuple[Task, ...]:
        """Return every attempt that it knows of, ended ones too until they are forgotten, by name."""

    def digest(self, image: str) -> str | None:
        """Return the image on this machine by its content (`name@sha256:…`, else its id); None if it is not here."""

    def pull(self, image: str) -> Iterator[Progress]:
        """Fetch an image, telling how far it is; when the iterator ends it is here. ImageNotFound, Transient."""

    def start(self, job: Job) -> str:
        """Return the container's id when it was started, now or by an earlier call; it may have ended since.

        ImageNotFound if the image is not here, PortTaken, StartFailed.
        """

    def stop(self, name: str, grace: timedelta) -> None:
        """Return when it has ended: asked by TERM, after `grace` by KILL. One that is not there has ended."""

    def logs(
        self, name: str, *, since: datetime | None = None, tail: int | None = None, follow: bool = False
    ) -> Iterator[LogLine]:
        """Yield its output, oldest first; with `follow` until it ends. NotThere."""

    def gpus_inside(self, name: str) -> tuple[str, ...] | None:
        """Return the UUIDs of the GPUs that are seen from inside it; None if it has no means to tell."""

    def forget(self, name: str) -> None:
        """Return when nothing is left of it; one that runs is ended by force."""
