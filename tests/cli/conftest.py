"""Machines for tests of the whole program."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.cli.forks import Forks
from tests.cli.operator import FORKS, Operator


@pytest.fixture(scope="session", autouse=True)
def forks() -> Iterator[Forks]:
    """The process behind `Operator.ask` ends with the tests."""
    yield FORKS
    FORKS.end()


@pytest.fixture
def operator(tmp_path: Path) -> Iterator[Operator]:
    """An operator whose `wnm` is not initialised yet; nothing of it runs when the test ends."""
    made = Operator(home=tmp_path / "home of an operator")
    try:
        made.settle_in()
        yield made
    finally:
        made.end()


@pytest.fixture(scope="module")
def settled(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Operator]:
    """An operator who has initialised, shared by tests that must not change anything."""
    made = Operator(home=tmp_path_factory.mktemp("settled") / "home")
    try:
        made.settle_in()
        made.init(node_cap=3)
        yield made
    finally:
        made.end()


@pytest.fixture
def three(operator: Operator) -> Operator:
    """An operator with three running nodes."""
    operator.bring_up(3)
    return operator
