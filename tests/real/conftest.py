"""Closed networks for tests with real node programs; without the programs or root these tests are left out."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.real.machine import Machine, installed

OLD, NEW = "0.22.0", "0.23.1"


def program(name: str, version: str) -> Path:
    """A real program of the cache; the test is left out where it is not there."""
    found = installed(name, version)
    if found is None:
        pytest.skip(f"{name} {version} is not installed: make real")
    return found


@pytest.fixture(scope="session")
def old() -> Path:
    """The older ant-node."""
    return program("ant-node", OLD)


@pytest.fixture(scope="session")
def new() -> Path:
    """The newer ant-node."""
    return program("ant-node", NEW)


@pytest.fixture
def machine(tmp_path: Path, old: Path) -> Iterator[Machine]:
    """A closed network with a first node of the older release; that release is what is offered."""
    if os.geteuid() != 0 or shutil.which("ip") is None:
        pytest.skip("closed networks need root and iproute2")
    made = Machine(home=tmp_path / "home")
    made.begin()
    try:
        made.start_genesis(old)
        made.offer(old)
        yield made
    finally:
        made.end()
