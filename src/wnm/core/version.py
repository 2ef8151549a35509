"""Version texts of node programs and their order: releases, candidates and nightlies."""

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from packaging.version import Version

_LONGEST = 64
_NIGHTLY = re.compile(
    r"(?:-- )?nightly(?:[ -]release)?[ -]([0-9]{4})[.-]([0-9]{1,2})[.-]([0-9]{1,2})", re.IGNORECASE
)
_NUMBERED = re.compile(r"v?([0-9]+(?:\.[0-9]+)+[0-9A-Za-z.+_-]*)")
_FIRST_CALENDAR_YEAR = 2000


def tidy_version(text: str) -> str | None:
    """One spelling for each version, or None where the text is none.

    `v0.4.17` becomes `0.4.17`, `0.4.18-rc.1` stays, `-- Nightly Release 2026.02.23` becomes
    `nightly 2026.02.23`. The result has at most 64 characters, all of them printable ASCII.
    """
    text = text.strip()
    if len(text) > _LONGEST:
        return None
    if nightly := _NIGHTLY.fullmatch(text):
        year, month, day = nightly.groups()
        return f"nightly {year}.{month:0>2}.{day:0>2}"
    numbered = _NUMBERED.fullmatch(text)
    return numbered[1] if numbered else None


def is_older(a: str | None, b: str | None) -> bool:
    """Whether version `a` came before version `b`; False where that cannot be known."""
    if a is None or b is None or a == b:
        return False
    orders = _order(a), _order(b)
    if orders[0] is None or orders[1] is None or orders[0][0] != orders[1][0]:
        return False
    return orders[0][1] < orders[1][1]


def comparable(a: str | None, b: str | None) -> bool:
    """Whether `a` and `b` have an order: both releases or candidates, or both nightlies."""
    if a is None or b is None:
        return False
    if a == b:
        return tidy_version(a) is not None
    orders = _order(a), _order(b)
    return orders[0] is not None and orders[1] is not None and orders[0][0] == orders[1][0]


def _order(text: str) -> "tuple[str, Version] | None":
    """The series of a version and its place in it; None for a text that is no version."""
    # Half of the import time of a small program, and not needed while all versions are equal.
    from packaging.version import InvalidVersion, Version

    tidy = tidy_version(text)
    if tidy is None:
        return None
    series = "nightly" if tidy.startswith("nightly ") else "numbered"
    try:
        # The part after a plus sign names a build and has no order.
        place = Version(tidy.removeprefix("nightly ").partition("+")[0])
    except InvalidVersion:
        return None
    if series == "numbered" and place.release[0] >= _FIRST_CALENDAR_YEAR:
        series = "calendar"  # a package number such as 2026.2.3.2 says nothing about 0.4.17
    return series, place
