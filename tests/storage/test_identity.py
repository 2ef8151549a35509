"""A machine's identity lasts, and a database that was copied to another machine is noticed once."""

import logging
import shutil
from pathlib import Path

import pytest
from tests.storage.builders import NOW

from wnm.app.settings import notice_copy
from wnm.core.observation import Identity
from wnm.storage.creation import create
from wnm.storage.database import open_for_reading, open_for_writing
from wnm.storage.ledger import Ledger


@pytest.fixture
def path(tmp_path: Path) -> str:
    made = str(tmp_path / "colony.db")
    create(made, settings={}, now=NOW, system_id="abc")
    return made


def identity(path: str) -> Identity:
    with open_for_reading(path) as database:
        return Ledger(database).identity()


def cycle(path: str, system_id: str) -> None:
    with open_for_writing(path) as database:
        notice_copy(Ledger(database), system_id)


def test_every_database_has_another_identity(path: str, tmp_path: Path) -> None:
    other = str(tmp_path / "other.db")
    create(other, settings={}, now=NOW)
    assert identity(path).uuid != identity(other).uuid
    assert (identity(path).system_id, identity(other).system_id) == ("abc", None)
    cycle(other, "def")
    assert identity(other).system_id == "def"


def test_a_copy_is_said_once(path: str, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    copy = str(tmp_path / "copy.db")
    shutil.copyfile(path, copy)
    with caplog.at_level(logging.WARNING):
        cycle(path, "abc")
        assert caplog.messages == []
        cycle(copy, "def")
        cycle(copy, "def")
        assert len(caplog.messages) == 1
        assert "made on another machine (system abc)" in caplog.messages[0]
        cycle(copy, "ghi")
        assert len(caplog.messages) == 2
    assert identity(copy).uuid == identity(path).uuid
    assert identity(copy).is_copied_to("def")
    assert not identity(path).is_copied_to("abc")


@pytest.mark.parametrize(("stored", "now"), [("", "abc"), ("abc", ""), ("", "")])
def test_a_system_without_a_name_is_no_copy(stored: str, now: str) -> None:
    assert not Identity(uuid="1", system_id=stored).is_copied_to(now)
