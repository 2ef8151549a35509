"""The log of a simulated node, and the note it leaves when it must stop by itself."""

import json
import os
import time
from pathlib import Path

from wnm_sim.vitals import Vitals

_STANDARD_OUTPUT = 1


def utc_now() -> str:
    """The time as `2026-02-23T10:20:30.123456Z`."""
    now = time.time()
    whole = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(now))
    return f"{whole}.{int(now % 1 * 1_000_000):06d}Z"


class Journal:
    """Log lines to a file in a folder, or to standard output when there is none.

    `report_seconds` is how often it wants to hear how the node is, None for never.
    """

    report_seconds: float | None = None

    def __init__(self, folder: Path | None, *, as_json: bool, name: str = "antnode.log") -> None:
        self._as_json = as_json
        self._handle = _STANDARD_OUTPUT
        if folder is not None:
            folder.mkdir(parents=True, exist_ok=True)
            log = folder / name
            self._handle = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)

    def say(self, message: str, level: str = "INFO") -> None:
        """Write one line. A full disk or a reader that has gone loses the line and nothing else."""
        line = f"[{utc_now()} {level} antnode] {message}"
        if self._as_json:
            fields = {"timestamp": utc_now(), "level": level, "message": message}
            line = json.dumps(fields)
        self._write(line)

    def _write(self, line: str) -> None:
        try:
            os.write(self._handle, f"{line}\n".encode())
        except OSError:
            return

    def warn(self, message: str) -> None:
        """Write one warning."""
        self.say(message, "WARN")

    def started(self, version: str, peer: str) -> None:
        """Write that the node starts."""
        self.say(f"Starting {version} as {peer}")

    def listening(self, port: int) -> None:
        """Write that the node's port is open."""
        self.say(f"Listening on UDP port {port}")

    def stored(self, record: str, length_bytes: int) -> None:
        """Hear of a new record; this program does not log it."""

    def report(self, seen: Vitals) -> None:
        """Hear how the node is; this program has pages for that."""


class FailureNote:
    """The file `critical_failure.log` with the reason of a fatal stop."""

    def __init__(self, folder: Path, journal: Journal) -> None:
        self._path = folder / "critical_failure.log"
        self._journal = journal

    def leave(self, reason: str) -> None:
        """Leave the reason; a full disk leaves none."""
        self._journal.say(f"Node terminated due to: {reason}", "ERROR")
        try:
            self._path.write_text(f"[{utc_now()}] Node terminated due to: {reason}\n", "utf-8")
        except OSError:
            return

    def end(self, reason: str) -> None:
        """Say why the node ends now."""
        self.leave(reason)

    def clear(self) -> None:
        """Forget the reason of an earlier stop."""
        self._path.unlink(missing_ok=True)
