"""The live view as the lines of a screen."""

from collections.abc import Sequence
from datetime import datetime, timedelta, tzinfo

from msgspec import Struct

from wnm.core.decide.gauges import Gauge
from wnm.core.observation import Unseen
from wnm.core.sentences import remedy
from wnm.core.timeline import CycleRecord
from wnm.tui.source import Found
from wnm.tui.state import Show, Sight, State, place_of
from wnm.views.charts import bar
from wnm.views.doctor import LATE_AFTER
from wnm.views.material import CycleView
from wnm.views.status import Layout, Row, headline, layout, matching, ordered, share_of, table
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
_HINTS = {
    Show.NODES: ("enter story", "s sort", "r reverse", "/ filter", "c cycles"),
    Show.CYCLES: ("enter explain", "esc back"),
}
_ALWAYS = ("? help", "q quit")
_WIDEST_GAUGE = 39
_BAR = 14
_ROWS_BEFORE_GAUGES = 12
_MOST_ALARM = 3
_ROOM_FOR_PLACE = 12


class Frame(Struct, frozen=True, kw_only=True):
    """The lines of a screen, and what there is to move in."""

    lines: list[Line]
    sight: Sight = Sight()


class Painter:
    """Draws states; what it costs to arrange many nodes is paid once for each look at the database."""

    def __init__(self, zone: tzinfo | None, *, dots: bool) -> None:
        self._zone = zone
        self._dots = dots
        self._arranged: tuple[object, tuple[Row, ...]] = (None, ())
        self._laid_out: tuple[object, Layout | None] = (None, None)

    def frame(
        self, state: State, found: Found, body: list[Line], now: datetime, width: int, height: int
    ) -> Frame:
        """The screen; `body` is the text of the node or the cycle that is shown."""
        alarm = _alarm(found, now, width)[: _MOST_ALARM if height > _ROWS_BEFORE_GAUGES else 1]
        head = [*alarm, self._headline(found, now, width)]
        foot = _foot(state, width)
        if state.show is Show.NODES:
            # On a low screen the nodes matter more.
            gauges = self._gauges(found, width)[: max(0, height - _ROWS_BEFORE_GAUGES)]
            head += [*gauges, self._last_cycle(found, width)]
            return self._nodes(state, found, head, foot, width, height)
        room = max(1, height - len(head) - 2)
        if state.show is Show.CYCLES:
            return self._cycles(state, found, head, foot, width, room)
        lines = help_lines(width) if state.show is Show.HELP else body
        scroll = max(0, min(state.scroll, len(lines) - room))
        shown = _filled(lines[scroll : scroll + room], room)
        return Frame(lines=[*head, line(), *shown, foot], sight=Sight(lines=len(lines), page=room))

    def _headline(self, found: Found, now: datetime, width: int) -> Line:
        left = headline(found.overview)
        whole = part("; ").join(left)
        cycle = found.material.cycle
        words = "no cycle yet" if cycle is None else f"cycle {cycle.number}, {_age(cycle, now)} ago"
        # The number stands below, too.
        short = words if cycle is None else f"{_age(cycle, now)} ago"
        right = part(words if whole.cell_len + len(words) < width else short, Tone.QUIET)
        room = width - right.cell_len - 1
        # An amount that is cut would be another amount.
        while len(left) > 1 and part("; ").join(left).cell_len > room:
            left = left[:-1]
        return line(*columns([(cut(part("; ").join(left), room), right)], gap=1, widths=(room,)))

    def _gauges(self, found: Found, width: int) -> list[Line]:
        every = [each for each in found.overview.measured.gauges if each.is_on]
        every += [gauge for _, gauge in found.overview.measured.disks]
        across = max(1, width // (_WIDEST_GAUGE + 1))
        cells = [self._gauge(each) for each in every]
        cells += [line()] * (-len(cells) % across)
        rows = [cells[first : first + across] for first in range(0, len(cells), across)]
        return columns(rows, gap=1, widths=[_WIDEST_GAUGE] * across)

    def _gauge(self, gauge: Gauge) -> Line:
        tone = Tone.BAD if gauge.too_high else Tone.GOOD if gauge.allows_growth else Tone.WARN
        name = part(f"{shorten(printable(gauge.name), 13):<13} ", Tone.QUIET)
        if isinstance(gauge.value, Unseen):
            return line(name, part(f"{'?' * _BAR} not seen", Tone.WARN))
        share, marks = share_of(gauge)
        return line(
            name,
            part(bar(share, marks, _BAR, dots=self._dots), tone),
            part(f" {gauge.shown(gauge.value)[:10]:>9}", tone),
        )

    def _last_cycle(self, found: Found, width: int) -> Line:
        needs = found.overview.needs
        if needs:
            names = {row.facts.id: row.facts.name for row in found.overview.every}
            words = printable(remedy(needs[0], names) or "")
            return line(part(shorten(f"needs you: {words}", width), Tone.BAD))
        return line(part(shorten(printable(found.overview.last_cycle), width), Tone.QUIET))

    def _nodes(
        self, state: State, found: Found, head: list[Line], foot: Line, width: int, height: int
    ) -> Frame:
        rows = self._rows(state, found)
        room = max(1, height - len(head) - 3)
        ids = tuple(row.facts.id for row in rows)
        place = place_of(state.chosen, ids)
        top = _top(place, room, len(rows))
        shown = self._layout(found, width)
        heading, *drawn = table(rows[top : top + room], shown)
        drawn = [_chosen(each, width) if top + at == place else each for at, each in enumerate(drawn)]
        if not rows:
            drawn = [line(part("no node matches the filter" if found.overview.every else "no nodes yet"))]
        lines = [*head, line(), heading, *_filled(drawn, room), _place(foot, place, len(rows), width)]
        return Frame(lines=lines, sight=Sight(ids=ids, lines=len(rows), page=room))

    def _rows(self, state: State, found: Found) -> tuple[Row, ...]:
        key = (found.number, state.sort, state.reverse, state.filter)
        if self._arranged[0] != key:
            rows: tuple[Row, ...] = found.overview.every
            if state.filter:
                rows = matching(rows, state.filter)
            self._arranged = (key, ordered(rows, state.sort, reverse=state.reverse))
        return self._arranged[1]

    def _layout(self, found: Found, width: int) -> Layout:
        """Of all nodes, so that columns stay where they are while one moves and types."""
        key = (found.number, width)
        kept = self._laid_out[1]
        if kept is None or self._laid_out[0] != key:
            kept = layout(found.overview.every, width)
            self._laid_out = (key, kept)
        return kept

    def _cycles(
        self, state: State, found: Found, head: list[Line], foot: Line, width: int, room: int
    ) -> Frame:
        cycles = found.cycles
        ids = tuple(each.number for each in cycles)
        place = place_of(state.cycle, ids)
        top = _top(place, room, len(cycles))
        visible = cycles[top : top + room]
        drawn = [cut(self._cycle(each), width) for each in visible]
        drawn = [_chosen(each, width) if top + at == place else each for at, each in enumerate(drawn)]
        lines = [*head, line(), *_filled(drawn, room), _place(foot, place, len(cycles), width)]
        return Frame(lines=lines, sight=Sight(ids=ids, lines=len(cycles), page=room))

    def _cycle(self, cycle: CycleRecord) -> Line:
        if cycle.exit_code is None:
            ended, tone = "no end", Tone.BAD
        else:
            ended = "" if cycle.exit_code == 0 else f"exit {cycle.exit_code}"
            tone = Tone.BAD if cycle.exit_code else Tone.QUIET
        seconds = NOTHING if cycle.seconds is None else f"{cycle.seconds:.1f} s"
        return line(
            part(f"{cycle.number:>7}  {local(cycle.started_at, self._zone):%m-%d %H:%M:%S}", Tone.QUIET),
            part(f"{seconds:>7}  "),
            part(f"{ended:<7}", tone),
            part(f"{cycle.actions or '':>3} ", Tone.BUSY),
            part(
                f"{printable(cycle.rule)}: {printable(cycle.because)}",
                Tone.BUSY if cycle.actions else Tone.PLAIN,
            ),
        )


def _alarm(found: Found, now: datetime, width: int) -> list[Line]:
    """What one has to know before believing anything that is shown."""
    if found.problem is not None:
        return hanging(line(), f"CANNOT BE READ: {found.problem}", width, Tone.ALARM)
    cycle = found.material.cycle
    if cycle is None:
        return [line(part(shorten("NO CYCLE HAS RUN YET: see wnm doctor", width), Tone.ALARM))]
    if now - cycle.started_at <= LATE_AFTER:
        return []
    words = f"CYCLES HAVE STOPPED: the last one began {_age(cycle, now)} ago; see wnm doctor"
    return [line(part(shorten(words, width), Tone.ALARM))]


def _age(cycle: CycleView, now: datetime) -> str:
    return span(max(now - cycle.started_at, timedelta(0)))


def help_lines(width: int) -> list[Line]:
    """The keys."""
    lines = [line(part("keys", Tone.STRONG)), line()]
    for keys, meaning in HELP:
        lines += hanging(line(part(f"  {keys:<27}", Tone.BUSY)), meaning, width)
    about = "It shows what cycles have recorded; a cycle runs every minute."
    return [*lines, line(), *hanging(line(), about, width)]


def _foot(state: State, width: int) -> Line:
    if state.typing:
        return line(part("filter: ", Tone.STRONG), part(state.filter), part("_", Tone.STRONG))
    hints = _HINTS.get(state.show, ("up down", "esc back"))
    room = width - _ROOM_FOR_PLACE
    if state.show is not Show.NODES:
        return line(part(_fitting(hints, room), Tone.QUIET))
    order = f"{state.sort}{', reversed' if state.reverse else ''}"
    wanted = f"; only {state.filter}" if state.filter else ""
    how = f"by {order}{wanted}  "
    return line(part(how, Tone.STRONG), part(_fitting(hints, room - len(how)), Tone.QUIET))


def _fitting(hints: Sequence[str], room: int) -> str:
    """As many of the hints as there is room for, and behind them the ones that nobody can do without."""
    shown = [*hints, *_ALWAYS]
    while len("  ".join(shown)) > room and len(shown) > len(_ALWAYS):
        del shown[-len(_ALWAYS) - 1]
    return "  ".join(shown)


def _place(foot: Line, place: int, count: int, width: int) -> Line:
    right = f" {place + 1 if count else 0:,}/{count:,}"
    room = max(0, width - len(right))
    return line(*columns([(cut(foot, room), part(right, Tone.QUIET))], gap=0, widths=(room,)))


def _top(place: int, room: int, count: int) -> int:
    """The first visible one, with the selected one in the middle where there are more than fit."""
    return max(0, min(place - room // 2, count - room))


def _chosen(each: Line, width: int) -> Line:
    return line(*columns([(part(cut(each, width).plain, Tone.CHOSEN),)], widths=(width,)))


def _filled(lines: list[Line], room: int) -> list[Line]:
    return [*lines, *[line()] * (room - len(lines))]
