"""Versions of node programs: their order, and the record of each (when it came, which nodes passed, which failed)."""

import re
from collections.abc import Iterable
from datetime import datetime
from operator import attrgetter
from typing import TYPE_CHECKING

from msgspec.structs import replace

from wnm.core.action import Outcome
from wnm.core.node import Node
from wnm.core.values import Moment, Value

if TYPE_CHECKING:
    from packaging.version import Version

MOST_RELEASES = 20
MOST_FAILURES = 20


class GateFailure(Value, frozen=True, kw_only=True):
    """A node, by name, that failed the gate of a version, and why, with its own last words."""

    node: str
    at: Moment
    reason: str


class Release(Value, frozen=True, kw_only=True):
    """One version. `passed` counts the nodes that passed its gate; `failures` are those since it was last lifted."""

    version: str
    first_seen_at: Moment
    passed: int = 0
    failures: tuple[GateFailure, ...] = ()

    def is_halted(self, failures_allowed: int) -> bool:
        """Whether nothing more is brought to this version: it has failed as often as is allowed."""
        return len(self.failures) >= failures_allowed

    def failed(self, node: str, at: datetime, reason: str) -> "Release":
        """The same with one more failure."""
        failure = GateFailure(node=node, at=at, reason=reason)
        return replace(self, failures=(*self.failures, failure)[-MOST_FAILURES:])

    def lifted(self) -> "Release":
        """The same with its failures forgiven."""
        return replace(self, failures=())


def release_of(releases: Iterable[Release], version: str, now: datetime) -> Release:
    """Return the record of a version; a fresh one if there is none."""
    for each in releases:
        if each.version == version:
            return each
    return Release(version=version, first_seen_at=now)


def after_outcomes(
    releases: Iterable[Release], outcomes: Iterable[tuple[Node, Outcome]]
) -> tuple[Release, ...]:
    """The records that change because nodes could not be started on the program whose gate they were in.

    Each outcome comes with the node's row during the action.
    """
    known = {each.version: each for each in releases}
    news: dict[str, Release] = {}
    for node, outcome in outcomes:
        if not outcome.program_failed or node.gate_version is None:
            continue
        record = news.get(node.gate_version) or release_of(
            known.values(), node.gate_version, outcome.ended_at
        )
        news[node.gate_version] = record.failed(
            node.name, outcome.ended_at, outcome.error or "it did not start"
        )
    return tuple(news.values())


def merged(releases: Iterable[Release], news: Iterable[Release]) -> tuple[Release, ...]:
    """The records with newer ones in place of those of the same version; the oldest are forgotten."""
    by_version = {each.version: each for each in releases} | {each.version: each for each in news}
    newest = sorted(by_version.values(), key=attrgetter("first_seen_at"))
    return tuple(newest[-MOST_RELEASES:])


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
    orders = _orders(a, b)
    return orders is not None and orders[0] < orders[1]


def comparable(a: str | None, b: str | None) -> bool:
    """Whether `a` and `b` have an order: both releases or candidates, or both nightlies."""
    if a is None or b is None:
        return False
    return tidy_version(a) is not None if a == b else _orders(a, b) is not None


def _orders(*texts: str) -> "tuple[Version, ...] | None":
    """The places of versions in their series; None if one is no version, or they are of different series."""
    # Half of the import time of a small program, and not needed while all versions are equal.
    from packaging.version import InvalidVersion, Version

    series: set[str] = set()
    found: list[Version] = []
    for text in texts:
        tidy = tidy_version(text)
        if tidy is None:
            return None
        try:
            # The part after a plus sign names a build and has no order.
            place = Version(tidy.removeprefix("nightly ").partition("+")[0])
        except InvalidVersion:
            return None
        found.append(place)
        # A package number such as 2026.2.3.2 says nothing about 0.4.17.
        numbered = "calendar" if place.release[0] >= _FIRST_CALENDAR_YEAR else "numbered"
        series.add("nightly" if tidy.startswith("nightly ") else numbered)
    return tuple(found) if len(series) == 1 else None
