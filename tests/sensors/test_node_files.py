"""Key, store and log of a node, as they are and as a hostile node could make them."""

import os
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from time import perf_counter

import pytest
from tests.sim.running import WALLET, free_port
from tests.waiting import eventually

from wnm.core.observation import Unseen
from wnm.node_kinds.kinds import KINDS
from wnm.sensors.node_files import LOG_TAIL_BYTES, FilesReading, LogReading, StoreReading, read_node_files
from wnm_sim.make_program import write_program

ANT_NODE = KINDS["ant-node"]
LINE = "2026-08-21T06:50:{:02}Z  INFO ant_node::node: connected peers={}\n"


class Places:
    """The folders of one node."""

    def __init__(self, folder: Path) -> None:
        self.root = folder / "node"
        self.logs = folder / "logs"
        self.outside = folder / "outside"
        for each in (self.root, self.logs, self.outside):
            each.mkdir()

    def read(self, kind: str = "ant-node", since_bytes: int | None = None) -> FilesReading:
        return read_node_files(KINDS[kind], str(self.root), str(self.logs), since_bytes=since_bytes)

    def store(self, kind: str = "ant-node") -> StoreReading:
        found = self.read(kind).store
        assert isinstance(found, StoreReading)
        return found

    def log(self, since_bytes: int | None = None) -> LogReading:
        found = self.read(since_bytes=since_bytes).log
        assert isinstance(found, LogReading)
        return found

    def write_log(self, text: str, day: str = "2026-08-21") -> Path:
        path = self.logs / f"ant-node.{day}.log"
        path.write_text(text)
        return path


@pytest.fixture
def places(tmp_path: Path) -> Places:
    return Places(tmp_path)


def test_a_new_node_has_nothing(places: Places) -> None:
    assert places.read() == FilesReading(identity_at=None, store=None, log=None)
    nowhere = read_node_files(ANT_NODE, "/nowhere/at all", "/nowhere/else")
    assert nowhere == FilesReading(identity_at=None, store=None, log=None)


@pytest.mark.parametrize("kind", ["antnode", "ant-node"])
def test_a_running_node_is_seen_to_work(places: Places, tmp_path: Path, kind: str) -> None:
    program = tmp_path / kind
    write_program(program, "0.14.2", kind=kind)
    own = {
        "antnode": ["--log-output-dest", str(places.logs)],
        "ant-node": ["--enable-logging", "--log-dir", str(places.logs)],
    }
    (places.root / "misbehave.json").write_text('{"stores_every_seconds": 0.1, "connected_peers": 7}')
    command = [str(program), "--root-dir", str(places.root), "--rewards-address", WALLET, *own[kind]]
    with subprocess.Popen([*command, "--port", str(free_port())]) as process:
        try:
            first = eventually(lambda: places.read(kind).store)
            assert isinstance(first, StoreReading)
            eventually(lambda: (places.store(kind).bytes or 0) > (first.bytes or 0))
            assert places.store(kind).changed_at > first.changed_at
            log = eventually(lambda: places.read(kind).log)
            born = places.read(kind).identity_at
            if kind == "ant-node":
                eventually(lambda: places.log().health.connected_peers == 7)
                eventually(lambda: places.log().health.stored_at)
        finally:
            process.kill()
    assert isinstance(born, datetime)
    assert abs((datetime.now(UTC) - born).total_seconds()) < 60
    assert isinstance(log, LogReading)
    if kind == "ant-node":
        health = places.log().health
        assert (health.listens, health.version, health.fatal) == (True, "0.14.2", None)
        assert health.stored_at is not None


def test_a_sparse_file_takes_up_what_was_written(places: Places) -> None:
    data = places.root / "chunks.mdb" / "data.mdb"
    data.parent.mkdir()
    with data.open("wb") as file:
        file.truncate(10**9)
    assert places.store().bytes == 0
    with data.open("r+b") as file:
        file.write(b"x" * 50_000)
        file.flush()
        os.fsync(file.fileno())
    assert 50_000 <= (places.store().bytes or 0) < 10**6
    os.utime(data, (1_000, 1_000))
    assert places.store().changed_at == datetime.fromtimestamp(1_000, UTC)


def test_chunks_in_files_of_their_own_count_too(places: Places) -> None:
    for shard in ("00", "ff"):
        (places.root / "chunks" / shard).mkdir(parents=True)
    (places.root / "chunks" / "ff" / "chunk").write_bytes(b"x" * 20_000)
    for path in (
        places.root / "chunks" / "00",
        places.root / "chunks" / "ff" / "chunk",
        places.root / "chunks",
    ):
        os.utime(path, (1_000, 1_000))
    os.utime(places.root / "chunks" / "ff", (5_000, 5_000))
    found = places.store()
    assert (found.bytes or 0) >= 20_000
    assert found.changed_at == datetime.fromtimestamp(5_000, UTC)


def test_a_store_of_very_many_files_is_not_counted_but_its_changes_are_seen(places: Places) -> None:
    store = places.root / "record_store"
    store.mkdir()
    for number in range(3_000):
        (store / str(number)).touch()
        os.utime(store / str(number), (1_000, 1_000))
    os.utime(store, (5_000, 5_000))  # a record was removed then
    began = perf_counter()
    found = places.store("antnode")
    assert perf_counter() - began < 0.25  # usually two milliseconds
    assert found.bytes is None
    assert found.changed_at == datetime.fromtimestamp(5_000, UTC)


def test_the_newest_log_is_read(places: Places) -> None:
    old = places.write_log(LINE.format(1, 9), "2026-08-20")
    os.utime(old, (1_000, 1_000))
    new = places.write_log(LINE.format(2, 3))
    (places.logs / "stdout.log").write_text("Error: not this one\n")
    found = places.log()
    assert (found.file_name, found.file_bytes) == (new.name, new.stat().st_size)
    assert found.health.connected_peers == 3
    assert found.health.fatal is None
    for path in (old, new):
        os.utime(path, (1_000, 1_000))
    assert places.log().file_name == new.name


def test_only_the_end_of_a_long_log_is_read(places: Places) -> None:
    places.write_log("2026-08-21T06:50:00Z ERROR a: CRITICAL: long ago\n" + LINE.format(1, 9) * 2_000)
    assert places.log().file_bytes > LOG_TAIL_BYTES
    assert places.log().health.fatal is None
    assert places.log().health.connected_peers == 9


def test_what_was_there_before_does_not_count(places: Places) -> None:
    before = places.write_log("2026-08-21T06:50:00Z ERROR a: CRITICAL: before\n").stat().st_size
    assert places.log(since_bytes=before).health.last_line_at is None
    with places.write_log("").open("w") as file:
        file.write("2026-08-21T06:50:00Z ERROR a: CRITICAL: before\n" + LINE.format(5, 4))
    assert places.log(since_bytes=before).health.fatal is None
    assert places.log(since_bytes=before).health.connected_peers == 4
    assert places.log(since_bytes=0).health.fatal == "CRITICAL: before"
    assert places.log(since_bytes=10**9).health.fatal == "CRITICAL: before"  # it is another file by now


def test_half_a_line_says_nothing(places: Places) -> None:
    line = LINE.format(1, 4)
    places.write_log("x" * LOG_TAIL_BYTES + line)
    assert places.log().health.connected_peers is None
    places.write_log(line + "y" * (LOG_TAIL_BYTES - len(line)) + "\n")
    assert places.log().health.connected_peers is None


def _link_key(places: Places) -> None:
    (places.root / "node_identity.key").symlink_to(places.outside / "key")


def _link_store(places: Places) -> None:
    (places.root / "chunks.mdb").symlink_to(places.outside)


def _link_data(places: Places) -> None:
    (places.root / "chunks.mdb").mkdir()
    (places.root / "chunks.mdb" / "data.mdb").symlink_to(places.outside / "data.mdb")


def _file_for_folder(places: Places) -> None:
    (places.root / "chunks.mdb").write_text("not a folder")


def _link_root(places: Places) -> None:
    places.root.rename(places.root.with_name("elsewhere"))
    places.root.symlink_to(places.outside)


@pytest.mark.parametrize(
    ("spoil", "part"),
    [
        (_link_key, "identity_at"),
        (_link_store, "store"),
        (_link_data, "store"),
        (_file_for_folder, "store"),
        (_link_root, "identity_at"),
        (_link_root, "store"),
    ],
)
def test_no_link_is_followed(places: Places, spoil: Callable[[Places], None], part: str) -> None:
    for name in ("key", "data.mdb", "node_identity.key"):
        (places.outside / name).write_text("secret")
    (places.outside / "chunks.mdb").mkdir()
    (places.outside / "chunks.mdb" / "data.mdb").write_text("secret")
    spoil(places)
    found = getattr(places.read(), part)
    assert isinstance(found, Unseen)
    assert str(places.root) in found.reason


def test_a_log_that_is_no_file_is_not_opened(places: Places) -> None:
    secret = places.outside / "secret"
    secret.write_text(LINE.format(1, 5))
    (places.logs / "ant-node.1.log").symlink_to(secret)
    os.mkfifo(places.logs / "ant-node.2.log")
    (places.logs / "ant-node.3.log").mkdir()
    assert places.read().log is None
    places.logs.rename(places.logs.with_name("moved"))
    places.logs.symlink_to(places.outside)
    assert isinstance(places.read().log, Unseen)


def test_what_may_not_be_read_is_unseen(places: Places) -> None:
    places.write_log(LINE.format(1, 5))
    log_dir = str(places.logs)
    found = read_node_files(ANT_NODE, "\0", log_dir)
    assert isinstance(found.identity_at, Unseen)
    assert isinstance(found.store, Unseen)
    assert isinstance(found.log, LogReading)


def test_garbage_in_a_log_is_no_news(places: Places) -> None:
    places.write_log("").write_bytes(os.urandom(LOG_TAIL_BYTES * 2))
    began = perf_counter()
    health = places.log().health
    assert perf_counter() - began < 1.0
    assert (health.last_line_at, health.fatal) == (None, None)


@pytest.mark.skipif(os.geteuid() != 0, reason="needs to become somebody else")
def test_a_folder_of_somebody_else(places: Places) -> None:
    (places.root / "node_identity.key").write_text("key")
    script = (
        "import os, sys\n"
        "from wnm.node_kinds.kinds import KINDS\n"
        "from wnm.sensors.node_files import read_node_files\n"
        "os.setuid(65534)\n"
        "print(read_node_files(KINDS['ant-node'], sys.argv[1], sys.argv[1]))\n"
    )
    places.root.chmod(0o700)
    done = subprocess.run([sys.executable, "-c", script, str(places.root)], capture_output=True, text=True)
    assert done.stdout.count("Permission denied") == 3, done
