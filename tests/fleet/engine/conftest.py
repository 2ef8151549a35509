"""Engines under the contract, each on a real Docker."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.fleet import engines

from wnm_fleet.engine.local import LocalEngine


@pytest.fixture(scope="module")
def docker_here(tmp_path_factory: pytest.TempPathFactory) -> Iterator[engines.DockerMachine]:
    """A machine with Docker; skipped where none can be started, unless TESTS_NEED_DOCKER says that it must."""
    if (reason := engines.missing()) is not None:
        if os.environ.get("TESTS_NEED_DOCKER"):
            pytest.fail(f"the engine {reason}")
        pytest.skip(f"the engine {reason}")
    # The path of a socket is short.
    folder = Path("/tmp") / f"wnm-d{os.getpid()}"
    with engines.docker_machine(folder) as machine:
        yield machine


@pytest.fixture
def engine(docker_here: engines.DockerMachine) -> Iterator[LocalEngine]:
    """The engine, empty before and after."""
    engine = LocalEngine(docker_here.url)
    yield engine
    for task in engine.tasks():
        engine.forget(task.name)
    engine.close()
