"""That the stand-in for launchd does what launchd is known to do."""

import os
import plistlib
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

import psutil
import pytest
from tests.fakes.stage import Stage, launchd
from tests.waiting import eventually

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the stand-in for launchd runs on Linux only")
DOMAIN = f"gui/{os.getuid()}"
THROTTLE_SCALE = 0.02


@pytest.fixture
def stage() -> Iterator[Stage]:
    with launchd(os.getuid(), throttle_scale=THROTTLE_SCALE) as made:
        yield made


def load(stage: Stage, script: str, /, **keys: object) -> "subprocess.CompletedProcess[str]":
    """Bootstrap an agent `job` that runs a shell script, with more keys in its property list."""
    path = stage.agents / "job.plist"
    log = str(stage.folder / "out")
    plist = {"Label": "job", "ProgramArguments": ["/bin/sh", "-c", script], "StandardOutPath": log} | keys
    path.write_bytes(plistlib.dumps(plist))
    path.chmod(0o600)
    return stage.ask("bootstrap", DOMAIN, str(path))


def told(stage: Stage) -> Mapping[str, str]:
    """What `print` says of the job."""
    lines = stage.ask("print", f"{DOMAIN}/job").stdout.splitlines()
    return dict(line.strip().split(" = ", 1) for line in lines if " = " in line)


def out(stage: Stage) -> str:
    path = stage.folder / "out"
    return path.read_text() if path.exists() else ""


def test_run_at_load_decides_whether_loading_starts_it(stage: Stage) -> None:
    assert load(stage, "echo x; sleep 60").returncode == 0
    time.sleep(0.2)
    assert out(stage) == ""
    assert told(stage)["state"] == "not running"
    assert stage.ask("kickstart", "-p", f"{DOMAIN}/job").stdout.startswith("service spawned with pid: ")
    eventually(lambda: out(stage) == "x\n")
    assert told(stage)["state"] == "running"


@pytest.mark.parametrize(
    ("keep", "ending", "again"),
    [
        (True, "exit 0", True),
        (True, "kill -KILL $$", True),
        (False, "exit 1", False),
        ({"SuccessfulExit": False}, "exit 0", False),
        ({"SuccessfulExit": False}, "exit 3", True),
        ({"SuccessfulExit": False}, "kill -KILL $$", True),
        ({"SuccessfulExit": True}, "exit 0", True),
        ({"Crashed": True}, "exit 3", False),
        ({"Crashed": True}, "kill -KILL $$", False),
        ({"Crashed": True}, "kill -SEGV $$", True),
        ({"Crashed": True, "SuccessfulExit": False}, "exit 3", True),
    ],
)
def test_keep_alive(stage: Stage, keep: object, ending: str, again: bool) -> None:
    load(stage, f"echo x; ulimit -c 0; {ending}", KeepAlive=keep, RunAtLoad=True)
    eventually(lambda: told(stage)["last exit code"] != "(never exited)")
    if again:
        eventually(lambda: out(stage).count("x") > 1)
    else:
        time.sleep(0.5)
        assert out(stage).count("x") == 1


def test_it_is_started_no_sooner_than_its_throttle_allows(stage: Stage) -> None:
    throttle_seconds = 50
    load(stage, "cut -d ' ' -f 1 /proc/uptime", KeepAlive=True, ThrottleInterval=throttle_seconds)
    eventually(lambda: told(stage)["state"] == "spawn scheduled" or out(stage).count("\n") > 1)
    stage.ask("kickstart", f"{DOMAIN}/job")
    eventually(lambda: out(stage).count("\n") > 1)
    first, second = map(float, out(stage).split()[:2])
    # The first may have been late to write it down.
    assert second - first > throttle_seconds * THROTTLE_SCALE / 2


def test_boot_out_sends_term_and_comes_back_before_the_end(stage: Stage) -> None:
    may_end = stage.folder / "may end"
    ending = f'while [ ! -e "{may_end}" ]; do sleep 0.05; done; exit 0'
    load(stage, f"trap '{ending}' TERM; echo x; while :; do sleep 0.05; done", RunAtLoad=True)
    eventually(lambda: out(stage) == "x\n")
    gone = stage.ask("bootout", f"{DOMAIN}/job")
    assert (gone.returncode, gone.stderr) == (36, "Boot-out failed: 36: Operation now in progress\n")
    assert told(stage)["state"] == "SIGTERMed"
    again = stage.ask("bootstrap", DOMAIN, str(stage.agents / "job.plist"))
    assert again.returncode == 5
    assert again.stderr.startswith("Bootstrap failed: 5: Input/output error\n")
    may_end.touch()
    eventually(lambda: stage.ask("print", f"{DOMAIN}/job").returncode == 113)
    assert stage.ask("bootout", f"{DOMAIN}/job").stderr == "Boot-out failed: 3: No such process\n"


def test_what_ignores_term_is_killed_after_its_exit_timeout(stage: Stage) -> None:
    load(stage, "trap '' TERM; echo x; while :; do sleep 0.05; done", RunAtLoad=True, ExitTimeOut=1)
    eventually(lambda: out(stage) == "x\n")
    begun = time.monotonic()
    stage.ask("bootout", f"{DOMAIN}/job")
    eventually(lambda: stage.ask("print", f"{DOMAIN}/job").returncode == 113)
    assert time.monotonic() - begun >= 1


def test_its_children_get_term_when_it_ends_and_may_ignore_it(stage: Stage) -> None:
    load(stage, "sleep 61 & echo $!; (trap '' TERM; sleep 62; :) & echo $!; sleep 0.3", RunAtLoad=True)
    eventually(lambda: len(out(stage).split()) == 2)
    obedient, deaf = (psutil.Process(int(pid)) for pid in out(stage).split())
    group = os.getpgid(deaf.pid)
    eventually(lambda: told(stage)["last exit code"] == "0")
    eventually(lambda: not obedient.is_running() or obedient.status() == psutil.STATUS_ZOMBIE)
    assert deaf.is_running()
    os.killpg(group, signal.SIGKILL)


def test_what_is_disabled_is_not_loaded_reboots_included(stage: Stage) -> None:
    stage.ask("disable", f"user/{os.getuid()}/job")
    refused = load(stage, "sleep 60", RunAtLoad=True)
    assert (refused.returncode, refused.stderr) == (119, "Bootstrap failed: 119: Service is disabled\n")
    stage.play("reboot")
    assert stage.ask("print", f"{DOMAIN}/job").returncode == 113
    assert '"job" => disabled' in stage.ask("print-disabled", DOMAIN).stdout
    stage.ask("enable", f"{DOMAIN}/job")
    stage.play("reboot")
    assert told(stage)["state"] == "running"


def test_property_lists_that_launchd_refuses(stage: Stage) -> None:
    path = stage.agents / "job.plist"
    assert load(stage, "sleep 60", LimitLoadToSessionType="Background").returncode == 134
    assert load(stage, "sleep 60", LimitLoadToSessionType=["Aqua", "Background"]).returncode == 0
    assert stage.ask("bootstrap", DOMAIN, str(path)).returncode == 5
    stage.ask("bootout", f"{DOMAIN}/job")
    eventually(lambda: stage.ask("print", f"{DOMAIN}/job").returncode == 113)
    path.chmod(0o620)
    refused = stage.ask("bootstrap", DOMAIN, str(path))
    assert refused.returncode == 122
    assert f"{path}: Path had bad ownership/permissions" in refused.stderr
    path.chmod(0o600)
    for content in (b"garbage", plistlib.dumps({"Label": "job"}), plistlib.dumps([])):
        path.write_bytes(content)
        assert stage.ask("bootstrap", DOMAIN, str(path)).returncode == 5
    assert stage.ask("bootstrap", DOMAIN, "/nothing.plist").returncode == 5
    assert stage.ask("bootstrap", "gui/4711", str(path)).returncode == 125


def test_signals_reach_it(stage: Stage) -> None:
    load(stage, "trap 'echo hup' HUP; echo x; while :; do sleep 0.05; done", RunAtLoad=True)
    eventually(lambda: out(stage) == "x\n")
    assert stage.ask("kill", "SIGHUP", f"{DOMAIN}/job").returncode == 0
    eventually(lambda: out(stage) == "x\nhup\n")
    before = told(stage)["pid"]
    assert stage.ask("kill", "KILL", f"{DOMAIN}/nobody").returncode == 113
    stage.ask("kickstart", "-k", f"{DOMAIN}/job")
    eventually(lambda: told(stage).get("pid") != before)


def test_list_shows_the_session_of_the_caller_only(stage: Stage) -> None:
    load(stage, "exit 4", RunAtLoad=True)
    eventually(lambda: told(stage)["last exit code"] == "4")
    assert stage.ask("list").stdout == "PID\tStatus\tLabel\n-\t4\tjob\n"
    assert '"LastExitStatus" = 4;' in stage.ask("list", "job").stdout
    assert stage.ask("managername").stdout == "Aqua\n"
    stage.play("config", "caller", "user")
    assert stage.ask("list").stdout == "PID\tStatus\tLabel\n"
    assert stage.ask("list", "job").returncode == 113
    assert stage.ask("managername").stdout == "Background\n"


def test_a_program_that_cannot_be_run_ends_with_78(stage: Stage) -> None:
    load(stage, "", RunAtLoad=True, Program="/nothing-there")
    eventually(lambda: told(stage)["last exit code"] == "78")


def test_nothing_is_left_of_it() -> None:
    with launchd(os.getuid()) as stage:
        load(stage, "trap '' TERM; echo $$; while :; do sleep 0.05; done", RunAtLoad=True, KeepAlive=True)
        eventually(lambda: out(stage))
        pid = int(out(stage))
    assert not psutil.pid_exists(pid)
    assert not Path(stage.folder).exists()
