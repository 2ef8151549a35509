"""An independent, strict reader of the line protocol, written from its specification: character by character."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """One line. Fields are bool, int (written with i), float or str."""

    measurement: str
    tags: dict[str, str]
    fields: dict[str, bool | int | float | str]
    at_ns: int


def read_points(text: str) -> list[Point]:
    """The points of a text; comments and empty lines are none. ValueError for anything else."""
    return [read_point(line) for line in text.split("\n") if line and not line.startswith("#")]


def read_point(line: str) -> Point:
    """One point. ValueError if a character of the line does not belong where it is."""
    measurement, at = _until(line, 0, ", ", escaped=", ")
    tags: dict[str, str] = {}
    while line[at] == ",":
        key, at = _until(line, at + 1, "=", escaped=",= ", forbidden=", ")
        value, at = _until(line, at + 1, ", ", escaped=",= ", forbidden="=")
        _once(tags, key, value)
    fields: dict[str, bool | int | float | str] = {}
    while not fields or line[at] == ",":
        key, at = _until(line, at + 1, "=", escaped=",= ", forbidden=", ")
        fields_value, at = _value(line, at + 1)
        _once(fields, key, fields_value)
    if line[at] != " ":
        raise ValueError(f"no time behind the fields: {line!r}")
    return Point(measurement=measurement, tags=tags, fields=fields, at_ns=int(line[at + 1 :]))


def _once[V](into: dict[str, V], key: str, value: V) -> None:
    if key in into:
        raise ValueError(f"{key!r} comes twice")
    into[key] = value


def _until(line: str, at: int, ends: str, *, escaped: str, forbidden: str = "") -> tuple[str, int]:
    found = ""
    while line[at] not in ends:
        if line[at] == "\\" and line[at + 1] in escaped:
            at += 1
        elif line[at] in forbidden:
            raise ValueError(f"{line[at]!r} at {at} of {line!r}")
        found += line[at]
        at += 1
    if not found:
        raise ValueError(f"nothing at {at} of {line!r}")
    return found, at


def _value(line: str, at: int) -> tuple[bool | int | float | str, int]:
    if line[at] == '"':
        return _string(line, at + 1)
    end = min(found for found in (line.find(",", at), line.find(" ", at)) if found >= 0)
    written = line[at:end]
    if written in ("true", "false"):
        return written == "true", end
    if written.endswith("i"):
        number = int(written[:-1])
        if not -(2**63) <= number < 2**63:
            raise ValueError(f"{written} does not fit")
        return number, end
    if not written[-1].isdigit() or written.strip("0123456789.eE+-"):
        raise ValueError(f"{written!r} is no number")
    return float(written), end


def _string(line: str, at: int) -> tuple[str, int]:
    found = ""
    while line[at] != '"':
        if line[at] == "\\" and line[at + 1] in '"\\':
            at += 1
        found += line[at]
        at += 1
    return found, at + 1
