"""The history: what happened by day, newest last, and the charts with their figures."""

from datetime import UTC, timedelta

import pytest
from tests.builders import NOW, settings
from tests.views.past import Past, remember
from tests.views.terminal_texts import BERLIN, CASES, LOOKED_AT, TEXTS, WIDTHS, looked_at, written

from wnm.app.invocation import View
from wnm.app.read import chronicle_of
from wnm.core.timeline import RANGES, Bucket, Spread
from wnm.storage.database import open_for_reading
from wnm.views import charts, timeline
from wnm.views.charts import Trends
from wnm.views.text import plain
from wnm.views.timeline import Chronicle
from wnm.views.words import short_ant


@pytest.fixture(scope="module")
def past(tmp_path_factory: pytest.TempPathFactory) -> Past:
    return remember(tmp_path_factory.mktemp("past") / "colony.db", NOW)


def chronicle(past: Past, wanted: str | None = None, **view: object) -> Chronicle:
    with open_for_reading(past.path) as database:
        asked = View(**view)  # type: ignore[arg-type]
        return chronicle_of(database, looked_at(database).settings, asked, wanted, LOOKED_AT)


def text(of: Chronicle, width: int = 80) -> str:
    return plain(timeline.history_lines(of, UTC, width, dots=True))


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("name", TEXTS)
def test_what_a_terminal_shows_is_as_recorded(past: Past, name: str, width: int) -> None:
    with open_for_reading(past.path) as database:
        shown = written(database, name, width)
    assert shown == (CASES / f"{name}_{width}.txt").read_text(encoding="utf-8")
    assert max(len(line) for line in shown.splitlines()) <= width


def test_the_newest_is_the_last_and_days_are_headings(past: Past) -> None:
    lines = [line for line in text(chronicle(past, days=3)).partition("the last day")[0].splitlines() if line]
    assert [line for line in lines if line.endswith(("-27", "-28", "-01"))] == [
        "Friday 2026-02-27",
        "Saturday 2026-02-28",
        "Sunday 2026-03-01",
    ]
    assert lines[-1].endswith("antnode0002 RESTARTING -> RUNNING, because: answers")


def test_one_day_unless_said_otherwise(past: Past) -> None:
    assert [each.node for each in chronicle(past).happened] == ["antnode0017"] + ["antnode0002"] * 3


def test_both_names_of_a_time_that_changed_are_told(past: Past) -> None:
    """The clocks of Berlin went forward on 29 March."""
    with open_for_reading(past.path) as database:
        wished = looked_at(database).settings
        later = NOW + timedelta(days=60)
        found = chronicle_of(database, wished, View(days=90), None, later)
    head = plain(timeline.history_lines(found, BERLIN, 80, dots=True)).splitlines()[0]
    assert head == "what happened over the last 90 days, times in CET and CEST"


def test_one_node_alone_has_no_charts(past: Past) -> None:
    found = chronicle(past, wanted="17", days=9)
    assert (found.node, [each.words for each in found.happened], found.trends) == (
        "antnode0017",
        ["stopped"],
        None,
    )


def test_what_is_left_out_is_counted(past: Past) -> None:
    found = chronicle(past, days=9, limit=2)
    assert (len(found.happened), found.earlier) == (2, 3)
    assert "3 earlier events are left out: give a larger --limit" in text(found)


def test_a_quiet_time_says_so(past: Past) -> None:
    assert "nothing: no action, and no node changed its state" in text(chronicle(past, wanted="5"))


def test_the_history_for_programs(past: Past) -> None:
    payload = timeline.history_payload(chronicle(past, days=3, range="week"))
    assert [each["node"] for each in payload["events"]] == ["antnode0003", "antnode0017"] + [
        "antnode0002"
    ] * 3
    measures = payload["trends"]["measures"]
    assert {len(each) for each in measures.values()} == {RANGES[1].buckets}
    assert None in measures["cpu_percent"]
    assert measures["memory_percent"][-1] == {"low": 20.0, "mean": 20.0, "high": 20.0}
    today = payload["trends"]["earned"][-1]
    assert today["day"] == "2026-03-01"
    assert int(today["attos"]) > 0


def _trends(*values: float, name: str = "day") -> Trends:
    range_ = charts.range_named(name)
    first = range_.buckets - len(values)
    buckets = tuple(
        Bucket(index=first + at, spreads={"cpu_percent": Spread(low=value - 1, mean=value, high=value + 1)})
        for at, value in enumerate(values)
    )
    return Trends(
        range=range_,
        until=NOW,
        buckets=buckets,
        latest=buckets[-1] if buckets else None,
        earned={NOW.date(): 10**18},
    )


def test_figures_stand_beside_a_chart() -> None:
    lines = plain(charts.trend_lines(_trends(10.0, 20.0, 60.0), settings(), UTC, 80, dots=True)).splitlines()
    at = next(number for number, line in enumerate(lines) if line.startswith("cpu"))
    assert lines[at] == "cpu       grows < 70, sheds > 80"
    assert [line.partition("|")[0].strip() for line in lines[at + 1 : at + 5]] == ["100 %", "", "", "0"]
    assert [line.rpartition("| ")[2] for line in lines[at + 1 : at + 5]] == [
        "now  60.0 %",
        "high 61.0 %",
        "mean 30.0 %",
        "low  9.0 %",
    ]


def test_where_nothing_was_seen_nothing_is_claimed() -> None:
    shown = plain(charts.trend_lines(_trends(), settings(), UTC, 80, dots=True))
    assert shown.count("nothing seen") == 5
    assert "0.0 %" not in shown


@pytest.mark.parametrize("width", [49, 60, 72, 73, 80, 120, 147, 148, 200, 223])
def test_no_chart_is_wider_than_its_terminal(width: int) -> None:
    """Blanks at the end count: a terminal breaks a line for them too."""
    for dots in (True, False):
        lines = charts.trend_lines(_trends(10.0, 99.0), settings(), UTC, width, dots=dots)
        assert max(each.cell_len for each in lines) <= width
        assert len(lines) == len(plain(lines).splitlines())


def test_on_a_narrow_terminal_two_columns_become_one() -> None:
    def cpu(width: int) -> list[str]:
        lines = plain(
            charts.trend_lines(_trends(40.0, 60.0, 99.0), settings(), UTC, width, dots=False)
        ).splitlines()
        at = next(number for number, line in enumerate(lines) if line.startswith("cpu"))
        return [line.split("|")[1] for line in lines[at + 1 : at + 5]]

    assert next((len(each), each.rstrip()[-2:]) for each in cpu(80)) == (48, " #")
    assert [(len(each), each.strip()) for each in cpu(60)] == [(24, "."), (24, "#"), (24, "#"), (24, "#")]


@pytest.mark.parametrize(("width", "across"), [(80, 1), (147, 1), (148, 2), (200, 2), (223, 3), (10**6, 1)])
def test_charts_stand_beside_each_other_where_there_is_room(width: int, across: int) -> None:
    lines = plain(charts.trend_lines(_trends(10.0), settings(), UTC, width, dots=True)).splitlines()
    assert lines[-1].split().count("now") == across


@pytest.mark.parametrize(
    ("attos", "shown"),
    [
        (0, "0"),
        (10**18, "1"),
        (15 * 10**15, "0.015"),
        (1234567890123456789, "1.235"),
        (123456 * 10**18 + 1, "123,456"),
    ],
)
def test_amounts_are_short_in_tables(attos: int, shown: str) -> None:
    assert short_ant(attos) == shown


def test_each_range_begins_where_its_axis_says() -> None:
    for name, begin in (("day", "12:00"), ("week", "02-22"), ("month", "01-30")):
        axis = plain(charts.trend_lines(_trends(name=name), settings(), UTC, 80, dots=True)).splitlines()[-1]
        assert axis.split()[0] == begin
    assert _trends().since == NOW - timedelta(days=1)
