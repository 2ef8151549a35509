"""What a run costs before it does anything: which libraries it loads, and whether it sleeps."""

import subprocess
import sys
from pathlib import Path

import pytest
from tests.cli.operator import WNM, Operator

# Runs a program as it is, and reports what it sleeps: an audit hook sees every time.sleep.
WATCHED = """
import os, runpy, sys
def watch(event, arguments):
    if event == "time.sleep":
        os.write(2, f"slept {arguments[0]}\\n".encode())
sys.addaudithook(watch)
sys.argv = sys.argv[1:]
runpy.run_path(sys.argv[0], run_name="__main__")
"""


def imported(operator: Operator, *words: object) -> set[str]:
    """The names of all packages that a run imports, from the interpreter's own account of it."""
    ran = subprocess.run(
        [sys.executable, "-X", "importtime", *operator.command(*words)],
        env=operator.environment(),
        cwd=operator.home,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr[-2000:]
    lines = [line for line in ran.stderr.splitlines() if line.startswith("import time:")]
    names = {line.rpartition("|")[2].strip() for line in lines}
    assert "wnm.cli.main" in names
    return {name.partition(".")[0] for name in names}


@pytest.mark.parametrize("word", ["--version", "--help"])
def test_version_and_help_load_no_library(operator: Operator, word: str) -> None:
    heavy = {"sqlalchemy", "sqlite3", "psutil", "rich", "alembic", "Crypto", "configargparse", "dotenv"}
    assert imported(operator, word) & {*heavy, "packaging", "subprocess", "asyncio", "json"} == set()


def test_an_idle_cycle_loads_what_it_needs(operator: Operator) -> None:
    operator.bring_up(1)
    loaded = imported(operator)
    assert "sqlite3" in loaded
    assert loaded & {"sqlalchemy", "alembic", "rich", "Crypto", "requests", "urllib3", "psutil"} == set()


def test_an_address_that_was_checked_is_not_checked_again(operator: Operator) -> None:
    address = "0x00455d78f850b0358E8cea5be24d415E01E107CF"
    operator.init(node_cap=0, rewards_address=address)
    assert "Crypto" not in imported(operator, "--rewards_address", address)
    assert "Crypto" in imported(operator, "--rewards_address", "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed")


def test_a_busy_lock_is_told_without_loading_what_a_cycle_needs(operator: Operator) -> None:
    operator.init(node_cap=0)
    lock = operator.database.parent / "wnm_active"
    holding = (
        f"import fcntl, sys; fcntl.flock(file := open({str(lock)!r}, 'w'), 2); print(1, flush=True); input()"
    )
    held = subprocess.Popen([sys.executable, "-c", holding], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    try:
        assert held.stdout is not None
        held.stdout.readline()
        ran = subprocess.run(
            [sys.executable, "-X", "importtime", *operator.command()],
            env=operator.environment(),
            cwd=operator.home,
            capture_output=True,
            text=True,
            check=False,
        )
        assert ran.returncode == 75
        assert "wnm.core.decide" not in ran.stderr
        assert "wnm.storage.ledger" not in ran.stderr
    finally:
        held.communicate(b"\n")


def sleeps(operator: Operator, *words: object) -> list[str]:
    """How long a run slept each time."""
    ran = subprocess.run(
        [sys.executable, "-c", WATCHED, *operator.command(*words)],
        env=operator.environment(),
        cwd=operator.home,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    return [line for line in ran.stderr.splitlines() if line.startswith("slept ")]


def test_an_idle_cycle_without_nodes_does_not_sleep(operator: Operator) -> None:
    operator.init(node_cap=0)
    # Nothing is stored to compare with, so the first one takes a short sample: the watch does see it.
    assert "slept 0.25" in sleeps(operator)
    for _ in range(2):
        assert sleeps(operator) == []


def test_the_script_and_the_module_are_the_same_program(tmp_path: Path) -> None:
    module = subprocess.run(
        [sys.executable, "-m", "wnm", "--version"], cwd=tmp_path, capture_output=True, check=True
    )
    script = subprocess.run([WNM, "--version"], cwd=tmp_path, capture_output=True, check=True)
    assert module.stdout == script.stdout
