"""The size contract of each package, what its direction rules say of whole packages, and a core that stands alone."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from wnm.core.backends import PROCESS_MANAGERS
from wnm.wiring import DRIVERS

CHECKOUT = Path(__file__).resolve().parents[2]
SOURCE = CHECKOUT / "src"
# Nothing grows unseen: a capability that needs more raises its number in the commit that needs it, with the reason.
# The plan of the house is wnm 24,000, wnm_adopt 4,000 and wnm_sim 2,500: a number goes down as soon as the tree does.
MOST_LINES = {
    "wnm": 28_900,  # storage folders: markers, facts, adoption; what ant-nodes tell in logs and files, why they fail
    "wnm_adopt": 4_330,
    "wnm_sim": 2_610,  # the lines and files of a real ant-node
    "wnm_fleet": 4_500,  # one machine: GPUs, queue, engine, memory, sweep and commands
    "wnm/cli": 565,
    "wnm/app": 3_220,  # markers at --init and in a cycle
    "wnm/alerts": 800,  # it shows them, too
}


def lines_of(package: str) -> int:
    """Lines of all Python files of a package."""
    return sum(
        len(file.read_text(encoding="utf-8").splitlines()) for file in (SOURCE / package).rglob("*.py")
    )


@pytest.mark.parametrize("package", MOST_LINES)
def test_a_package_is_no_larger_than_agreed(package: str) -> None:
    assert lines_of(package) <= MOST_LINES[package]


def test_the_process_managers_of_wiring_are_those_that_decisions_know() -> None:
    assert set(DRIVERS) == set(PROCESS_MANAGERS)


def test_app_never_prints() -> None:
    # The log file is where output goes beside the terminal: it may say that it cannot be written.
    printing = [
        file.name
        for file in sorted((SOURCE / "wnm/app").rglob("*.py"))
        if " print(" in file.read_text(encoding="utf-8") and file.name != "log_file.py"
    ]
    assert printing == []


def test_the_core_needs_neither_taking_over_nor_the_simulated_machine(tmp_path: Path) -> None:
    shutil.copytree(SOURCE / "wnm", tmp_path / "src/wnm", ignore=shutil.ignore_patterns("__pycache__"))
    for package in ("wnm_adopt", "wnm_sim", "wnm_fleet"):
        (tmp_path / f"src/{package}.py").write_text('raise ImportError("it was deleted")\n')
    ran = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "tests/decide", "tests/core"],
        cwd=CHECKOUT,
        env={**os.environ, "PYTHONPATH": str(tmp_path / "src")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stdout[-3000:]
