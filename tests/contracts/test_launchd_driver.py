"""What the launchd driver promises beyond the others, with real processes under a stand-in for launchd."""

import json
import os
import plistlib
import signal
import stat
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from datetime import timedelta
from pathlib import Path

import pytest
from msgspec.structs import replace
from tests.contracts.launchd_scene import LABEL, Play, Scene, playing, state
from tests.contracts.workbench import GRACE, SHORT
from tests.waiting import eventually

from wnm.core.errors import NeedsOperator, Permanent, Transient
from wnm.core.node import ProcessState
from wnm.core.observation import Unseen
from wnm.process_managers.launchd import LaunchdDriver
from wnm.system.clock import SystemClock

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the stand-in for launchd runs on Linux only")
HOSTILE = "a b\t\"'\\$HOME ${x} %n `id` $(id) <&>]]> \r\n line \x01\x1b[31m é \N{GRINNING FACE} ~ * ; ; "


@pytest.fixture
def play(tmp_path: Path, programs: Mapping[str, Path]) -> Iterator[Play]:
    with playing(tmp_path, programs) as make:
        yield make


def test_hostile_values_survive_byte_for_byte(play: Play) -> None:
    scene = play()
    node = scene.bench.created()
    folder = scene.bench.folder / HOSTILE.replace("/", "")
    folder.mkdir()
    program = scene.bench.folder / "program"
    program.write_text(
        f"#!{sys.executable} -I\nimport json, os, sys, time\n"
        "print(json.dumps([sys.argv[1:], dict(os.environ), os.getcwd()]), flush=True)\ntime.sleep(60)\n"
    )
    program.chmod(0o755)
    fingerprint = ("--root-dir", node.root_dir)
    unit = replace(
        scene.bench.unit(node),
        argv=(str(program), HOSTILE, "", *fingerprint, f"--x={HOSTILE}"),
        environment=(("HOSTILE", HOSTILE), ("EMPTY", "")),
        working_dir=str(folder),
        log_file=str(folder / "logs" / HOSTILE.replace("/", "")),
    )
    with pytest.raises(Permanent, match="was not written by wnm"):
        scene.driver.start(unit)  # the same name in another folder
    scene.driver.remove(scene.bench.unit(node))
    scene.driver.start(unit)
    log = Path(unit.log_file)
    eventually(lambda: log.read_text().endswith("\n"))
    arguments, environment, where = json.loads(log.read_text())
    assert arguments == list(unit.argv[1:])
    assert environment.items() >= dict(unit.environment).items()
    assert where == str(folder)
    assert stat.S_IMODE(log.stat().st_mode) == 0o600
    scene.driver.stop(unit, GRACE)
    scene.driver.remove(unit)


def test_what_it_writes_and_opens_is_limited_as_promised(play: Play) -> None:
    scene = play()
    unit = scene.script_unit('umask; ulimit -n; sleep 60; : "$@"')
    scene.driver.start(unit)
    eventually(lambda: len(Path(unit.log_file).read_text().split()) == 2)
    mask, files = Path(unit.log_file).read_text().split()
    assert mask == "0077"
    assert int(files) == 10240
    assert stat.S_IMODE(scene.plist.stat().st_mode) == 0o600


FOREIGN: Mapping[str, Callable[[Scene, Path], object]] = {
    "another label": lambda scene, path: path.write_bytes(plistlib.dumps({"Label": "org.other"})),
    "our label": lambda scene, path: path.write_bytes(
        plistlib.dumps({"Label": LABEL, "ProgramArguments": ["/bin/sleep", "60"], "RunAtLoad": True})
    ),
    "another unit's": lambda scene, path: path.write_bytes(
        plistlib.dumps(
            {"Label": LABEL, "com.autonomi.wnm": {"unit": "antnode0001", "working_dir": "/elsewhere"}}
        )
    ),
    "garbage": lambda scene, path: path.write_text("hello"),
    "folder": lambda scene, path: path.mkdir(),
    "link": lambda scene, path: path.symlink_to("/etc/hostname"),
}


@pytest.mark.parametrize("kind", FOREIGN)
def test_property_lists_of_others_are_untouched(play: Play, kind: str) -> None:
    scene = play()
    node = scene.bench.created()
    unit = scene.bench.unit(node)
    scene.driver.remove(unit)
    FOREIGN[kind](scene, scene.plist)
    before = os.lstat(scene.plist), None if kind == "folder" else scene.plist.read_bytes()
    calls = len(scene.stage.calls())
    for refused in (scene.driver.install, scene.driver.start):
        with pytest.raises(Permanent, match=f"{LABEL}.plist was not written by wnm"):
            refused(unit)
    assert scene.driver.stop(unit, SHORT) is False
    scene.driver.remove(unit)
    assert (os.lstat(scene.plist), None if kind == "folder" else scene.plist.read_bytes()) == before
    assert {call[0] for call in scene.stage.calls()[calls:]} == {"print"}
    assert scene.driver.claimed()["antnode0001"] == str(scene.plist)


def test_a_label_that_others_loaded_is_untouched(play: Play) -> None:
    scene = play()
    elsewhere = scene.bench.folder / "other.plist"
    elsewhere.write_bytes(
        plistlib.dumps({"Label": LABEL, "ProgramArguments": ["/bin/sleep", "60"], "RunAtLoad": True})
    )
    assert scene.stage.ask("bootstrap", f"gui/{os.getuid()}", str(elsewhere)).returncode == 0
    unit = scene.bench.unit(scene.bench.node())
    with pytest.raises(Permanent, match=r"loaded from .*other\.plist"):
        scene.driver.install(unit)
    assert not scene.plist.exists()
    assert isinstance(scene.driver.status([unit])[unit.name], Unseen)
    assert scene.driver.stop(unit, SHORT) is False
    scene.driver.remove(unit)
    assert "state = running" in scene.stage.ask("print", f"gui/{os.getuid()}/{LABEL}").stdout
    assert scene.driver.claimed() == {"antnode0001": f"gui/{os.getuid()}/{LABEL}"}


def test_two_hundred_agents_cost_one_call(play: Play) -> None:
    scene = play()
    domain = f"gui/{os.getuid()}"
    paths, units = [], []
    for number in range(1, 201):
        node = scene.bench.node(number)
        units.append(scene.bench.unit(node))
        path = scene.stage.agents / f"com.autonomi.antnode-{number}.plist"
        plist = {"Label": path.stem, "ProgramArguments": ["/bin/sh", "-c", "exit 3"], "RunAtLoad": True}
        path.write_bytes(plistlib.dumps(plist))
        paths.append(str(path))
    scene.stage.ask("bootstrap", domain, *paths)
    eventually(lambda: state(scene, units[-1]) is ProcessState.FAILED)
    before = len(scene.stage.calls())
    readings = scene.driver.status(units)
    assert scene.stage.calls()[before:] == [["print", domain]]
    assert len(readings) == 200
    assert {type(reading).__name__ for reading in readings.values()} == {"ProcessReading"}
    assert len(scene.driver.claimed()) == 200
    scene.bench.nodes.clear()


def test_starts_at_once_run_one(play: Play) -> None:
    scene = play()
    unit = scene.script_unit('echo started; sleep 60; : "$@"')
    problems: list[Transient] = []

    def start() -> None:
        try:
            scene.driver.start(unit)
        except Transient as error:
            problems.append(error)

    threads = [threading.Thread(target=start) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert problems == []
    assert Path(unit.log_file).read_text() == "started\n"
    assert scene.stage.calls().count(["bootstrap", f"gui/{os.getuid()}", str(scene.plist)]) == 1


@pytest.mark.parametrize("name", ["", "..", "../x", "a/b", "a.b", "a\n", "antnode-1", "x" * 65])
def test_names_that_would_escape_or_collide_are_refused(play: Play, name: str) -> None:
    scene = play()
    unit = replace(scene.bench.unit(scene.bench.node()), name=name, argv=("/bin/sleep", "60"))
    for refused in (
        scene.driver.install,
        scene.driver.start,
        scene.driver.remove,
        lambda each: scene.driver.stop(each, SHORT),
    ):
        with pytest.raises(Permanent, match="cannot be the name of an agent"):
            refused(unit)
    assert isinstance(scene.driver.status([unit])[name], Unseen)
    assert list(scene.stage.agents.iterdir()) == []
    assert {call[0] for call in scene.stage.calls()} == {"print"}
    scene.bench.nodes.clear()


def test_a_launchctl_that_hangs_is_not_waited_for(play: Play) -> None:
    scene = play()
    unit = scene.bench.unit(scene.bench.created())
    hasty = LaunchdDriver(
        SystemClock(),
        agents_folder=str(scene.stage.agents),
        launchctl=str(scene.stage.launchctl),
        patience=timedelta(seconds=0.3),
    )
    scene.stage.hang()
    begun = time.monotonic()
    seen = hasty.status([unit])[unit.name]
    assert isinstance(seen, Unseen)
    assert "no end after 0.3 s" in seen.reason
    for hanging in (
        hasty.claimed,
        lambda: hasty.install(unit),
        lambda: hasty.start(unit),
        lambda: hasty.stop(unit, SHORT),
        lambda: hasty.remove(unit),
    ):
        with pytest.raises(Transient, match="no end after"):
            hanging()
    assert time.monotonic() - begun < 5
    scene.stage.hang(hangs=False)


def test_without_launchctl_nothing_is_seen_and_it_says_what_to_do(tmp_path: Path) -> None:
    driver = LaunchdDriver(
        SystemClock(), agents_folder=str(tmp_path), launchctl="/nothing/launchctl", uid=501
    )
    problem = driver.why_not_here()
    assert isinstance(problem, NeedsOperator)
    assert "only on macOS" in str(problem)
    with pytest.raises(Transient, match="cannot start /nothing/launchctl"):
        driver.claimed()


def test_it_is_for_users_and_not_for_root(play: Play) -> None:
    scene = play()
    launchctl = str(scene.stage.launchctl)
    assert LaunchdDriver(SystemClock(), launchctl=launchctl, uid=501).why_not_here() is None
    assert "without sudo" in str(LaunchdDriver(SystemClock(), launchctl=launchctl, uid=0).why_not_here())
    unit = replace(scene.bench.unit(scene.bench.created()), user="ant")
    with pytest.raises(Permanent, match="is to run as ant"):
        scene.driver.start(unit)


def test_a_property_list_that_was_deleted_is_written_again(play: Play) -> None:
    scene = play()
    node, first = scene.started()
    unit = scene.bench.unit(node)
    scene.plist.unlink()
    scene.driver.start(unit)
    assert scene.plist.exists()
    assert scene.bench.pids(node) == [first]
    scene.plist.unlink()
    assert scene.driver.stop(unit, GRACE) is False
    assert scene.bench.pids(node) == []
    assert LABEL not in scene.stage.ask("print", f"gui/{os.getuid()}").stdout


def test_a_property_list_that_others_could_write_is_made_ours_alone(play: Play) -> None:
    scene = play()
    unit = scene.bench.unit(scene.bench.created())
    scene.plist.chmod(0o666)
    scene.driver.start(unit)
    assert stat.S_IMODE(scene.plist.stat().st_mode) == 0o600


def test_remove_leaves_no_file_and_nothing_disabled(play: Play) -> None:
    scene = play()
    unit = scene.bench.unit(scene.bench.created())
    scene.driver.start(unit)
    scene.driver.stop(unit, GRACE)
    disabled = f'"{LABEL}" => disabled'
    assert disabled in scene.stage.ask("print-disabled", f"gui/{os.getuid()}").stdout
    scene.driver.remove(unit)
    assert list(scene.stage.agents.iterdir()) == []
    assert scene.driver.claimed() == {}
    assert disabled not in scene.stage.ask("print-disabled", f"gui/{os.getuid()}").stdout


def test_claimed_are_names_by_file_by_content_and_by_what_is_loaded(play: Play) -> None:
    scene = play()
    own = scene.bench.unit(scene.bench.created(7))
    for name, label in (("other.plist", "com.autonomi.antnode-8"), ("com.autonomi.antnode-9.plist", "org.x")):
        (scene.stage.agents / name).write_bytes(plistlib.dumps({"Label": label}))
    (scene.stage.agents / "com.apple.x.plist").write_text("garbage")
    (scene.stage.agents / "com.autonomi.antnode-10.txt").write_text("")
    assert set(scene.driver.claimed()) == {own.name, "antnode0008", "antnode0009"}
    scene.driver.settle()


def test_a_process_that_launchd_does_not_know_is_neither_doubled_nor_left(play: Play) -> None:
    scene = play()
    node, first = scene.started()
    unit = scene.bench.unit(node)
    stray = scene.bench.script("stray", 'trap "" TERM; while :; do sleep 0.1; done; : "$@"')
    pid = os.posix_spawn(str(stray), [str(stray), "--root-dir", node.root_dir], os.environ)
    eventually(lambda: set(scene.bench.pids(node)) == {first, pid})
    assert scene.driver.stop(unit, SHORT) is True
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == -signal.SIGKILL
    assert scene.bench.pids(node) == []
