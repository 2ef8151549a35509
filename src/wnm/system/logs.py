"""Sets up logging: where lines go and what they look like."""

import json
import logging
import sys
import time


def set_up_logging(level: str | None, form: str | None) -> None:
    """Log to stderr, from `level` (INFO unless given) upwards, as text or as one JSON object per line."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        _JsonLines() if form == "json" else _TextLines("%(asctime)s %(levelname)s %(message)s")
    )
    root = logging.getLogger("wnm")
    root.handlers[:] = [handler]
    root.propagate = False
    root.setLevel((level or "INFO").upper())


class _TextLines(logging.Formatter):
    """Times in UTC, as everywhere in wnm."""

    converter = staticmethod(time.gmtime)
    default_time_format = "%Y-%m-%dT%H:%M:%SZ"
    default_msec_format = ""

    def format(self, record: logging.LogRecord) -> str:
        # A node's last words may hold anything; one event stays one line.
        text = super().format(record)
        return text if record.exc_info else " ".join(text.split("\n"))


class _JsonLines(logging.Formatter):
    """One JSON object per line."""

    def format(self, record: logging.LogRecord) -> str:
        entry = {
            "at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(record.created)),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
        }
        if record.exc_info:
            entry["traceback"] = self.formatException(record.exc_info)
        return json.dumps(entry)
