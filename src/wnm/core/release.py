"""Keeps the record of each version of the node program: when it came, which nodes passed its gate, and which failed."""

from collections.abc import Iterable
from datetime import datetime

from msgspec.structs import replace

from wnm.core.node import Node
from wnm.core.outcome import Outcome
from wnm.core.values import Moment, Value

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
    known = next((each for each in releases if each.version == version), None)
    return known or Release(version=version, first_seen_at=now)


def after_outcomes(
    releases: Iterable[Release], outcomes: Iterable[tuple[Node, Outcome]]
) -> tuple[Release, ...]:
    """The records that change because nodes could not be started on the program whose gate they were in.

    Each outcome comes with the node's row during the action.
    """
    known = {each.version: each for each in releases}
    news: dict[str, Release] = {}
    for node, outcome in outcomes:
        if not outcome.program_failed or node.trial is None:
            continue
        record = news.get(node.trial) or release_of(known.values(), node.trial, outcome.ended_at)
        news[node.trial] = record.failed(node.name, outcome.ended_at, outcome.error or "it did not start")
    return tuple(news.values())


def merged(releases: Iterable[Release], news: Iterable[Release]) -> tuple[Release, ...]:
    """The records with newer ones in place of those of the same version; the oldest are forgotten."""
    by_version = {each.version: each for each in releases} | {each.version: each for each in news}
    newest = sorted(by_version.values(), key=lambda each: each.first_seen_at)
    return tuple(newest[-MOST_RELEASES:])
