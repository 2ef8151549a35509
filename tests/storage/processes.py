"""Starting `writer.py`, and ending it the hard way."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[2]


@contextmanager
def writing(path: str, scene: str) -> Iterator[subprocess.Popen[str]]:
    """A process in the middle of a scene; it is killed, by signal 9, at the end of the block."""
    writer = subprocess.Popen(
        [sys.executable, "-m", "tests.storage.writer", path, scene],
        cwd=CHECKOUT,
        env={**os.environ, "PYTHONPATH": f"{CHECKOUT / 'src'}:{CHECKOUT}"},
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert writer.stdout is not None
        assert writer.stdout.readline() == "ready\n"
        yield writer
    finally:
        writer.kill()
        writer.communicate()


def kill_in(path: str, scene: str) -> None:
    """Kill -9 a process when it has set a scene."""
    with writing(path, scene):
        pass
