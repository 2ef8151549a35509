"""Draws charts of characters, for terminals: bars, areas of braille dots (or of letters), and the trends of a machine.

No plotting library: these few lines keep gaps apart from zeros, fit two charts into 160 columns, leave colours to
the terminal, and load nothing.
"""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta, tzinfo
from functools import partial
from itertools import zip_longest

from msgspec import Struct

from wnm.core.earnings import ATTOS_PER_ANT
from wnm.core.readings import BY_KEY, PERCENT, limits_of, shown
from wnm.core.settings import Settings
from wnm.core.timeline import RANGES, Bucket, Range, Spread
from wnm.views.text import Line, Tone, columns, cut, line, part
from wnm.views.words import local, short_ant

DOTS_PER_ROW, DOTS_PER_COLUMN = 4, 2
# The bits of a braille character by its dots, from the top to the bottom, for its left and its right half.
_LEFT, _RIGHT = (0x01, 0x02, 0x04, 0x40), (0x08, 0x10, 0x20, 0x80)
_BLANK = 0x2800

type Values = Sequence[float | None]
"""Values from left to right; None is where nothing was seen, and stays blank."""


def area(values: Values, *, top: float, rows: int, dots: bool) -> list[str]:
    """An area from 0 up to each value, `rows` lines from the top down, two values for each column of dots.

    A value above `top` fills the whole height; the smallest value above 0 is one dot.
    """
    most = rows * DOTS_PER_ROW
    heights = [
        None if value is None else max(1, min(most, round(value / top * most))) if value > 0 < top else 0
        for value in values
    ]
    if len(heights) % DOTS_PER_COLUMN:
        heights.append(None)
    pairs = list(zip(heights[0::2], heights[1::2], strict=True))
    return ["".join(_cell(pair, row, rows, dots=dots) for pair in pairs) for row in range(rows)]


def _cell(heights: tuple[int | None, int | None], row: int, rows: int, *, dots: bool) -> str:
    """Two neighbours in a row. What was seen to be 0 leaves a trace on the ground line, which a gap does not."""
    filled = [_filled(height, row, rows) for height in heights]
    if dots:
        bits = 0
        for height, full, marks in zip(heights, filled, (_LEFT, _RIGHT), strict=True):
            bits |= sum(marks[DOTS_PER_ROW - full :])
            bits |= marks[-1] if row == rows - 1 and height == 0 else 0
        return chr(_BLANK + bits) if bits else " "
    if heights == (None, None):
        return " "
    if not any(filled):
        return "_" if row == rows - 1 else " "
    return "#" if max(filled) == DOTS_PER_ROW else ":" if max(filled) > 1 else "."


def _filled(height: int | None, row: int, rows: int) -> int:
    """Return how many of a row's dots are below the height, counted from the ground."""
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


ROWS = 4
_ROUND = (1, 1.5, 2, 2.5, 3, 4, 5, 6, 8, 10, 20)
_GUTTER = 10
_FIGURES = 13
_UNWATCHED, _WIDTH_OF_PIPES = 10_000, 80
"""The width of charts where nobody looks at a terminal and lines may be any length: that of most terminals."""
_PERCENT = 100.0

_CHARTED = {
    "cpu_percent": "cpu",
    "memory_percent": "memory",
    "disk_used_percent": "disk",
    "load_1min": "load",
}
"""The readings that have a chart, by their keys, with its title."""


class Chart(Struct, frozen=True):
    """The content of one chart: its measures with their names, and the words for a value, here and by a script.

    `top` is fixed for percentages, None where it follows the values; `limits` are those of the present settings,
    below which nodes are added and above which they are shed.
    """

    title: str
    measures: tuple[tuple[str, str], ...]
    shown: Callable[[float], str]
    unit: str
    top: float | None = None
    limits: tuple[float | None, float | None] = (None, None)


def of_reading(title: str, key: str, name: str, settings: Settings) -> Chart:
    """A reading against the limits of the present settings."""
    reading = BY_KEY[key]
    unit, top = ("percent", _PERCENT) if reading.unit == PERCENT else ("load", None)
    measures = ((reading.sample or key, name),)
    return Chart(title, measures, partial(shown, reading.unit), unit, top, limits_of(reading, settings))


type Days = Mapping[date, int]
"""The earnings of each day (in UTC), in attos."""


class Trends(Struct, frozen=True, kw_only=True):
    """The buckets of a range that ends at `until`, oldest first, and what was earned on each day.

    `latest` is the newest bucket of the finest range.
    """

    range: Range
    until: datetime
    buckets: tuple[Bucket, ...]
    latest: Bucket | None
    earned: Days

    @property
    def since(self) -> datetime:
        return self.until - self.range.length


class _Drawing(Struct, frozen=True):
    """A chart: its values up to `top`, the note behind its title, and the figures beside it."""

    title: str
    values: Values
    top: float
    shown: Callable[[float], str]
    note: str
    figures: tuple[Line, ...]


def range_named(name: str) -> Range:
    """The range of this name."""
    return next(each for each in RANGES if each.name == name)


def trend_lines(
    trends: Trends, settings: Settings, zone: tzinfo | None, width: int, *, dots: bool
) -> list[Line]:
    """The charts, as many beside each other as fit, and a time axis below.

    Where one alone is too wide two of its columns become one.
    """
    limit = width if width < _UNWATCHED else _WIDTH_OF_PIPES
    nodes = Chart("nodes", (("nodes_running", "running"),), "{:,.0f}".format, "count")
    every = [nodes, *(of_reading(title, key, "", settings) for key, title in _CHARTED.items())]
    drawings = [*(_of(trends, each) for each in every), _earnings(trends)]
    for joined in (1, 2):
        blocks = [_block(each, joined, dots=dots) for each in drawings]
        whole = max(each.cell_len for block in blocks for each in block)
        if whole <= limit:
            break
    across = max(1, min(3, (limit + 2) // (whole + 2)))
    lines = [line(part(f"the last {trends.range.name}", Tone.STRONG))]
    for first in range(0, len(blocks), across):
        beside = zip_longest(*blocks[first : first + across], fillvalue=line())
        lines += [*columns([*beside], widths=[whole] * across), line()]
    axis = _axis(trends, zone, trends.range.buckets // DOTS_PER_COLUMN // joined)
    return [*lines[:-1], *columns([[axis] * min(across, len(blocks))], widths=[whole] * across)]


def _of(trends: Trends, chart: Chart) -> _Drawing:
    measure, form = chart.measures[0][0], chart.shown
    found = {each.index: each.spreads[measure] for each in trends.buckets if measure in each.spreads}
    whole = summary(trends.buckets, measure)
    (allow, remove), highest = chart.limits, 0.0
    figures: tuple[Line, ...] = (part("nothing seen", Tone.QUIET),)
    if whole is not None:
        highest = whole.high
        latest = trends.latest.spreads.get(measure) if trends.latest is not None else None
        too_high = remove is not None and highest > remove
        figures = (
            part(f"now  {form((latest or [*found.values()][-1]).mean)}", Tone.STRONG),
            part(f"high {form(highest)}", Tone.BAD if too_high else Tone.PLAIN),
            part(f"mean {form(whole.mean)}"),
            part(f"low  {form(whole.low)}"),
        )
    values = [found[each].mean if each in found else None for each in range(trends.range.buckets)]
    note = "" if allow is None or remove is None else f"grows < {allow:g}, sheds > {remove:g}"
    return _Drawing(chart.title, values, chart.top or nice_top(highest), form, note, figures)


def summary(buckets: Iterable[Bucket], measure: str) -> Spread | None:
    """The lowest, the mean and the highest value of a measure in all buckets; None if it was never seen."""
    spreads = [bucket.spreads[measure] for bucket in buckets if measure in bucket.spreads]
    if not spreads:
        return None
    return Spread(
        low=min(each.low for each in spreads),
        mean=sum(each.mean for each in spreads) / len(spreads),
        high=max(each.high for each in spreads),
    )


def earned_in(over: Range, until: datetime, earned: Days) -> list[float | None]:
    """Return the earnings of the whole day of each bucket, in ANT; None before the first known day."""
    first = min(earned, default=None)
    days = _days(over, until)
    return [None if not first or day < first else earned.get(day, 0) / ATTOS_PER_ANT for day in days]


def nice_top(highest: float) -> float:
    """A round number that is not below the highest value, and not far above it."""
    if not math.isfinite(highest) or highest <= 0:
        return 1.0
    power = 10.0 ** math.floor(math.log10(highest))
    return next(factor * power for factor in _ROUND if factor * power >= highest)


def _days(over: Range, until: datetime) -> list[date]:
    """The day of the middle of each bucket, in UTC."""
    since = until - over.length
    middles = (since + timedelta(seconds=(at + 0.5) * over.bucket_seconds) for at in range(over.buckets))
    return [middle.astimezone(UTC).date() for middle in middles]


def _earnings(trends: Trends) -> _Drawing:
    values = earned_in(trends.range, trends.until, trends.earned)
    days = set(_days(trends.range, trends.until))
    highest = max((each for each in values if each is not None), default=0.0)
    today = trends.until.astimezone(UTC).date()
    figures: tuple[Line, ...] = (part("nothing yet", Tone.QUIET),)
    if trends.earned:
        total = sum(trends.earned.get(day, 0) for day in days)
        figures = (
            part(f"today {short_ant(trends.earned.get(today, 0))}", Tone.STRONG),
            part(f"high  {highest:.4g}"),
            part(f"all   {short_ant(total)}"),
        )
    top = nice_top(highest)
    return _Drawing("earned", values, top, "{:.4g}".format, "ANT a day (UTC)", figures)


def _block(chart: _Drawing, joined: int, *, dots: bool) -> list[Line]:
    """Title and limits, and below them the gutter with the scale, the chart of so many values in one, and its figures.

    Nothing but the scale stands beside the rows: whatever does is read as a part of it.
    """
    # The mean of each so many neighbours that were seen.
    groups = (chart.values[first : first + joined] for first in range(0, len(chart.values), joined))
    seen = ([each for each in group if each is not None] for group in groups)
    values = [sum(group) / len(group) if group else None for group in seen]
    drawn = area(values, top=chart.top, rows=ROWS, dots=dots)
    top = chart.shown(chart.top).replace(".0 %", " %").replace(".00", "")
    scale = [top, *[""] * (ROWS - 2), "0"]
    figures = [*chart.figures, *[part("")] * ROWS][:ROWS]
    rows = []
    for left, row, figure in zip(scale, drawn, figures, strict=True):
        area_ = line(part(row, Tone.BUSY), part("| ", Tone.QUIET))
        rows.append((part(f"{left} |", Tone.QUIET), area_, cut(figure, _FIGURES)))
    title = line(part(f"{chart.title:<{_GUTTER}}", Tone.STRONG), part(chart.note, Tone.QUIET))
    return [title, *columns(rows, right=(0,), gap=0, widths=(_GUTTER, 0, _FIGURES))]


def _axis(trends: Trends, zone: tzinfo | None, width: int) -> Line:
    """When the charts begin, their middle and their end."""
    form = "%H:%M" if trends.range.length <= timedelta(days=1) else "%m-%d"
    begin, middle = (local(each, zone) for each in (trends.since, trends.since + trends.range.length / 2))
    left, centre, right = f"{begin:{form}}", f"{middle:{form}}", "now"
    gaps = width - len(left) - len(centre) - len(right)
    words = f"{left}{' ' * (gaps // 2)}{centre}{' ' * (gaps - gaps // 2)}{right}"
    return line(" " * _GUTTER, part(words, Tone.QUIET))
