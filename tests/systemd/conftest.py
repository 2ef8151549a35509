"""What is in this folder needs a machine of its own with systemd and root: scripts/test.sh brings one."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.systemd.anm_machine import AnmMachine
from tests.systemd.life import Life, as_root, do

HERE = Path(__file__).parent
ELSEWHERE = pytest.mark.skip(reason="needs the test machine with systemd: scripts/test.sh")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the tests of this folder, and skip them on a machine that is somebody's."""
    for item in items:
        if item.path.is_relative_to(HERE):
            item.add_marker("systemd")
            if os.environ.get("IN_WNM_TEST_MACHINE") != "1":
                item.add_marker(ELSEWHERE)


@pytest.fixture
def anm_ground() -> Iterator[None]:
    """UFW is on, and cron is off: what anm's own runs write would change the picture."""
    do("ufw", "--force", "enable")
    do("systemctl", "stop", "cron")
    yield
    do("systemctl", "start", "cron")
    do("ufw", "disable")


@pytest.fixture
def anm(anm_ground: None) -> Iterator[AnmMachine]:
    """A stock installation of three nodes; afterwards nothing of it is left."""
    machine = AnmMachine()
    machine.build()
    yield machine
    machine.wipe()


@pytest.fixture
def root() -> Life:
    """wnm of root, with every default."""
    return as_root()
