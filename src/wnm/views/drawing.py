"""Small charts made of characters: areas of braille dots, or of plain letters where a terminal has no dots.

No plotting library: these few lines keep gaps apart from zeros, fit two charts into 160 columns, leave colours to
the terminal, and load nothing.
"""

from collections.abc import Sequence

DOTS_PER_ROW, DOTS_PER_COLUMN = 4, 2
# The bits of a braille character by its dots, from the top to the bottom, for its left and its right half.
_LEFT, _RIGHT = (0x01, 0x02, 0x04, 0x40), (0x08, 0x10, 0x20, 0x80)
_BLANK = 0x2800

type Values = Sequence[float | None]
"""Values from left to right; None is where nothing was seen, and stays blank."""


def area(values: Values, *, top: float, rows: int, dots: bool) -> list[str]:
    """An area from 0 up to each value, `rows` lines from the top down, two values for each column of dots.

    What is above `top` fills the whole height; the smallest value above 0 is one dot.
    """
    heights = [_height(value, top, rows * DOTS_PER_ROW) for value in values]
    if len(heights) % DOTS_PER_COLUMN:
        heights.append(None)
    pairs = list(zip(heights[0::2], heights[1::2], strict=True))
    draw = _dotted if dots else _lettered
    return ["".join(draw(left, right, row, rows) for left, right in pairs) for row in range(rows)]


def _height(value: float | None, top: float, most: int) -> int | None:
    if value is None:
        return None
    if value <= 0 or top <= 0:
        return 0
    return max(1, min(most, round(value / top * most)))


def _dotted(left: int | None, right: int | None, row: int, rows: int) -> str:
    bits = 0
    for height, marks in ((left, _LEFT), (right, _RIGHT)):
        filled = _filled(height, row, rows)
        bits |= sum(marks[DOTS_PER_ROW - filled :]) if filled else 0
    # Something that was seen to be 0 leaves a trace on the ground line, which a gap does not.
    if row == rows - 1:
        bits |= (_LEFT[-1] if left == 0 else 0) | (_RIGHT[-1] if right == 0 else 0)
    return chr(_BLANK + bits) if bits else " "


def _lettered(left: int | None, right: int | None, row: int, rows: int) -> str:
    seen = [height for height in (left, right) if height is not None]
    if not seen:
        return " "
    filled = _filled(max(seen), row, rows)
    if not filled:
        return "_" if row == rows - 1 else " "
    return "#" if filled == DOTS_PER_ROW else ":" if filled > 1 else "."


def _filled(height: int | None, row: int, rows: int) -> int:
    """How many of a row's dots are below the height, counted from the ground."""
    above_ground = (rows - 1 - row) * DOTS_PER_ROW
    return 0 if height is None else max(0, min(DOTS_PER_ROW, height - above_ground))


def bar(share: float, marks: Sequence[float], width: int, *, dots: bool) -> str:
    """A bar that is full up to `share` (0 to 1), with marks at other shares; `[####--|--|--]` without drawings."""
    full, rest, mark = ("█", "░", "│") if dots else ("#", "-", "|")
    filled = max(0, min(width, round(share * width)))
    cells = [full] * filled + [rest] * (width - filled)
    for each in marks:
        place = min(width - 1, max(0, round(each * width)))
        cells[place] = mark
    return "".join(cells)
