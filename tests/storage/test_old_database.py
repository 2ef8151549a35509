"""Databases of an older wnm: recognised, read as they are, and left exactly as they were."""

import os
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.storage.builders import Store, names, node
from tests.storage.old_databases import GENERATIONS, build
from tests.storage.test_reading import state

from wnm.core.errors import BadInput, NeedsOperator
from wnm.storage.creation import create
from wnm.storage.old_database import OldNode, files_of, is_old_colony, read_old_colony

WALLET = "0x" + "1" * 40


@pytest.mark.parametrize("generation", GENERATIONS)
def test_every_generation_is_recognised_and_left_alone(generation: str, tmp_path: Path) -> None:
    path = build(tmp_path, generation)
    before = state(tmp_path)
    assert is_old_colony(path)
    colony = read_old_colony(path)
    assert state(tmp_path) == before
    assert colony.machine is not None
    assert len(colony.nodes) == {"0.0.9": 1, "0.1": 4, "0.5": 2, "0.6": 2}[generation]
    assert all(row.name is not None and row.root_dir and row.port for row in colony.nodes)


@pytest.mark.parametrize(
    ("generation", "delays_in"),
    [("0.0.9", "minutes"), ("0.1", "seconds"), ("0.5", "seconds"), ("0.6", "seconds")],
)
def test_the_first_version_counted_delays_in_minutes(generation: str, delays_in: str, tmp_path: Path) -> None:
    colony = read_old_colony(build(tmp_path, generation))
    assert colony.machine is not None
    assert colony.machine.delays_in == delays_in


def test_a_node_as_it_stands_there(tmp_path: Path) -> None:
    colony = read_old_colony(build(tmp_path, "0.6"))
    assert colony.nodes[0] == OldNode(
        id=1,
        name="antnode0001",
        manager="systemd+user",
        root_dir="~/nodes/antnode0001",
        port=47001,
        metrics_port=48001,
        wallet=WALLET,
        network="evm-arbitrum-one",
        version="0.4.17",
        peer_id="12D3KooWQCkBm1BYtkHpocxCwMgR8yjitEeHGx8spzcDLGt2gkBm",
        status="RUNNING",
        age=1760000000,
    )


def test_the_first_version_under_later_names(tmp_path: Path) -> None:
    machine = read_old_colony(build(tmp_path, "0.0.9")).machine
    assert machine is not None
    wanted = {
        "node_cap": 30,
        "hd_less_than": 75,
        "hdio_read_less_than": 0.0,
        "netio_write_remove": 2e6,
        "delay_remove": 300,
        "desired_load_average": 2.5,
        "rewards_address": WALLET,
    }
    assert {name: machine.values.get(name) for name in wanted} == wanted


def test_names_with_three_digits_and_names_of_antctl(tmp_path: Path) -> None:
    path = build(tmp_path, "0.5", "UPDATE node SET node_name = 'antnode7' WHERE id = 2")
    assert [row.name for row in read_old_colony(path).nodes] == ["antnode001", "antnode7"]


def test_what_is_missing_or_of_another_type_is_none(tmp_path: Path) -> None:
    path = build(
        tmp_path,
        "0.5",
        "UPDATE node SET port = 'many', metrics_port = 13001.5, root_dir = x'00ff', age = 'old'",
        "UPDATE machine SET node_cap = NULL, node_storage = x'00', port_start = 9e999",
        "ALTER TABLE node ADD COLUMN mood TEXT",
        "ALTER TABLE node DROP COLUMN wallet",
    )
    colony = read_old_colony(path)
    row = colony.nodes[0]
    assert (row.port, row.metrics_port, row.root_dir, row.age, row.wallet) == (None,) * 5
    assert (row.id, row.name) == (1, "antnode001")
    assert colony.machine is not None
    values = colony.machine.values
    assert (values["node_cap"], values["node_storage"], values["port_start"]) == (None, None, float("inf"))


def test_text_that_is_not_utf8_does_not_stop_the_reading(tmp_path: Path) -> None:
    path = build(tmp_path, "0.1", "UPDATE node SET status = CAST(x'ff53' AS TEXT) WHERE id = 1")
    rows = read_old_colony(path).nodes
    assert rows[0].status == "\udcffS"
    assert rows[1].status == "STOPPED"


def test_no_machine_yet(tmp_path: Path) -> None:
    colony = read_old_colony(build(tmp_path, "0.6", "DELETE FROM machine", "DELETE FROM node"))
    assert (colony.machine, colony.nodes) == (None, ())


def test_what_waits_in_a_write_ahead_log_is_read(tmp_path: Path) -> None:
    path = build(tmp_path, "0.6")
    writer = sqlite3.connect(path)
    with closing(writer):
        writer.execute("PRAGMA journal_mode = WAL")
        writer.execute("UPDATE node SET status = 'RESTARTING'")
        writer.commit()
        (tmp_path / "copy").mkdir()
        for name in ("colony.db", "colony.db-wal"):
            (tmp_path / "copy" / name).write_bytes((tmp_path / name).read_bytes())
    before = state(tmp_path / "copy")
    copy = str(tmp_path / "copy" / "colony.db")
    assert is_old_colony(copy)
    assert {row.status for row in read_old_colony(copy).nodes} == {"RESTARTING"}
    assert state(tmp_path / "copy") == before


DIES_HALF_WAY = """
import os, sqlite3, sys
connection = sqlite3.connect(sys.argv[1])
connection.execute("PRAGMA cache_size = 1")
connection.execute("BEGIN")
connection.execute("UPDATE node SET status = 'DEAD'")
connection.execute("CREATE TABLE filler (text)")
for _ in range(200):
    connection.execute("INSERT INTO filler VALUES (zeroblob(2000))")
os._exit(9)
"""


def test_what_a_kill_left_half_done_is_rolled_back(tmp_path: Path) -> None:
    path = build(tmp_path, "0.6")
    subprocess.run([sys.executable, "-c", DIES_HALF_WAY, path], check=False)
    assert (tmp_path / "colony.db-journal").stat().st_size > 0
    assert f"{path}-journal" in files_of(path)
    before = state(tmp_path)
    assert [row.status for row in read_old_colony(path).nodes] == ["RUNNING", "DISABLED"]
    assert state(tmp_path) == before


def test_ours_is_not_old(tmp_path: Path) -> None:
    store = Store(tmp_path)
    store.insert(node())
    path = store.path
    before = state(tmp_path)
    assert not is_old_colony(path)
    with pytest.raises(NeedsOperator, match="is not a database of an older wnm"):
        read_old_colony(path)
    assert state(tmp_path) == before


def test_an_old_one_is_never_overwritten(tmp_path: Path) -> None:
    path = build(tmp_path, "0.6")
    before = state(tmp_path)
    with pytest.raises(BadInput):
        create(path, settings={}, now=node().born)
    assert state(tmp_path) == before


@pytest.mark.parametrize(
    "statements",
    [
        ["CREATE TABLE machine (id, name)", "CREATE TABLE node (id, name)"],
        ["CREATE TABLE machine (node_cap, node_storage, rewards_address)"],
        [
            "CREATE VIEW machine AS SELECT 1 AS node_cap, 2 AS node_storage, 3 AS rewards_address",
            "CREATE TABLE node (node_name, root_dir, metrics_port)",
        ],
    ],
)
def test_tables_of_somebody_else(statements: list[str], tmp_path: Path) -> None:
    path = tmp_path / "colony.db"
    with closing(sqlite3.connect(path)) as connection:
        for statement in statements:
            connection.execute(statement)
    assert not is_old_colony(str(path))
    with pytest.raises(NeedsOperator, match="is not a database of an older wnm"):
        read_old_colony(str(path))


@pytest.mark.parametrize("content", [b"", b"hello", b"SQLite format 3\0", os.urandom(5000)])
def test_not_a_database(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "colony.db"
    path.write_bytes(content)
    assert not is_old_colony(str(path))
    with pytest.raises(NeedsOperator, match=r"colony\.db"):
        read_old_colony(str(path))


def test_nothing_there_a_folder_and_a_pipe(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path / "none", tmp_path / "none" / "none", tmp_path, tmp_path / "pipe"):
        assert not is_old_colony(str(path))
        with pytest.raises(NeedsOperator) as caught:
            read_old_colony(str(path))
        assert "\n" not in str(caught.value)
    assert names(tmp_path) == ["pipe"]


def test_a_file_that_is_cut_short(tmp_path: Path) -> None:
    path = build(tmp_path, "0.6")
    content = Path(path).read_bytes()
    Path(path).write_bytes(content[: len(content) // 2])
    assert not is_old_colony(path)
    with pytest.raises(NeedsOperator) as caught:
        read_old_colony(path)
    assert str(caught.value).startswith(f"{path} is damaged (its end is missing): ")
    assert "wnm --init --import" in str(caught.value)


def test_a_table_that_is_wiped(tmp_path: Path) -> None:
    path = build(tmp_path, "0.6")
    with closing(sqlite3.connect(path)) as connection:
        [page] = connection.execute("SELECT rootpage FROM sqlite_master WHERE name = 'node'").fetchone()
        [size] = connection.execute("PRAGMA page_size").fetchone()
    content = bytearray(Path(path).read_bytes())
    content[(page - 1) * size : page * size] = os.urandom(size - 1) + b"\0"
    content[(page - 1) * size] = 0xEE
    Path(path).write_bytes(content)
    with pytest.raises(NeedsOperator, match="is damaged"):
        read_old_colony(path)


def test_a_name_of_a_column_that_is_not_utf8(tmp_path: Path) -> None:
    path = Path(build(tmp_path, "0.6"))
    content = path.read_bytes()
    assert content.count(b"peer_id") == 1
    path.write_bytes(content.replace(b"peer_id", b"\xff\xfeer_id"))
    with pytest.raises(NeedsOperator, match="is damaged"):
        read_old_colony(str(path))
    assert is_old_colony(str(path))


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(damage=st.lists(st.tuples(st.floats(0, 1), st.binary(min_size=1, max_size=40)), max_size=6))
def test_no_damage_crashes_the_reading(damage: list[tuple[float, bytes]], tmp_path: Path) -> None:
    path = tmp_path / "colony.db"
    path.unlink(missing_ok=True)
    build(tmp_path, "0.6")
    content = bytearray(path.read_bytes())
    for where, what in damage:
        start = int(where * (len(content) - len(what)))
        content[start : start + len(what)] = what
    path.write_bytes(content)
    is_old_colony(str(path))
    said = ""
    try:
        read_old_colony(str(path))
    except NeedsOperator as error:
        said = str(error)
    assert "\n" not in said
    assert names(tmp_path) == ["colony.db"]
