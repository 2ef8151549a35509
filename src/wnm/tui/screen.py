"""Makes the lines of the live view: its head, its foot, the lists of nodes and cycles, and the help."""

from datetime import datetime, timedelta, tzinfo
from enum import StrEnum

from wnm.core.observation import Unseen
from wnm.core.sentences import remedy
from wnm.core.timeline import CycleRecord
from wnm.tui.source import Found
from wnm.views.doctor import LATE_AFTER
from wnm.views.explain import last_cycle_line
from wnm.views.material import CycleView
from wnm.views.status import gauge_bar, gauges_shown, headline, tone_of_gauge
from wnm.views.text import Line, Tone, columns, cut, hanging, line, part
from wnm.views.words import NOTHING, local, printable, shorten, span

HELP = (
    ("up down, k j", "select a node or a cycle, or move in a text"),
    ("page up, page down, space", "a screen up or down"),
    ("home end, g G", "the first, the last"),
    ("enter", "the story of the node; what the cycle did and why"),
    ("esc", "back"),
    ("s, r", "sort by the next column; the other way round"),
    ("/", "filter: only nodes of which something shown holds what is typed; esc takes it away"),
    ("c", "the last cycles, and back to the nodes"),
    ("?", "this, and back"),
    ("q", "quit"),
)
_ALWAYS = ("? help", "q quit")
_WIDEST_GAUGE = 39
_BAR = 14
_ROWS_BEFORE_GAUGES = 12
_MOST_ALARM = 3
_WIDTH_OF_PLACE = 12


class Show(StrEnum):
    """The view that fills the screen."""

    NODES = "nodes"
    NODE = "the story of a node"
    CYCLES = "cycles"
    CYCLE = "a cycle"
    HELP = "help"


_HINTS = {
    Show.NODES: ("enter story", "s sort", "r reverse", "/ filter", "c cycles"),
    Show.CYCLES: ("enter explain", "esc back"),
}


def head(found: Found, show: Show, now: datetime, width: int, height: int, *, dots: bool) -> list[Line]:
    """Return the head: alarms, the whole machine in a line, its gauges and the last cycle."""
    lines = _alarm(found, now, width)[: _MOST_ALARM if height > _ROWS_BEFORE_GAUGES else 1]
    lines.append(_headline(found, now, width))
    if show is Show.NODES:
        # On a low screen the nodes matter more.
        lines += _gauges(found, width, dots=dots)[: max(0, height - _ROWS_BEFORE_GAUGES)]
        needs = found.overview.needs
        names = {row.facts.id: row.facts.name for row in found.overview.every}
        last = last_cycle_line(found.material)
        words = f"needs you: {remedy(needs[0], names) or ''}" if needs else last
        lines.append(line(part(shorten(printable(words), width), Tone.BAD if needs else Tone.QUIET)))
    return [*lines, line()]


def _alarm(found: Found, now: datetime, width: int) -> list[Line]:
    """Return the warning to read before believing anything that is shown."""
    if found.problem is not None:
        return hanging(line(), f"CANNOT BE READ: {found.problem}", width, Tone.ALARM)
    cycle = found.material.cycle
    if cycle is not None and now - cycle.started_at <= LATE_AFTER:
        return []
    words = "NO CYCLE HAS RUN YET: see wnm doctor"
    if cycle is not None:
        words = f"CYCLES HAVE STOPPED: the last one began {_age(cycle, now)} ago; see wnm doctor"
    return [line(part(shorten(words, width), Tone.ALARM))]


def _headline(found: Found, now: datetime, width: int) -> Line:
    parts, between = headline(found.overview), part("; ")
    cycle = found.material.cycle
    words = "no cycle yet" if cycle is None else f"cycle {cycle.number}, {_age(cycle, now)} ago"
    if cycle is not None and between.join(parts).cell_len + len(words) >= width:
        words = f"{_age(cycle, now)} ago"  # the number stands below, too
    # An amount that is cut would be another amount.
    while len(parts) > 1 and between.join(parts).cell_len > width - len(words) - 1:
        parts = parts[:-1]
    return with_right(between.join(parts), f" {words}", width)


def _age(cycle: CycleView, now: datetime) -> str:
    return span(max(now - cycle.started_at, timedelta(0)))


def with_right(left: Line, right: str, width: int) -> Line:
    """A line with something at its right end, for which the left is cut."""
    left_width = max(0, width - len(right))
    return line(*columns([(cut(left, left_width), part(right, Tone.QUIET))], gap=0, widths=(left_width,)))


def _gauges(found: Found, width: int, *, dots: bool) -> list[Line]:
    across, cells = max(1, width // (_WIDEST_GAUGE + 1)), []
    for gauge, _ in gauges_shown(found.material):
        shown = " not seen" if isinstance(gauge.value, Unseen) else f" {gauge.shown(gauge.value)[:10]:>9}"
        name = part(f"{shorten(printable(gauge.name), 13):<13} ", Tone.QUIET)
        cells.append(line(name, part(f"{gauge_bar(gauge, _BAR, dots=dots)}{shown}", tone_of_gauge(gauge))))
    cells += [line()] * (-len(cells) % across)
    rows = [cells[first : first + across] for first in range(0, len(cells), across)]
    return columns(rows, gap=1, widths=[_WIDEST_GAUGE] * across)


def cycle_line(cycle: CycleRecord, zone: tzinfo | None) -> Line:
    """A cycle in the list of cycles."""
    ended, tone = "no end", Tone.BAD
    if cycle.exit_code is not None:
        ended = f"exit {cycle.exit_code}" if cycle.exit_code else ""
        tone = Tone.BAD if cycle.exit_code else Tone.QUIET
    seconds = NOTHING if cycle.seconds is None else f"{cycle.seconds:.1f} s"
    reason = f"{printable(cycle.rule)}: {printable(cycle.because)}"
    return line(
        part(f"{cycle.number:>7}  {local(cycle.started_at, zone):%m-%d %H:%M:%S}", Tone.QUIET),
        f"{seconds:>7}  ",
        part(f"{ended:<7}", tone),
        part(f"{cycle.actions or '':>3} ", Tone.BUSY),
        part(reason, Tone.BUSY if cycle.actions else Tone.PLAIN),
    )


def help_lines(width: int) -> list[Line]:
    """The keys."""
    lines = [line(part("keys", Tone.STRONG)), line()]
    for keys, meaning in HELP:
        lines += hanging(line(part(f"  {keys:<27}", Tone.BUSY)), meaning, width)
    about = "It shows what cycles have recorded; a cycle runs every minute."
    return [*lines, line(), *hanging(line(), about, width)]


def foot(show: Show, order: str, wanted: str, place: str, width: int) -> Line:
    """Return the foot: the order of the nodes, the keys that matter, and `place`: which one of how many is selected."""
    how = f"by {order}{f'; only {wanted}' if wanted else ''}  " if show is Show.NODES else ""
    # As many hints as fit, followed by the indispensable ones.
    shown = [*_HINTS.get(show, ("up down", "esc back")), *_ALWAYS]
    while len("  ".join(shown)) > width - _WIDTH_OF_PLACE - len(how) and len(shown) > len(_ALWAYS):
        del shown[-len(_ALWAYS) - 1]
    return with_right(line(part(how, Tone.STRONG), part("  ".join(shown), Tone.QUIET)), place, width)
