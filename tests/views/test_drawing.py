"""Charts of characters: as high as their values, with gaps where nothing was seen."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wnm.views.charts import area, bar

VALUES = st.lists(st.none() | st.floats(min_value=-5, max_value=150, allow_nan=False), max_size=40)


def dots(char: str) -> int:
    return (ord(char) - 0x2800).bit_count() if char != " " else 0


def test_an_area_grows_from_the_ground() -> None:
    assert area([0, 25, 50, 100], top=100, rows=2, dots=True) == [" ⢸", "⣠⣿"]


def test_the_same_in_letters() -> None:
    assert area([0, 0, 25, 50, 100, 100], top=100, rows=2, dots=False) == ["  #", "_##"]


def test_a_gap_is_not_a_zero() -> None:
    assert area([None, None, 0, 0], top=10, rows=1, dots=True) == [" ⣀"]
    assert area([None, None, 0, 0], top=10, rows=1, dots=False) == [" _"]


@given(VALUES, st.integers(1, 6), st.booleans())
def test_every_chart_has_its_size(values: list[float | None], rows: int, with_dots: bool) -> None:
    drawn = area(values, top=100, rows=rows, dots=with_dots)
    assert [len(line) for line in drawn] == [(len(values) + 1) // 2] * rows


@given(st.floats(min_value=0.01, max_value=100), st.floats(min_value=0.01, max_value=100))
def test_a_higher_value_has_no_fewer_dots(one: float, other: float) -> None:
    low, high = sorted((one, other))
    count = [
        sum(dots(char) for line in area([each], top=100, rows=4, dots=True) for char in line)
        for each in (low, high)
    ]
    assert 1 <= count[0] <= count[1] <= 16


@pytest.mark.parametrize(
    ("share", "marks", "drawn"),
    [
        (0.0, [], "----------"),
        (0.5, [0.7, 0.8], "#####--||-"),
        (1.0, [0.8], "########|#"),
        (7.0, [9.0], "#########|"),
        (-1.0, [-1.0], "|---------"),
    ],
)
def test_a_bar_is_full_up_to_its_share(share: float, marks: list[float], drawn: str) -> None:
    assert bar(share, marks, 10, dots=False) == drawn


def test_a_bar_with_drawings() -> None:
    assert bar(0.5, [0.8], 10, dots=True) == "█████░░░│░"
