"""Writes the whole status page: its head with the policy that forbids all network, its sections, style and script."""

from base64 import b64encode
from collections.abc import Sequence
from functools import cache
from hashlib import sha256
from importlib.resources import files
from itertools import groupby

from wnm.core.decide.ladder import IDLE
from wnm.core.reasons import Blocked
from wnm.core.sentences import sentence, waiting_for, what
from wnm.core.timeline import OperationRecord, Past, PastCycle
from wnm.views.actions import Names, recorded_outcome
from wnm.views.explain import outcome_words
from wnm.views.html.charts import charts
from wnm.views.html.markup import Markup, element, joined, raw, time
from wnm.views.html.nodes import gauges, nodes
from wnm.views.html.verdict import State, Subject, Verdict, alerts, verdict
from wnm.views.words import by_rule, shorten

MOST_ENTRIES = 40
MOST_OPERATIONS = 12
MOST_HELD = 20
_LONGEST = 300


def decisions(subject: Subject) -> Markup:
    """The section: what waits, then the cycles, newest first; those in a row that said the same are one entry."""
    cycle = subject.material.cycle
    heading = element("h2", "Decisions", id="decisions")
    if cycle is None:
        nothing = element("p", "No cycle has run yet.")
        return element("section", heading, nothing, aria_labelledby="decisions")
    names = {int(each.node.id): each.node.name for each in subject.material.nodes}
    return element(
        "section",
        heading,
        *_waiting([held for held in cycle.held if held.remedy is None], names),
        element("h3", "The last cycles"),
        element("ol", *(_entry(*each, names) for each in _entries(subject.past)), class_="cycles"),
        aria_labelledby="decisions",
    )


def _waiting(held: Sequence[Blocked], names: Names) -> list[Markup]:
    if not held:
        return []
    lines = [element("li", *_held(each, names)) for each in held[:MOST_HELD]]
    if len(held) > MOST_HELD:
        lines.append(element("li", f"and {len(held) - MOST_HELD:,} more: wnm explain"))
    return [element("h3", "What the latest cycle held back"), element("ul", *lines, class_="held")]


def _held(held: Blocked, names: Names) -> tuple[Markup | str, ...]:
    words: tuple[Markup | str, ...] = (
        element("strong", shorten(what(held, names), _LONGEST)),
        f" waits for {shorten(waiting_for(held, names), _LONGEST)}",
    )
    return words if held.until is None else (*words, ", until ", time(held.until))


type _Group = tuple[tuple[PastCycle, ...], tuple[OperationRecord, ...]]


def _entries(past: Past) -> list[_Group]:
    """Cycles that did something stand alone, idle ones are together while they say the same."""
    operations: dict[int, list[OperationRecord]] = {}
    for each in reversed(past.operations):
        operations.setdefault(each.cycle, []).append(each)

    def kind(cycle: PastCycle) -> tuple[object, ...]:
        if cycle.number in operations:
            return (cycle.number,)
        return (cycle.rule, cycle.because if cycle.rule == IDLE else None, cycle.exit_code)

    groups = [tuple(group) for _, group in groupby(past.cycles, kind)]
    return [(group, tuple(operations.get(group[0].number, ()))) for group in groups[:MOST_ENTRIES]]


def _entry(cycles: tuple[PastCycle, ...], operations: tuple[OperationRecord, ...], names: Names) -> Markup:
    latest, first = cycles[0], cycles[-1]
    number = element("span", f" #{latest.number}", class_="quiet")
    head: list[Markup | str] = [time(latest.started_at), number]
    if len(cycles) > 1:
        head += [element("span", f" {len(cycles):,} cycles since ", time(first.started_at), class_="quiet")]
    head += [" ", element("span", latest.rule, class_="rule"), " ", *_ended(latest)]
    because = element("p", shorten(latest.because, _LONGEST)) if latest.because else None
    lines = [_operation(each, names) for each in operations[:MOST_OPERATIONS]]
    if len(operations) > MOST_OPERATIONS:
        lines.append(
            element("li", f"and {len(operations) - MOST_OPERATIONS:,} more: wnm explain {latest.number}")
        )
    done = element("ul", *lines) if lines else None
    return element(
        "li",
        element("p", joined(head), class_="when"),
        because,
        done,
        class_="acted" if operations else "quiet-cycle",
    )


def _ended(cycle: PastCycle) -> tuple[Markup, ...]:
    if cycle.exit_code is None:
        return (element("span", "killed, or still running", class_="bad"),)
    if cycle.exit_code:
        return (element("span", f"exit code {cycle.exit_code}", class_="bad"),)
    return ()


def _operation(operation: OperationRecord, names: Names) -> Markup:
    failed = operation.result not in ("done", "deferred")
    words = shorten(outcome_words(recorded_outcome(operation, names)), _LONGEST)
    because = f", because: {shorten(sentence(operation.action.because, names), _LONGEST)}"
    return element("li", words, element("span", because, class_="quiet"), class_="failed" if failed else None)


MARKER = "<!-- Written by wnm -->"
"""The text after the page's doctype: a file that holds it may be replaced by a newer page."""

_SYMBOLS = {State.FINE: "✓", State.NOTE: "i", State.BAD: "!"}
_COLOURS = {State.FINE: "#11702f", State.NOTE: "#8a5300", State.BAD: "#b3201c"}
_CLASSES = {State.FINE: "fine", State.NOTE: "note", State.BAD: "bad"}


def render(subject: Subject) -> str:
    """The page as one HTML text. It loads nothing, and works without its script, if less comfortably."""
    found = verdict(subject)
    body = element(
        "body",
        element("a", "Skip to the nodes", href="#nodes", class_="skip"),
        _header(subject, found),
        element(
            "main",
            alerts(subject),
            gauges(subject),
            charts(subject),
            nodes(subject),
            decisions(subject),
        ),
        _footer(subject),
        element("script", raw(source("page.js"))),
    )
    return f'<!DOCTYPE html>\n{MARKER}\n<html lang="en">{_head(subject, found).text}{body.text}</html>'


def policy() -> str:
    """Return the page's Content-Security-Policy: its own style and script, and nothing else."""
    return (
        "default-src 'none'; "
        f"script-src '{_digest('page.js')}'; style-src '{_digest('page.css')}'; img-src data:; "
        "base-uri 'none'; form-action 'none'"
    )


@cache
def source(name: str) -> str:
    """A file that lies beside this one."""
    return files("wnm.views.html").joinpath(name).read_text(encoding="utf-8")


@cache
def _digest(name: str) -> str:
    return f"sha256-{b64encode(sha256(source(name).encode()).digest()).decode()}"


def _head(subject: Subject, found: Verdict) -> Markup:
    title = f"{_SYMBOLS[found.state]} {subject.machine_name}: {found.sentence}"
    return element(
        "head",
        element("meta", charset="utf-8"),
        # A page that is opened from a file has no headers; http-equiv holds there too.
        element("meta", http_equiv="Content-Security-Policy", content=policy()),
        element("meta", name="viewport", content="width=device-width, initial-scale=1"),
        element("meta", name="color-scheme", content="light dark"),
        element("meta", name="robots", content="noindex"),
        element("meta", name="referrer", content="no-referrer"),
        element("title", title),
        element("link", rel="icon", href=_icon(found.state)),
        element("style", raw(source("page.css"))),
    )


def _icon(state: State) -> str:
    """A dot in the colour of the state with its symbol, for the tab."""
    drawing = (
        "<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 16 16'>"
        f"<circle cx='8' cy='8' r='8' fill='{_COLOURS[state]}'/>"
        "<text x='8' y='12' font-size='11' font-family='sans-serif' text-anchor='middle' fill='#fff'>"
        f"{_SYMBOLS[state]}</text></svg>"
    )
    return f"data:image/svg+xml;base64,{b64encode(drawing.encode()).decode()}"


def _header(subject: Subject, found: Verdict) -> Markup:
    kind = _CLASSES[found.state]
    more = None if found.more is None else element("a", found.more, href="#needs", class_="more")
    return element(
        "header",
        element(
            "div",
            element("p", "wnm on ", element("strong", subject.machine_name), class_="machine"),
            _theme(),
            class_="bar",
        ),
        element("p", "", id="stale", role="alert", hidden=True),
        element(
            "div",
            element("span", _SYMBOLS[found.state], class_="symbol", aria_hidden="true"),
            element(
                "div",
                element("p", found.state, class_="state"),
                element("h1", found.sentence),
                more,
            ),
            class_=f"verdict {kind}",
        ),
        _last_cycle(subject),
    )


def _theme() -> Markup:
    """Light, dark, or what the machine of the reader says; the script shows it."""
    options = [
        element("option", name, value=value)
        for value, name in (("", "as my system"), ("light", "light"), ("dark", "dark"))
    ]
    return element(
        "span",
        element("label", "Colours ", for_="theme"),
        element("select", *options, id="theme"),
        class_="control",
        id="theme-control",
        hidden=True,
    )


def _last_cycle(subject: Subject) -> Markup:
    """When the last cycle began: the script measures the age of the page by it."""
    cycle = subject.material.cycle
    if cycle is None:
        return element("p", "No cycle is recorded; this was written ", time(subject.material.generated_at))
    words: list[Markup | str] = [
        f"Cycle {cycle.number:,} began ",
        element("span", time(cycle.started_at), id="last-cycle"),
        f", decided {by_rule(cycle.rule)}",
        f": {cycle.because}." if cycle.because else ".",
    ]
    return element("p", joined(words), class_="last")


def _footer(subject: Subject) -> Markup:
    return element(
        "footer",
        element(
            "p",
            f"Written by wnm {subject.version} ",
            time(subject.material.generated_at),
            ". ",
            element("span", "Times are UTC.", id="zone"),
            " More: ",
            element("code", "wnm status"),
            ", ",
            element("code", "wnm explain"),
            ", ",
            element("code", "wnm doctor"),
            ".",
        ),
    )
