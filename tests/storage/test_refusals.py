"""A file that is missing, damaged, not ours or too new: exit 3 with the remedy, and not one byte changed."""

import os
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from msgspec.structs import replace
from tests.storage.builders import NOW, Store, decision, names, node
from tests.storage.test_reading import read_everything, state

from wnm.core.errors import BadInput, NeedsOperator, Transient
from wnm.storage.database import connect, open_for_reading, open_for_writing, uri_of
from wnm.storage.ledger import Ledger

OPENERS = pytest.mark.parametrize("opener", [open_for_reading, open_for_writing])
type Opener = Callable[[str], object]


@pytest.fixture
def store(tmp_path: Path) -> Store:
    made = Store(tmp_path)
    made.insert(*(node(number) for number in range(1, 60)))
    return made


def execute(path: str, *statements: str) -> None:
    with closing(connect(uri_of(path, "mode=rwc"))) as connection:
        for statement in statements:
            connection.execute(statement)
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")


def refused(opener: Opener, path: str) -> str:
    """The one line of the refusal; nothing in the folder has changed."""
    folder = Path(path).parent
    before = state(folder) if folder.is_dir() else None
    with pytest.raises(NeedsOperator) as caught:
        opener(path)
    assert "\n" not in str(caught.value)
    assert caught.value.exit_code == 3
    assert (state(folder) if folder.is_dir() else None) == before
    return str(caught.value)


@OPENERS
def test_no_database(opener: Opener, tmp_path: Path) -> None:
    for path in (tmp_path / "colony.db", tmp_path / "no" / "colony.db"):
        said = refused(opener, str(path))
        assert said == (
            f"there is no database at {path}: create it with: wnm --init --rewards_address ADDRESS, "
            "or from nodes that run: wnm --init --import"
        )
    assert names(tmp_path) == []


@OPENERS
@pytest.mark.parametrize("content", [b"", b"hello", b"SQLite format 3\0", os.urandom(8192)])
def test_not_a_database(opener: Opener, content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "colony.db"
    path.write_bytes(content)
    assert "is not a database of wnm" in refused(opener, str(path))


@OPENERS
@pytest.mark.parametrize("kind", ["folder", "pipe"])
def test_not_a_file(opener: Opener, kind: str, tmp_path: Path) -> None:
    path = tmp_path / "colony.db"
    if kind == "folder":
        path.mkdir()
    else:
        os.mkfifo(path)
    with pytest.raises(NeedsOperator, match="is not a database of wnm"):
        opener(str(path))


@OPENERS
def test_a_database_of_somebody_else(opener: Opener, tmp_path: Path) -> None:
    path = str(tmp_path / "colony.db")
    execute(path, "CREATE TABLE songs (id INTEGER)")
    assert "is not a database of wnm" in refused(opener, path)


@OPENERS
def test_a_database_of_the_earlier_tool(opener: Opener, tmp_path: Path) -> None:
    path = str(tmp_path / "colony.db")
    execute(
        path,
        "CREATE TABLE machine (id INTEGER PRIMARY KEY, cpu_count INTEGER)",
        "CREATE TABLE node (id INTEGER PRIMARY KEY, service TEXT)",
    )
    said = refused(opener, path)
    assert "is the database of an older wnm" in said
    assert "take it over with: wnm --init" in said


@OPENERS
def test_a_newer_one(opener: Opener, store: Store) -> None:
    execute(store.path, "UPDATE alembic_version SET version_num = '0999'")
    said = refused(opener, store.path)
    assert said == f"{store.path} was written by a newer wnm (revision 0999): upgrade wnm"


@OPENERS
@pytest.mark.parametrize(
    "damage",
    [
        "DROP TABLE alembic_version",
        "DELETE FROM alembic_version",
        "DROP TABLE sample",
        "DELETE FROM machine",
        "ALTER TABLE node DROP COLUMN wallet",
        "ALTER TABLE cycle DROP COLUMN seconds",
        "ALTER TABLE alert DROP COLUMN remedy",
    ],
)
def test_a_part_is_missing(opener: Opener, damage: str, store: Store) -> None:
    execute(store.path, damage)
    assert "is damaged" in refused(opener, store.path)


@OPENERS
@pytest.mark.parametrize("kept", [0.99, 0.5, 0.1])
def test_cut_short(opener: Opener, kept: float, store: Store) -> None:
    os.truncate(store.path, int(Path(store.path).stat().st_size * kept))
    assert "is damaged (its end is missing)" in refused(opener, store.path)


@OPENERS
def test_overwritten_with_rubbish(opener: Opener, store: Store) -> None:
    with Path(store.path).open("r+b") as file:
        file.seek(100)
        file.write(b"\xa5" * (Path(store.path).stat().st_size - 100))
    said = refused(opener, store.path)
    assert "is damaged" in said
    assert f"move it and {store.path}-wal away, then wnm --init" in said


def test_the_remedy_names_the_newest_copy(store: Store) -> None:
    old, new = (f"{store.path}.before-{end}" for end in ("0002-20240101T000000Z", "0001-20250101T000000Z"))
    shutil.copy(store.path, old)
    shutil.copy(store.path, new)
    os.truncate(store.path, 4096)
    assert f"restore its newest copy: cp -p '{new}' '{store.path}'" in refused(open_for_writing, store.path)


def page_of(path: str, table: str) -> tuple[int, int]:
    """Offset and length of the first page of a table."""
    with closing(connect(uri_of(path, "mode=ro"))) as connection:
        (page,) = connection.execute("SELECT rootpage FROM sqlite_master WHERE name = ?", (table,)).fetchone()
        (size,) = connection.execute("PRAGMA page_size").fetchone()
    return (page - 1) * size, size


@pytest.mark.parametrize("table", ["operation", "sample", "cycle", "node", "machine"])
def test_one_malformed_page_is_told_when_it_is_met(table: str, store: Store) -> None:
    offset, size = page_of(store.path, table)
    with Path(store.path).open("r+b") as file:
        file.seek(offset)
        file.write(b"\xff" * size)
    with pytest.raises(NeedsOperator, match=r"is damaged.*malformed"):
        read_everything(store.path)


@pytest.mark.parametrize(
    "damage",
    [
        "UPDATE node SET born = 'yesterday' WHERE id = 3",
        "UPDATE node SET born = '2025-01-01' WHERE id = 3",
        "UPDATE node SET status = 'FINE' WHERE id = 3",
        "UPDATE node SET environment = '[1]' WHERE id = 3",
        "UPDATE node SET start_args = '{' WHERE id = 3",
    ],
)
def test_a_value_that_wnm_cannot_have_written(damage: str, store: Store) -> None:
    execute(store.path, damage)
    with open_for_writing(store.path) as database, pytest.raises(NeedsOperator, match="is damaged") as caught:
        Ledger(database).load()
    assert "\n" not in str(caught.value)


def test_values_that_only_save_work_are_no_loss(store: Store) -> None:
    execute(store.path, """UPDATE machine SET counters = '{"is":"Meters"}', available = '[]'""")
    with open_for_writing(store.path) as database:
        state = Ledger(database).load()
    assert (state.counters, state.available) == (None, None)


def test_a_database_in_use(store: Store) -> None:
    with closing(sqlite3.connect(store.path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with open_for_writing(store.path) as database:
            database.read(lambda connection: connection.execute("PRAGMA busy_timeout = 50"))
            with pytest.raises(Transient, match="is in use by another program"):
                Ledger(database).change_settings({"node_cap": "4"}, NOW)


def test_a_write_holds_the_lock_from_its_start(store: Store) -> None:
    """Else it could fail half-way, because somebody wrote between its reading and its writing."""

    def work(connection: object) -> None:
        other = sqlite3.connect(store.path, isolation_level=None, timeout=0)
        with closing(other), pytest.raises(sqlite3.OperationalError, match="locked"):
            other.execute("BEGIN IMMEDIATE")

    with open_for_writing(store.path) as database:
        database.write(work)


def test_text_that_utf8_cannot_hold(store: Store) -> None:
    """A reason for people is kept with an escape; a path must not turn into another path."""
    store.insert(replace(node(1), last_error="caf\udce9"))
    assert store.nodes()[1].last_error == "caf\\udce9"
    with pytest.raises(BadInput, match="is not UTF-8"):
        store.insert(replace(node(2), root_dir="/data/caf\udce9"))


def test_a_failed_write_leaves_everything_as_it_was(store: Store) -> None:
    before = store.nodes()
    with pytest.raises(BadInput):
        store.insert(replace(node(1), because="written first"), replace(node(2), root_dir="/\udce9"))
    assert store.nodes() == before
    store.idle(decision())
