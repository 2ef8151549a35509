"""Other programs are run for a bounded time with bounded output, and every failure says what failed."""

import os
import signal
import subprocess
import sys
import time
from datetime import timedelta
from pathlib import Path

import psutil
import pytest

from wnm.system.command import MOST_OUTPUT_BYTES, CommandFailed, ended, run, spawn_detached

LONG = timedelta(seconds=20)
BRIEF = timedelta(seconds=0.4)
KEEP_OPEN = """
import sys, time
with open(sys.argv[1], "ab"):
    print("open", flush=True)
    time.sleep(0.1)
"""


def test_both_outputs_come_back_apart() -> None:
    completed = run(["sh", "-c", "echo out; echo err >&2"], LONG)
    assert (completed.stdout, completed.stderr) == ("out\n", "err\n")


def test_a_lot_of_output_below_the_bound_is_complete() -> None:
    completed = run([sys.executable, "-c", f"print('x' * {MOST_OUTPUT_BYTES - 1})"], LONG)
    assert len(completed.stdout) == MOST_OUTPUT_BYTES


def test_more_is_taken_where_more_is_expected() -> None:
    more = 2 * MOST_OUTPUT_BYTES
    completed = run([sys.executable, "-c", f"print('x' * {more - 1})"], LONG, most_output_bytes=more)
    assert len(completed.stdout) == more


def test_too_much_output_ends_it() -> None:
    begun = time.monotonic()
    with pytest.raises(CommandFailed, match="wrote more than"):
        run(["sh", "-c", "yes; sleep 60"], LONG)
    assert time.monotonic() - begun < 10


def test_a_failure_has_command_code_and_last_line() -> None:
    with pytest.raises(CommandFailed) as caught:
        run(["sh", "-c", "echo first >&2; printf 'no \\033[1mway\\n' >&2; exit 3"], LONG)
    error = caught.value
    assert (error.code, error.argv[0], error.stderr.splitlines()[0]) == (3, "sh", "first")
    assert str(error).endswith("ended with code 3: no  [1mway")
    assert str(error).isprintable()


def test_a_signal_is_named() -> None:
    with pytest.raises(CommandFailed, match="ended by SIGUSR1") as caught:
        run(["sh", "-c", "kill -USR1 $$"], LONG)
    assert caught.value.code == -signal.SIGUSR1


@pytest.mark.parametrize("name", ["missing-program", "/etc/hostname", "/tmp", "a\0b"])
def test_what_cannot_start_is_a_failure_too(name: str) -> None:
    with pytest.raises(CommandFailed, match="cannot start") as caught:
        run([name], LONG)
    assert caught.value.code is None


def test_time_is_up_for_it_and_all_that_it_started(tmp_path: Path) -> None:
    pids = tmp_path / "pids"
    begun = time.monotonic()
    with pytest.raises(CommandFailed, match=r"no end after 0\.4 s"):
        run(["sh", "-c", f"sleep 60 & echo $! $$ > {pids}; wait"], BRIEF)
    assert time.monotonic() - begun < 5
    for pid in map(int, pids.read_text().split()):
        gone = not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
        assert gone, pid


def test_time_is_up_also_for_one_that_closed_its_outputs() -> None:
    with pytest.raises(CommandFailed, match="no end"):
        run(["sh", "-c", "exec >&- 2>&-; exec sleep 60"], BRIEF)


def test_what_it_leaves_behind_is_not_waited_for(tmp_path: Path) -> None:
    pid_file = tmp_path / "pid"
    begun = time.monotonic()
    assert run(["sh", "-c", f"sleep 60 & echo $! > {pid_file}; echo done"], LONG).stdout == "done\n"
    assert time.monotonic() - begun < 10
    os.kill(int(pid_file.read_text()), signal.SIGKILL)


def test_it_has_nothing_to_read_and_no_shell_in_between() -> None:
    assert run(["cat"], LONG).stdout == ""
    assert run(["echo", "$HOME; `id`"], LONG).stdout == "$HOME; `id`\n"


def test_its_environment_is_ours_in_english_or_exactly_what_is_given() -> None:
    ours = dict(line.split("=", 1) for line in run(["env"], LONG).stdout.splitlines() if "=" in line)
    assert ours["LC_ALL"] == "C"
    assert ours["PATH"] == os.environ["PATH"]
    assert run(["/usr/bin/env"], LONG, env={"A": "1 2"}).stdout == "A=1 2\n"


def test_bytes_that_are_no_text_do_no_harm() -> None:
    assert run(["printf", "a\\377b"], LONG).stdout == "a\ufffdb"


def test_a_detached_program_appends_to_its_log_and_its_end_can_be_asked(tmp_path: Path) -> None:
    log = tmp_path / "log"
    for word in ("one", "two"):
        pid = spawn_detached(["sh", "-c", f"echo {word}; exit 4"], env={}, cwd="/", log_file=str(log))
        deadline = time.monotonic() + 10
        while (code := ended(pid)) is None:
            assert time.monotonic() < deadline
            time.sleep(0.01)
        assert code == 4
        assert ended(pid) is None
    assert log.read_text() == "one\ntwo\n"
    assert log.stat().st_mode & 0o777 == 0o600


def test_a_detached_program_that_cannot_start_says_why(tmp_path: Path) -> None:
    with pytest.raises(CommandFailed, match="cannot start /none"):
        spawn_detached(["/none"], env={}, cwd="/", log_file=str(tmp_path / "log"))
    with pytest.raises(CommandFailed, match="cannot start /nowhere"):
        spawn_detached(["true"], env={}, cwd="/nowhere", log_file=str(tmp_path / "log"))
    with pytest.raises(CommandFailed, match="cannot write"):
        spawn_detached(["true"], env={}, cwd="/", log_file=str(tmp_path / "none" / "log"))


def test_a_program_that_is_still_open_for_writing_is_tried_again(tmp_path: Path) -> None:
    program = tmp_path / "true"
    program.write_bytes(Path("/bin/true").read_bytes())
    program.chmod(0o755)
    # Holds the file open for writing for a moment, as the child of another thread would.
    holder = subprocess.Popen([sys.executable, "-c", KEEP_OPEN, str(program)], stdout=subprocess.PIPE)
    assert holder.stdout is not None
    assert holder.stdout.readline() == b"open\n"
    run([str(program)], LONG)
    holder.wait()
    holder.stdout.close()
