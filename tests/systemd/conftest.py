"""What is in this folder needs a machine of its own with systemd and root: scripts/test.sh brings one."""

import os
from pathlib import Path

import pytest

HERE = Path(__file__).parent
ELSEWHERE = pytest.mark.skip(reason="needs the test machine with systemd: scripts/test.sh")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the tests of this folder, and skip them on a machine that is somebody's."""
    for item in items:
        if item.path.is_relative_to(HERE):
            item.add_marker("systemd")
            if os.environ.get("IN_WNM_TEST_MACHINE") != "1":
                item.add_marker(ELSEWHERE)
