"""The whole page: its head with the policy that forbids all network, its sections, its style sheet and script."""

from base64 import b64encode
from functools import cache
from hashlib import sha256
from importlib.resources import files

from wnm.views.page.alerts import alerts
from wnm.views.page.charts import charts
from wnm.views.page.decisions import decisions
from wnm.views.page.gauges import gauges
from wnm.views.page.markup import Markup, element, joined, raw, time
from wnm.views.page.nodes import nodes
from wnm.views.page.subject import Subject
from wnm.views.page.verdict import State, Verdict, verdict
from wnm.views.words import by_rule

MARKER = "<!-- Written by wnm -->"
"""What the page begins with after its doctype: a file that holds it may be replaced by a newer page."""

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
    """What the page may do, as a Content-Security-Policy: its own style and script, and nothing else."""
    return (
        "default-src 'none'; "
        f"script-src '{_digest('page.js')}'; style-src '{_digest('page.css')}'; img-src data:; "
        "base-uri 'none'; form-action 'none'"
    )


@cache
def source(name: str) -> str:
    """A file that lies beside this one."""
    return files("wnm.views.page").joinpath(name).read_text(encoding="utf-8")


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
