"""Draws how the machine was over the last day, week and month, as small SVG charts that need no script."""

from collections.abc import Iterable, Sequence
from datetime import timedelta

from msgspec import Struct
from msgspec.structs import replace

from wnm.core.timeline import RANGES, Bucket, Past, Range, Spread
from wnm.views.charts import Chart, earned_in, nice_top, of_reading, summary
from wnm.views.html.markup import Markup, element, joined, quiet, section, time
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


_EARNED = "earned"


def charts(subject: Subject) -> Markup:
    """The section. The ranges are switched by radio buttons and the style sheet alone."""
    past, settings = _with_earnings(subject), subject.material.settings
    # The buttons stand before the figures so that the style sheet can tell from them what to show.
    buttons: list[Markup] = []
    for each in RANGES:
        name, first = f"range-{each.name}", each is RANGES[0]
        buttons.append(element("input", type="radio", name="range", id=name, value=each.name, checked=first))
        buttons.append(element("label", each.name, for_=name))
    every = (
        Chart("Nodes", (("nodes_running", "running"), ("nodes_total", "all")), "{:,.0f}".format, "count"),
        of_reading("CPU", "cpu_percent", "use of all cores", settings),
        of_reading("Memory", "memory_percent", "not available", settings),
        of_reading("Load", "load_1min", "1 minute", settings),
        of_reading("Disk space", "disk_used_percent", "use of the fullest disk", settings),
        _traffic("Network", "netio", "received", "sent"),
        _traffic("Disk traffic", "hdio", "read", "written"),
        Chart("Earned", ((_EARNED, "on each day (UTC)"),), "{:.4g} ANT".format, "coin"),
    )
    figures = []
    for chart in every:
        keys = [
            element(
                "span", element("span", class_=f"key key-{place}", aria_hidden="true"), name, class_="legend"
            )
            for place, (_, name) in enumerate(chart.measures)
        ]
        caption = element("figcaption", element("strong", chart.title), " ", joined(keys, " "))
        figures.append(element("figure", caption, *(_over(each, chart, past) for each in RANGES)))
    choice = element("legend", "Over the last"), *buttons, element("div", *figures, class_="charts")
    return section("charts", "How it was", element("fieldset", *choice, class_="ranges"))


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


def _traffic(title: str, kind: str, to_here: str, from_here: str) -> Chart:
    measures = ((f"{kind}_read_bytes_per_second", to_here), (f"{kind}_write_bytes_per_second", from_here))
    return Chart(title, measures, lambda value: f"{size(round(value))}/s", "rate")


def _over(range_: Range, chart: Chart, past: Past) -> Markup:
    """The chart over one range, with its lowest, mean and highest value in words below."""
    buckets = past.trends.get(range_.name, ())
    wholes = [(name, summary(buckets, measure)) for measure, name in chart.measures]
    top = chart.top
    if top is None:
        # It holds every value, and limits that are not far above them.
        highest = max((whole.high for _, whole in wholes if whole is not None), default=0.0)
        top = nice_top(max([highest, *(each for each in chart.limits if each and each <= highest * 4)]))
    scale = Scale(buckets=range_.buckets, top=top)
    words = []
    for name, whole in wholes:
        said = "nothing was seen"
        if whole is not None:
            low, mean, high = map(chart.shown, (whole.low, whole.mean, whole.high))
            said = f"{low} all the time" if low == high else f"{low} to {high}, mean {mean}"
        words.append(f"{name}: {said}")
    begin = past.until - timedelta(seconds=range_.bucket_seconds * range_.buckets)
    axis = [time(each, class_="axis") for each in (begin, past.until)]
    return element(
        "div",
        element("div", chart.shown(scale.top), class_="top", aria_hidden="true"),
        _drawing(chart, buckets, scale),
        element("p", "", class_="readout", aria_hidden="true"),
        element("div", *axis, class_="times", aria_hidden="true"),
        quiet(joined(words, "<br>")),
        class_=f"over over-{range_.name}",
        data_from=moment(begin),
        data_seconds=f"{range_.bucket_seconds:g}",
        data_buckets=range_.buckets,
    )


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
