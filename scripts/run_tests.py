"""Run pytest with these arguments; the few tests that fail are run once more, by themselves, and named if they pass.

The tests start real processes and wait for them, many at a time: a starved machine can upset one. A test that passes by
itself is listed as unsteady, which is a defect of the test or of what it tests. More than FEW failures are no accident.
"""

import json
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

FEW = 3
"""How many failing tests are given a second try."""

TESTS_FAILED = 1
"""pytest's exit status when all went on to the end and some tests failed."""


def failed_tests(cache: Path) -> list[str]:
    """The ids of the tests that failed, as pytest's cache in this folder remembers them."""
    remembered = cache / "v" / "cache" / "lastfailed"
    return sorted(json.loads(remembered.read_text(encoding="utf-8"))) if remembered.exists() else []


def run_pytest(arguments: list[str], cache: Path) -> int:
    """pytest's exit status; what failed is in the cache folder afterwards."""
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-o", f"cache_dir={cache}", *arguments], check=False
    ).returncode


def hear_signals() -> None:
    """Take back that nohup or a shell's background made us deaf: tests send signals to the programs they start."""
    for number in (signal.SIGHUP, signal.SIGINT, signal.SIGQUIT):
        if signal.getsignal(number) is signal.SIG_IGN:
            signal.signal(number, signal.SIG_DFL)


def main(arguments: list[str]) -> int:
    """The exit status: 0 when every test passed, if need be at its second try."""
    hear_signals()
    with tempfile.TemporaryDirectory(prefix="wnm-tests-") as folder:
        cache = Path(folder)
        status = run_pytest(arguments, cache)
        failed = failed_tests(cache)
        if status != TESTS_FAILED or not 0 < len(failed) <= FEW:
            return status
        print(f"\n-- {len(failed)} failed: once more, by itself", flush=True)
        status = run_pytest(
            [*arguments, "-n", "0", "--last-failed", "--last-failed-no-failures", "none"], cache
        )
        if status == 0:
            print("\nUNSTEADY: failed among the others, passed alone. A defect to be mended:")
            print(*failed, sep="\n", flush=True)
        return status


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
