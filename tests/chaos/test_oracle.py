"""The outside view finds out what is broken on purpose: real nodes, a real database, and somebody who breaks them."""

import os
import shutil
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
from tests.chaos.oracle import (
    Memory,
    World,
    check_at_any_time,
    check_run,
    check_words,
    look,
    unsettled,
)
from tests.cli.operator import OLD, Operator
from tests.waiting import eventually


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Operator]:
    """Three running nodes, shared by tests that put back what they break."""
    made = Operator(home=tmp_path_factory.mktemp("oracle") / "home")
    try:
        made.settle_in()
        made.bring_up(3)
        made.good_cycle()
        yield made
    finally:
        made.end()


def kinds(world: World, memory: Memory, code: int = 0) -> set[str]:
    """What is found after a run that ended with this code."""
    return {each.kind for each in (*check_at_any_time(world, memory), *check_words(world, code))}


def left(world: World) -> list[str]:
    """What is not as it should be with three nodes."""
    return unsettled(world, cap=3, version=OLD, firewall="null")


def settled_memory(operator: Operator) -> Memory:
    """What must not be lost of these nodes."""
    memory = Memory()
    memory.settle(look(operator.home))
    return memory


def test_a_healthy_machine_has_no_findings(shared: Operator) -> None:
    world = look(shared.home)
    assert world.rows is not None
    assert len(world.rows) == len(world.processes) == len(world.folders) == 3
    assert kinds(world, settled_memory(shared)) == set()
    assert left(world) == []


def test_looking_changes_no_byte_of_the_database(shared: Operator) -> None:
    before = shared.database.read_bytes(), sorted(shared.database.parent.iterdir())
    look(shared.home)
    assert (shared.database.read_bytes(), sorted(shared.database.parent.iterdir())) == before


def test_a_deleted_key_is_lost(shared: Operator) -> None:
    memory = settled_memory(shared)
    key = shared.folder(1) / "secret-key"
    content = key.read_bytes()
    key.unlink()
    assert {"key-lost", "node-lost"} <= kinds(look(shared.home), memory)
    assert "a folder without a key" in left(look(shared.home))
    key.write_bytes(b"another")
    assert {"key-lost", "another-key"} <= kinds(look(shared.home), memory)
    key.write_bytes(content)
    assert kinds(look(shared.home), memory) == set()


def test_a_removal_that_nobody_asked_for(shared: Operator, tmp_path: Path) -> None:
    memory = settled_memory(shared)
    backup = shared.keys / "antnode0001-then-peer" / "secret-key"
    backup.parent.mkdir(parents=True)
    shutil.copy(shared.folder(1) / "secret-key", backup)
    shared.folder(1).rename(tmp_path / "away")
    assert kinds(look(shared.home), memory) == {"node-lost"}
    memory.may_go = 1
    assert kinds(look(shared.home), memory) == set()
    (tmp_path / "away").rename(shared.folder(1))
    shutil.rmtree(backup.parent)


def test_a_node_that_runs_twice(shared: Operator) -> None:
    words = [sys.executable, "-c", "import time; time.sleep(600)", "--root-dir", str(shared.folder(2))]
    second = subprocess.Popen(words)
    memory = settled_memory(shared)
    eventually(lambda: kinds(look(shared.home), memory) == {"runs-twice"})
    second.kill()
    second.wait()
    assert kinds(look(shared.home), memory) == set()


def test_a_process_of_ours_without_a_row(shared: Operator) -> None:
    memory = settled_memory(shared)
    words = [sys.executable, "-c", "import time; time.sleep(600)", "--root-dir", str(shared.folder(9))]
    stray = subprocess.Popen(words)
    eventually(lambda: kinds(look(shared.home), memory) == {"process-without-row"})
    stray.kill()
    stray.wait()


def test_a_forgotten_row(shared: Operator) -> None:
    memory = settled_memory(shared)
    kept = shared.database.read_bytes()
    with closing(sqlite3.connect(shared.database)) as connection:
        connection.execute("DELETE FROM node WHERE id = 3")
        connection.commit()
    assert kinds(look(shared.home), memory) == {"row-forgotten", "process-without-row"}
    # Whoever says that something is wrong has not forgotten it.
    assert kinds(look(shared.home), memory, code=3) == {"process-without-row"}
    shared.database.write_bytes(kept)
    for ending in ("-wal", "-shm"):
        Path(f"{shared.database}{ending}").unlink(missing_ok=True)
    assert kinds(look(shared.home), memory) == set()


def test_two_rows_with_one_port(shared: Operator) -> None:
    world = look(shared.home)
    assert world.rows is not None
    first, second, third = world.rows
    twins = replace(world, rows=(first, replace(second, port=first.port), third))
    assert kinds(twins, settled_memory(shared)) == {"twice-in-rows"}


def test_a_dead_node_that_counts_as_running(shared: Operator) -> None:
    world = look(shared.home)
    fewer = replace(world, processes=world.processes[1:])
    memory = settled_memory(shared)
    assert kinds(fewer, memory, code=0) == {"says-fine"}
    assert kinds(fewer, memory, code=1) == set()
    assert any(text.startswith("processes of") for text in left(fewer))


def test_a_stopped_process_does_not_count_as_one_that_runs(shared: Operator) -> None:
    pid = shared.pids()[0]
    os.kill(pid, signal.SIGSTOP)
    eventually(lambda: any(text.startswith("processes of") for text in left(look(shared.home))))
    os.kill(pid, signal.SIGCONT)
    eventually(lambda: left(look(shared.home)) == [])


def test_what_was_left_lying_about(shared: Operator) -> None:
    leftover = shared.folder(1) / ".antnode.new"
    leftover.write_text("half")
    assert left(look(shared.home)) == ["left over: nodes/antnode0001/.antnode.new"]
    leftover.unlink()
    (shared.logs / "antnode0099").mkdir()
    assert any(text.startswith("folders of logs") for text in left(look(shared.home)))
    (shared.logs / "antnode0099").rmdir()


def test_rules_that_are_missing_or_left(shared: Operator) -> None:
    world = look(shared.home)
    rules = tuple((f"{row.port}/udp", f"wnm {row.name}") for row in world.rows or ())
    own = ("22/tcp", "ssh")

    def wrong(*found: tuple[str, str]) -> list[str]:
        return unsettled(replace(world, rules=found), cap=3, version=OLD, firewall="ufw")

    assert wrong(*rules, own) == []
    assert wrong(*rules[1:], own) == [f"no rule for {rules[0][0]}"]
    assert wrong(*rules, ("9/udp", "wnm antnode0009"), own) == ["a rule for 9/udp is left"]
    assert wrong(*rules) == ["the operator's own rule is gone"]


def test_a_database_that_cannot_be_read_is_not_settled(tmp_path: Path) -> None:
    world = look(tmp_path)
    assert world.rows is None
    assert left(world) == ["the database cannot be read"]


@pytest.mark.parametrize(
    ("code", "err", "out", "seconds", "struck", "found"),
    [
        (0, "idle", "", 1.0, False, set()),
        (3, "do this", "", 1.0, False, set()),
        (3, "", "a table with the trouble", 1.0, False, set()),
        (3, "", "", 1.0, False, {"silent"}),
        (1, "Traceback (most recent call last)\nValueError", "", 1.0, False, {"traceback"}),
        (0, "idle", "", 99.0, False, {"too-long"}),
        (2, "unknown option", "", 1.0, False, {"exit-code"}),
        (-11, "", "", 1.0, False, {"exit-code"}),
        (-9, "", "", 1.0, True, set()),
        (-9, "", "", 1.0, False, {"exit-code"}),
    ],
)
def test_how_a_run_ended(
    code: int, err: str, out: str, seconds: float, *, struck: bool, found: set[str]
) -> None:
    checked = check_run(code, err, seconds, out=out, patience=60, struck=struck)
    assert {each.kind for each in checked} == found
