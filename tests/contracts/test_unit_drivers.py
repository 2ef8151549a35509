"""What every unit driver promises, with real processes."""

import json
import os
import signal
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psutil
import pytest
from tests.contracts.workbench import GRACE, SHORT, Workbench, answers, processes_naming
from tests.waiting import eventually

from wnm.core.errors import Transient
from wnm.core.node import Node, ProcessState
from wnm.core.observation import ProcessReading

SLEEPER = "import time; time.sleep(60)"


def started(bench: Workbench, node: Node) -> int:
    """Start a created node and wait until it is up; returns its pid."""
    bench.driver.start(bench.unit(node))
    eventually(lambda: answers(node.metrics_port))
    (pid,) = bench.pids(node)
    return pid


def test_start_runs_it_and_status_says_so(bench: Workbench) -> None:
    node = bench.created()
    before = datetime.now(UTC)
    pid = started(bench, node)
    reading = bench.reading(bench.unit(node))
    assert (reading.state, reading.pid) == (ProcessState.RUNNING, pid)
    assert reading.started_at is not None
    assert abs(reading.started_at - before) < timedelta(seconds=2)
    assert reading.memory_bytes is not None
    assert reading.cpu_percent is not None
    resident = psutil.Process(pid).memory_info().rss
    assert resident / 2 < reading.memory_bytes < resident * 2
    assert 0 <= reading.cpu_percent <= 100


def test_cpu_is_the_share_of_all_cores_since_the_start(bench: Workbench) -> None:
    node = bench.created(misbehave={"use_cpu_percent": 50})
    earliest = time.monotonic()
    process = psutil.Process(started(bench, node))
    latest = time.monotonic()

    def share(began: float) -> float:
        times = process.cpu_times()
        return (times.user + times.system) / (time.monotonic() - began) / (os.cpu_count() or 1) * 100

    time.sleep(1)
    least = share(earliest)
    reading = bench.reading(bench.unit(node))
    most = share(latest)
    assert reading.cpu_percent is not None
    assert 1 < least * 0.9 < reading.cpu_percent < most * 1.1


def test_starting_it_again_changes_nothing(bench: Workbench) -> None:
    node = bench.created()
    program = bench.script("program", "echo started; while :; do sleep 0.1; done")
    unit = bench.unit(node, argv=(str(program), "--root-dir", node.root_dir))
    bench.driver.start(unit)
    (pid,) = bench.pids(node)
    bench.driver.start(unit)
    assert bench.pids(node) == [pid]
    assert Path(unit.log_file).read_text() == "started\n"


def test_one_that_takes_long_to_answer_is_not_started_twice(bench: Workbench) -> None:
    node = bench.created(misbehave={"slow_start_seconds": 30})
    bench.driver.start(bench.unit(node))
    (pid,) = bench.pids(node)
    bench.driver.start(bench.unit(node))
    assert not answers(node.metrics_port)
    assert bench.pids(node) == [pid]
    assert bench.reading(bench.unit(node)).state is ProcessState.RUNNING


def test_stop_leaves_no_process(bench: Workbench) -> None:
    node = bench.created()
    started(bench, node)
    assert bench.driver.stop(bench.unit(node), GRACE) is False
    assert bench.pids(node) == []
    assert bench.reading(bench.unit(node)).state is ProcessState.STOPPED


def test_stopping_a_stopped_one_is_fine(bench: Workbench) -> None:
    node = bench.created()
    assert bench.driver.stop(bench.unit(node), GRACE) is False
    assert bench.driver.stop(bench.unit(node), GRACE) is False


def test_one_that_ignores_term_is_killed_and_that_is_said(bench: Workbench) -> None:
    node = bench.created(misbehave={"ignore_term": True})
    started(bench, node)
    begun = time.monotonic()
    assert bench.driver.stop(bench.unit(node), SHORT) is True
    assert time.monotonic() - begun >= SHORT.total_seconds()
    assert bench.pids(node) == []


def test_one_that_ends_later_is_seen(bench: Workbench) -> None:
    node = bench.created(misbehave={"exit_after_seconds": 1})
    bench.driver.start(bench.unit(node))
    ended = (ProcessState.STOPPED, ProcessState.FAILED)
    eventually(lambda: bench.reading(bench.unit(node)).state in ended)
    assert bench.reading(bench.unit(node)).pid is None


def test_one_that_was_killed_starts_again(bench: Workbench) -> None:
    node = bench.created()
    first = started(bench, node)
    os.kill(first, signal.SIGKILL)
    eventually(lambda: not bench.pids(node))
    assert started(bench, node) != first


def test_one_that_ends_at_once_is_an_error_with_its_last_words(bench: Workbench) -> None:
    node = bench.created()
    text = r"printf 'old news\n\033[31mno \007space\033[0m\nbye\n' >&2; exit 7"
    broken = bench.script("broken", text)
    with pytest.raises(Transient) as caught:
        bench.driver.start(bench.unit(node, argv=(str(broken), "--root-dir", node.root_dir)))
    said = str(caught.value)
    assert node.name in said
    assert "no space" in said
    assert said.endswith("bye")
    assert said.isprintable()
    assert bench.reading(bench.unit(node)).state is not ProcessState.RUNNING


def test_last_words_are_short_and_of_this_start_only(bench: Workbench) -> None:
    node = bench.created()
    chatty = bench.script("chatty", "seq 1 100000; exit 1")
    silent = bench.script("silent", "exit 1")
    with pytest.raises(Transient) as caught:
        bench.driver.start(bench.unit(node, argv=(str(chatty), "--root-dir", node.root_dir)))
    assert "99999" in str(caught.value)
    assert len(str(caught.value)) < 800
    with pytest.raises(Transient) as caught:
        bench.driver.start(bench.unit(node, argv=(str(silent), "--root-dir", node.root_dir)))
    assert "99999" not in str(caught.value)


def test_a_program_that_cannot_be_run_is_an_error_that_names_it(bench: Workbench) -> None:
    node = bench.created()
    missing = str(bench.folder / "nothing-there")
    with pytest.raises(Transient, match="nothing-there"):
        bench.driver.start(bench.unit(node, argv=(missing, "--root-dir", node.root_dir)))


def test_one_that_replaced_itself_is_found_and_stopped(bench: Workbench) -> None:
    node = bench.created()
    first = started(bench, node)
    orders = Path(node.root_dir) / "misbehave.json"
    orders.write_text(json.dumps({"self_upgrade_to": str(bench.newer)}))

    def is_another() -> bool:
        pid = bench.reading(bench.unit(node)).pid
        return pid != first and bench.pids(node) == [pid]

    eventually(is_another)
    (second,) = bench.pids(node)
    bench.driver.start(bench.unit(node))
    assert bench.pids(node) == [second]
    eventually(lambda: answers(node.metrics_port))
    bench.driver.stop(bench.unit(node), GRACE)
    assert bench.pids(node) == []


def test_processes_that_only_look_like_it_are_left_alone(bench: Workbench) -> None:
    node = bench.created()
    lookalikes = [
        ("vim", node.root_dir),
        ("--root-dir", f"{node.root_dir}0"),
        ("--root-dir", f"{node.root_dir}/record_store"),
        (f"--root-dir={node.root_dir}1",),
        ("--root-dir", "--log-output-dest", node.root_dir),
        (f"--root-dir {node.root_dir}",),
        (f"--other-root-dir={node.root_dir}",),
    ]
    others = [subprocess.Popen([sys.executable, "-c", SLEEPER, *arguments]) for arguments in lookalikes]
    eventually(lambda: len(processes_naming(bench.folder)) == len(others))
    assert bench.reading(bench.unit(node)).state is ProcessState.STOPPED
    bench.driver.stop(bench.unit(node), GRACE)
    started(bench, node)
    bench.driver.stop(bench.unit(node), GRACE)
    assert [other.poll() for other in others] == [None] * len(others)
    for other in others:
        other.kill()
        other.wait()


def test_it_gets_its_environment_folder_log_and_nothing_to_read(bench: Workbench) -> None:
    node = bench.created(misbehave={"metrics": "ok"})
    text = 'pwd; echo "$SIMULATED_NODE_MISBEHAVE"; cat; echo wrote >&2; exec sleep 60 # "$@"'
    program = bench.script("program", text.replace("exec sleep 60 #", "exec sh -c 'sleep 60; :' sh"))
    Path(node.log_dir, "stdout.log").write_text("before\n")
    bench.driver.start(bench.unit(node, argv=(str(program), "--root-dir", node.root_dir)))
    log = Path(node.log_dir, "stdout.log")
    eventually(lambda: "wrote" in log.read_text())
    assert log.read_text().splitlines() == ["before", node.root_dir, '{"metrics": "ok"}', "wrote"]
    bench.driver.stop(bench.unit(node), GRACE)


def test_two_hundred_are_surveyed_in_one_go(bench: Workbench) -> None:
    nodes = [bench.node(number) for number in range(2, 201)]
    running = bench.created(1)
    pid = started(bench, running)
    units = [bench.unit(node) for node in [running, *nodes]]
    readings = bench.driver.status(units)
    assert set(readings) == {unit.name for unit in units}
    first = readings[running.name]
    assert isinstance(first, ProcessReading)
    assert first.pid == pid
    rest = [reading for name, reading in readings.items() if name != running.name]
    assert all(isinstance(r, ProcessReading) and r.state is ProcessState.STOPPED for r in rest)


def test_status_of_nothing_is_nothing(bench: Workbench) -> None:
    assert bench.driver.status([]) == {}


def test_install_and_remove_can_be_repeated(bench: Workbench) -> None:
    unit = bench.unit(bench.created())
    bench.driver.install(unit)
    bench.driver.install(unit)
    bench.driver.remove(unit)
    bench.driver.remove(unit)
    assert bench.reading(unit).state is ProcessState.STOPPED
