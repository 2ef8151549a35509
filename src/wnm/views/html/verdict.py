"""Decides what the status page says first: whether anybody has to do anything, what, and how."""

import re
from collections.abc import Mapping, Sequence
from datetime import date
from enum import StrEnum
from functools import cached_property

from msgspec import Struct

from wnm.core.alerts import Episode, Severity
from wnm.core.node import Status
from wnm.core.timeline import Past
from wnm.views.doctor import LATE_AFTER, Check, CheckKind, checks_of
from wnm.views.html.markup import Markup, element, section
from wnm.views.material import Material, tally
from wnm.views.words import absolute, printable, shorten, span


class Subject(Struct, frozen=True, kw_only=True, dict=True):
    """One machine at one moment.

    `machine_name` is what its operator calls it, `version` that of wnm. `alerts` are those that are open.
    `earned_today` is what each node earned since midnight by its name, `earned_by_day` what all of them did on each
    day, in UTC and in attos.
    """

    machine_name: str
    version: str
    material: Material
    past: Past
    alerts: tuple[Episode, ...] = ()
    earned_today: Mapping[str, int] = {}
    earned_by_day: Mapping[date, int] = {}

    @cached_property
    def checks(self) -> tuple[Check, ...]:
        """Return the checks of the ledger and the last cycle about the machine's health."""
        return checks_of(self.material)


_LONGEST = 180


class State(StrEnum):
    """The state of the machine."""

    FINE = "fine"
    NOTE = "worth a look"
    BAD = "needs you"


class Verdict(Struct, frozen=True):
    """The state, the sentence, and what is left to say about it."""

    state: State
    sentence: str
    more: str | None = None


def verdict(subject: Subject) -> Verdict:
    """The first words of the page."""
    bad = troubles(subject)
    if bad:
        rest = len(bad) - 1
        more = f"{rest:,} more thing{' needs' if rest == 1 else 's need'} you" if rest else None
        cycle, now = subject.material.cycle, subject.material.generated_at
        words = shorten(sentence_of(bad[0]), _LONGEST)
        if cycle is None:
            words = "No cycle has run yet"
        elif now - cycle.started_at > LATE_AFTER:
            words = f"wnm has not run for {span(now - cycle.started_at)}"
        return Verdict(State.BAD, words, more)
    if subject.alerts:
        # The machine is not fine, although all nodes may be.
        worst = min(subject.alerts, key=lambda each: each.severity is not Severity.CRITICAL)
        rest, is_bad = len(subject.alerts) - 1, worst.severity is Severity.CRITICAL
        more = f"{rest:,} more alert{' is' if rest == 1 else 's are'} open" if rest else None
        return Verdict(State.BAD if is_bad else State.NOTE, shorten(words_of(worst), _LONGEST), more)
    total, counts = len(subject.material.nodes), subject.material.counts
    running, concerns = counts[Status.RUNNING], sum(why is not None for why in subject.material.concerns)
    if concerns:
        look = f"{concerns:,} want{'s' if concerns == 1 else ''} a look"
        return Verdict(State.NOTE, f"{running:,} of {total:,} nodes run, {look}")
    others = tally(counts, but=Status.RUNNING, form=",")
    words = f"All is well: {running:,} of {total:,} nodes run, {others}"
    if not total:
        words = "All is well; there are no nodes yet"
    elif running == total:
        words = f"All {total:,} nodes are fine" if total > 1 else "The node is fine"
    return Verdict(State.FINE, words)


def words_of(alert: Episode) -> str:
    """Return the subject and the text of an alert."""
    return printable(f"{alert.subject}: {alert.text}" if alert.subject else alert.text)


def troubles(subject: Subject) -> list[Check]:
    """The checks that need somebody, those first that the last cycle itself gave up on."""
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


MOST_ENTRIES = 16
_OPTION = re.compile(r"(--[a-z_-]{1,30})\b")


def alerts(subject: Subject) -> Markup:
    """The section; it is there, and says so, when nothing needs anybody."""
    bad = troubles(subject)
    notes = [check for check in subject.checks if check.ok is None]
    parts = []
    if bad:
        parts.append(element("ul", *_entries(bad), class_="alerts bad"))
    elif not subject.alerts:
        parts.append(element("p", "Nothing needs you.", class_="calm"))
    if subject.alerts:
        entries = []
        for alert in subject.alerts[:MOST_ENTRIES]:
            since = element("span", "Since: ", class_="label"), absolute(alert.since)
            remedy = _remedy(printable(alert.remedy))
            entries.append(
                element("li", element("p", words_of(alert)), element("p", *since, class_="remedy"), remedy)
            )
        parts += [element("h3", "Open alerts"), element("ul", *entries, class_="alerts bad")]
    if notes:
        parts += [element("h3", "Worth knowing"), element("ul", *_entries(notes), class_="notes")]
    return section("needs", "What needs you", *parts)


def _entries(checks: Sequence[Check]) -> list[Markup]:
    """So many that they can be read; where the same is wrong with a thousand nodes, the rest is only counted."""
    shown = []
    for check in checks[:MOST_ENTRIES]:
        remedy = None if check.remedy is None else _remedy(check.remedy)
        shown.append(element("li", element("p", sentence_of(check)), remedy))
    if len(checks) > MOST_ENTRIES:
        shown.append(element("li", f"and {len(checks) - MOST_ENTRIES:,} more: wnm doctor"))
    return shown


def _remedy(text: str) -> Markup:
    """Return the remedy, with every option of a command in one piece."""
    parts = [
        element("span", part, class_="whole") if at % 2 else part
        for at, part in enumerate(_OPTION.split(text))
    ]
    return element("p", element("span", "Remedy: ", class_="label"), *parts, class_="remedy")
