"""Writes reports for programs: the object around them, times, JSON and shell variables."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from enum import Enum
from typing import Any

from wnm.formats.assignments import render_env

SCHEMA = 1

type Payload = dict[str, Any]
"""JSON-able data: dicts, lists, texts, numbers, booleans and None."""


def envelope(generated_at: datetime, content: Mapping[str, Any]) -> Payload:
    """A report's object: the version of its schema, when it was made, and what it says."""
    return {"schema": SCHEMA, "generated_at": moment(generated_at), **content}


def moment(at: datetime | None) -> str | None:
    """ISO 8601 in UTC, ending in Z."""
    return None if at is None else at.astimezone(UTC).isoformat().replace("+00:00", "Z")


def scalar(value: Any) -> Any:
    """A field of one of our values as JSON has it: times as texts, enums as their values."""
    if isinstance(value, datetime):
        return moment(value)
    return value.value if isinstance(value, Enum) else value


def write_json(payload: Payload) -> str:
    """The payload as JSON in ASCII, which every terminal and pipe takes."""
    return json.dumps(payload, indent=2, allow_nan=False)


def write_env(values: Mapping[str, Any]) -> str:
    """Values as assignments for a shell; None is the empty text, booleans are true and false."""
    return render_env({name: _shell_text(value) for name, value in values.items()}).rstrip("\n")


def _shell_text(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value).replace("\0", "")
