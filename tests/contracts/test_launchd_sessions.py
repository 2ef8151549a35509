"""What comes back and what stays away under launchd: after exits, failures, logins and reboots."""

import os
import plistlib
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
from msgspec.structs import replace
from tests.contracts.launchd_scene import LABEL, Play, playing, state
from tests.contracts.workbench import GRACE
from tests.waiting import eventually

from wnm.core.errors import Transient
from wnm.core.node import ProcessState

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the stand-in for launchd runs on Linux only")


@pytest.fixture
def play(tmp_path: Path, programs: Mapping[str, Path]) -> Iterator[Play]:
    with playing(tmp_path, programs) as make:
        yield make


def test_one_that_exits_with_0_comes_back(play: Play) -> None:
    scene = play(throttle_scale=0.05)
    unit = scene.script_unit("echo run; sleep 0.6; exit 0")
    scene.driver.start(unit)
    eventually(lambda: Path(unit.log_file).read_text().count("run") == 3)
    assert scene.driver.stop(unit, GRACE) is False
    runs = Path(unit.log_file).read_text().count("run")
    time.sleep(1)
    assert Path(unit.log_file).read_text().count("run") == runs
    assert state(scene, unit) is ProcessState.STOPPED


def test_a_crash_loop_is_throttled_and_seen(play: Play) -> None:
    scene = play(throttle_scale=0.05)
    unit = scene.script_unit('[ -e once ] && { echo bad; exit 7; }; touch once; sleep 0.8 # "$@"')
    scene.driver.start(unit)
    log = Path(unit.log_file)
    eventually(lambda: log.exists() and "bad" in log.read_text())
    begun, before = time.monotonic(), log.read_text().count("bad")
    assert state(scene, unit) is ProcessState.FAILED
    time.sleep(1)
    allowed = (time.monotonic() - begun) / 0.5 + 1
    assert 1 <= log.read_text().count("bad") - before <= allowed
    Path(unit.argv[0]).write_text('#!/bin/sh\nsleep 60; : "$@"\n')
    scene.driver.start(unit)
    assert state(scene, unit) is ProcessState.RUNNING


def test_after_a_reboot_the_running_run_and_the_others_do_not(play: Play) -> None:
    scene = play()
    bench = scene.bench
    nodes = [bench.created(number) for number in (1, 2, 3)]
    running, stopped, never_started = (bench.unit(node) for node in nodes)
    scene.driver.start(running)
    scene.driver.start(stopped)
    scene.driver.stop(stopped, GRACE)
    (first,) = bench.pids(nodes[0])
    scene.stage.play("reboot")
    eventually(lambda: bench.pids(nodes[0]) not in ([], [first]))
    assert [state(scene, unit) for unit in (running, stopped, never_started)] == [
        ProcessState.RUNNING,
        ProcessState.STOPPED,
        ProcessState.STOPPED,
    ]
    assert bench.pids(nodes[1]) == bench.pids(nodes[2]) == []


def test_a_start_that_failed_does_not_come_back_either(play: Play) -> None:
    scene = play()
    unit = scene.script_unit("echo bad; exit 7")
    with pytest.raises(Transient, match="ended at once with code 7: bad"):
        scene.driver.start(unit)
    scene.stage.play("reboot")
    time.sleep(0.5)
    assert Path(unit.log_file).read_text() == "bad\n"


@pytest.mark.parametrize("code", [112, 125])
def test_without_a_graphical_session_it_runs_beside_it_and_only_once(play: Play, code: int) -> None:
    scene = play(gui=False, caller="user", code_no_domain=code)
    node, first = scene.started()
    assert plistlib.loads(scene.plist.read_bytes())["LimitLoadToSessionType"] == "Background"
    scene.stage.play("log-in")
    time.sleep(0.5)
    assert scene.bench.pids(node) == [first]
    assert state(scene, scene.bench.unit(node)) is ProcessState.RUNNING
    scene.driver.start(scene.bench.unit(node))
    assert scene.bench.pids(node) == [first]
    assert scene.driver.stop(scene.bench.unit(node), GRACE) is False
    scene.driver.start(scene.bench.unit(node))
    assert plistlib.loads(scene.plist.read_bytes())["LimitLoadToSessionType"] == "Aqua"
    (second,) = scene.bench.pids(node)
    scene.stage.play("reboot")
    eventually(lambda: scene.bench.pids(node) not in ([], [second]))


def test_agents_of_the_graphical_session_are_seen_from_cron_and_ssh(play: Play) -> None:
    scene = play(caller="user")
    node, pid = scene.started()
    assert LABEL not in scene.stage.ask("list").stdout
    assert scene.bench.reading(scene.bench.unit(node)).pid == pid
    assert scene.driver.stop(scene.bench.unit(node), GRACE) is False


@pytest.mark.parametrize("code", [5, 37])
def test_a_label_that_is_still_let_go_of_is_waited_for(play: Play, code: int) -> None:
    scene = play(lingers_seconds=1.0, code_loaded=code)
    node, first = scene.started()
    scene.stage.ask("bootout", f"gui/{os.getuid()}/{LABEL}")
    eventually(lambda: not scene.bench.pids(node))
    scene.driver.start(scene.bench.unit(node))
    assert scene.bench.pids(node) not in ([], [first])


def test_an_agent_that_launchd_forgets_to_start_is_started(play: Play) -> None:
    scene = play(forgets_to_start=True)
    node, pid = scene.started()
    assert scene.bench.reading(scene.bench.unit(node)).pid == pid
    assert ["kickstart", f"gui/{os.getuid()}/{LABEL}"] in scene.stage.calls()


def test_one_that_the_user_switched_off_is_started_all_the_same(play: Play) -> None:
    scene = play()
    node = scene.bench.created()
    scene.stage.ask("disable", f"gui/{os.getuid()}/{LABEL}")
    scene.driver.start(scene.bench.unit(node))
    assert scene.bench.pids(node)


def test_a_unit_that_changed_is_started_as_it_is_now(play: Play) -> None:
    scene = play()
    unit = scene.script_unit("echo $WORD; sleep 0.6; exit 1")
    scene.driver.start(replace(unit, environment=(("WORD", "old"),)))
    eventually(lambda: state(scene, unit) is ProcessState.FAILED)
    scene.driver.start(replace(unit, environment=(("WORD", "new"),)))
    eventually(lambda: Path(unit.log_file).read_text().split()[-1] == "new")
