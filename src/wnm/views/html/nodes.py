"""Shows the machine on its scales and the table of nodes: as data for the script, the first also without it."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

from msgspec import Struct

from wnm.core.node import ProcessState
from wnm.core.observation import Unseen
from wnm.core.readings import Gauge, in_crisis
from wnm.views.html.markup import Markup, data_block, element, harmless, joined, time
from wnm.views.html.verdict import Subject
from wnm.views.material import NodeFacts, counts_of
from wnm.views.reports import measured, reachability, rounded
from wnm.views.words import NOTHING, short_ant, shorten, size, span, window

_HEADROOM = 1.25


def gauges(subject: Subject) -> Markup:
    """The section: shares of the whole first, then loads and rates."""
    now = measured(subject.material)
    heading = element("h2", "The machine", id="machine")
    if now.machine is None or now.observed_at is None:
        nothing = element("p", "No cycle has looked at it yet.")
        return element("section", heading, nothing, aria_labelledby="machine")
    cards = [_card(gauge, None) for gauge in now.gauges if gauge.unit == "%"]
    settings = subject.material.settings
    for system, gauge in now.disks:
        free = f"{size(system.free_bytes)} free of {size(system.total_bytes)}"
        low = (
            f"; fewer than crisis_bytes {size(settings.crisis_bytes)}" if in_crisis(system, settings) else ""
        )
        cards.append(_card(gauge, free + low, crisis=bool(low)))
    cards += [_card(gauge, None) for gauge in now.gauges if gauge.unit != "%"]
    seconds = now.machine.window_seconds
    over = "" if seconds is None else f", rates over the last {window(seconds)}"
    marks = ". Nodes are added below the dashed mark and shed above the solid one."
    seen = element("p", "Seen ", time(now.observed_at), over, marks, class_="quiet")
    return element(
        "section", heading, seen, element("ul", *cards, class_="gauges"), aria_labelledby="machine"
    )


def _card(gauge: Gauge, detail: str | None, *, crisis: bool = False) -> Markup:
    value = gauge.value
    kind, state = _state(gauge, crisis=crisis)
    now = "not seen" if isinstance(value, Unseen) else rounded(gauge, value)
    head = element(
        "p",
        element("span", gauge.name, class_="name"),
        element("span", now, class_="value"),
        class_="reading",
    )
    rows = [detail, value.reason if isinstance(value, Unseen) else None]
    return element(
        "li",
        head,
        _scale(gauge) if gauge.is_on else None,
        element("p", element("span", state, class_="state"), " ", _limits(gauge), class_="quiet"),
        *(element("p", row, class_="quiet") for row in rows if row),
        class_=kind,
    )


def _state(gauge: Gauge, *, crisis: bool) -> tuple[str, str]:
    """The class of the card, and the same in words."""
    if gauge.too_high or crisis:
        return "bad", "too high."
    if not gauge.is_on:
        return "off", "no limits."
    if not gauge.allows_growth:
        return "note", "no capacity to grow."
    return "fine", "capacity to grow."


def _limits(gauge: Gauge) -> str | None:
    if not gauge.is_on:
        return None
    grows = "" if gauge.allow is None else f"Grows below {rounded(gauge, gauge.allow)}"
    sheds = (
        ""
        if gauge.remove is None
        else f"{'sheds' if grows else 'Sheds'} above {rounded(gauge, gauge.remove)}"
    )
    return ", ".join(each for each in (grows, sheds) if each)


def _scale(gauge: Gauge) -> Markup:
    """The bar. It says nothing that the text beside it does not, so it is hidden from screen readers."""
    full = _full(gauge)
    value = 0.0 if isinstance(gauge.value, Unseen) else gauge.value
    parts = [
        element("rect", class_="track", width="100%", height="10", y="5", rx="2"),
        element("rect", class_="fill", width=_percent(value, full), height="10", y="5", rx="2"),
    ]
    for name, limit in (("allow", gauge.allow), ("remove", gauge.remove)):
        if limit is not None:
            at = _percent(limit, full)
            parts.append(element("line", class_=name, x1=at, x2=at, y1="0", y2="20"))
    return element("svg", *parts, class_="scale", aria_hidden="true", focusable="false")


def _full(gauge: Gauge) -> float:
    """Return the value at the right end of the scale."""
    if gauge.unit == "%":
        return 100.0
    value = 0.0 if isinstance(gauge.value, Unseen) else gauge.value
    return max(value, gauge.allow or 0.0, gauge.remove or 0.0, 1e-9) * _HEADROOM


def _percent(value: float, full: float) -> str:
    return f"{min(max(100 * value / full, 0.0), 100.0):.2f}%"


WITHOUT_SCRIPT = 40
_LONGEST = 240
_ATTOS = 10**18


class Column(Struct, frozen=True, kw_only=True):
    """One column. `kind` tells the script how to sort and write a value: word, text, count, number (of something, not
    so many of it), bytes, percent, span, coin.

    Words are few and repeat; they are sent once. The value is that of a node, of the reason to look at it, and of what
    it earned today in attos.
    """

    heading: str
    kind: str
    value: Callable[[NodeFacts, str | None, int | None], Any]


COLUMNS = (
    Column(heading="Name", kind="text", value=lambda node, why, earned: node.name),
    Column(heading="Status", kind="word", value=lambda node, why, earned: str(node.status)),
    Column(heading="Seen", kind="word", value=lambda node, why, earned: _seen(node)),
    Column(
        heading="Version", kind="word", value=lambda node, why, earned: node.version or node.binary_version
    ),
    Column(heading="Peers", kind="count", value=lambda node, why, earned: node.connected_peers),
    Column(heading="Records", kind="count", value=lambda node, why, earned: node.records),
    Column(heading="Shunned", kind="count", value=lambda node, why, earned: node.shunned),
    Column(heading="Disk", kind="bytes", value=lambda node, why, earned: node.disk_bytes),
    Column(heading="Memory", kind="bytes", value=lambda node, why, earned: node.memory_bytes),
    Column(heading="CPU", kind="percent", value=lambda node, why, earned: _rounded(node.cpu_percent, 2)),
    Column(heading="Up for", kind="span", value=lambda node, why, earned: node.uptime_seconds),
    Column(heading="ANT today", kind="coin", value=lambda node, why, earned: _coins(earned)),
    Column(heading="Port", kind="number", value=lambda node, why, earned: node.port),
    Column(heading="Why look", kind="word", value=lambda node, why, earned: why),
)
_WHY = len(COLUMNS) - 1
_PLAIN = ("Name", "Status", "Seen", "Version", "Peers", "Records", "Disk", "Why look")
_NUMBERS = frozenset({"count", "number", "bytes", "percent", "span", "coin"})

type _Entry = tuple[NodeFacts, str | None, int | None]


def nodes(subject: Subject) -> Markup:
    """The section with its controls, which the script shows when it is there to serve them."""
    total = len(subject.nodes)
    heading = element("h2", "Nodes", id="nodes")
    if not total:
        return element("section", heading, element("p", "There are none yet."), aria_labelledby="nodes")
    counts = [f"{count:,} {status}" for status, count in counts_of(subject.material.nodes).items() if count]
    cap = subject.material.settings.node_cap
    earned = sum(subject.earned_today.values())
    today = f"; earned today {short_ant(earned)} ANT" if subject.earned_today else ""
    words = f"{', '.join(counts)}; at most {cap:,} are wanted (node_cap){today}."
    tally = element("p", words, class_="quiet")
    shown = _first(subject)
    note = f"The first {len(shown)} of {total:,} nodes; with scripts allowed this page shows all of them."
    return element(
        "section",
        heading,
        tally,
        _controls(subject),
        element("p", note, id="without-script", class_="quiet") if len(shown) < total else None,
        element(
            "table",
            element("caption", "Nodes with what was last seen of them", class_="hidden-text"),
            element("thead", element("tr", *(_head(each) for each in COLUMNS), role="row"), role="rowgroup"),
            element("tbody", *(_row(*each) for each in shown), role="rowgroup"),
            id="node-table",
            class_="nodes",
            role="table",
            aria_labelledby="nodes",
        ),
        element("button", "Show all", type="button", id="show-all", hidden=True),
        data_block("node-data", _data(subject)),
        aria_labelledby="nodes",
    )


def _controls(subject: Subject) -> Markup:
    """The filter. The choice of a status is made from those that there are."""
    concerns = sum(why is not None for _, why in subject.nodes)
    options = [element("option", f"all {len(subject.nodes):,}", value="")]
    if concerns:
        options.append(element("option", f"worth a look ({concerns:,})", value="?"))
    for status, count in counts_of(subject.material.nodes).items():
        if count:
            options.append(element("option", f"{status} ({count:,})", value=str(status)))
    search = joined(
        (
            element("label", "Filter ", for_="filter"),
            element(
                "input",
                type="search",
                id="filter",
                autocomplete="off",
                spellcheck="false",
                placeholder="name, version, reason …",
            ),
        )
    )
    which = joined((element("label", "Show ", for_="which"), element("select", *options, id="which")))
    return element(
        "div",
        element("span", search, class_="control"),
        element("span", which, class_="control"),
        element("p", "", id="node-count", role="status", class_="quiet"),
        id="node-controls",
        hidden=True,
    )


def _data(subject: Subject) -> dict[str, Any]:
    """Rows of values in the order of the columns; a word is its place in `words`, -1 for none."""
    words: dict[str, int] = {}

    def packed(column: Column, value: Any) -> Any:
        if isinstance(value, str):
            value = shorten(harmless(value), _LONGEST)
        if column.kind != "word":
            return value
        return -1 if value is None else words.setdefault(value, len(words))

    rows = [[packed(column, column.value(*each)) for column in COLUMNS] for each in _entries(subject)]
    columns = [[column.heading, column.kind] for column in COLUMNS]
    return {"columns": columns, "status": 1, "why": _WHY, "rows": rows, "words": list(words)}


def _entries(subject: Subject) -> list[_Entry]:
    return [(node, why, subject.earned_today.get(node.name)) for node, why in subject.nodes]


def _first(subject: Subject) -> list[_Entry]:
    """Those that somebody may want to look at come first."""
    return sorted(_entries(subject), key=lambda each: each[1] is None)[:WITHOUT_SCRIPT]


def _head(column: Column) -> Markup:
    kinds = [
        "number" if column.kind in _NUMBERS else "",
        "" if column.heading in _PLAIN else "extra",
    ]
    return element(
        "th", column.heading, scope="col", role="columnheader", class_=" ".join(filter(None, kinds)) or None
    )


def _row(node: NodeFacts, why: str | None, earned: int | None) -> Markup:
    cells = [_cell(column, column.value(node, why, earned)) for column in COLUMNS]
    return element("tr", *cells, role="row")


def _cell(column: Column, value: Any) -> Markup:
    kind = "number" if column.kind in _NUMBERS else None
    if column.heading == "Status":
        kind = f"status {value}"
    return element(
        "td",
        _written(column.kind, value),
        class_=kind,
        role="cell",
        data_label=column.heading,
        data_extra=column.heading not in _PLAIN,
    )


def _written(kind: str, value: Any) -> str:
    if value is None:
        return NOTHING
    match kind:
        case "bytes":
            return size(value)
        case "percent":
            return f"{value:.1f} %"
        case "span":
            return span(timedelta(seconds=value))
        case "coin":
            return f"{value:.4g}"
        case "count":
            return f"{value:,}"
        case _:
            return shorten(str(value), _LONGEST)


def _seen(node: NodeFacts) -> str:
    """Return the answer of a node whose process runs, else the state of its process."""
    answer = reachability(node)
    return str(node.process) if node.process is not ProcessState.RUNNING or answer == NOTHING else answer


def _rounded(value: float | None, digits: int) -> float | None:
    return None if value is None else round(value, digits)


def _coins(attos: int | None) -> float | None:
    """Whole tokens; six digits are more than anybody reads."""
    return None if attos is None else float(f"{attos / _ATTOS:.6g}")
