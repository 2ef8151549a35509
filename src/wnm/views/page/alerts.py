"""What needs somebody, with its remedy, and what is worth knowing."""

import re
from collections.abc import Sequence

from wnm.core.alerts import Episode
from wnm.views.doctor import Check
from wnm.views.page.markup import Markup, element
from wnm.views.page.subject import Subject
from wnm.views.page.verdict import sentence_of, troubles, words_of
from wnm.views.words import absolute, printable

MOST_ENTRIES = 16
_OPTION = re.compile(r"(--[a-z_-]{1,30})\b")


def alerts(subject: Subject) -> Markup:
    """The section; it is there, and says so, when nothing needs anybody."""
    bad = troubles(subject)
    notes = [check for check in subject.checks if check.ok is None]
    parts = [element("h2", "What needs you", id="needs")]
    if bad:
        parts.append(element("ul", *_entries(bad), class_="alerts bad"))
    elif not subject.alerts:
        parts.append(element("p", "Nothing needs you.", class_="calm"))
    if subject.alerts:
        parts.append(element("h3", "Open alerts"))
        parts.append(element("ul", *map(_open_alert, subject.alerts[:MOST_ENTRIES]), class_="alerts bad"))
    if notes:
        parts.append(element("h3", "Worth knowing"))
        parts.append(element("ul", *_entries(notes), class_="notes"))
    return element("section", *parts, aria_labelledby="needs")


def _open_alert(alert: Episode) -> Markup:
    """One that somebody was told of, since when, and what to do."""
    return element(
        "li",
        element("p", words_of(alert)),
        element("p", element("span", "Since: ", class_="label"), absolute(alert.since), class_="remedy"),
        _remedy(printable(alert.remedy)),
    )


def _entries(checks: Sequence[Check]) -> list[Markup]:
    """So many that they can be read; where the same is wrong with a thousand nodes, the rest is only counted."""
    shown = [_entry(check) for check in checks[:MOST_ENTRIES]]
    if len(checks) > MOST_ENTRIES:
        shown.append(element("li", f"and {len(checks) - MOST_ENTRIES:,} more: wnm doctor"))
    return shown


def _entry(check: Check) -> Markup:
    words = [element("p", sentence_of(check))]
    if check.remedy is not None:
        words.append(_remedy(check.remedy))
    return element("li", *words)


def _remedy(text: str) -> Markup:
    """What to do, with every option of a command in one piece."""
    parts = [
        element("span", part, class_="whole") if at % 2 else part
        for at, part in enumerate(_OPTION.split(text))
    ]
    return element("p", element("span", "Remedy: ", class_="label"), *parts, class_="remedy")
