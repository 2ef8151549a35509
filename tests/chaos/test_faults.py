"""The preloaded library does to a program what its plan says, at the very call, and to no child of it."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from tests.chaos.__main__ import lacking
from tests.chaos.sandbox import compile_library

MISSING = lacking()
pytestmark = pytest.mark.skipif(
    MISSING is not None and "TESTS_NEED_CHAOS" not in os.environ, reason=f"make chaos: {MISSING}"
)
WRITES = """
import os, sys
for number in range(5):
    descriptor = os.open(f"{sys.argv[1]}/{number}", os.O_WRONLY | os.O_CREAT)
    os.write(descriptor, b"1234567890")
    os.close(descriptor)
"""


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The compiled library."""
    return compile_library(tmp_path_factory.mktemp("library"))


def run(library: Path, folder: Path, program: str, **settings: str) -> subprocess.CompletedProcess[str]:
    """Run a Python program under it."""
    environment = {"LD_PRELOAD": str(library), "CHAOS_HOME": str(folder), "CHAOS_REPORT": f"{folder}.report"}
    return subprocess.run(
        [sys.executable, "-I", "-c", program, str(folder)],
        env={**environment, **{f"CHAOS_{name.upper()}": value for name, value in settings.items()}},
        capture_output=True,
        text=True,
        check=False,
    )


def written(folder: Path) -> list[str]:
    """What the files hold, in the order of their names."""
    return [path.read_text() for path in sorted(folder.iterdir())]


@pytest.mark.parametrize(
    ("plan", "code", "left"),
    [
        ("write kill 3 3", -signal.SIGKILL, ["1234567890"] * 2 + [""]),
        ("write after 3 3", -signal.SIGKILL, ["1234567890"] * 3),
        ("write torn 3 3", -signal.SIGKILL, ["1234567890"] * 2 + ["12345"]),
        ("write term 1 1", -signal.SIGTERM, None),
        ("open+write kill 3 3", -signal.SIGKILL, ["1234567890"]),
        ("write kill 6 6", 0, ["1234567890"] * 5),
        ("open ENOSPC 2 2", 1, ["1234567890"]),
    ],
)
def test_it_strikes_at_the_call(
    library: Path, tmp_path: Path, plan: str, code: int, left: list[str] | None
) -> None:
    folder = tmp_path / "home"
    folder.mkdir()
    ran = run(library, folder, WRITES, plan=plan)
    assert ran.returncode == code, ran.stderr
    if left is not None:
        assert written(folder) == left
    report = Path(f"{folder}.report").read_text().split()
    assert report[0] == ("counted" if code == 0 else "struck")


def test_an_error_is_the_one_that_was_asked_for(library: Path, tmp_path: Path) -> None:
    ran = run(library, tmp_path, WRITES, plan="write EROFS 1 1")
    assert "Read-only file system" in ran.stderr


def test_other_folders_do_not_count(library: Path, tmp_path: Path) -> None:
    ran = run(library, tmp_path, WRITES, plan="write kill 1 1", home="/somewhere/else")
    assert ran.returncode == 0


def test_no_child_inherits_it(library: Path, tmp_path: Path) -> None:
    program = """
import os, subprocess, sys
print(subprocess.run(["env"], capture_output=True, text=True).stdout)
subprocess.run(["sh", "-c", f"echo all > {sys.argv[1]}/by-child"], check=True)
"""
    ran = run(library, tmp_path, program, plan="write kill 1 1")
    assert ran.returncode == 0
    assert "CHAOS" not in ran.stdout
    assert "LD_PRELOAD" not in ran.stdout
    assert (tmp_path / "by-child").read_text() == "all\n"


def test_a_clock_that_was_set_and_hours_that_passed(library: Path, tmp_path: Path) -> None:
    passed = tmp_path / "passed"
    passed.write_text("0.0 7200\n")
    program = "import time; print(time.time(), time.monotonic())"
    before, boot = time.time(), time.monotonic()
    wall, counted = map(float, run(library, tmp_path, program, clock="-3600").stdout.split())
    assert before - 3600 <= wall < before - 3000
    assert boot <= counted < boot + 600
    wall, counted = map(float, run(library, tmp_path, program, passed=str(passed)).stdout.split())
    assert before + 7200 <= wall < before + 7800
    assert boot + 7200 <= counted < boot + 7800


def test_waiting_takes_as_long_as_ever_when_hours_have_passed(library: Path, tmp_path: Path) -> None:
    passed = tmp_path / "passed"
    passed.write_text("0.0 7200\n")
    program = (
        "import threading; threading.Event().wait(0.05); threading.Timer(0.05, print, ('over',)).start()"
    )
    began = time.monotonic()
    assert run(library, tmp_path, program, passed=str(passed)).stdout == "over\n"
    assert time.monotonic() - began < 60


def test_a_process_is_as_old_as_the_hours_since_its_birth(library: Path, tmp_path: Path) -> None:
    passed = tmp_path / "passed"
    old = subprocess.Popen(["sleep", "600"])
    time.sleep(0.1)
    passed.write_text(f"{time.clock_gettime(time.CLOCK_BOOTTIME):.2f} 7200\n")
    time.sleep(0.1)
    new = subprocess.Popen(["sleep", "600"])
    program = f"""
import time
for pid in ({old.pid}, {new.pid}):
    ticks = int(open(f"/proc/{{pid}}/stat").read().rpartition(")")[2].split()[19])
    print(time.clock_gettime(time.CLOCK_BOOTTIME) - ticks / 100)
"""
    ages = [float(line) for line in run(library, tmp_path, program, passed=str(passed)).stdout.split()]
    for process in (old, new):
        process.kill()
        process.wait()
    assert 7200 <= ages[0] < 7800
    assert 0 <= ages[1] < 600
