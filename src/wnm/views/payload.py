"""Writes reports for programs: the object around them, times, JSON and shell variables."""

import json
from collections.abc import Iterable, Mapping
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


def picked(value: object, names: Iterable[str]) -> Payload:
    """These fields of one of our values as JSON has them: times as texts, enums as their values."""
    return {name: _scalar(getattr(value, name)) for name in names}


def _scalar(value: Any) -> Any:
    if isinstance(value, datetime):
        return moment(value)
    return value.value if isinstance(value, Enum) else value


def write_json(payload: Payload) -> str:
    """The payload as JSON in ASCII, which every terminal and pipe takes."""
    return json.dumps(payload, indent=2, allow_nan=False)


def write_env(values: Mapping[str, Any]) -> str:
    """Values as assignments for a shell; None is the empty text, booleans are true and false."""
    special = {None: "", True: "true", False: "false"}
    texts = {
        name: special[value] if value is None or isinstance(value, bool) else str(value).replace("\0", "")
        for name, value in values.items()
    }
    return render_env(texts).rstrip("\n")
