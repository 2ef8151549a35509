"""The table of nodes on a terminal: its columns, what they are sorted by, and which of them there is room for."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta

from msgspec import Struct

from wnm.core.node import ProcessState, Reachability, Status
from wnm.core.observation import NodeSeen
from wnm.views.facts import NodeFacts, attention, facts_of
from wnm.views.happenings import Happening, tone_of
from wnm.views.material import Material
from wnm.views.node_status import reachability
from wnm.views.text import Line, Tone, columns, part
from wnm.views.words import NOTHING, printable, short_ant, short_name, shorten, size, span

STATUS_TONES = {
    Status.RUNNING: Tone.GOOD,
    Status.STOPPED: Tone.WARN,
    Status.DEAD: Tone.BAD,
    Status.DISABLED: Tone.QUIET,
}
"""How a status is meant; those that are missing are transitions."""
_LONGEST_VERSION = 12
_LEAST_WHY, _LONGEST_WHY = 24, 70


class Extras(Struct, frozen=True, kw_only=True):
    """What else is known of nodes: the last action on each by id, and what each earned today by name, in attos."""

    last: Mapping[int, Happening]
    earned: Mapping[str, int]


NO_EXTRAS = Extras(last={}, earned={})


class Row(Struct, frozen=True, kw_only=True):
    """A node in the table; `why` is why somebody may want to look at it."""

    facts: NodeFacts
    why: str | None
    earned: int | None
    last: Happening | None
    now: datetime


class Column(Struct, frozen=True, kw_only=True):
    """A column: its cell for a node, and what the nodes are sorted by (None sorts last)."""

    name: str
    cell: Callable[[Row], Line]
    key: Callable[[Row], object]
    right: bool = False
    heading: str = ""


def rows_of(material: Material, extras: Extras) -> tuple[Row, ...]:
    """Every node, in the order of the rows."""
    return tuple(_row(each, material, extras) for each in material.nodes)


def _row(each: NodeSeen, material: Material, extras: Extras) -> Row:
    facts = facts_of(each, material.observed_at)
    return Row(
        facts=facts,
        why=attention(each, facts),
        earned=extras.earned.get(facts.name),
        last=extras.last.get(facts.id),
        now=material.generated_at,
    )


def matching(rows: Sequence[Row], wanted: str) -> tuple[Row, ...]:
    """The rows of which some cell, the wallet or the reason to look at it holds the text, in any case."""
    text = wanted.casefold()
    return tuple(row for row in rows if any(text in each.casefold() for each in _texts(row)))


def _texts(row: Row) -> list[str]:
    cells = [column.cell(row).plain for column in COLUMNS.values()]
    return [
        *cells,
        row.facts.name,
        row.facts.wallet,
        row.why or "",
        row.facts.peer_id or "",
        row.facts.root_dir,
    ]


def ordered(rows: Sequence[Row], column: str, *, reverse: bool = False) -> tuple[Row, ...]:
    """The rows by this column; numbers begin with the largest, texts with the first. What is not known comes last."""
    key = COLUMNS[column].key
    known = [row for row in rows if key(row) is not None]
    unknown = [row for row in rows if key(row) is None]
    largest_first = COLUMNS[column].right is not reverse
    # Two stable sorts: those that are alike stay in the order of their ids, whichever way it goes.
    known.sort(key=lambda row: row.facts.id)
    known.sort(key=lambda row: key(row), reverse=largest_first)  # type: ignore[arg-type, return-value]
    return (*known, *unknown)


class Layout(Struct, frozen=True, kw_only=True):
    """The columns that there is room for, in their order, how wide each is, and the gap between them.

    `why_width` is how wide the reasons to look at nodes may be behind them; None where they have no room.
    """

    columns: tuple[Column, ...]
    widths: tuple[int, ...]
    gap: int
    why_width: int | None


def layout(rows: Sequence[Row], width: int | None) -> Layout:
    """What fits into the width, where None is as wide as it takes; what matters least is left out first."""
    widths = {name: _width(column, rows) for name, column in COLUMNS.items()}
    has_why = any(row.why for row in rows)
    if width is None:
        names, gap, left = set(COLUMNS), 2, _LONGEST_WHY
    else:
        names, gap, left = _fitting(widths, width, has_why=has_why)
    chosen = tuple(column for name, column in COLUMNS.items() if name in names)
    return Layout(
        columns=chosen,
        widths=tuple(widths[column.name] for column in chosen),
        gap=gap,
        why_width=min(left, _LONGEST_WHY) if has_why and left >= _LEAST_WHY else None,
    )


def _fitting(widths: Mapping[str, int], width: int, *, has_why: bool) -> tuple[set[str], int, int]:
    """The names of the columns, the gap, and how much is left behind them and a gap."""
    core = sum(widths[name] + 2 for name in _CORE) - 2
    gap = 2 if core <= width else 1
    reserved = _LEAST_WHY + gap if has_why else 0
    names: set[str] = set()
    used = -gap
    for name in _BY_IMPORTANCE:
        if used + gap + widths[name] > width - (reserved if name in _LESS_THAN_WHY else 0):
            continue
        used += gap + widths[name]
        names.add(name)
    return names, gap, width - used - gap


def table(rows: Sequence[Row], shown: Layout) -> list[Line]:
    """The heading and a line for each row; the layout may be of more rows than these."""
    why = shown.why_width
    lines = [[part(each.heading or each.name, Tone.STRONG) for each in shown.columns]]
    lines += [[each.cell(row) for each in shown.columns] for row in rows]
    if why is not None:
        lines[0].append(part("to look at", Tone.STRONG))
        for cells, row in zip(lines[1:], rows, strict=True):
            cells.append(part(shorten(printable(row.why or ""), why), Tone.WARN))
    right = [number for number, each in enumerate(shown.columns) if each.right]
    return columns(lines, right=right, gap=shown.gap, widths=shown.widths)


def _width(column: Column, rows: Sequence[Row]) -> int:
    return max(len(column.heading or column.name), *(column.cell(row).cell_len for row in rows), 0)


def _status(row: Row) -> Line:
    return part(row.facts.status, STATUS_TONES.get(row.facts.status, Tone.BUSY))


def _process(row: Row) -> Line:
    facts = row.facts
    down = facts.status is Status.RUNNING and facts.process is not ProcessState.RUNNING
    return part(facts.process, Tone.WARN if down else Tone.PLAIN)


def _reachable(row: Row) -> Line:
    silent = row.facts.reachable in (Reachability.REFUSES, Reachability.TIMES_OUT)
    return part(reachability(row.facts), Tone.WARN if silent else Tone.PLAIN)


def _version(row: Row) -> Line:
    running, own = row.facts.version, row.facts.binary_version
    tone = Tone.WARN if running and own and running != own else Tone.PLAIN
    return part(shorten(printable(running or own or NOTHING), _LONGEST_VERSION), tone)


def _last(row: Row) -> Line:
    if row.last is None:
        return part(NOTHING, Tone.QUIET)
    words = row.last.words.partition(":")[0].split(" with ")[0].split(" to ")[0]
    failed = " failed" if row.last.is_bad else ""
    ago = span(max(row.now - row.last.at, timedelta(0)))
    return part(f"{shorten(words, 12)}{failed} {ago} ago", tone_of(row.last) if failed else Tone.PLAIN)


def _known(value: object) -> Line:
    return part(NOTHING if value is None else str(value))


def _size(value: int | None) -> Line:
    return part(NOTHING if value is None else size(value))


def _order(row: Row) -> object:
    return row.facts.id


_EVERY = (
    Column(name="name", cell=lambda row: part(short_name(row.facts.name)), key=_order),
    Column(name="status", cell=_status, key=lambda row: row.facts.status.value),
    Column(name="process", cell=_process, key=lambda row: row.facts.process.value),
    Column(
        name="reachable", cell=_reachable, key=lambda row: row.facts.reachable and row.facts.reachable.value
    ),
    Column(name="version", cell=_version, key=lambda row: row.facts.version or row.facts.binary_version),
    Column(
        name="peers",
        cell=lambda row: _known(row.facts.connected_peers),
        key=lambda row: row.facts.connected_peers,
        right=True,
    ),
    Column(
        name="shuns",
        cell=lambda row: _known(row.facts.shunned),
        key=lambda row: row.facts.shunned,
        right=True,
    ),
    Column(
        name="records",
        cell=lambda row: _known(row.facts.records),
        key=lambda row: row.facts.records,
        right=True,
    ),
    Column(
        name="disk",
        cell=lambda row: _size(row.facts.disk_bytes),
        key=lambda row: row.facts.disk_bytes,
        right=True,
    ),
    Column(
        name="earned",
        heading="ANT today",
        cell=lambda row: part(NOTHING if row.earned is None else short_ant(row.earned)),
        key=lambda row: row.earned,
        right=True,
    ),
    Column(
        name="cpu",
        cell=lambda row: part(NOTHING if row.facts.cpu_percent is None else f"{row.facts.cpu_percent:.1f} %"),
        key=lambda row: row.facts.cpu_percent,
        right=True,
    ),
    Column(
        name="memory",
        cell=lambda row: _size(row.facts.memory_bytes),
        key=lambda row: row.facts.memory_bytes,
        right=True,
    ),
    Column(
        name="uptime",
        cell=lambda row: part(
            NOTHING if row.facts.uptime_seconds is None else span(timedelta(seconds=row.facts.uptime_seconds))
        ),
        key=lambda row: row.facts.uptime_seconds,
        right=True,
    ),
    Column(
        name="last", heading="last action", cell=_last, key=lambda row: row.last and -row.last.at.timestamp()
    ),
)
COLUMNS: Mapping[str, Column] = {column.name: column for column in _EVERY}
_CORE = ("name", "status", "version", "reachable", "process", "peers", "records", "disk")
_BY_IMPORTANCE = (*_CORE, "shuns", "earned", "last", "memory", "cpu", "uptime")
_LESS_THAN_WHY = ("memory", "cpu", "uptime")
"""Left out before the reasons to look at nodes are."""
