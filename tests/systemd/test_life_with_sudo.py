"""The life of nodes that are services of the system, kept by a user who may become root by sudo."""

import os
import re
import signal
import stat
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from tests.systemd.life import Life, children, do, name, offer, with_sudo
from tests.systemd.picture import difference, picture
from tests.waiting import eventually

EVERYTHING = Path("/etc/sudoers.d/sudoer")
ONE_LINE = Path("/etc/sudoers.d/wnm")
LOGGING = Path("/etc/sudoers.d/zz_log")
LOG = Path("/var/log/sudo-of-tests.log")


@pytest.fixture(scope="module")
def life() -> Iterator[Life]:
    """Two nodes; every use of sudo is written down."""
    sudoer = with_sudo()
    offer()
    do("ufw", "--force", "enable")
    LOGGING.write_text(f"Defaults logfile={LOG}\nDefaults loglinelen=0\n")
    LOGGING.chmod(0o440)
    try:
        sudoer.init()
        sudoer.bring_up(2)
        yield sudoer
    finally:
        sudoer.end()
        LOGGING.unlink()
        LOG.unlink(missing_ok=True)
        do("ufw", "disable")


@pytest.fixture
def sudoer(life: Life) -> Iterator[Life]:
    """Two nodes that run; afterwards everything agrees, and the database is still the user's."""
    life.bring_up(2)
    yield life
    assert life.disagreements() == []
    for file in life.data.iterdir():
        assert (file.owner(), file.group()) == ("sudoer", "sudoer"), file


@pytest.fixture
def without_leave() -> Iterator[None]:
    """A machine on which sudo allows nothing without a password."""
    text = EVERYTHING.read_text()
    EVERYTHING.unlink()
    try:
        yield
    finally:
        EVERYTHING.write_text(text)
        EVERYTHING.chmod(0o440)
        ONE_LINE.unlink(missing_ok=True)


def commands_of_sudo() -> list[str]:
    """The commands that were run by sudo or refused, in their order."""
    return re.findall(r"COMMAND=(.*)", LOG.read_text()) if LOG.exists() else []


def children_as_root(pid: int) -> list[int]:
    """What runs wnm as root for this process, sudo itself left out."""
    found = psutil.Process(pid).children(recursive=True)
    return [each.pid for each in found if "python" in each.name() and "wnm.cli.elevated" in each.cmdline()]


def test_the_database_and_the_lock_are_the_users_and_the_nodes_are_not(sudoer: Life) -> None:
    for path, mode in ((sudoer.database, 0o600), (sudoer.data / "wnm_active", 0o600), (sudoer.data, 0o700)):
        assert (path.owner(), stat.S_IMODE(path.stat().st_mode)) == ("sudoer", mode), path
    for node_id in sudoer.rows():
        assert psutil.Process(sudoer.pid(node_id)).username() == "ant"
        assert sudoer.unit(node_id).owner() == "root"
        assert (sudoer.folder(node_id).owner(), (sudoer.folder(node_id) / "antnode").owner()) == (
            "ant",
            "root",
        )
    assert sudoer.rules() == [name(1), name(2)]


def test_sudo_is_asked_once_in_a_cycle_and_for_one_command(sudoer: Life) -> None:
    before = len(commands_of_sudo())
    sudoer.good()
    sudoer.good("--node_cap=3", "--max_concurrent_starts=2")
    asked = commands_of_sudo()[before:]
    assert len(asked) == 2
    assert set(asked) == {"/opt/wnm-venv/bin/python -I -m wnm.cli.elevated"}


def test_reports_need_no_sudo(sudoer: Life, without_leave: None) -> None:
    before = len(commands_of_sudo())
    assert "2 of 2 nodes running" in sudoer.good("status").out
    for words in (
        ("explain",),
        ("cron", "show"),
        ("--report", "node-status-details"),
        ("--report", "decisions"),
    ):
        sudoer.good(*words)
    assert len(commands_of_sudo()) == before


def test_without_leave_the_line_is_printed_that_gives_it(sudoer: Life, without_leave: None) -> None:
    pids = sudoer.pids()
    refused = sudoer.run()
    assert (refused.code, refused.out, len(refused.lines)) == (3, "", 1)
    line = re.search(r"sudoer ALL=\(root\) NOPASSWD: .*", refused.err)
    assert line, refused
    ONE_LINE.write_text(f"{line[0]}\n")
    ONE_LINE.chmod(0o440)
    do("visudo", "-cf", str(ONE_LINE))
    sudoer.good()
    assert sudoer.pids() == pids
    with pytest.raises(AssertionError, match="password is required"):
        do("sudo", "-n", "true", user="sudoer")
    with pytest.raises(AssertionError, match="password is required"):
        do("sudo", "-n", "/opt/wnm-venv/bin/python", "-I", "-c", "1", user="sudoer")


def test_what_runs_as_root_takes_orders_from_wnm_only(sudoer: Life) -> None:
    for given in ("", "{}", '{"asked": 1}', "\0" * 9):
        with pytest.raises(AssertionError, match="is started by wnm itself"):
            do(
                "sudo",
                "-n",
                "/opt/wnm-venv/bin/python",
                "-I",
                "-m",
                "wnm.cli.elevated",
                user="sudoer",
                given=given,
            )


def test_a_dry_run_changes_nothing(sudoer: Life) -> None:
    before = picture()
    told = sudoer.good(
        "--dry_run", "--node_cap=5", "--max_concurrent_starts=3", "--max_concurrent_operations=3"
    )
    assert "antnode0003" in told.out
    stored = {path for path in difference(before, picture()) if "/record_store" not in path}
    assert {path for path in stored if not path.endswith("historic_quoting_metrics")} == set()


def test_what_the_user_exports_reaches_no_program_of_roots(sudoer: Life, tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    for folder in tmp_path.parents:
        if folder.stat().st_mode & 0o7 == 0:
            folder.chmod(folder.stat().st_mode | 0o1)
    trap = tmp_path / "systemctl"
    trap.write_text(f"#!/bin/sh\ntouch {sudoer.home}/trapped\nexit 1\n")
    trap.chmod(0o755)
    exported = {
        "PATH": f"{tmp_path}:/usr/bin:/bin",
        "PYTHONPATH": str(tmp_path),
        "PYTHONSTARTUP": str(trap),
        "LD_LIBRARY_PATH": str(tmp_path),
    }
    assert sudoer.run(env=exported).code == 0
    assert not (sudoer.home / "trapped").exists()


def test_an_end_by_force_is_not_taken_for_a_refusal_of_sudo(sudoer: Life) -> None:
    cycle = sudoer.begin()
    eventually(lambda: children_as_root(cycle.pid))
    os.kill(children_as_root(cycle.pid)[0], signal.SIGKILL)
    out, err = cycle.communicate(timeout=60)
    assert (cycle.returncode, out) == (1, "")
    assert "was ended by signal 9" in err
    assert "sudoers" not in err


def test_killed_nodes_heal_old_ones_are_upgraded_and_too_many_removed(sudoer: Life) -> None:
    old = sudoer.pid(1)
    os.kill(old, signal.SIGKILL)
    eventually(lambda: sudoer.pids().get(name(1), [old]) != [old])
    sudoer.good()
    assert sudoer.statuses()[1] == "RUNNING"
    offer("0.4.18")
    sudoer.cycles_until(lambda: sudoer.versions() == ["0.4.18"] * 2, at_most=3)
    assert old not in [pid for each in sudoer.pids().values() for pid in each]
    sudoer.cycles_until(lambda: len(sudoer.rows()) == 1, "--node_cap=1", at_most=3)
    assert len(children(sudoer.nodes)) == 1
    keys = next(sudoer.keys.iterdir())
    assert (keys.owner(), stat.S_IMODE(keys.stat().st_mode)) == ("root", 0o700)
