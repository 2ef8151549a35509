"""A database is made whole or not at all, and never over another."""

import os
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
from tests.storage.builders import NOW, SETTINGS, names

from wnm.core.errors import BadInput, NeedsOperator
from wnm.storage.creation import create
from wnm.storage.database import connect, open_for_reading, open_for_writing, uri_of
from wnm.storage.ledger import Ledger
from wnm.storage.schema import APPLICATION_ID

CHECKOUT = Path(__file__).resolve().parents[2]
MAKER = """
import sys
from datetime import UTC, datetime
from wnm.core.errors import WnmError
from wnm.storage.creation import create
{before}
try:
    create(sys.argv[1], settings={{"maker": sys.argv[2]}}, now=datetime.now(UTC))
except WnmError as error:
    print(type(error).__name__, error)
    sys.exit(error.exit_code)
"""


def start_maker(path: Path, name: str = "me", before: str = "") -> subprocess.Popen[str]:
    """A process of its own that makes the database."""
    return subprocess.Popen(
        [sys.executable, "-c", MAKER.format(before=before), str(path), name],
        env={**os.environ, "PYTHONPATH": str(CHECKOUT / "src")},
        stdout=subprocess.PIPE,
        text=True,
    )


def settings_in(path: Path) -> dict[str, str]:
    with open_for_reading(str(path)) as database:
        return Ledger(database).settings()


def test_a_new_database_holds_its_settings_and_nothing_else_lies_beside_it(tmp_path: Path) -> None:
    path = tmp_path / "colony.db"
    create(str(path), settings=SETTINGS, now=NOW)
    assert names(tmp_path) == ["colony.db"]
    assert settings_in(path) == SETTINGS


def test_it_is_private_and_so_are_the_folders_made_for_it(tmp_path: Path) -> None:
    path = tmp_path / "a" / "b" / "colony.db"
    create(str(path), settings={}, now=NOW)
    modes = [stat.S_IMODE(each.stat().st_mode) for each in (path, path.parent, path.parent.parent)]
    assert modes == [0o600, 0o700, 0o700]


def test_a_folder_that_was_there_keeps_its_mode(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    create(str(tmp_path / "colony.db"), settings={}, now=NOW)
    assert stat.S_IMODE(tmp_path.stat().st_mode) == 0o755


def test_it_is_made_for_concurrent_use(tmp_path: Path) -> None:
    path = tmp_path / "colony.db"
    create(str(path), settings={}, now=NOW)
    with open_for_writing(str(path)) as database:

        def pragmas(connection):  # type: ignore[no-untyped-def]
            names = ("journal_mode", "synchronous", "foreign_keys", "application_id", "busy_timeout")
            return [connection.execute(f"PRAGMA {name}").fetchone()[0] for name in names]

        assert database.read(pragmas) == ["wal", 2, 1, APPLICATION_ID, 5000]


def test_a_second_one_is_refused_and_changes_nothing(tmp_path: Path) -> None:
    path = tmp_path / "colony.db"
    create(str(path), settings=SETTINGS, now=NOW)
    before = path.read_bytes()
    with pytest.raises(BadInput, match="is there already"):
        create(str(path), settings={"node_cap": "9"}, now=NOW)
    assert path.read_bytes() == before
    assert names(tmp_path) == ["colony.db"]


@pytest.mark.parametrize("kind", ["file", "folder", "dangling link"])
def test_whatever_bears_the_name_stays(kind: str, tmp_path: Path) -> None:
    path = tmp_path / "colony.db"
    if kind == "file":
        path.touch()
    elif kind == "folder":
        path.mkdir()
    else:
        path.symlink_to("nowhere")
    with pytest.raises(BadInput):
        create(str(path), settings={}, now=NOW)
    assert names(tmp_path) == ["colony.db"]


@pytest.mark.parametrize("suffix", ["-wal", "-journal"])
def test_what_another_database_left_over_is_not_mixed_in(suffix: str, tmp_path: Path) -> None:
    leftover = tmp_path / f"colony.db{suffix}"
    leftover.write_bytes(b"pages of another database")
    with pytest.raises(NeedsOperator, match=f"colony.db{suffix} is left over.*move it away"):
        create(str(tmp_path / "colony.db"), settings={}, now=NOW)
    assert names(tmp_path) == [leftover.name]


def test_of_many_at_once_exactly_one_succeeds(tmp_path: Path) -> None:
    path = tmp_path / "new" / "colony.db"
    makers = [start_maker(path, str(number)) for number in range(6)]
    said = [maker.communicate()[0] for maker in makers]
    codes = [maker.returncode for maker in makers]
    assert sorted(codes) == [0, 2, 2, 2, 2, 2], said
    assert settings_in(path) == {"maker": str(codes.index(0))}
    assert names(path.parent) == ["colony.db"]


@pytest.mark.parametrize("bytes_left", [0, 4096, 20_000])
def test_a_full_disk_leaves_nothing_behind(bytes_left: int, tmp_path: Path) -> None:
    limit = f"import resource; resource.setrlimit(resource.RLIMIT_FSIZE, ({bytes_left}, {bytes_left}))"
    maker = start_maker(tmp_path / "new" / "colony.db", before=limit)
    said, _ = maker.communicate()
    assert maker.returncode == 3, said
    assert said.startswith("NeedsOperator ")
    assert said.count("\n") == 1
    assert names(tmp_path) == []


@contextmanager
def ordinary_user() -> Iterator[None]:
    """Whoever runs the test, without the powers of root."""
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)


def test_a_read_only_folder_leaves_nothing_behind() -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o555)
        for path in (folder / "colony.db", folder / "new" / "colony.db"):
            with ordinary_user(), pytest.raises(NeedsOperator, match="Permission denied"):
                create(str(path), settings={}, now=NOW)
        assert names(folder) == []
        folder.chmod(0o755)


def test_a_file_in_the_way_of_the_folder(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(NeedsOperator, match="Not a directory"):
        create(str(tmp_path / "file" / "deeper" / "colony.db"), settings={}, now=NOW)
    assert names(tmp_path) == ["file"]


def test_any_name_is_taken_literally(tmp_path: Path) -> None:
    path = tmp_path / "50% of #1? ünï.db"
    create(str(path), settings=SETTINGS, now=NOW)
    assert settings_in(path) == SETTINGS
    with closing(connect(uri_of(path, "mode=ro"))) as connection:
        assert connection.execute("SELECT count(*) FROM machine").fetchone() == (1,)
