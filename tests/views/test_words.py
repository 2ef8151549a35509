"""Times, sizes and foreign texts for people."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.builders import NOW

from wnm.views.text import hanging, line, table
from wnm.views.words import both, printable, relative, short_name, shorten, size, span, window


@pytest.mark.parametrize(
    ("count", "text"),
    [
        (0, "0 B"),
        (999, "999 B"),
        (1000, "1.0 kB"),
        (999_949, "999.9 kB"),
        (999_950, "1.0 MB"),
        (2_500_000_000, "2.5 GB"),
        (10**18, "1000.0 PB"),
    ],
)
def test_sizes(count: int, text: str) -> None:
    assert size(count) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0 s"), (119, "119 s"), (120, "2 min"), (7199, "120 min"), (7200, "2 h"), (172_800, "2 days")],
)
def test_spans(seconds: int, text: str) -> None:
    assert span(timedelta(seconds=seconds)) == text


@pytest.mark.parametrize(("seconds", "text"), [(-40, "40 s ago"), (0.4, "now"), (180, "in 3 min")])
def test_moments_from_now(seconds: float, text: str) -> None:
    assert relative(NOW + timedelta(seconds=seconds), NOW) == text


def test_both_ways_to_say_when() -> None:
    assert both(NOW, NOW) == "2026-03-01 12:00:00 UTC (now)"


@pytest.mark.parametrize(
    ("text", "width", "short"),
    [
        ("short", 5, "short"),
        ("one two three four", 13, "one two..."),
        ("/a/path/without/blanks", 10, "/a/path..."),
        ("abcdef", 2, "ab"),
    ],
)
def test_shortening(text: str, width: int, short: str) -> None:
    assert shorten(text, width) == short
    assert len(short) <= width


def test_foreign_text_is_one_printable_line() -> None:
    assert printable("a\nb\x1b[2J\u202ec\0 é") == "a b?[2J?c? é"


def test_wide_characters_are_aligned_by_what_they_take() -> None:
    assert table([("節点", "x", "1"), ("a", "y", "22")], right=(2,)).splitlines() == [
        "節点  x   1",
        "a     y  22",
    ]


def test_a_time_that_rates_were_taken_over_is_never_0() -> None:
    assert [window(seconds) for seconds in (0.44, 9.96, 59.7)] == ["0.4 s", "10.0 s", "60 s"]


def test_wide_characters_take_two_columns_of_a_line() -> None:
    lines = hanging(line("  "), "新しい節点の場所は " * 8, 40)
    assert {each.plain.strip() for each in lines} == {"新しい節点の場所は 新しい節点の場所は"}
    assert "".join(each.plain for each in hanging(line(), "節" * 100, 30)) == "節" * 100


@given(st.text())
def test_a_short_name_is_short_and_ordinary_ones_are_whole(name: str) -> None:
    assert len(short_name(name)) <= 20
    assert short_name("antnode0017") == "antnode0017"
