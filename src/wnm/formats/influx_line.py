"""Writes points in the line protocol of InfluxDB, as its database and Telegraf read it."""

import math
import re
from collections.abc import Mapping

from wnm.core.errors import Bug

_SMALLEST, _LARGEST = -(2**63), 2**63 - 1
# No escape exists for a line break, and a backslash at the end would eat the separator behind it.
_BROKEN = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
_IN_MEASUREMENT = re.compile(r"([, ])")
_IN_KEY = re.compile(r"([,= ])")
_IN_STRING = re.compile(r'(["\\])')

type Value = bool | int | float | str


def point(measurement: str, tags: Mapping[str, str], fields: Mapping[str, Value | None], at_ns: int) -> str:
    """One line without its end; `at_ns` counts nanoseconds since 1970.

    Integers get their `i`, texts their quotes. No text can break the line: a control character becomes a space, and
    in names and tags a backslash a `/`. A field that is None, not finite or too large for the database is left
    out, and so is a tag without text. Bug if no field is left.
    """
    written = [
        f"{_key(name)}={text}" for name, value in fields.items() if (text := _value(value)) is not None
    ]
    if not written:
        raise Bug(f"a point of {measurement} has no field")
    tag_set = "".join(f",{_key(name)}={_key(text)}" for name, text in tags.items() if _one_line(text))
    return f"{_measurement(measurement)}{tag_set} {','.join(written)} {at_ns}"


def _value(value: Value | None) -> str | None:
    match value:
        case None:
            return None
        case bool():
            return "true" if value else "false"
        case int():
            return f"{value}i" if _SMALLEST <= value <= _LARGEST else None
        case float():
            return repr(value) if math.isfinite(value) else None
        case str():
            return f'"{_IN_STRING.sub(r"\\\1", _BROKEN.sub(" ", value))}"'


def _measurement(text: str) -> str:
    name = _one_line(text)
    # A line that begins with this is a comment.
    name = f"_{name[1:]}" if name.startswith("#") else name
    return _IN_MEASUREMENT.sub(r"\\\1", name)


def _key(text: str) -> str:
    return _IN_KEY.sub(r"\\\1", _one_line(text))


def _one_line(text: str) -> str:
    return _BROKEN.sub(" ", text).replace("\\", "/")
