"""A stored setting is read without writing anything, and whatever is wrong is left for others to say."""

from pathlib import Path

import pytest
from tests.storage.builders import SETTINGS, Store
from tests.storage.processes import kill_in

from wnm.storage.database import stored_settings


def test_the_settings_are_those_of_the_database(tmp_path: Path) -> None:
    store = Store(tmp_path)
    before = sorted((path.name, path.stat().st_mtime_ns) for path in tmp_path.iterdir())
    assert stored_settings(store.path) == SETTINGS
    assert sorted((path.name, path.stat().st_mtime_ns) for path in tmp_path.iterdir()) == before


def test_a_write_ahead_log_beside_it_is_no_hindrance(tmp_path: Path) -> None:
    store = Store(tmp_path)
    kill_in(store.path, "concluded")
    assert stored_settings(store.path) == SETTINGS


@pytest.mark.parametrize("content", [b"", b"no database", b"SQLite format 3\0" + bytes(4096)])
def test_what_is_no_database_has_no_settings(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "50% colony?.db"
    file.write_bytes(content)
    assert stored_settings(str(file)) == {}
    assert stored_settings(str(tmp_path / "missing")) == {}
    assert [path.name for path in tmp_path.iterdir()] == [file.name]
