"""The order of versions."""

from itertools import combinations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wnm.core.release import comparable, is_older, tidy_version

OLDEST_FIRST = ["0.4.7", "0.4.17-alpha.3", "0.4.17-beta.2", "0.4.17-rc.1", "0.4.17-rc.2", "0.4.17-rc.10",
                "0.4.17", "0.4.18-rc.1", "0.4.18", "0.5", "0.10.0", "1.0.0"]  # fmt: skip
NIGHTLIES = ["nightly 2025.12.31", "nightly 2026.02.03", "nightly 2026.02.23", "nightly 2026.10.01"]
CALENDAR = ["2025.11.1.1", "2026.2.3.2"]
NO_VERSIONS = [None, "", "v", "none", "0", "1", "0.4.x", "nightly", "nightly 20260223", "0.4.18-nightly.3",
               "1." + "9" * 5000, "1!2.0", "٠.٤", "0.4.17\n0.4.18", "\x1b[31m0.4.17"]  # fmt: skip


@pytest.mark.parametrize(
    "series", [OLDEST_FIRST, NIGHTLIES, CALENDAR], ids=["numbered", "nightly", "calendar"]
)
def test_order_within_a_series(series: list[str]) -> None:
    for older, newer in combinations(series, 2):
        assert is_older(older, newer), (older, newer)
        assert not is_older(newer, older), (newer, older)
        assert comparable(older, newer)


def test_nothing_is_older_than_itself_however_it_is_written() -> None:
    for version in (*OLDEST_FIRST, *NIGHTLIES, *CALENDAR):
        assert not is_older(version, version)
        assert comparable(version, version)
    assert not is_older("0.4.17", "v0.4.17")
    assert not is_older("0.4.17", "0.4.17+build.5")
    assert not is_older("0.4.17+build.5", "0.4.17")


@pytest.mark.parametrize("other", [*NIGHTLIES, *CALENDAR, *NO_VERSIONS])
def test_what_has_no_common_order_is_never_older(other: str | None) -> None:
    assert not is_older("0.4.17", other)
    assert not is_older(other, "0.4.17")
    assert not comparable("0.4.17", other)
    assert not comparable(other, "0.4.17")


def test_the_same_garbage_twice_has_no_order() -> None:
    assert not comparable("none", "none")


@pytest.mark.parametrize(
    ("text", "tidy"),
    [
        ("0.4.17", "0.4.17"),
        (" v0.4.17 ", "0.4.17"),
        ("0.4.18-rc.1", "0.4.18-rc.1"),
        ("-- Nightly Release 2026.02.23", "nightly 2026.02.23"),
        ("Nightly Release 2026.2.3", "nightly 2026.02.03"),
        ("nightly 2026.02.23", "nightly 2026.02.23"),
        ("nightly-2026-02-23", "nightly 2026.02.23"),
        ("0.4.17 (dirty)", None),
        ("0.4.17\x1b[2J", None),
        ("stable", None),
        ("", None),
        ("1." + "0" * 70, None),
    ],
)
def test_one_spelling(text: str, tidy: str | None) -> None:
    assert tidy_version(text) == tidy


_texts = st.text(max_size=20) | st.from_regex(
    r"v?\d{1,4}\.\d{1,4}(\.\d{1,4})?([-.+](rc|beta|post|dev)?\.?\d*)?"
)


@settings(deadline=None)
@given(_texts, _texts)
def test_garbage_never_raises_and_never_is_older_both_ways(a: str, b: str) -> None:
    assert not (is_older(a, b) and is_older(b, a))
    assert comparable(a, b) == comparable(b, a)
