"""Nobody who goes away, and no signal, stops half-way what has been begun on a machine."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

BUSY = """
import os, signal
from wnm_adopt.taking_over import SIGNALS, on_signals

before = [signal.getsignal(each) for each in SIGNALS]
with on_signals(signal.SIG_IGN):
    for each in SIGNALS:
        os.kill(os.getpid(), each)
assert [signal.getsignal(each) for each in SIGNALS] == before
print("done")
"""
TALKATIVE = """
import sys
from wnm.cli.main import say

for _ in range(3):
    say("x" * 100_000)
sys.stderr.write("done")
"""


def test_no_signal_interrupts_it_and_all_are_heard_again_afterwards() -> None:
    ran = subprocess.run([sys.executable, "-c", BUSY], capture_output=True, text=True, check=False)
    assert (ran.returncode, ran.stdout, ran.stderr) == (0, "done\n", "")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is always full")
def test_a_full_disk_under_its_output_stops_nothing() -> None:
    with Path("/dev/full").open("w") as full:
        ran = subprocess.run(
            [sys.executable, "-c", TALKATIVE], stdout=full, stderr=subprocess.PIPE, text=True, check=False
        )
    assert (ran.returncode, ran.stderr) == (0, "done")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is always full")
@pytest.mark.parametrize("words", [["--version"], ["--help"]])
def test_output_that_was_not_written_whole_is_no_success(words: list[str]) -> None:
    with Path("/dev/full").open("w") as full:
        ran = subprocess.run(
            [sys.executable, "-m", "wnm", *words],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
            # What is not buffered is noticed anyway.
            env={name: text for name, text in os.environ.items() if name != "PYTHONUNBUFFERED"},
        )
    assert (ran.returncode, ran.stderr.count("\n")) == (1, 1)
    assert "No space left" in ran.stderr
