"""From nothing to a settled machine: initialising, the first nodes, and quiet afterwards."""

import os
import stat
import subprocess
from pathlib import Path

import pytest
from tests.cli.footprints import differences, footprint
from tests.cli.operator import PATH, WNM, Operator
from tests.cli.port_blocks import PORTS, listens
from tests.waiting import eventually

from wnm import __version__

FAUCET = "0x00455d78f850b0358E8cea5be24d415E01E107CF"


def test_init_starts_nothing_and_says_what_comes_next(operator: Operator) -> None:
    said = operator.init(node_cap=3)
    assert operator.processes() == []
    assert operator.in_storage() == []
    assert not operator.logs.exists()
    assert f"wnm --dry_run --dbpath '{operator.database}'" in said.out
    assert stat.S_IMODE(operator.database.stat().st_mode) == 0o600
    assert stat.S_IMODE(operator.database.parent.stat().st_mode) == 0o700
    assert operator.rows() == {}


def test_a_second_init_is_refused_and_changes_nothing(operator: Operator) -> None:
    operator.init(node_cap=3)
    before = footprint(operator.home)
    again = operator.run("--init", *operator.wishes(node_cap=7))
    assert (again.code, len(again.lines)) == (2, 1)
    assert str(operator.database) in again.err
    assert differences(before, footprint(operator.home)) == []


@pytest.mark.parametrize(
    ("wish", "code"),
    [
        ({"node_cap": "many"}, 2),
        ({"rewards_address": "0x123"}, 2),
        ({"antnode_path": "/no/such/program"}, 2),
        ({"process_manager": "launchd"}, 3),
        ({"cpu_less_than": 90, "cpu_remove": 80}, 2),
    ],
)
def test_a_failed_init_leaves_nothing(operator: Operator, wish: dict[str, object], code: int) -> None:
    before = footprint(operator.home)
    failed = operator.run("--init", *operator.wishes(**wish))
    assert (failed.code, failed.out, len(failed.err.splitlines())) == (code, "", 1), failed
    assert differences(before, footprint(operator.home)) == []
    operator.init()


@pytest.mark.parametrize(
    "words", [(), ("--dry_run",), ("status",), ("--report", "node-status"), ("explain",)]
)
def test_without_init_there_is_no_database_and_none_is_made(
    operator: Operator, words: tuple[str, ...]
) -> None:
    before = footprint(operator.home)
    refused = operator.run(*words)
    assert (refused.code, refused.out, len(refused.err.splitlines())) == (3, "", 1), refused
    assert "wnm --init --rewards_address" in refused.err
    assert differences(before, footprint(operator.home)) == []


def test_three_nodes_come_up_one_per_cycle(operator: Operator) -> None:
    operator.init(node_cap=3)
    for count in (1, 2, 3):
        before = len(operator.processes())
        operator.cycles_until(lambda before=before: len(operator.processes()) > before, at_most=1)  # type: ignore[misc]
        assert len(operator.processes()) == count
        assert list(operator.rows()) == list(range(1, count + 1))
    operator.cycles_until(lambda: operator.running() == 3, at_most=2)
    for node_id, row in operator.rows().items():
        name = f"antnode{node_id:04d}"
        assert (row["name"], row["wallet"], row["reachable"]) == (name, FAUCET, "answers")
        assert row["port"] == operator.port_start * PORTS + node_id
        assert row["metrics_port"] == operator.metrics_port(node_id)
        assert row["root_dir"] == str(operator.nodes / name)
        assert row["log_dir"] == str(operator.logs / name)
        assert [row["pid"]] == operator.pids_of(node_id)
        assert operator.answers(node_id)
        assert (operator.folder(node_id) / "antnode").read_bytes() == operator.program.read_bytes()
        assert stat.S_IMODE(operator.folder(node_id).stat().st_mode) == 0o700


def test_an_idle_cycle_changes_no_process_and_says_one_line(three: Operator) -> None:
    pids = three.pids()
    for _ in range(4):
        idle = three.good_cycle()
        assert len(idle.lines) == 1, idle
        assert "idle: 3 of 3 nodes running" in idle.err
        assert three.pids() == pids


def test_wallets_are_drawn_by_weight(operator: Operator) -> None:
    mine, theirs = "0x" + "1a" * 20, "0x" + "2b" * 20
    operator.bring_up(6, rewards_address=f"{mine}:1,{theirs}:1000000")
    assert {row["wallet"] for row in operator.rows().values()} == {theirs}
    commands = [Path(f"/proc/{pid}/cmdline").read_bytes() for pid in operator.pids()]
    assert all(theirs.encode() in command for command in commands)


def test_nodes_outlive_the_session_that_started_them(operator: Operator) -> None:
    """As from cron: a minimal PATH, no terminal, another folder, and a session that ends with the cycle."""
    operator.init(node_cap=1)
    cycle = ["sh", "-c", f"cd / && {WNM} --dbpath '{operator.database}'; exit $?"]
    for _ in range(3):
        shell = subprocess.Popen(
            cycle, env=operator.environment(), cwd="/", start_new_session=True, stderr=subprocess.PIPE
        )
        assert shell.communicate(timeout=60) is not None
        assert shell.returncode == 0
        with_session_gone = [
            process for process in operator.processes() if os.getsid(process.pid) == shell.pid
        ]
        assert with_session_gone == []
    operator.cycles_until(lambda: operator.running() == 1, at_most=2)
    eventually(lambda: listens(operator.metrics_port(1)))


@pytest.mark.parametrize("word", ["--version", "--help", "-h"])
def test_version_and_help_need_nothing_at_all(word: str, tmp_path: Path) -> None:
    for environment in ({}, {"PATH": PATH, "HOME": str(tmp_path / "not there")}):
        ran = subprocess.run([WNM, word], env=environment, cwd=tmp_path, capture_output=True, text=True)
        assert (ran.returncode, ran.stderr) == (0, "")
        assert "--rewards_address" in ran.stdout or ran.stdout == f"wnm {__version__}\n"
    assert list(tmp_path.iterdir()) == []
