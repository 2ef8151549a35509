"""Lines of text whose parts say how they are meant; a terminal makes colours of that, everything else plain text."""

import textwrap
from collections.abc import Iterable, Sequence
from enum import StrEnum
from unicodedata import east_asian_width

from msgspec import Struct

from wnm.views.words import printable


class Tone(StrEnum):
    """How a part of a line is meant."""

    PLAIN = "plain"
    STRONG = "strong"
    QUIET = "quiet"
    GOOD = "good"
    BUSY = "busy"
    WARN = "warn"
    BAD = "bad"
    ALARM = "alarm"
    CHOSEN = "chosen"


class Part(Struct, frozen=True, kw_only=True):
    """A part of a line; its text holds nothing that a terminal would obey."""

    text: str
    tone: Tone = Tone.PLAIN


type Line = tuple[Part, ...]
EMPTY: Line = ()


def part(text: str, tone: Tone = Tone.PLAIN) -> Part:
    """A part of any text: blanks stay as they are, everything unprintable becomes a question mark."""
    shown = text if text.isprintable() else "".join(char if char.isprintable() else "?" for char in text)
    return Part(text=shown, tone=tone)


def line(*parts: str | Part) -> Line:
    """A line of parts; texts are plain ones."""
    return tuple(part(each) if isinstance(each, str) else each for each in parts)


def text_of(each: Line) -> str:
    """A line without its tones."""
    return "".join(part.text for part in each)


def plain(lines: Iterable[Line]) -> str:
    """Lines without their tones, with no blanks at their ends."""
    return "\n".join(text_of(each).rstrip() for each in lines)


def length(each: Line) -> int:
    """How many columns a line takes."""
    return sum(len(part.text) for part in each)


def hanging(lead: Line, text: str, width: int, tone: Tone = Tone.PLAIN) -> list[Line]:
    """The lead with the text behind it, wrapped so that its other lines begin below its first one.

    Where there is no room behind the lead the text goes below it, indented a little.
    """
    shown = printable(text)
    indent = length(lead)
    if width - indent < min(24, len(shown)):
        below = _broken(shown, max(8, width - 4))
        return [lead, *(line("    ", part(each, tone)) for each in below)]
    first, *others = _broken(shown, width - indent) or [""]
    return [(*lead, part(first, tone)), *(line(" " * indent, part(each, tone)) for each in others)]


def _broken(text: str, width: int) -> list[str]:
    """The text in lines that take no more columns than that; characters of some scripts take two."""
    if text.isascii():
        return textwrap.wrap(text, width)
    counted = "".join(f"{char}\0" if east_asian_width(char) in "WF" else char for char in text)
    return [each.replace("\0", "") for each in textwrap.wrap(counted, width)]


def wrapped(text: str, width: int) -> list[Line]:
    """The lines of a plain text; what goes on behind the width does so below, as far to the right as its line."""
    lines: list[Line] = []
    for each in text.splitlines():
        words = each.lstrip()
        lead = line(each[: len(each) - len(words)])
        lines += [line(each)] if len(each) <= width else hanging(lead, words, width)
    return lines


def cut(each: Line, width: int) -> Line:
    """The line, no longer than the width."""
    parts: list[Part] = []
    for one in each:
        if width <= 0:
            break
        parts.append(one if len(one.text) <= width else Part(text=one.text[:width], tone=one.tone))
        width -= len(one.text)
    return tuple(parts)


def columns(rows: Sequence[Sequence[Part]], *, right: Iterable[int] = (), indent: int = 0) -> list[Line]:
    """Rows with their columns aligned, those in `right` (by number) to the right."""
    if not rows:
        return []
    widths = [max(len(cell.text) for cell in column) for column in zip(*rows, strict=True)]
    to_right = set(right)
    made = []
    for row in rows:
        cells: list[Part] = [Part(text=" " * indent)] if indent else []
        for number, (cell, width) in enumerate(zip(row, widths, strict=True)):
            room = " " * (width - len(cell.text))
            text = room + cell.text if number in to_right else cell.text + room
            cells += [Part(text=text, tone=cell.tone), Part(text="  ")]
        made.append(tuple(cells[:-1]))
    return made
