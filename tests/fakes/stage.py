"""Starts the stand-in for launchd for a test, and leaves nothing of it."""

import ast
import json
import shlex
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[2]
USUAL = {
    "gui": True,
    "caller": "gui",
    "throttle_scale": 0.3,
    "bootout_seconds": 0.1,
    "lingers_seconds": 0.1,
    "log_out_seconds": 5.0,
    "code_loaded": 5,
    "code_disabled": 119,
    "code_no_domain": 125,
    "forgets_to_start": False,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """A stand-in that runs. Its folder lies outside of the test's own, so that it is not taken for a node."""

    folder: Path
    user_id: int

    @property
    def launchctl(self) -> Path:
        """The program to be used in the place of /bin/launchctl."""
        return self.folder / "launchctl"

    @property
    def agents(self) -> Path:
        """The folder that stands for ~/Library/LaunchAgents."""
        return self.folder / "LaunchAgents"

    def ask(self, *arguments: str) -> "subprocess.CompletedProcess[str]":
        """Call the stand-in for launchctl."""
        return subprocess.run([str(self.launchctl), *arguments], capture_output=True, text=True, timeout=60)

    def play(self, *arguments: str) -> None:
        """Give it an order that only tests give."""
        done = self.ask(f"play-{arguments[0]}", *arguments[1:])
        assert done.returncode == 0, done.stderr

    def calls(self) -> list[list[str]]:
        """All calls of launchctl until now, without a test's orders."""
        path = self.folder / "calls"
        lines = path.read_text().splitlines() if path.exists() else []
        return [call for call in map(ast.literal_eval, lines) if not call[0].startswith("play-")]

    def hang(self, *, hangs: bool = True) -> None:
        """Let launchctl hang, or stop doing so."""
        path = self.folder / "hangs"
        path.touch() if hangs else path.unlink()


@contextmanager
def launchd(user_id: int, **variants: object) -> Iterator[Stage]:
    """A stand-in for launchd, with an empty LaunchAgents folder, that plays the `variants` (see USUAL)."""
    assert set(variants) <= set(USUAL), variants
    folder = Path(tempfile.mkdtemp(prefix="launchd-"))
    stage = Stage(folder=folder, user_id=user_id)
    stage.agents.mkdir()
    config = USUAL | {"uid": user_id, "agents": str(stage.agents)} | variants
    (folder / "config").write_text(json.dumps(config))
    command = [sys.executable, "-I", "-S", str(CHECKOUT / "tests" / "fakes" / "launchctl.py"), str(folder)]
    stage.launchctl.write_text(f'#!/bin/sh\nexec {shlex.join(command)} "$@"\n')
    stage.launchctl.chmod(0o755)
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.fakes.launchd", str(folder)],
        cwd=CHECKOUT,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        start_new_session=True,
    )
    assert process.stdout is not None
    try:
        assert process.stdout.readline() == b"ready\n"
        yield stage
    finally:
        process.terminate()
        process.wait(30)
        process.stdout.close()
        shutil.rmtree(folder)
