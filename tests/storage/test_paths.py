"""What --dbpath may say."""

from pathlib import Path

import pytest

from wnm.app.context import database_file
from wnm.core.errors import BadInput


def test_a_path_or_a_url(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/u")
    monkeypatch.setenv("DISK", "/mnt/disk-1")
    monkeypatch.chdir(tmp_path)
    here = Path.cwd()
    meant = {
        "/var/antctl/colony.db": "/var/antctl/colony.db",
        "sqlite:////var/antctl/colony.db": "/var/antctl/colony.db",
        "sqlite:///data/colony.db": f"{here}/data/colony.db",
        "data/../colony.db": f"{here}/colony.db",
        "~/wnm/colony.db": "/home/u/wnm/colony.db",
        "sqlite:///~/colony.db": "/home/u/colony.db",
        "$DISK/colony.db": "/mnt/disk-1/colony.db",
        "/a b/ü?#%.db": "/a b/ü?#%.db",
    }
    assert {text: database_file(text) for text in meant} == meant


@pytest.mark.parametrize(
    "text",
    [
        "",
        ":memory:",
        "sqlite://",
        "sqlite:///",
        "sqlite:///:memory:",
        "sqlite:///a.db?mode=memory",
        "postgresql://h/db",
        "sqlite+pysqlite:///a.db",
        "https://h/a.db",
        "file:/a.db",
        "/a\0b",
        "/some/folder/",
    ],
)
def test_what_is_no_file_of_ours(text: str) -> None:
    with pytest.raises(BadInput) as caught:
        database_file(text)
    assert "--dbpath" in str(caught.value)
    assert "\n" not in str(caught.value)
