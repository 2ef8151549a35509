"""What needs somebody, with its remedy, and what is worth knowing."""

from collections.abc import Sequence

from wnm.report.doctor import Check
from wnm.report.page.markup import Markup, element
from wnm.report.page.subject import Subject
from wnm.report.page.verdict import sentence_of, troubles

MOST_ENTRIES = 16


def alerts(subject: Subject) -> Markup:
    """The section; it is there, and says so, when nothing needs anybody."""
    bad = troubles(subject)
    notes = [check for check in subject.checks if check.ok is None]
    parts = [element("h2", "What needs you", id="needs")]
    if bad:
        parts.append(element("ul", *_entries(bad), class_="alerts bad"))
    else:
        parts.append(element("p", "Nothing needs you.", class_="calm"))
    if notes:
        parts.append(element("h3", "Worth knowing"))
        parts.append(element("ul", *_entries(notes), class_="notes"))
    return element("section", *parts, aria_labelledby="needs")


def _entries(checks: Sequence[Check]) -> list[Markup]:
    """So many that they can be read; where the same is wrong with a thousand nodes, the rest is only counted."""
    shown = [_entry(check) for check in checks[:MOST_ENTRIES]]
    if len(checks) > MOST_ENTRIES:
        shown.append(element("li", f"and {len(checks) - MOST_ENTRIES:,} more: wnm doctor"))
    return shown


def _entry(check: Check) -> Markup:
    words = [element("p", sentence_of(check))]
    if check.remedy is not None:
        words.append(element("p", element("span", "Remedy: ", class_="label"), check.remedy, class_="remedy"))
    return element("li", *words)
