"""What the systemd driver promises beyond the others, with a real systemd."""

import json
import os
import stat
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path

import psutil
import pytest
from msgspec.structs import replace
from tests.contracts.services import (
    SCOPE,
    boot_link,
    counting,
    drop_in,
    shown,
    systemctl,
    unit_file,
)
from tests.contracts.workbench import GRACE, SHORT, Workbench, answers
from tests.waiting import eventually

from wnm.core.contracts import Unit
from wnm.core.errors import Permanent, Transient
from wnm.core.node import Node, ProcessState
from wnm.core.observation import ProcessReading, Unseen
from wnm.process_managers.systemd import SystemdDriver
from wnm.system.clock import SystemClock

pytestmark = pytest.mark.systemd

HOSTILE = (
    *("a b", "$HOME", "${HOME}", "$$", "", ";", "\\;", "50%", "%h%%", "q\"'\\", "-x", "@", "{}", "a;b", "#c"),
    *("\n[Service]\nUser=root\r\x07\x1b\x85\u2028\x7f\x01", "é😀", "\t", "\\x41", "a=b", "\\", " ", "'", '"'),
)
# Writes down what it was given, to the file that comes after --root-dir and the folder.
WITNESS = f"""#!{sys.executable}
import json, os, sys, time
with open(sys.argv[3], "w") as file:
    json.dump([sys.argv, dict(os.environ), os.getcwd()], file)
time.sleep(60)
"""


def started(bench: Workbench, node: Node) -> int:
    """Start a created node and wait until it is up; returns its pid."""
    bench.driver.start(bench.unit(node))
    eventually(lambda: answers(node.metrics_port))
    (pid,) = bench.pids(node)
    return pid


def scripted(bench: Workbench, node: Node, text: str) -> Unit:
    """A unit of the node that runs a shell script instead."""
    program = bench.script("program", text)
    return bench.unit(node, argv=(str(program), "--root-dir", node.root_dir))


def test_a_program_sees_what_it_was_given_byte_for_byte(systemd: Workbench) -> None:
    storage = systemd.folder / "$HOME %h \\ 'é"
    node = systemd.created()
    folder = storage / "node"
    folder.mkdir(parents=True)
    program = storage.parent / "$x %h é ; program"
    program.write_text(WITNESS)
    program.chmod(0o755)
    variables = {"A": "b $HOME ${X} %h \"'\\ \n\ttab; é\u2028\x85", "EMPTY": "", "_x9": "\\", "SPACE": " x "}
    unit = replace(
        systemd.unit(node),
        argv=(str(program), "--root-dir", node.root_dir, str(folder / "seen"), *HOSTILE),
        environment=tuple(variables.items()),
        working_dir=str(folder),
        log_file=str(folder / "l og%.txt"),
        writable=(str(folder),),
    )
    systemd.driver.remove(systemd.unit(node))
    try:
        systemd.driver.start(unit)
        eventually(lambda: (folder / "seen").exists() and (folder / "seen").read_text().endswith("]"))
        argv, environment, working_dir = json.loads((folder / "seen").read_text())
        assert argv == list(unit.argv)
        assert {name: environment.get(name) for name in variables} == variables
        assert working_dir == str(folder)
        if SCOPE == "system":
            assert environment["HOME"] == str(folder)
    finally:
        systemd.driver.stop(unit, SHORT)
        systemd.driver.remove(unit)


def test_one_that_ends_with_code_0_comes_back(systemd: Workbench) -> None:
    unit = scripted(systemd, systemd.created(), "sleep 0.6; exit 0")
    systemd.driver.start(unit)
    first = systemd.reading(unit).pid
    eventually(lambda: systemd.reading(unit).pid not in (None, first))


def test_a_crash_loop_ends_as_failed_and_a_start_is_a_new_beginning(systemd: Workbench) -> None:
    node = systemd.created()
    unit = scripted(systemd, node, "sleep 0.5; exit 3")
    with drop_in(unit, "[Service]\nRestartSec=100ms\n"):
        systemd.driver.start(unit)
        eventually(lambda: systemctl("is-failed", unit.name, check=False) == "failed")
        reading = systemd.reading(unit)
        assert (reading.state, reading.pid) == (ProcessState.FAILED, None)
        time.sleep(0.5)
        assert shown(unit, "ActiveState") == "failed"
        systemd.driver.start(unit)
        assert systemd.reading(unit).state is ProcessState.RUNNING
        systemd.driver.stop(unit, GRACE)
        assert shown(unit, "ActiveState") == "inactive"


def test_being_started_and_stopped_often_is_no_crash_loop(systemd: Workbench) -> None:
    unit = scripted(systemd, systemd.created(), "exec sleep 60")
    for _ in range(7):
        systemd.driver.start(unit)
        systemd.driver.stop(unit, GRACE)


def test_stopped_while_waiting_to_be_restarted_it_stays_stopped(systemd: Workbench) -> None:
    node = systemd.created()
    unit = scripted(systemd, node, "sleep 0.5; exit 3")
    systemd.driver.start(unit)
    eventually(lambda: shown(unit, "SubState") == "auto-restart")
    assert systemd.reading(unit).state is ProcessState.FAILED
    assert systemd.driver.stop(unit, GRACE) is False
    assert systemd.reading(unit).state is ProcessState.STOPPED
    time.sleep(2.5)
    assert systemd.reading(unit).state is ProcessState.STOPPED
    assert not boot_link(unit).exists()


def test_one_that_could_not_be_started_is_not_tried_again_by_itself(systemd: Workbench) -> None:
    node = systemd.created()
    unit = scripted(systemd, node, "exit 3")
    with pytest.raises(Transient, match="code 3"):
        systemd.driver.start(unit)
    assert shown(unit, "ActiveState") == "inactive"
    assert not boot_link(unit).is_symlink()
    missing = systemd.unit(node, argv=(f"{systemd.folder}/nothing", "--root-dir", node.root_dir))
    with pytest.raises(Transient, match=r"nothing\) ended at once with code 203/EXEC"):
        systemd.driver.start(missing)
    assert shown(unit, "ActiveState") == "inactive"


def test_a_successor_ends_with_the_process_that_started_it(systemd: Workbench) -> None:
    node = systemd.created()
    unit = scripted(systemd, node, '(exec sleep 70 "$@") & sleep 0.6; exit 0')
    systemd.driver.start(unit)
    first = systemd.reading(unit).pid
    eventually(lambda: systemd.reading(unit).pid not in (None, first))
    cgroup = Path("/sys/fs/cgroup") / shown(unit, "ControlGroup").lstrip("/") / "cgroup.procs"
    assert len(cgroup.read_text().split()) <= 3
    systemd.driver.stop(unit, GRACE)
    assert not cgroup.exists()


def test_started_from_two_threads_at_once_one_runs(systemd: Workbench) -> None:
    node = systemd.created()
    with ThreadPoolExecutor(2) as threads:
        list(threads.map(systemd.driver.start, [systemd.unit(node)] * 2))
    eventually(lambda: answers(node.metrics_port))
    assert len(systemd.pids(node)) == 1


def test_only_a_running_one_starts_with_the_machine(systemd: Workbench) -> None:
    node = systemd.created()
    unit = systemd.unit(node)
    assert systemctl("is-enabled", unit.name, check=False) == "disabled"
    started(systemd, node)
    assert systemctl("is-enabled", unit.name) == "enabled"
    assert boot_link(unit).resolve() == unit_file(unit)
    systemd.driver.stop(unit, GRACE)
    assert systemctl("is-enabled", unit.name, check=False) == "disabled"
    systemctl("daemon-reload")
    time.sleep(0.3)
    assert shown(unit, "ActiveState") == "inactive"
    assert systemd.pids(node) == []


def test_one_that_systemd_had_to_kill_was_killed(systemd: Workbench) -> None:
    node = systemd.created(misbehave={"ignore_term": True})
    unit = replace(systemd.unit(node), stop_grace=timedelta(seconds=0.5))
    systemd.driver.start(unit)
    eventually(lambda: answers(node.metrics_port))
    assert systemd.driver.stop(unit, timedelta(seconds=20)) is True
    assert shown(unit, "ActiveState") == "inactive"


def test_a_changed_unit_is_read_by_the_next_start_and_leaves_a_running_one_alone(systemd: Workbench) -> None:
    node = systemd.created()
    pid = started(systemd, node)
    changed = replace(systemd.unit(node), stop_grace=timedelta(seconds=77))
    systemd.driver.start(changed)
    assert systemd.pids(node) == [pid]
    assert shown(changed, "NeedDaemonReload") == "no"
    assert shown(changed, "TimeoutStopUSec") == "1min 17s"
    systemd.driver.install(systemd.unit(node))
    assert shown(changed, "NeedDaemonReload") == "yes"
    systemd.driver.settle()
    assert shown(changed, "NeedDaemonReload") == "no"
    assert systemd.pids(node) == [pid]


def test_new_units_need_no_reload_and_changed_ones_share_it(systemd: Workbench) -> None:
    bench, calls = counting(systemd)
    nodes = [bench.created(number) for number in range(1, 9)]
    units = [scripted(bench, node, "exec sleep 60") for node in nodes]
    for unit in units:
        bench.driver.install(unit)
    assert calls() == []
    bench.driver.settle()
    assert calls() == ["daemon-reload"]
    fresh = bench.created(9)
    bench.manager().start_node(fresh)
    bench.manager().settle()
    assert [call.split()[0] for call in calls()] == ["start", "show"]
    changed = [replace(unit, stop_grace=timedelta(seconds=5)) for unit in units]
    with ThreadPoolExecutor(8) as threads:
        list(threads.map(bench.driver.start, changed))
    bench.driver.settle()
    assert 1 <= sum(call.startswith("daemon-reload") for call in calls()) <= 4
    for unit in changed:
        bench.driver.stop(unit, GRACE)
        bench.driver.remove(unit)
    calls()
    bench.driver.settle()
    bench.driver.settle()
    assert calls() == ["daemon-reload"]


def test_two_hundred_units_are_surveyed_by_one_call(systemd: Workbench) -> None:
    bench, calls = counting(systemd)
    nodes = [bench.node(number) for number in range(1, 201)]
    units = [bench.unit(node) for node in nodes]
    for unit in units:
        bench.driver.install(unit)
    running = scripted(bench, bench.created(201), "exec sleep 60")
    bench.driver.start(running)
    calls()
    readings = bench.driver.status([*units, running])
    assert [call.split()[0] for call in calls()] == ["show"]
    assert len(readings) == 201
    states = [reading.state for reading in readings.values() if isinstance(reading, ProcessReading)]
    assert states == [ProcessState.STOPPED] * 200 + [ProcessState.RUNNING]


@pytest.mark.parametrize("text", ["exit 4", "echo Id=x.service", ""])
def test_a_systemd_that_does_not_answer_is_not_taken_for_stopped_nodes(systemd: Workbench, text: str) -> None:
    broken = str(systemd.script("systemctl", text)) if text else f"{systemd.folder}/no-systemctl"
    driver = SystemdDriver(SystemClock(), scope=SCOPE, systemctl=broken)
    units = [systemd.unit(systemd.created(number)) for number in (1, 2)]
    readings = driver.status(units)
    assert all(isinstance(reading, Unseen) and "systemctl" in reading.reason for reading in readings.values())
    with pytest.raises(Transient, match="systemctl"):
        driver.stop(units[0], GRACE)


def test_nodes_are_in_their_slice(systemd: Workbench) -> None:
    node = systemd.created()
    pid = started(systemd, node)
    assert f"/wnm.slice/{node.name}.service" in Path(f"/proc/{pid}/cgroup").read_text()


def test_it_is_shut_in_and_runs_all_the_same(systemd: Workbench) -> None:
    node = systemd.created()
    outside = systemd.folder / "outside"
    text = f'touch "{outside}" && echo wrote; touch "{node.root_dir}/inside" || echo could not; exec sleep 60'
    systemd.driver.start(scripted(systemd, node, text))
    log = Path(node.log_dir, "stdout.log")
    eventually(lambda: Path(node.root_dir, "inside").exists())
    pid = systemd.reading(systemd.unit(node)).pid
    status = dict(
        line.split(":\t") for line in Path(f"/proc/{pid}/status").read_text().splitlines() if ":\t" in line
    )
    assert (status["NoNewPrivs"], status["Seccomp"]) == ("1", "2")
    assert "could not" not in log.read_text()
    if SCOPE == "system":
        assert int(status["CapBnd"], 16) == 0
        security = ["systemd-analyze", "security", "--no-pager", "--threshold=50", node.name]
        done = subprocess.run(security, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout


def test_the_system_runs_a_node_as_another_account_and_an_account_refuses_to(systemd: Workbench) -> None:
    node = systemd.created()
    output = systemd.folder / "output" / "stdout.log"
    unit = replace(systemd.unit(node), user="nobody", log_file=str(output))
    if SCOPE == "user":
        for refused in (systemd.driver.install, systemd.driver.start):
            with pytest.raises(Permanent, match="nobody"):
                refused(unit)
        return
    for folder in (*systemd.folder.parents, systemd.folder, systemd.storage, systemd.logs):
        folder.chmod(stat.S_IMODE(folder.stat().st_mode) | 0o001)
    for path in (Path(node.root_dir), *Path(node.root_dir).iterdir(), Path(node.log_dir)):
        os.chown(path, 65534, 65534)
    systemd.driver.start(unit)
    eventually(lambda: answers(node.metrics_port))
    (pid,) = systemd.pids(node)
    assert psutil.Process(pid).username() == "nobody"
    assert psutil.Process(pid).gids().real == 65534
    assert systemd.driver.stop(unit, GRACE) is False
    assert (output.stat().st_uid, stat.S_IMODE(output.stat().st_mode)) == (0, 0o600)


def test_what_is_exported_does_not_lead_to_another_systemd(
    systemd: Workbench, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("XDG_RUNTIME_DIR", "DBUS_SESSION_BUS_ADDRESS"):
        monkeypatch.setenv(name, "/nowhere")
    driver = SystemdDriver(SystemClock(), scope=SCOPE)
    unit = scripted(systemd, systemd.created(), "exec sleep 60")
    driver.start(unit)
    assert systemd.reading(unit).state is ProcessState.RUNNING
