"""A stand-in for launchd with a workbench over it, for the tests of the launchd driver."""

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import NamedTuple

from tests.contracts.workbench import Workbench, answers, workbench
from tests.fakes.drivers import over
from tests.fakes.stage import Stage, launchd
from tests.waiting import eventually

from wnm.core.contracts import Unit
from wnm.core.node import Node, ProcessState
from wnm.process_managers.launchd import LaunchdDriver

LABEL = "com.autonomi.antnode-1"


class Scene(NamedTuple):
    """A stand-in for launchd, and a workbench with a driver over it."""

    stage: Stage
    bench: Workbench

    @property
    def driver(self) -> LaunchdDriver:
        assert isinstance(self.bench.driver, LaunchdDriver)
        return self.bench.driver

    @property
    def plist(self) -> Path:
        """The property list of antnode0001."""
        return self.stage.agents / f"{LABEL}.plist"

    def script_unit(self, text: str) -> Unit:
        """antnode0001, created, with a shell script in the place of its program."""
        node = self.bench.created()
        program = self.bench.script("program", text)
        return self.bench.unit(node, argv=(str(program), "--root-dir", node.root_dir))

    def started(self) -> tuple[Node, int]:
        """antnode0001, created and running, with its pid."""
        node = self.bench.created()
        self.driver.start(self.bench.unit(node))
        eventually(lambda: answers(node.metrics_port))
        (pid,) = self.bench.pids(node)
        return node, pid


type Play = Callable[..., Scene]


@contextmanager
def playing(folder: Path, programs: Mapping[str, Path]) -> Iterator[Play]:
    """Makes scenes with a stand-in that plays the given variants, and ends them."""
    with ExitStack() as stack:

        def make(**variants: object) -> Scene:
            stage = stack.enter_context(launchd(os.getuid(), **variants))
            bench = stack.enter_context(workbench(folder, programs, over(stage)))
            return Scene(stage, bench)

        yield make


def state(scene: Scene, unit: Unit) -> ProcessState:
    """What the driver says of a unit."""
    return scene.bench.reading(unit).state
