"""The launchd driver as the contract tests hold it to its promises: over the stand-in, or over a Mac's own launchd."""

import os
import shutil
import subprocess
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path

from tests.fakes.stage import Stage, launchd

from wnm.formats.launchd import services
from wnm.process_managers.launchd import LaunchdDriver
from wnm.system.clock import SystemClock

# Never the label of a real node: those have their name right after "com.autonomi.".
TEST_PREFIX = "com.autonomi.wnm-test."
ASKED_FOR = "WNM_TEST_REAL_LAUNCHD"


def over(stage: Stage) -> LaunchdDriver:
    """A driver over a stand-in that runs."""
    return LaunchdDriver(
        SystemClock(), agents_folder=str(stage.agents), launchctl=str(stage.launchctl), uid=stage.user_id
    )


def with_stand_in(stack: ExitStack) -> LaunchdDriver:
    """A driver with a stand-in of its own, which ends with `stack`."""
    return over(stack.enter_context(launchd(os.getuid())))


def why_no_stand_in() -> str | None:
    """The stand-in waits for processes in a way that macOS lacks; there is the real one there."""
    return None if sys.platform == "linux" else "the stand-in for launchd runs on Linux only"


def with_real_launchd(stack: ExitStack) -> LaunchdDriver:
    """A driver over this Mac's launchd, with labels of its own; what it loaded is unloaded with `stack`."""
    folder = Path(tempfile.mkdtemp(prefix="wnm-test-agents-", dir=Path.home() / "Library" / "Caches"))
    stack.callback(shutil.rmtree, folder)
    stack.callback(unload_tests)
    return LaunchdDriver(SystemClock(), agents_folder=str(folder), prefix=TEST_PREFIX)


def why_not_real() -> str | None:
    """Whoever runs all tests on a Mac does not expect agents to be loaded there."""
    if sys.platform != "darwin":
        return "needs macOS"
    return None if os.environ.get(ASKED_FOR) == "1" else "scripts/test-macos.sh runs it"


def unload_tests() -> None:
    """Unload whatever of the tests any domain of this user holds. No override stays disabled."""
    for domain in (f"gui/{os.getuid()}", f"user/{os.getuid()}"):
        printed = subprocess.run(["/bin/launchctl", "print", domain], capture_output=True, text=True)
        if printed.returncode:
            continue
        for label in services(printed.stdout):
            if label.startswith(TEST_PREFIX):
                subprocess.run(["/bin/launchctl", "bootout", f"{domain}/{label}"], capture_output=True)
        for name in [f"antnode-{number}" for number in range(1, 5)]:
            subprocess.run(["/bin/launchctl", "enable", f"{domain}/{TEST_PREFIX}{name}"], capture_output=True)
