"""Programs and nodes for the tests of the simulated node."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.sim.running import NodeRun

from wnm_sim.make_program import write_program


@pytest.fixture(scope="session")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A node program of version 0.4.17 in a folder with a blank in its name."""
    path = tmp_path_factory.mktemp("node programs") / "antnode"
    write_program(path, "0.4.17")
    return path


@pytest.fixture
def new_node(program: Path, tmp_path: Path) -> Iterator[Callable[..., NodeRun]]:
    """Makes nodes; all their processes are gone when the test ends."""
    made: list[NodeRun] = []

    def make(**changes: object) -> NodeRun:
        wanted = {"program": program, "root": tmp_path / f"node {len(made) + 1}"} | changes
        made.append(NodeRun(**wanted))  # type: ignore[arg-type]
        return made[-1]

    yield make
    for node in made:
        node.end()


@pytest.fixture
def node(new_node: Callable[..., NodeRun]) -> NodeRun:
    """One node, not started yet."""
    return new_node()
