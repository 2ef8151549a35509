"""When a window is open, against a calendar in which every minute is looked up."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wnm.core.forms import DAYS, Window
from wnm.core.host import Host
from wnm.core.settings import read

MONDAY = datetime(2026, 3, 2, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
WEEK_MINUTES = 7 * 24 * 60
USER = Host(platform="linux", is_root=False, user="ada", home="/home/ada", environ={}, usable_cores=4.0)


def window(text: str) -> Window:
    found = read("upgrade_window", text, USER)
    assert isinstance(found, Window)
    return found


def at(text: str) -> datetime:
    """`tue 02:00` in the week of MONDAY."""
    day, clock = text.split()
    hours, minutes = clock.split(":")
    return MONDAY + timedelta(days=DAYS.index(day), hours=int(hours), minutes=int(minutes))


@pytest.mark.parametrize(
    ("text", "moment", "is_open", "opens"),
    [
        ("02:00-05:30", "tue 01:59", False, "tue 02:00"),
        ("02:00-05:30", "tue 02:00", True, "tue 02:00"),
        ("02:00-05:30", "tue 05:29", True, "wed 02:00"),
        ("02:00-05:30", "tue 05:30", False, "wed 02:00"),
        ("sat,sun 22:00-06:00", "sat 21:59", False, "sat 22:00"),
        ("sat,sun 22:00-06:00", "sun 05:59", True, "sun 22:00"),
        ("sat,sun 22:00-06:00", "sun 06:00", False, "sun 22:00"),
        ("sat,sun 22:00-06:00", "sat 05:59", False, "sat 22:00"),
        ("fri-mon 23:00-01:00", "tue 00:59", True, "fri 23:00"),
        ("mon 00:00-24:00", "mon 23:59", True, None),
        ("mon 00:00-24:00", "tue 00:00", False, None),
        ("12:00-12:00", "wed 11:59", True, "wed 12:00"),
        ("wed 23:59-00:00", "wed 23:59", True, "wed 23:59"),
        ("wed 23:59-00:00", "thu 00:00", False, None),
    ],
)
def test_windows(text: str, moment: str, is_open: bool, opens: str | None) -> None:
    assert window(text).is_open(at(moment)) is is_open
    if opens is not None:
        assert window(text).next_opening(at(moment)) == at(opens)


def test_the_next_opening_may_be_a_week_away() -> None:
    assert window("mon 02:00-03:00").next_opening(at("mon 02:01")) == at("mon 02:00") + timedelta(days=7)


@given(
    days=st.sets(st.integers(0, 6), min_size=1),
    start=st.integers(0, 1439),
    end=st.integers(0, 1440),
    moment=st.integers(0, WEEK_MINUTES - 1),
)
def test_against_a_calendar(days: set[int], start: int, end: int, moment: int) -> None:
    """The minutes of a week in which it is open are those that follow each of its beginnings for its length."""
    length = (end - start) % 1440 or 1440
    open_minutes = {(day * 1440 + start + offset) % WEEK_MINUTES for day in days for offset in range(length)}
    made = Window(days=tuple(sorted(days)), start=start * MINUTE, end=end * MINUTE)
    here = MONDAY + moment * MINUTE
    assert made.is_open(here) is (moment in open_minutes)
    begins = sorted((day * 1440 + start - moment) % WEEK_MINUTES for day in days)
    assert made.next_opening(here) == here + begins[0] * MINUTE
