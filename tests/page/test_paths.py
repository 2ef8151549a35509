"""Buckets become paths that lose neither the lowest nor the highest value."""

import re

from hypothesis import given
from hypothesis import strategies as st
from tests.builders import cases

from wnm.core.timeline import RANGES, Bucket, Spread
from wnm.views.charts import nice_top
from wnm.views.html.charts import HEIGHT, WIDTH, Scale, band, line, runs

POINT = re.compile(r"(-?[0-9]+),(-?[0-9]+)")
SCALE = Scale(buckets=96, top=100.0)
MOST_POINTS = 300


def bucket(index: int, low: float, mean: float, high: float) -> Bucket:
    return Bucket(index=index, spreads={"cpu_percent": Spread(low=low, mean=mean, high=high)})


def points(path: str) -> list[tuple[int, int]]:
    return [(int(x), int(y)) for x, y in POINT.findall(path)]


figures = st.floats(0, 100)
whole_ranges = st.lists(st.tuples(figures, figures, figures).map(sorted), min_size=96, max_size=96)


@given(whole_ranges)
def test_a_whole_range_is_few_points_with_its_extremes(values: list[list[float]]) -> None:
    stretches = runs([bucket(index, *each) for index, each in enumerate(values)], "cpu_percent")
    around, along = points(band(stretches, SCALE)), points(line(stretches, SCALE))
    assert len(around) + len(along) <= MOST_POINTS
    assert min(y for _, y in around) == SCALE.y(max(high for _, _, high in values))
    assert max(y for _, y in around) == SCALE.y(min(low for low, _, _ in values))
    assert all(0 <= x <= WIDTH and 0 <= y <= HEIGHT for x, y in around + along)


def test_every_range_has_few_enough_buckets() -> None:
    assert all(3 * each.buckets <= MOST_POINTS for each in RANGES)


def test_a_gap_is_not_bridged() -> None:
    stretches = runs([bucket(index, 1, 2, 3) for index in (0, 1, 5, 6)], "cpu_percent")
    assert [[index for index, _ in stretch] for stretch in stretches] == [[0, 1], [5, 6]]
    assert line(stretches, SCALE).count("M") == 2


def test_a_bucket_on_its_own_can_be_seen() -> None:
    assert line(runs([bucket(3, 1, 2, 3)], "cpu_percent"), SCALE).endswith("h0")


def test_what_was_not_seen_is_no_point() -> None:
    assert runs([Bucket(index=0, spreads={})], "cpu_percent") == []
    assert (line([], SCALE), band([], SCALE)) == ("", "")


@cases(
    "highest, top",
    {
        "nothing at all": (0.0, 1.0),
        "just below": (9.9, 10.0),
        "exactly": (40.0, 40.0),
        "just above": (41.0, 50.0),
        "small": (0.03, 0.03),
        "rates": (12_300_000.0, 15_000_000.0),
        "not a number": (float("nan"), 1.0),
    },
)
def test_the_top_is_round_and_not_below(highest: float, top: float) -> None:
    assert nice_top(highest) == top


@given(st.floats(1e-6, 1e18))
def test_the_top_has_room_and_not_too_much(highest: float) -> None:
    assert highest <= nice_top(highest) <= 2.001 * highest
