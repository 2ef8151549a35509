"""An engine that keeps its book in memory: the promises of the contract without Docker, and faults on demand."""

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta

from msgspec.structs import replace

from wnm_fleet.core.tasks import Task, TaskState
from wnm_fleet.engine.contract import (
    EngineFacts,
    EngineUnreachable,
    ImageNotFound,
    Job,
    LogLine,
    NotThere,
    Progress,
    StartFailed,
    Stream,
)


class Killed(BaseException):
    """The program was killed here."""


class FakeEngine:
    """Starts nothing and remembers everything. `fault` is called before and after each call that changes the book."""

    def __init__(self, clock: Callable[[], datetime]) -> None:
        self._clock = clock
        self.book: dict[str, Task] = {}
        self.images = {"app": "sha256:app"}
        self.begun: list[str] = []
        self.is_down = False
        self.refuses: set[str] = set()
        self.fault: Callable[[str], None] = lambda step: None

    def close(self) -> None:
        return

    def facts(self) -> EngineFacts:
        self._answer()
        return EngineFacts(
            version="fake", api_version="0", memory_bytes=1 << 36, cores=16, root="/", has_cdi=False
        )

    def tasks(self) -> tuple[Task, ...]:
        self._answer()
        return tuple(sorted(self.book.values(), key=lambda task: task.name))

    def digest(self, image: str) -> str | None:
        self._answer()
        return self.images.get(image, image if image in self.images.values() else None)

    def pull(self, image: str) -> Iterator[Progress]:
        self._answer()
        if image not in self.images:
            raise ImageNotFound(f"{image} cannot be pulled: not found")
        yield Progress(done_bytes=1, total_bytes=1)

    def start(self, job: Job) -> str:
        self._answer()
        self.fault("before create")
        if job.name not in self.book:
            self.book[job.name] = Task(
                name=job.name,
                workload=job.workload,
                attempt=job.attempt,
                container=f"c-{job.name}",
                state=TaskState.CREATED,
                image_id=job.image,
                gpu_uuids=job.gpu_uuids,
            )
        self.fault("before start")
        task = self.book[job.name]
        if job.workload in self.refuses:
            raise StartFailed("the engine refused it")
        if task.state is TaskState.CREATED:
            self.begun.append(job.name)
            self.book[job.name] = replace(task, state=TaskState.RUNNING, started_at=self._clock())
        self.fault("after start")
        return task.container

    def stop(self, name: str, grace: timedelta) -> None:
        self._answer()
        self.fault("before stop")
        if name in self.book and self.book[name].state is TaskState.RUNNING:
            self.end(name, 143)
        self.fault("after stop")

    def logs(
        self, name: str, *, since: datetime | None = None, tail: int | None = None, follow: bool = False
    ) -> Iterator[LogLine]:
        self._answer()
        if name not in self.book:
            raise NotThere(f"there is no container {name}")
        yield LogLine(at=self._clock(), stream=Stream.OUT, text=name)

    def gpus_inside(self, name: str) -> tuple[str, ...] | None:
        self._answer()
        return self.book[name].gpu_uuids if name in self.book else None

    def forget(self, name: str) -> None:
        self._answer()
        self.fault("before forget")
        self.book.pop(name, None)
        self.fault("after forget")

    def end(self, name: str, code: int) -> None:
        """A container ends by itself."""
        self.book[name] = replace(
            self.book[name], state=TaskState.ENDED, ended_at=self._clock(), exit_code=code
        )

    def _answer(self) -> None:
        if self.is_down:
            raise EngineUnreachable("Docker does not answer: No such file or directory")
