"""Lays out text for people with rich: lines in tones, wrapping, and aligned columns.

rich is imported by the first line that is made, so nothing that only reads this module pays for it.
"""

from collections.abc import Collection, Iterable, Sequence
from enum import StrEnum
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console
    from rich.text import Text

type Line = "Text"

WIDEST = 100_000
"""As wide as any line: where nobody looks at a terminal every event is one line, for grep and the like."""


class Tone(StrEnum):
    """The meaning of a part of a line, as the style that a terminal gives it."""

    PLAIN = "none"
    STRONG = "bold"
    QUIET = "dim"
    GOOD = "green"
    BUSY = "cyan"
    WARN = "yellow"
    BAD = "red"
    ALARM = "bold reverse red"
    CHOSEN = "reverse"


def part(text: str, tone: Tone = Tone.PLAIN) -> "Text":
    """A part of any text: blanks stay as they are, everything unprintable becomes a question mark."""
    from rich.text import Text

    shown = text if text.isprintable() else "".join(char if char.isprintable() else "?" for char in text)
    return Text(shown, style="" if tone is Tone.PLAIN else tone)


def line(*parts: "str | Text") -> "Text":
    """A line of parts; texts are plain ones."""
    from rich.text import Text

    return Text.assemble(*(part(each) if isinstance(each, str) else each for each in parts))


def plain(lines: Iterable["Text"]) -> str:
    """Lines without their tones, with no blanks at their ends."""
    return "\n".join(each.plain.rstrip() for each in lines)


def hanging(lead: "Text", text: str, width: int, tone: Tone = Tone.PLAIN) -> list["Text"]:
    """The lead with the text behind it, wrapped so that its other lines begin below its first one.

    Where there is no space behind the lead the text goes below it, indented a little.
    """
    shown, indent = part(" ".join(text.split()), tone), lead.cell_len

    def broken(width: int) -> list["Text"]:
        lines = [*shown.wrap(_console(), width)]
        for each in lines:
            each.rstrip()
        return lines

    if width - indent < min(24, shown.cell_len):
        return [lead, *(line("    ", each) for each in broken(max(8, width - 4)))]
    first, *others = broken(width - indent) or [part("")]
    return [line(lead, first), *(line(" " * indent, each) for each in others)]


def wrapped(text: str, width: int) -> list["Text"]:
    """The lines of a plain text; what goes on behind the width does so below, as far to the right as its line."""
    lines: list[Text] = []
    for each in text.splitlines():
        words = each.lstrip()
        lines += (
            hanging(line(each[: len(each) - len(words)]), words, width) if len(each) > width else [line(each)]
        )
    return lines


def cut(each: "Text", width: int) -> "Text":
    """The line, no longer than the width."""
    shorter = each.copy()
    shorter.truncate(max(0, width), overflow="crop")
    return shorter


def columns(
    rows: Sequence[Sequence["str | Text"]],
    *,
    right: Collection[int] = (),
    indent: int = 0,
    gap: int = 2,
    widths: Sequence[int] = (),
) -> list["Text"]:
    """Rows with their columns aligned, those in `right` (by number) to the right; they take at least `widths`."""
    cells = [[part(each) if isinstance(each, str) else each.copy() for each in row] for row in rows]
    least = [*widths, *[0] * (len(cells[0]) - len(widths))] if cells else []
    wide = [
        max(at, *(each.cell_len for each in column))
        for at, column in zip(least, zip(*cells, strict=True), strict=True)
    ]
    lead, between = part(" " * indent), part(" " * gap)
    for row in cells:
        for number, each in enumerate(row):
            each.align("right" if number in right else "left", wide[number])
    return [line(lead, between.join(row)) for row in cells]


def table(rows: Sequence[Sequence[str]], *, right: Collection[int] = (), indent: int = 0) -> str:
    """The same as one text without tones."""
    return plain(columns(rows, right=right, indent=indent))


@cache
def _console() -> "Console":
    """A console that only measures; nothing is ever written to it."""
    from io import StringIO

    from rich.console import Console

    return Console(
        file=StringIO(), width=WIDEST, color_system=None, markup=False, emoji=False, highlight=False
    )
