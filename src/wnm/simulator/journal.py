"""The log of a simulated node, and the note it leaves when it must stop by itself."""

import json
import os
import time
from pathlib import Path

_STANDARD_OUTPUT = 1


def utc_now() -> str:
    """The time as `2026-02-23T10:20:30.123456Z`."""
    now = time.time()
    whole = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(now))
    return f"{whole}.{int(now % 1 * 1_000_000):06d}Z"


class Journal:
    """Log lines to `antnode.log` in a folder, or to standard output when there is none."""

    def __init__(self, folder: Path | None, *, as_json: bool) -> None:
        self._as_json = as_json
        self._handle = _STANDARD_OUTPUT
        if folder is not None:
            folder.mkdir(parents=True, exist_ok=True)
            log = folder / "antnode.log"
            self._handle = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)

    def say(self, message: str, level: str = "INFO") -> None:
        """Write one line. A full disk or a reader that has gone loses the line and nothing else."""
        line = f"[{utc_now()} {level} antnode] {message}"
        if self._as_json:
            fields = {"timestamp": utc_now(), "level": level, "message": message}
            line = json.dumps(fields)
        try:
            os.write(self._handle, f"{line}\n".encode())
        except OSError:
            return

    def warn(self, message: str) -> None:
        """Write one warning."""
        self.say(message, "WARN")


def note_failure(path: Path, reason: str) -> None:
    """Leave the reason of a fatal stop in `critical_failure.log`; a full disk leaves none."""
    try:
        path.write_text(f"[{utc_now()}] Node terminated due to: {reason}\n", "utf-8")
    except OSError:
        return


def clear_failure(path: Path) -> None:
    """Forget the reason of an earlier stop."""
    path.unlink(missing_ok=True)
