"""Whole machines that are restarted: these tests run on the host and need Docker (scripts/test.sh)."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.systemd.container import Machine, start, why_not

HERE = Path(__file__).parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the tests of this folder."""
    for item in items:
        if item.path.is_relative_to(HERE):
            item.add_marker("systemd")


@pytest.fixture
def machine() -> Iterator[Machine]:
    """A test machine for one test, removed after it."""
    reason = why_not()
    if reason is not None:
        pytest.skip(reason)
    made = start()
    try:
        yield made
    finally:
        made.remove()
