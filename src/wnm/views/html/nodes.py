"""Shows the machine on its scales and the table of nodes: as data for the script, the first also without it."""

from collections.abc import Callable
from typing import Any

from msgspec import Struct

from wnm.core.earnings import ATTOS_PER_ANT
from wnm.core.node import ProcessState
from wnm.core.observation import Unseen
from wnm.core.readings import PERCENT, Gauge, in_crisis
from wnm.views.html.markup import Markup, data_block, element, harmless, quiet, raw, section, time
from wnm.views.html.verdict import Subject
from wnm.views.material import NodeFacts, tally
from wnm.views.places import limit_notes, place_notes
from wnm.views.reports import FIGURES, FORMS, Row, reachability, rounded
from wnm.views.words import NOTHING, short_ant, shorten, size, window

_HEADROOM = 1.25


def gauges(subject: Subject) -> Markup:
    """The section: shares of the whole first, then loads and rates."""
    material = subject.material
    if material.seen is None:
        return section("machine", "The machine", element("p", "No cycle has looked at it yet."))
    cards = [_card(gauge, None) for gauge in material.gauges if gauge.unit == PERCENT]
    crisis_bytes = size(material.settings.crisis_bytes)
    for system, gauge in material.disks:
        free = f"{size(system.free_bytes)} free of {size(system.total_bytes)}"
        low = f"; fewer than crisis_bytes {crisis_bytes}" if in_crisis(system, material.settings) else ""
        cards.append(_card(gauge, free + low, crisis=bool(low)))
    cards += [_card(gauge, None) for gauge in material.gauges if gauge.unit != PERCENT]
    seconds = material.seen.machine.window_seconds
    over = "" if seconds is None else f", rates over the last {window(seconds)}"
    marks = ". Nodes are added below the dashed mark and shed above the solid one."
    seen = quiet("Seen ", time(material.seen.now), over, marks)
    notes = place_notes(material.seen, material.settings, material.generated_at)
    limits = [element("p", words) for words in limit_notes(material.seen.machine)]
    told = [element("p", f"Storage {each.path}: {each.words}; {each.remedy or ''}") for each in notes]
    return section("machine", "The machine", seen, element("ul", *cards, class_="gauges"), *limits, *told)


def _card(gauge: Gauge, detail: str | None, *, crisis: bool = False) -> Markup:
    value = gauge.value
    # The class of the card, and the same in words.
    kind, state = "fine", "capacity to grow."
    if gauge.too_high or crisis:
        kind, state = "bad", "too high."
    elif not gauge.is_on:
        kind, state = "off", "no limits."
    elif not gauge.allows_growth:
        kind, state = "note", "no capacity to grow."
    now = "not seen" if isinstance(value, Unseen) else rounded(gauge, value)
    words = (("Grows below", gauge.allow), ("sheds above", gauge.remove))
    limits = ", ".join(f"{verb} {rounded(gauge, limit)}" for verb, limit in words if limit is not None)
    told = limits[:1].upper() + limits[1:] if gauge.is_on else None
    rows = [detail, value.reason if isinstance(value, Unseen) else None]
    reading = element("span", gauge.name, class_="name"), element("span", now, class_="value")
    return element(
        "li",
        element("p", *reading, class_="reading"),
        _scale(gauge) if gauge.is_on else None,
        quiet(element("span", state, class_="state"), " ", told),
        *(quiet(row) for row in rows if row),
        class_=kind,
    )


def _scale(gauge: Gauge) -> Markup:
    """The bar. It says nothing that the text beside it does not, so it is hidden from screen readers."""
    value = 0.0 if isinstance(gauge.value, Unseen) else gauge.value
    full = max(value, gauge.allow or 0.0, gauge.remove or 0.0, 1e-9) * _HEADROOM
    if gauge.unit == PERCENT:
        full = 100.0

    def percent(of: float) -> str:
        return f"{min(max(100 * of / full, 0.0), 100.0):.2f}%"

    bars = (("track", "100%"), ("fill", percent(value)))
    parts = [element("rect", class_=name, width=width, height="10", y="5", rx="2") for name, width in bars]
    for name, limit in (("allow", gauge.allow), ("remove", gauge.remove)):
        if limit is not None:
            at = percent(limit)
            parts.append(element("line", class_=name, x1=at, x2=at, y1="0", y2="20"))
    return element("svg", *parts, class_="scale", aria_hidden="true", focusable="false")


WITHOUT_SCRIPT = 40
_LONGEST = 240


class Column(Struct, frozen=True):
    """One column. `kind` tells the script how to sort and write a value: word, text, count, number (of something, not
    so many of it), bytes, percent, span, coin.

    Words are few and repeat; they are sent once.
    """

    heading: str
    kind: str
    value: Callable[[Row], Any]


# Whole tokens; six digits are more than anybody reads.
_SENT: dict[str, Callable[[Any], Any]] = {
    "coin": lambda attos: float(f"{attos / ATTOS_PER_ANT:.6g}"),
    "percent": lambda percent: round(percent, 2),
}


def _figure(key: str) -> Column:
    figure = next(each for each in FIGURES if each.key == key)

    def value(row: Row) -> Any:
        known = figure.value(row)
        return _SENT[figure.kind](known) if known is not None and figure.kind in _SENT else known

    return Column(figure.heading, figure.kind, value)


_IN_ORDER = ("connected_peers", "records", "shunned", "disk_bytes", "memory_bytes", "cpu_percent")
COLUMNS = (
    Column("Name", "text", lambda row: row.facts.name),
    Column("Status", "word", lambda row: str(row.facts.status)),
    Column("Seen", "word", lambda row: _seen(row.facts)),
    Column("Version", "word", lambda row: row.facts.version or row.facts.binary_version),
    *map(_figure, (*_IN_ORDER, "uptime_seconds", "earned")),
    Column("Port", "number", lambda row: row.facts.port),
    Column("Why look", "word", lambda row: row.why),
)
_WHY = len(COLUMNS) - 1
_PLAIN = ("Name", "Status", "Seen", "Version", "Peers", "Records", "Disk", "Why look")
_WORDS = ("word", "text")


def nodes(subject: Subject) -> Markup:
    """The section with its controls, which the script shows when it is there to serve them."""
    material = subject.material
    entries = [
        Row(node, why, subject.earned_today.get(node.name), material.generated_at)
        for node, why in zip(material.facts, material.concerns, strict=True)
    ]
    if not entries:
        return section("nodes", "Nodes", element("p", "There are none yet."))
    earned = sum(subject.earned_today.values())
    today = f"; earned today {short_ant(earned)} ANT" if subject.earned_today else ""
    cap = f"at most {material.settings.node_cap:,} are wanted (node_cap)"
    # Those that somebody may want to look at come first.
    shown = sorted(entries, key=lambda row: row.why is None)[:WITHOUT_SCRIPT]
    note = (
        f"The first {len(shown)} of {len(entries):,} nodes; with scripts allowed this page shows all of them."
    )
    rows = [
        element("tr", *(_cell(column, column.value(row)) for column in COLUMNS), role="row") for row in shown
    ]
    return section(
        "nodes",
        "Nodes",
        quiet(f"{tally(material.counts, form=',')}; {cap}{today}."),
        _controls(subject),
        quiet(note, id="without-script") if len(shown) < len(entries) else None,
        element(
            "table",
            element("caption", "Nodes with what was last seen of them", class_="hidden-text"),
            element("thead", element("tr", *(_head(each) for each in COLUMNS), role="row"), role="rowgroup"),
            element("tbody", *rows, role="rowgroup"),
            id="node-table",
            class_="nodes",
            role="table",
            aria_labelledby="nodes",
        ),
        element("button", "Show all", type="button", id="show-all", hidden=True),
        data_block("node-data", _data(entries)),
    )


def _controls(subject: Subject) -> Markup:
    """The filter. The choice of a status is made from those that there are."""
    concerns = sum(why is not None for why in subject.material.concerns)
    options = [element("option", f"all {len(subject.material.nodes):,}", value="")]
    if concerns:
        options.append(element("option", f"worth a look ({concerns:,})", value="?"))
    for status, count in subject.material.counts.items():
        if count:
            options.append(element("option", f"{status} ({count:,})", value=str(status)))
    which = element("label", "Show ", for_="which"), element("select", *options, id="which")
    tallied = element("p", "", id="node-count", role="status", class_="quiet")
    return element(
        "div", _SEARCH, element("span", *which, class_="control"), tallied, id="node-controls", hidden=True
    )


_SEARCH = raw(
    '<span class="control"><label for="filter">Filter </label><input type="search" id="filter" '
    'autocomplete="off" spellcheck="false" placeholder="name, version, reason …"></span>'
)


def _data(entries: list[Row]) -> dict[str, Any]:
    """Rows of values in the order of the columns; a word is its place in `words`, -1 for none."""
    words: dict[str, int] = {}

    def packed(column: Column, value: Any) -> Any:
        if isinstance(value, str):
            value = shorten(harmless(value), _LONGEST)
        if column.kind != "word":
            return value
        return -1 if value is None else words.setdefault(value, len(words))

    rows = [[packed(column, column.value(row)) for column in COLUMNS] for row in entries]
    columns = [[column.heading, column.kind] for column in COLUMNS]
    return {"columns": columns, "status": 1, "why": _WHY, "rows": rows, "words": list(words)}


def _head(column: Column) -> Markup:
    kinds = ["number"] * (column.kind not in _WORDS) + ["extra"] * (column.heading not in _PLAIN)
    return element("th", column.heading, scope="col", role="columnheader", class_=" ".join(kinds) or None)


def _cell(column: Column, value: Any) -> Markup:
    forms = {**FORMS, "coin": "{:.4g}".format, "count": "{:,}".format}
    kind = None if column.kind in _WORDS else "number"
    words = NOTHING
    if value is not None:
        words = forms[column.kind](value) if column.kind in forms else shorten(str(value), _LONGEST)
    return element(
        "td",
        words,
        class_=f"status {value}" if column.heading == "Status" else kind,
        role="cell",
        data_label=column.heading,
        data_extra=column.heading not in _PLAIN,
    )


def _seen(node: NodeFacts) -> str:
    """Return the answer of a node whose process runs, else the state of its process."""
    answer = reachability(node)
    return str(node.process) if node.process is not ProcessState.RUNNING or answer == NOTHING else answer
