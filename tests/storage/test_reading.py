"""Reading changes not one byte beside the database, whatever state a writer left it in."""

import hashlib
import os
import subprocess
import sys
from pathlib import Path

import pytest
from tests.storage.builders import NOW, Store, decision, names, node
from tests.storage.processes import CHECKOUT, kill_in, writing

from wnm.core.errors import Bug, Transient
from wnm.storage.database import open_for_reading, open_for_writing
from wnm.storage.ledger import Ledger
from wnm.storage.timeline import Timeline


def state(folder: Path) -> dict[str, tuple[str, int, int]]:
    """Content, time of change and mode of everything in the folder, and of the folder itself."""
    found = {}
    for entry in (folder, *folder.iterdir()):
        content = entry.read_bytes() if entry.is_file() else b""
        status = entry.stat()
        found[entry.name] = (hashlib.sha256(content).hexdigest(), status.st_mtime_ns, status.st_mode)
    return found


def read_everything(path: str) -> dict[str, str]:
    with open_for_reading(path) as database:
        history = Timeline(database)
        ledger = Ledger(database)
        ledger.load()
        history.cycle()
        history.cycles(10)
        history.nodes()
        history.last_reading()
        history.operations(1)
        history.samples(NOW)
        return ledger.settings()


@pytest.fixture
def store(tmp_path: Path) -> Store:
    made = Store(tmp_path)
    made.insert(node(1), node(2))
    return made


def test_a_database_at_rest(store: Store, tmp_path: Path) -> None:
    before = state(tmp_path)
    assert read_everything(store.path)["node_cap"] == "3"
    assert state(tmp_path) == before
    assert names(tmp_path) == ["colony.db"]


def test_an_empty_log_is_no_log(store: Store, tmp_path: Path) -> None:
    Path(f"{store.path}-wal").touch()
    before = state(tmp_path)
    assert read_everything(store.path)["node_cap"] == "3"
    assert state(tmp_path) == before


def test_after_a_writer_was_killed(store: Store, tmp_path: Path) -> None:
    kill_in(store.path, "committed")
    assert names(tmp_path) == ["colony.db", "colony.db-shm", "colony.db-wal"]
    before = state(tmp_path)
    assert read_everything(store.path)["node_cap"] == "77"
    assert state(tmp_path) == before


def test_after_a_writer_was_killed_half_way(store: Store, tmp_path: Path) -> None:
    kill_in(store.path, "uncommitted")
    assert Path(f"{store.path}-wal").stat().st_size > 0
    before = state(tmp_path)
    assert read_everything(store.path)["node_cap"] == "3"
    assert set(store.nodes()) == {1, 2}
    assert state(tmp_path) == before


def test_beside_a_cycle_that_is_acting(store: Store) -> None:
    with writing(store.path, "committed"):
        assert read_everything(store.path)["node_cap"] == "77"
    with writing(store.path, "uncommitted"):
        assert set(store.nodes()) == {1, 2}


def test_beside_a_writer_that_never_rests_each_reading_is_of_one_moment(store: Store) -> None:
    """Each of its transactions leaves as many open operations as nodes that were touched."""
    seen = 0
    with writing(store.path, "busy") as writer, open_for_reading(store.path) as database:
        for _ in range(30):
            try:
                state = Ledger(database).load()
            except Transient:
                continue
            seen += 1
            assert len(state.interrupted) <= 1
            assert len(state.nodes) >= 2
        assert writer.poll() is None
    assert seen > 0


def test_a_reader_cannot_write(store: Store) -> None:
    with open_for_reading(store.path) as database, pytest.raises(Bug, match="for reading only"):
        database.write(lambda connection: None)


def test_private_copies_are_gone_afterwards(store: Store, tmp_path_factory: pytest.TempPathFactory) -> None:
    copies = tmp_path_factory.mktemp("copies")
    kill_in(store.path, "committed")
    reader = "import sys; from tests.storage.test_reading import read_everything as r; print(r(sys.argv[1]))"
    ran = subprocess.run(
        [sys.executable, "-c", reader, store.path],
        cwd=CHECKOUT,
        env={**os.environ, "PYTHONPATH": f"{CHECKOUT / 'src'}:{CHECKOUT}", "TMPDIR": str(copies)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert "'node_cap': '77'" in ran.stdout
    assert names(copies) == []


def test_the_next_writer_goes_on_where_the_killed_one_was(store: Store, tmp_path: Path) -> None:
    kill_in(store.path, "committed")
    with open_for_writing(store.path) as database:
        assert Ledger(database).settings()["node_cap"] == "77"
    assert names(tmp_path) == ["colony.db"]
    store.idle(decision())
