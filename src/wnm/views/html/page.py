"""Writes the whole status page: its head with the policy that forbids all network, its sections, style and script."""

from base64 import b64encode
from functools import cache
from hashlib import sha256
from importlib.resources import files
from itertools import groupby

from wnm.core.decide.ladder import IDLE
from wnm.core.sentences import sentence, waiting_for, what
from wnm.core.timeline import OperationRecord, Past, PastCycle
from wnm.views.actions import Names, names_of, outcome_view
from wnm.views.explain import outcome_words
from wnm.views.html.charts import charts
from wnm.views.html.markup import Markup, element, joined, raw, section, time
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
    if cycle is None:
        return section("decisions", "Decisions", element("p", "No cycle has run yet."))
    names = names_of(each.node for each in subject.material.nodes)
    waits = []
    held = [each for each in cycle.held if each.remedy is None]
    for each in held[:MOST_HELD]:
        task = element("strong", shorten(what(each, names), _LONGEST))
        until = () if each.until is None else (", until ", time(each.until))
        waits.append(element("li", task, f" waits for {shorten(waiting_for(each, names), _LONGEST)}", *until))
    if len(held) > MOST_HELD:
        waits.append(element("li", f"and {len(held) - MOST_HELD:,} more: wnm explain"))
    latest = [element("h3", "What the latest cycle held back"), element("ul", *waits, class_="held")]
    return section(
        "decisions",
        "Decisions",
        *(latest if waits else []),
        element("h3", "The last cycles"),
        element("ol", *(_entry(*each, names) for each in _entries(subject.past)), class_="cycles"),
    )


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
    head += [" ", element("span", latest.rule, class_="rule"), " "]
    if latest.exit_code != 0:
        killed = "killed, or still running"
        code = killed if latest.exit_code is None else f"exit code {latest.exit_code}"
        head.append(element("span", code, class_="bad"))
    lines = []
    for each in operations[:MOST_OPERATIONS]:
        words = shorten(outcome_words(outcome_view(each.action, names, each)), _LONGEST)
        because = f", because: {shorten(sentence(each.action.because, names), _LONGEST)}"
        kind = None if each.result in ("done", "deferred") else "failed"
        lines.append(element("li", words, element("span", because, class_="quiet"), class_=kind))
    if len(operations) > MOST_OPERATIONS:
        more = f"and {len(operations) - MOST_OPERATIONS:,} more: wnm explain {latest.number}"
        lines.append(element("li", more))
    return element(
        "li",
        element("p", joined(head), class_="when"),
        element("p", shorten(latest.because, _LONGEST)) if latest.because else None,
        element("ul", *lines) if lines else None,
        class_="acted" if operations else "quiet-cycle",
    )


MARKER = "<!-- Written by wnm -->"
"""The text after the page's doctype: a file that holds it may be replaced by a newer page."""

_LOOKS = {
    State.FINE: ("fine", "✓", "#11702f"),
    State.NOTE: ("note", "i", "#8a5300"),
    State.BAD: ("bad", "!", "#b3201c"),
}
"""The class, the symbol and the colour of each state."""


def render(subject: Subject) -> str:
    """The page as one HTML text. It loads nothing, and works without its script, if less comfortably."""
    found = verdict(subject)
    body = element(
        "body",
        element("a", "Skip to the nodes", href="#nodes", class_="skip"),
        _header(subject, found),
        element("main", *(part(subject) for part in (alerts, gauges, charts, nodes, decisions))),
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
    _, symbol, colour = _LOOKS[found.state]
    # A dot in the colour of the state with its symbol, for the tab.
    drawing = (
        "<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 16 16'>"
        f"<circle cx='8' cy='8' r='8' fill='{colour}'/>"
        "<text x='8' y='12' font-size='11' font-family='sans-serif' text-anchor='middle' fill='#fff'>"
        f"{symbol}</text></svg>"
    )
    icon = f"data:image/svg+xml;base64,{b64encode(drawing.encode()).decode()}"
    return element(
        "head",
        element("meta", charset="utf-8"),
        # A page that is opened from a file has no headers; http-equiv holds there too.
        element("meta", http_equiv="Content-Security-Policy", content=policy()),
        _METAS,
        element("title", f"{symbol} {subject.machine_name}: {found.sentence}"),
        element("link", rel="icon", href=icon),
        element("style", raw(source("page.css"))),
    )


_METAS = raw(
    '<meta name="viewport" content="width=device-width, initial-scale=1"><meta name="color-scheme" '
    'content="light dark"><meta name="robots" content="noindex"><meta name="referrer" content="no-referrer">'
)
_MORE = raw(" More: <code>wnm status</code>, <code>wnm explain</code>, <code>wnm doctor</code>.")
_THEME = raw(
    '<span class="control" id="theme-control" hidden><label for="theme">Colours </label><select id="theme">'
    '<option value="">as my system</option><option value="light">light</option>'
    '<option value="dark">dark</option></select></span>'
)
"""Light, dark, or what the machine of the reader says; the script shows it."""


def _header(subject: Subject, found: Verdict) -> Markup:
    kind, symbol, _ = _LOOKS[found.state]
    more = None if found.more is None else element("a", found.more, href="#needs", class_="more")
    words = element("p", found.state, class_="state"), element("h1", found.sentence), more
    # When the last cycle began: the script measures the age of the page by it.
    cycle, now = subject.material.cycle, subject.material.generated_at
    last = element("p", "No cycle is recorded; this was written ", time(now))
    if cycle is not None:
        began = element("span", time(cycle.started_at), id="last-cycle")
        decided = f", decided {by_rule(cycle.rule)}"
        because = f": {cycle.because}." if cycle.because else "."
        last = element("p", f"Cycle {cycle.number:,} began ", began, decided, because, class_="last")
    name = element("p", "wnm on ", element("strong", subject.machine_name), class_="machine")
    return element(
        "header",
        element("div", name, _THEME, class_="bar"),
        element("p", "", id="stale", role="alert", hidden=True),
        element(
            "div",
            element("span", symbol, class_="symbol", aria_hidden="true"),
            element("div", *words),
            class_=f"verdict {kind}",
        ),
        last,
    )


def _footer(subject: Subject) -> Markup:
    written = f"Written by wnm {subject.version} ", time(subject.material.generated_at), ". "
    zone = element("span", "Times are UTC.", id="zone")
    return element("footer", element("p", *written, zone, _MORE))
