"""The assignments in a unit file, line by line as systemd reads it (see systemd.syntax(7))."""

import re
from collections.abc import Sequence

from msgspec import Struct

from wnm.formats.systemd_unit import LONGEST_LINE_BYTES
from wnm.formats.systemd_words import Unclear

LONGEST_FILE_BYTES = 4 * 1024 * 1024
_BLANK = " \t\n\r"
# One after the other they are one end, in whatever order an editor writes them.
_LINE_END = re.compile(r"\r\n|\n\r|\n|\r")


class Assignment(Struct, frozen=True, kw_only=True):
    """`option=value` in a section, "" before the first one; an empty value takes back what was assigned before."""

    section: str
    option: str
    value: str


class UnitLines(Struct, frozen=True, kw_only=True):
    """All assignments in order. `open_end` if the last line, which is one of them, does not end."""

    assignments: tuple[Assignment, ...]
    open_end: bool


def read_lines(content: bytes) -> UnitLines:
    """The assignments of a unit file or drop-in. Unclear, reading on after `it`, for what systemd cannot load."""
    text = _decoded(content)
    logical, open_end = _logical_lines(text)
    section = ""
    found: list[Assignment] = []
    for line in logical:
        if line.startswith("["):
            if not line.endswith("]"):
                raise Unclear(f"has a section heading that does not end: {line!r:.100}")
            section = line[1:-1]
            continue
        option, equals, value = line.partition("=")
        # systemd leaves out what is no assignment.
        if equals and option.strip(_BLANK):
            found.append(Assignment(section=section, option=option.strip(_BLANK), value=value.strip(_BLANK)))
    return UnitLines(assignments=tuple(found), open_end=open_end and bool(found))


def _decoded(content: bytes) -> str:
    if len(content) > LONGEST_FILE_BYTES:
        raise Unclear("is far too long for a unit")
    if b"\0" in content:
        raise Unclear("holds a NUL: it is damaged")
    try:
        return content.decode().removeprefix("\ufeff")
    except UnicodeDecodeError as error:
        raise Unclear(f"is not UTF-8 text (byte {error.start})") from None


def _logical_lines(text: str) -> tuple[Sequence[str], bool]:
    """Return the lines without comments, with continued lines joined."""
    lines = _LINE_END.split(text)
    open_end = bool(lines[-1].strip(_BLANK)) and not lines[-1].lstrip(_BLANK).startswith(("#", ";"))
    found: list[str] = []
    parts: list[str] = []
    for line in lines[:-1] if not lines[-1] else lines:
        if len(line) > LONGEST_LINE_BYTES:
            raise Unclear("has a line that is too long for systemd")
        # Also between continued lines, and whatever it ends in.
        if line.lstrip(_BLANK).startswith(("#", ";")):
            continue
        if (len(line) - len(line.rstrip("\\"))) % 2:
            parts.append(line[:-1] + " ")
            continue
        found.append("".join([*parts, line]).strip(_BLANK))
        parts = []
    if parts:
        raise Unclear("ends in a line that goes on: it is cut off")
    return [line for line in found if line], open_end
