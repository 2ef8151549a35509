"""Rates from stored counters."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from msgspec.structs import asdict, replace

from wnm.core.observation import Counters, Unseen, rates

BEFORE = Counters(
    boot_id="one", taken_at=datetime(2026, 3, 1, 12, 0, tzinfo=UTC),
    cpu_busy_seconds=100.0, cpu_total_seconds=1000.0,
    netio_read_bytes=1_000, netio_write_bytes=2_000, hdio_read_bytes=3_000, hdio_write_bytes=4_000,
)  # fmt: skip
AFTER = Counters(
    boot_id="one", taken_at=BEFORE.taken_at + timedelta(seconds=60),
    cpu_busy_seconds=160.0, cpu_total_seconds=1240.0,
    netio_read_bytes=1_000 + 60 * 10, netio_write_bytes=2_000 + 60 * 20,
    hdio_read_bytes=3_000 + 60 * 30, hdio_write_bytes=4_000,
)  # fmt: skip
READINGS = (
    "cpu_percent", "netio_read_bytes_per_second", "netio_write_bytes_per_second",
    "hdio_read_bytes_per_second", "hdio_write_bytes_per_second",
)  # fmt: skip
COUNTER_OF = {
    "cpu_percent": "cpu_busy_seconds",
    **{reading: reading.removesuffix("_per_second") for reading in READINGS[1:]},
}


def test_averages_over_the_window() -> None:
    assert asdict(rates(BEFORE, AFTER)) == {
        "window_seconds": 60.0,
        "cpu_percent": 25.0,
        "netio_read_bytes_per_second": 10.0,
        "netio_write_bytes_per_second": 20.0,
        "hdio_read_bytes_per_second": 30.0,
        "hdio_write_bytes_per_second": 0.0,
    }


@pytest.mark.parametrize(
    ("before", "why"),
    [
        (None, "no earlier reading"),
        (replace(BEFORE, boot_id="two"), "restarted"),
        (replace(BEFORE, taken_at=AFTER.taken_at), "clock"),
        (replace(BEFORE, taken_at=AFTER.taken_at + timedelta(hours=1)), "clock"),
    ],
    ids=["nothing stored", "after a reboot", "no time passed", "clock set back"],
)
def test_without_a_common_window_nothing_is_seen(before: Counters | None, why: str) -> None:
    seen = rates(before, AFTER)
    assert seen.window_seconds is None
    for reading in READINGS:
        value = getattr(seen, reading)
        assert isinstance(value, Unseen)
        assert why in value.reason


@pytest.mark.parametrize("reading", READINGS)
@pytest.mark.parametrize(
    ("change", "why"),
    [
        (("before", 10_000_000), "began again"),
        (("before", None), "no earlier reading"),
        (("after", None), "does not count"),
    ],
    ids=["went backwards", "is new", "is not counted"],
)
def test_one_counter_that_says_nothing_takes_no_other_with_it(
    reading: str, change: tuple[str, int | None], why: str
) -> None:
    side, value = change
    changed: dict[str, Any] = {COUNTER_OF[reading]: value}
    before, after = BEFORE, AFTER
    if side == "before":
        before = replace(before, **changed)
    else:
        after = replace(after, **changed)
    seen = rates(before, after)
    unseen = getattr(seen, reading)
    assert isinstance(unseen, Unseen)
    assert why in unseen.reason
    plain = rates(BEFORE, AFTER)
    assert all(getattr(seen, other) == getattr(plain, other) for other in READINGS if other != reading)


def test_cpu_needs_time_that_was_counted() -> None:
    seen = rates(BEFORE, replace(AFTER, cpu_total_seconds=BEFORE.cpu_total_seconds))
    assert isinstance(seen.cpu_percent, Unseen)
    assert seen.netio_read_bytes_per_second == 10.0


@pytest.mark.parametrize(("own_seconds", "percent"), [(0.0, 25.0), (12.0, 20.0), (60.0, 0.0), (61.0, 0.0)])
def test_the_instrument_does_not_see_itself(own_seconds: float, percent: float) -> None:
    assert rates(BEFORE, AFTER, own_cpu_seconds=own_seconds).cpu_percent == percent


def test_cpu_never_exceeds_a_hundred_percent() -> None:
    assert rates(BEFORE, replace(AFTER, cpu_busy_seconds=400.0)).cpu_percent == 100.0
