"""Starts the programs that ask a driver, which may hang for good: no caller waits longer than it said."""

import os
import signal
import subprocess
from collections.abc import Sequence

AFTER_KILL_SECONDS = 1.0
"""How long a killed program may take to end. One that waits inside the driver ends when the driver lets it go."""


class ProgramFailed(Exception):
    """A program could not be started, exited with another code than 0, or did not end in time: the text says which.

    `output` is what it wrote, standard output before standard error.
    """

    def __init__(self, text: str, output: str = "") -> None:
        super().__init__(text)
        self.output = output


def run(argv: Sequence[str], timeout: float) -> str:
    """Return the standard output of a program that exits 0 within `timeout` seconds. Raises ProgramFailed."""
    try:
        process = subprocess.Popen(
            argv,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env={**os.environ, "LC_ALL": "C"},
            start_new_session=True,
            text=True,
            errors="replace",
        )
    except OSError as error:
        raise ProgramFailed(f"cannot be started: {error.strerror or error}") from None
    try:
        output, complaint = process.communicate(timeout=timeout)
    except subprocess.TimeoutExpired:
        _end(process)
        raise ProgramFailed(f"did not answer within {timeout:g} s") from None
    if process.returncode != 0:
        raise ProgramFailed(_ended(process.returncode, complaint or output), output + complaint)
    return output


def _ended(code: int, complaint: str) -> str:
    last = (complaint.strip().splitlines() or ["and wrote nothing"])[-1][:200]
    how = f"was ended by {signal.Signals(-code).name}" if code < 0 else f"exited with {code}"
    return f"{how}: {last}"


def _end(process: subprocess.Popen[str]) -> None:
    """Kill a program and all that it started; leave it behind if the kernel cannot end it now."""
    try:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait(AFTER_KILL_SECONDS)
    except (ProcessLookupError, subprocess.TimeoutExpired):
        return
    finally:
        for stream in (process.stdout, process.stderr):
            if stream is not None:
                stream.close()
