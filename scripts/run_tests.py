"""Run pytest with these arguments; the few tests that fail are run once more, by themselves, and named if they pass.

The tests start real processes and wait for them, many at a time: a starved machine can upset one. A test that passes by
itself is named as unsteady, a defect of the test or of what it tests, and is written to the list of unsteady tests
(tests/unsteady.txt, or the file after a leading --unsteady). One that is on the list already fails the run: it had its
second chance. More than FEW failures are no accident.
"""

import json
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

FEW = 3
"""The number of failing tests that are run a second time."""

TESTS_FAILED = 1
"""pytest's exit status when all went on to the end and some tests failed."""

UNSTEADY = Path(__file__).resolve().parents[1] / "tests" / "unsteady.txt"


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


def listed(unsteady: Path) -> set[str]:
    """The ids in the list of unsteady tests; a line without parameters stands for a test with any."""
    lines = unsteady.read_text(encoding="utf-8").splitlines() if unsteady.exists() else []
    return {line.strip() for line in lines if line.strip() and not line.startswith("#")}


def tell_unsteady(passed_alone: list[str], unsteady: Path) -> int:
    """The exit status after tests that failed at first passed alone: 1 if one of them was on the list before."""
    known = listed(unsteady)
    again = [name for name in passed_alone if name in known or name.partition("[")[0] in known]
    new = [name for name in passed_alone if name not in again]
    if new:
        print("\nUNSTEADY: failed among the others, passed alone. A defect to be mended:")
        print(*new, sep="\n")
        try:
            with unsteady.open("a", encoding="utf-8") as file:
                file.writelines(f"{name}\n" for name in new)
            print(f"They are in {unsteady} now: commit that. The next time they fail the run.")
        except OSError as error:
            print(f"Add them to {unsteady} ({error.strerror}): the next time they shall fail the run.")
    if again:
        print(
            f"\nSTILL UNSTEADY: {unsteady} names them already, which fails this run. Mend what upsets them:"
        )
        print(*again, sep="\n")
    sys.stdout.flush()
    return TESTS_FAILED if again else 0


def main(arguments: list[str]) -> int:
    """The exit status: 0 when every test passed, if need be at its second try, and none was unsteady before."""
    hear_signals()
    unsteady = UNSTEADY
    if arguments[:1] == ["--unsteady"]:
        unsteady, arguments = Path(arguments[1]), arguments[2:]
    with tempfile.TemporaryDirectory(prefix="wnm-tests-") as folder:
        cache = Path(folder)
        status = run_pytest(arguments, cache)
        failed = failed_tests(cache)
        if status != TESTS_FAILED or not 0 < len(failed) <= FEW:
            return status
        print(f"\n-- {len(failed)} failed: once more, by itself", flush=True)
        alone = ["-n", "0", "--last-failed", "--last-failed-no-failures", "none"]
        status = run_pytest([*arguments, *alone], cache)
        return tell_unsteady(failed, unsteady) if status == 0 else status


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
