"""Draws how the machine was over the last day, week and month, as small SVG charts that need no script."""

from collections.abc import Callable, Iterable, Sequence
from datetime import timedelta
from functools import partial

from msgspec import Struct
from msgspec.structs import replace

from wnm.core.readings import BY_KEY, PERCENT, limits_of, shown
from wnm.core.settings import Settings
from wnm.core.timeline import RANGES, Bucket, Past, Range, Spread
from wnm.views.charts import earned_in, nice_top
from wnm.views.html.markup import Markup, element, joined, time
from wnm.views.html.verdict import Subject
from wnm.views.payload import moment
from wnm.views.words import size

WIDTH = 960
HEIGHT = 1000
"""Fine enough that the script of the page can tell values from the path again."""


class Scale(Struct, frozen=True, kw_only=True):
    """A range of `buckets` buckets across the width, values from 0 to `top` up the height."""

    buckets: int
    top: float

    def x(self, index: int) -> int:
        """The middle of a bucket."""
        return round((index + 0.5) * WIDTH / self.buckets)

    def y(self, value: float) -> int:
        """0 is at the bottom; what is above the top stays there."""
        return HEIGHT - round(HEIGHT * min(max(value / self.top, 0.0), 1.0))


def runs(buckets: Iterable[Bucket], measure: str) -> list[list[tuple[int, Spread]]]:
    """The buckets in which the measure was seen, a list for each stretch without a gap."""
    found: list[list[tuple[int, Spread]]] = []
    for bucket in buckets:
        spread = bucket.spreads.get(measure)
        if spread is None:
            continue
        if not found or found[-1][-1][0] != bucket.index - 1:
            found.append([])
        found[-1].append((bucket.index, spread))
    return found


def line(stretches: Sequence[Sequence[tuple[int, Spread]]], scale: Scale) -> str:
    """The path of the means. A bucket on its own is a point, which a round cap makes visible."""
    return "".join(
        _path([(scale.x(index), scale.y(spread.mean)) for index, spread in stretch])
        + ("h0" if len(stretch) == 1 else "")
        for stretch in stretches
    )


def band(stretches: Sequence[Sequence[tuple[int, Spread]]], scale: Scale) -> str:
    """The path around everything between lowest and highest."""
    parts = []
    for stretch in stretches:
        above = [(scale.x(index), scale.y(spread.high)) for index, spread in stretch]
        below = [(scale.x(index), scale.y(spread.low)) for index, spread in stretch]
        parts.append(f"{_path([*above, *reversed(below)])}Z")
    return "".join(parts)


def _path(points: Sequence[tuple[int, int]]) -> str:
    return "M" + " ".join(f"{x},{y}" for x, y in points)


_PERCENT = 100.0
_EARNED = "earned"


class Chart(Struct, frozen=True, kw_only=True):
    """The content of one chart: its measures with their names, and the format of a value, here and by the script.

    `top` is fixed for percentages, None where it follows the values; `limits` are those of the present settings,
    below which nodes are added and above which they are shed.
    """

    title: str
    measures: tuple[tuple[str, str], ...]
    shown: Callable[[float], str]
    unit: str
    top: float | None = None
    limits: tuple[float | None, float | None] = (None, None)


def charts(subject: Subject) -> Markup:
    """The section. The ranges are switched by radio buttons and the style sheet alone."""
    past = _with_earnings(subject)
    # The buttons stand before the figures so that the style sheet can tell from them what to show.
    buttons: list[Markup] = []
    for each in RANGES:
        first = each is RANGES[0]
        buttons.append(
            element(
                "input", type="radio", name="range", id=f"range-{each.name}", value=each.name, checked=first
            )
        )
        buttons.append(element("label", each.name, for_=f"range-{each.name}"))
    figures = [_figure(chart, past) for chart in _all(subject.material.settings)]
    return element(
        "section",
        element("h2", "How it was", id="charts"),
        element(
            "fieldset",
            element("legend", "Over the last"),
            *buttons,
            element("div", *figures, class_="charts"),
            class_="ranges",
        ),
        aria_labelledby="charts",
    )


def _all(settings: Settings) -> tuple[Chart, ...]:
    return (
        Chart(
            title="Nodes",
            measures=(("nodes_running", "running"), ("nodes_total", "all")),
            shown=lambda value: f"{value:,.0f}",
            unit="count",
        ),
        _reading("CPU", "cpu_percent", "use of all cores", settings),
        _reading("Memory", "memory_percent", "not available", settings),
        _reading("Load", "load_1min", "1 minute", settings),
        _reading("Disk space", "disk_used_percent", "use of the fullest disk", settings),
        _traffic("Network", "netio", "received", "sent"),
        _traffic("Disk traffic", "hdio", "read", "written"),
        Chart(title="Earned", measures=((_EARNED, "on each day (UTC)"),), shown=_coins, unit="coin"),
    )


def _with_earnings(subject: Subject) -> Past:
    """The past with one measure more: in each bucket what the whole of its day brought."""
    past, trends = subject.past, {}
    for each in RANGES:
        spreads = {bucket.index: dict(bucket.spreads) for bucket in past.trends.get(each.name, ())}
        for index, value in enumerate(earned_in(each, past.until, subject.earned_by_day)):
            if value is not None:
                spreads.setdefault(index, {})[_EARNED] = Spread(low=value, mean=value, high=value)
        trends[each.name] = tuple(Bucket(index=at, spreads=found) for at, found in sorted(spreads.items()))
    return replace(past, trends=trends)


def _reading(title: str, key: str, name: str, settings: Settings) -> Chart:
    """A reading against the limits of the present settings."""
    reading = BY_KEY[key]
    is_share = reading.unit == PERCENT
    return Chart(
        title=title,
        measures=((reading.sample or key, name),),
        shown=partial(shown, reading.unit),
        unit="percent" if is_share else "load",
        top=_PERCENT if is_share else None,
        limits=limits_of(reading, settings),
    )


def _traffic(title: str, kind: str, to_here: str, from_here: str) -> Chart:
    measures = ((f"{kind}_read_bytes_per_second", to_here), (f"{kind}_write_bytes_per_second", from_here))
    return Chart(title=title, measures=measures, shown=_rate, unit="rate")


def _coins(value: float) -> str:
    return f"{value:.4g} ANT"


def _rate(value: float) -> str:
    return f"{size(round(value))}/s"


def _figure(chart: Chart, past: Past) -> Markup:
    keys = [
        element("span", element("span", class_=f"key key-{place}", aria_hidden="true"), name, class_="legend")
        for place, (_, name) in enumerate(chart.measures)
    ]
    caption = element("figcaption", element("strong", chart.title), " ", joined(keys, " "))
    return element("figure", caption, *(_over(each, chart, past) for each in RANGES))


def _over(range_: Range, chart: Chart, past: Past) -> Markup:
    """The chart over one range, with its lowest, mean and highest value in words below."""
    buckets = past.trends.get(range_.name, ())
    scale = Scale(buckets=range_.buckets, top=_top(chart, buckets))
    words = [_summary(chart, measure, name, buckets) for measure, name in chart.measures]
    begin = past.until - timedelta(seconds=range_.bucket_seconds * range_.buckets)
    return element(
        "div",
        element("div", chart.shown(scale.top), class_="top", aria_hidden="true"),
        _drawing(chart, buckets, scale),
        element("p", "", class_="readout", aria_hidden="true"),
        element(
            "div",
            time(begin, class_="axis"),
            time(past.until, class_="axis"),
            class_="times",
            aria_hidden="true",
        ),
        element("p", joined(words, "<br>"), class_="quiet"),
        class_=f"over over-{range_.name}",
        data_from=moment(begin),
        data_seconds=f"{range_.bucket_seconds:g}",
        data_buckets=range_.buckets,
    )


def _top(chart: Chart, buckets: Sequence[Bucket]) -> float:
    """Return the upper end of the scale: it holds every value, and limits that are not far above them."""
    if chart.top is not None:
        return chart.top
    highest = max(
        (
            bucket.spreads[measure].high
            for bucket in buckets
            for measure, _ in chart.measures
            if measure in bucket.spreads
        ),
        default=0.0,
    )
    near = [limit for limit in chart.limits if limit is not None and limit <= highest * 4]
    return nice_top(max([highest, *near]))


def _drawing(chart: Chart, buckets: Sequence[Bucket], scale: Scale) -> Markup:
    parts: list[Markup] = []
    for place, (measure, name) in enumerate(chart.measures):
        stretches = runs(buckets, measure)
        if stretches:
            if any(spread.low < spread.high for stretch in stretches for _, spread in stretch):
                parts.append(element("path", class_=f"band band-{place}", d=band(stretches, scale)))
            parts.append(
                element("path", class_=f"line line-{place}", d=line(stretches, scale), data_name=name)
            )
    for name, limit in zip(("allow", "remove"), chart.limits, strict=True):
        if limit is not None and limit <= scale.top:
            y = scale.y(limit)
            parts.append(element("line", class_=name, x1=0, x2=WIDTH, y1=y, y2=y))
    return element(
        "svg",
        *parts,
        viewBox=f"0 0 {WIDTH} {HEIGHT}",
        preserveAspectRatio="none",
        class_="chart",
        data_top=f"{scale.top:g}",
        data_unit=chart.unit,
        aria_hidden="true",
        focusable="false",
    )


def _summary(chart: Chart, measure: str, name: str, buckets: Sequence[Bucket]) -> Markup:
    spreads = [bucket.spreads[measure] for bucket in buckets if measure in bucket.spreads]
    if not spreads:
        return joined((f"{name}: nothing was seen",))
    mean = sum(each.mean for each in spreads) / len(spreads)
    low, high = min(each.low for each in spreads), max(each.high for each in spreads)
    if chart.shown(low) == chart.shown(high):
        return joined((f"{name}: {chart.shown(low)} all the time",))
    return joined((f"{name}: {chart.shown(low)} to {chart.shown(high)}, mean {chart.shown(mean)}",))
