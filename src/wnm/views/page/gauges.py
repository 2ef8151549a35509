"""The machine's readings, each on a scale with both of its limits marked."""

from wnm.core.decide.gauges import Gauge, in_crisis
from wnm.core.observation import Unseen
from wnm.views.machine_metrics import measured
from wnm.views.page.markup import Markup, element, time
from wnm.views.page.subject import Subject
from wnm.views.words import size, window

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


def shown(gauge: Gauge, value: float) -> str:
    """A value of this gauge; rates in a unit that people read."""
    return f"{size(round(value))}/s" if gauge.unit == "B/s" else gauge.shown(value)


def _card(gauge: Gauge, detail: str | None, *, crisis: bool = False) -> Markup:
    value = gauge.value
    kind, state = _state(gauge, crisis=crisis)
    now = "not seen" if isinstance(value, Unseen) else shown(gauge, value)
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
        return "note", "no room to grow."
    return "fine", "room to grow."


def _limits(gauge: Gauge) -> str | None:
    if not gauge.is_on:
        return None
    grows = "" if gauge.allow is None else f"Grows below {shown(gauge, gauge.allow)}"
    sheds = (
        "" if gauge.remove is None else f"{'sheds' if grows else 'Sheds'} above {shown(gauge, gauge.remove)}"
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
    """What the right end of the scale stands for."""
    if gauge.unit == "%":
        return 100.0
    value = 0.0 if isinstance(gauge.value, Unseen) else gauge.value
    return max(value, gauge.allow or 0.0, gauge.remove or 0.0, 1e-9) * _HEADROOM


def _percent(value: float, full: float) -> str:
    return f"{min(max(100 * value / full, 0.0), 100.0):.2f}%"
