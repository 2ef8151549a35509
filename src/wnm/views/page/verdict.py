"""The one sentence at the top of the page: whether somebody has to do anything."""

from collections.abc import Sequence
from enum import StrEnum

from msgspec import Struct

from wnm.core.alerts import Episode, Severity
from wnm.core.node import Status
from wnm.views.doctor import LATE_AFTER, Check, CheckKind
from wnm.views.facts import counts_of
from wnm.views.page.subject import Subject
from wnm.views.words import printable, shorten, span

_LONGEST = 180


class State(StrEnum):
    """How the machine is."""

    FINE = "fine"
    NOTE = "worth a look"
    BAD = "needs you"


class Verdict(Struct, frozen=True, kw_only=True):
    """The state, the sentence, and what is left to say about it."""

    state: State
    sentence: str
    more: str | None = None


def verdict(subject: Subject) -> Verdict:
    """What the page says first."""
    bad = troubles(subject)
    if bad:
        rest = len(bad) - 1
        more = f"{rest:,} more thing{' needs' if rest == 1 else 's need'} you" if rest else None
        return Verdict(state=State.BAD, sentence=_worst(subject, bad[0]), more=more)
    if subject.alerts:
        return _of_alerts(sorted(subject.alerts, key=lambda each: each.severity is not Severity.CRITICAL))
    return _without_trouble(subject)


def words_of(alert: Episode) -> str:
    """What an alert is about and what it says."""
    return printable(f"{alert.subject}: {alert.text}" if alert.subject else alert.text)


def _of_alerts(alerts: Sequence[Episode]) -> Verdict:
    """What somebody was told of is not fine, although all nodes may be."""
    worst, rest = alerts[0], len(alerts) - 1
    return Verdict(
        state=State.BAD if worst.severity is Severity.CRITICAL else State.NOTE,
        sentence=shorten(words_of(worst), _LONGEST),
        more=f"{rest:,} more alert{' is' if rest == 1 else 's are'} open" if rest else None,
    )


def troubles(subject: Subject) -> list[Check]:
    """What needs somebody, the most telling first: what the last cycle itself gave up on."""
    bad = [check for check in subject.checks if check.ok is False]
    return sorted(bad, key=lambda check: check.kind is not CheckKind.BLOCKED)


def sentence_of(check: Check) -> str:
    """A check as a sentence without a full stop."""
    name = f"{check.name}: "
    if check.kind is CheckKind.BLOCKED:
        name = f"{check.name} "
    elif check.kind is CheckKind.READING:
        name = ""
    text = printable(f"{name}{check.detail}")
    # The names of nodes and paths stay as they are.
    return text[:1].upper() + text[1:] if text.split()[0].rstrip(":").isalpha() else text


def _worst(subject: Subject, worst: Check) -> str:
    cycle, now = subject.material.cycle, subject.material.generated_at
    if cycle is None:
        return "No cycle has run yet"
    if now - cycle.started_at > LATE_AFTER:
        return f"wnm has not run for {span(now - cycle.started_at)}"
    return shorten(sentence_of(worst), _LONGEST)


def _without_trouble(subject: Subject) -> Verdict:
    total = len(subject.nodes)
    counts = counts_of(subject.material.nodes)
    running = counts[Status.RUNNING]
    concerns = sum(why is not None for _, why in subject.nodes)
    if not total:
        return Verdict(state=State.FINE, sentence="All is well; there are no nodes yet")
    if concerns:
        look = f"{concerns:,} want{'s' if concerns == 1 else ''} a look"
        return Verdict(state=State.NOTE, sentence=f"{running:,} of {total:,} nodes run, {look}")
    if running == total:
        return Verdict(
            state=State.FINE, sentence=f"All {total:,} nodes are fine" if total > 1 else "The node is fine"
        )
    others = ", ".join(
        f"{count:,} {status}" for status, count in counts.items() if count and status is not Status.RUNNING
    )
    return Verdict(state=State.FINE, sentence=f"All is well: {running:,} of {total:,} nodes run, {others}")
