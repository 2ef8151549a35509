"""`--log_file`: what cycles say is kept in a file, which stays small, and never keeps a cycle from running."""

import os
import re
import stat
from pathlib import Path

import pytest
from tests.cli.footprints import differences, footprint
from tests.cli.operator import Operator

from wnm.app.log_file import MOST_BYTES

LINE = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ INFO idle: .*")
OLD_LINE = b"an old line, of many\n"


@pytest.fixture
def idle(operator: Operator) -> Operator:
    """An operator who wants no nodes."""
    operator.init(node_cap=0)
    return operator


def lines_of(log: Path) -> list[str]:
    """The lines of a log, all of which are whole."""
    text = log.read_text()
    assert not text or text.endswith("\n")
    return text.splitlines()


def test_what_is_said_is_shown_and_kept(idle: Operator) -> None:
    log = idle.home / "a new" / "folder" / "wnm.log"
    first = idle.good_cycle("--log_file", log)
    second = idle.good_cycle("--log-file", log)
    assert log.read_text() == first.err + second.err
    assert all(LINE.fullmatch(line) for line in lines_of(log))
    assert stat.S_IMODE(log.stat().st_mode) == 0o600
    assert stat.S_IMODE(log.parent.stat().st_mode) == 0o700
    assert stat.S_IMODE(log.parent.parent.stat().st_mode) == 0o700


def test_errors_and_tracebacks_are_kept_too(idle: Operator) -> None:
    log = idle.home / "wnm.log"
    words = (
        "--log_file",
        log,
        "--loglevel",
        "DEBUG",
        "--force_action",
        "start",
        "--service_name",
        "antnode0009",
    )
    failed = idle.run(*words)
    assert failed.code == 2
    assert "Traceback" in failed.err
    assert log.read_text() == failed.out + failed.err


def test_what_only_reads_leaves_no_trace_in_it(idle: Operator) -> None:
    log = idle.home / "wnm.log"
    idle.good_cycle()
    before = footprint(idle.home)
    for words in (("--dry_run",), ("status",), ("--report", "machine-config"), ("explain",), ("cron",)):
        assert idle.run("--log_file", log, *words).code == 0
    assert idle.run("--log_file", log, env={"WNM_DRY_RUN": "true"}).code == 0
    assert differences(before, footprint(idle.home)) == []


def test_it_can_be_given_like_the_log_level(idle: Operator) -> None:
    log = idle.home / "from environment.log"
    idle.cycle(env={"WNM_LOG_FILE": str(log)})
    assert len(lines_of(log)) == 1
    config = idle.home / "my.conf"
    config.write_text("log_file = ~/from config.log\n")
    idle.good_cycle("-c", config)
    assert len(lines_of(idle.home / "from config.log")) == 1


def test_a_large_log_is_cut_and_its_end_is_kept(idle: Operator) -> None:
    log, cut = idle.home / "wnm.log", idle.home / "wnm.log.1"
    log.write_bytes(OLD_LINE * (MOST_BYTES // len(OLD_LINE)))
    idle.good_cycle("--log_file", log)
    assert not cut.exists()
    log.write_bytes(b"first\n" + OLD_LINE * (MOST_BYTES // len(OLD_LINE) + 1))
    idle.good_cycle("--log_file", log)
    assert len(lines_of(log)) == 1
    assert MOST_BYTES - 2 * len(OLD_LINE) < cut.stat().st_size <= MOST_BYTES
    assert set(cut.read_bytes().splitlines(keepends=True)) == {OLD_LINE}


def test_of_many_runs_at_once_one_cuts_and_all_are_kept(idle: Operator) -> None:
    log = idle.home / "wnm.log"
    log.write_bytes(OLD_LINE * (MOST_BYTES // len(OLD_LINE) + 1))
    started = [idle.begin("--log_file", log) for _ in range(8)]
    said = [line for process in started for line in process.communicate(timeout=60)[1].splitlines()]
    assert {process.returncode for process in started} <= {0, 75}
    assert len(said) == len(started)
    cut = (idle.home / "wnm.log.1").read_text().splitlines()
    assert len(cut) > MOST_BYTES // len(OLD_LINE) - 2
    # Who began before the cut may have written what went with it; nothing of it is half a line.
    assert sorted([*lines_of(log), *(line for line in cut if line != OLD_LINE.decode().strip())]) == sorted(
        said
    )
    assert not list(idle.home.glob(".wnm.log*"))


@pytest.mark.parametrize("kind", ["link", "folder", "file above", "pipe"])
def test_what_cannot_be_a_log_is_told_and_the_cycle_runs(idle: Operator, kind: str) -> None:
    log = idle.home / "wnm.log"
    victim = idle.home / "precious"
    victim.write_text("precious\n")
    match kind:
        case "link":
            log.symlink_to(victim)
        case "folder":
            log.mkdir()
        case "pipe":
            os.mkfifo(log)
        case _:
            log = victim / "wnm.log"
    ran = idle.good_cycle("--log_file", log)
    told, cycle = ran.err.splitlines()
    assert told.startswith(f"wnm: --log_file {log} cannot be written (")
    assert LINE.fullmatch(cycle)
    assert victim.read_text() == "precious\n"


def test_a_disk_that_is_full_costs_the_log_and_not_the_cycle(idle: Operator) -> None:
    """The database is still small; the log is where no file may grow beyond."""
    log = idle.home / "wnm.log"
    log.write_bytes(OLD_LINE * 60_000)
    before = log.read_bytes()
    blocks = str(len(before) // 512 - 1)
    limited = ("sh", "-c", 'export PYTHONDONTWRITEBYTECODE=1; ulimit -f "$0" && exec "$@"', blocks)
    ran = idle.run("--log_file", log, before=limited)
    assert ran.code == 0, ran
    told, cycle = sorted(ran.err.splitlines(), key=lambda line: LINE.fullmatch(line) is not None)
    assert "cannot be written (File too large)" in told
    assert LINE.fullmatch(cycle)
    assert log.read_bytes() == before
    assert idle.report("decisions")["cycle"] == 1


def test_output_that_goes_there_already_is_there_once(idle: Operator) -> None:
    log = idle.home / "wnm.log"
    redirected = ("sh", "-c", 'exec "$@" >>"$0" 2>&1', str(log))
    for _ in range(2):
        ran = idle.run("--log_file", log, before=redirected)
        assert (ran.code, ran.out, ran.err) == (0, "", "")
    assert len(lines_of(log)) == 2
