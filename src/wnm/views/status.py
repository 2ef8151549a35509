"""Builds `wnm status`: the machine against its limits, the nodes that fit the terminal, and what needs somebody."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import timedelta

from msgspec import Struct

from wnm.core.action import Result
from wnm.core.node import ProcessState, Reachability, Status
from wnm.core.observation import FileSystem, Unseen
from wnm.core.readings import PERCENT, Gauge
from wnm.core.reasons import Blocked
from wnm.core.sentences import remedy, waiting_for, what
from wnm.views import reports
from wnm.views.actions import past, verb
from wnm.views.charts import bar
from wnm.views.doctor import LATE_AFTER
from wnm.views.explain import last_cycle_line, program_words
from wnm.views.material import Material, tally
from wnm.views.payload import Payload
from wnm.views.places import limit_notes, place_notes
from wnm.views.text import Line, Tone, columns, hanging, line, part
from wnm.views.timeline import STATUS_TONES, Event, event_payload, tone_of
from wnm.views.words import NOTHING, printable, relative, short_ant, short_name, shorten, size, span

_LONGEST_VERSION = 12
_LEAST_WHY, _LONGEST_WHY = 24, 70


class Extras(Struct, frozen=True, kw_only=True):
    """Further facts of nodes: the last action on each by id, and what each earned today by name, in attos."""

    last: Mapping[int, Event]
    earned: Mapping[str, int]


NO_EXTRAS = Extras(last={}, earned={})


class Column(Struct, frozen=True):
    """A column: its cell for a node, and what the nodes are sorted by (None sorts last)."""

    name: str
    cell: Callable[[reports.Row], Line]
    key: Callable[[reports.Row], object]
    right: bool = False
    heading: str = ""


def rows_of(material: Material, extras: Extras) -> tuple[reports.Row, ...]:
    """Every node, in the order of the rows."""
    last, earned, now = extras.last, extras.earned, material.generated_at
    return tuple(
        reports.Row(facts, why, earned.get(facts.name), now, last.get(facts.id))
        for facts, why in zip(material.facts, material.concerns, strict=True)
    )


def matching(rows: Sequence[reports.Row], wanted: str) -> tuple[reports.Row, ...]:
    """The rows of which some cell, the wallet or the reason to look at it holds the text, in any case."""
    text = wanted.casefold()

    def shown(row: reports.Row) -> Iterator[str]:
        yield from (column.cell(row).plain for column in COLUMNS.values())
        facts = row.facts
        yield from (facts.name, facts.wallet, row.why or "", facts.peer_id or "", facts.root_dir)

    return tuple(row for row in rows if any(text in each.casefold() for each in shown(row)))


def ordered(rows: Sequence[reports.Row], column: str, *, reverse: bool = False) -> tuple[reports.Row, ...]:
    """The rows by this column; numbers begin with the largest, texts with the first. Unknown values come last."""
    key = COLUMNS[column].key
    known = [row for row in rows if key(row) is not None]
    unknown = [row for row in rows if key(row) is None]
    largest_first = COLUMNS[column].right is not reverse
    # Two stable sorts: those that are alike stay in the order of their ids, whichever way it goes.
    known.sort(key=lambda row: row.facts.id)
    known.sort(key=lambda row: key(row), reverse=largest_first)  # type: ignore[arg-type, return-value]
    return (*known, *unknown)


class Layout(Struct, frozen=True):
    """The columns that fit, in their order, how wide each is, and the gap between them.

    `why_width` is how wide the reasons to look at nodes may be behind them; None where they do not fit.
    """

    columns: tuple[Column, ...]
    widths: tuple[int, ...]
    gap: int
    why_width: int | None


def layout(rows: Sequence[reports.Row], width: int | None) -> Layout:
    """The columns that fit into the width, where None is as wide as it takes; what matters least is left out first."""
    widths = {
        name: max(len(column.heading or name), *(column.cell(row).cell_len for row in rows), 0)
        for name, column in COLUMNS.items()
    }
    has_why = any(row.why for row in rows)
    names, gap, left = set(COLUMNS), 2, _LONGEST_WHY
    if width is not None:
        gap = 2 if sum(widths[name] + 2 for name in _CORE) - 2 <= width else 1
        reserved = _LEAST_WHY + gap if has_why else 0
        names, used = set(), -gap
        for name in _BY_IMPORTANCE:
            if used + gap + widths[name] <= width - (reserved if name in _LESS_THAN_WHY else 0):
                used += gap + widths[name]
                names.add(name)
        left = width - used - gap
    chosen = tuple(column for name, column in COLUMNS.items() if name in names)
    why = min(left, _LONGEST_WHY) if has_why and left >= _LEAST_WHY else None
    return Layout(chosen, tuple(widths[column.name] for column in chosen), gap, why)


def table(rows: Sequence[reports.Row], shown: Layout) -> list[Line]:
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


def _toned(text: str, tone: Tone, *, when: object) -> Line:
    return part(text, tone if when else Tone.PLAIN)


def _process(row: reports.Row) -> Line:
    down = row.facts.status is Status.RUNNING and row.facts.process is not ProcessState.RUNNING
    return _toned(row.facts.process, Tone.WARN, when=down)


def _version(row: reports.Row) -> Line:
    own, known = row.facts.binary_version, row.facts.version or row.facts.binary_version or NOTHING
    return _toned(shorten(printable(known), _LONGEST_VERSION), Tone.WARN, when=own and known != own)


def _last(row: reports.Row) -> Line:
    if row.last is None:
        return part(NOTHING, Tone.QUIET)
    kind = row.last.action or ""
    words = past(kind) if row.last.result == Result.DONE else verb(kind)
    failed = " failed" if row.last.is_bad else ""
    ago = span(max(row.now - row.last.at, timedelta(0)))
    return part(f"{shorten(words, 12)}{failed} {ago} ago", tone_of(row.last) if failed else Tone.PLAIN)


def _number(figure: reports.Figure) -> Column:
    """A column of numbers, with a dash where nothing is known."""
    form = short_ant if figure.kind == "coin" else reports.FORMS.get(figure.kind, str)

    def cell(row: reports.Row) -> Line:
        return part(NOTHING if (known := figure.value(row)) is None else form(known))

    return Column(figure.name, cell, figure.value, True, figure.heading if figure.kind == "coin" else "")


_SILENT = (Reachability.REFUSES, Reachability.TIMES_OUT)
_EVERY = (
    Column("name", lambda row: part(short_name(row.facts.name)), lambda row: row.facts.id),
    Column(
        "status",
        lambda row: part(row.facts.status, STATUS_TONES.get(row.facts.status, Tone.BUSY)),
        lambda row: row.facts.status,
    ),
    Column("process", _process, lambda row: row.facts.process),
    Column(
        "reachable",
        lambda row: _toned(reports.reachability(row.facts), Tone.WARN, when=row.facts.reachable in _SILENT),
        lambda row: row.facts.reachable,
    ),
    Column("version", _version, lambda row: row.facts.version or row.facts.binary_version),
    *map(_number, reports.FIGURES),
    Column("last", _last, lambda row: row.last and -row.last.at.timestamp(), heading="last action"),
)
COLUMNS: Mapping[str, Column] = {column.name: column for column in _EVERY}
_CORE = ("name", "status", "version", "reachable", "process", "peers", "records", "disk")
_BY_IMPORTANCE = (*_CORE, "shuns", "earned", "last", "memory", "cpu", "uptime")
_LESS_THAN_WHY = ("memory", "cpu", "uptime")
"""Left out before the reasons to look at nodes are."""


MOST_NODES_IN_FULL = 60
_MOST_CONCERNS = 20


class Choice(Struct, frozen=True, kw_only=True):
    """Which nodes the table shows and in which order; where nothing is chosen, all up to `most` of them.

    `every_column` is whether those are there too for which the terminal is too narrow.
    """

    sort: str | None = None
    filter: str | None = None
    every_node: bool = False
    every_column: bool = False
    most: int = MOST_NODES_IN_FULL


AS_IT_IS = Choice()


class Overview(Struct, frozen=True):
    """One look at a machine. `nodes` are those for the table: the chosen ones, else all of them, or where these
    are too many, the ones with concerns. `concerns` are nodes to look at; `hidden_concerns` more found no place.
    """

    material: Material
    every: tuple[reports.Row, ...]
    nodes: tuple[reports.Row, ...]
    concerns: tuple[reports.Row, ...]
    summarised: bool
    hidden_concerns: int

    @property
    def needs(self) -> tuple[Blocked, ...]:
        """What only the operator can make go on."""
        return tuple(held for held in self.material.cycle.held if held.remedy) if self.material.cycle else ()


def overview(material: Material, extras: Extras = NO_EXTRAS, choice: Choice = AS_IT_IS) -> Overview:
    """Return the status table's values for this material."""
    every = rows_of(material, extras)
    nodes = _chosen(every, choice)
    summarised = nodes is every and len(every) > choice.most and not choice.every_node
    concerns = tuple(row for row in nodes if row.why is not None)
    shown = concerns[:_MOST_CONCERNS] if summarised else concerns
    hidden = len(concerns) - len(shown)
    return Overview(material, every, shown if summarised else nodes, shown, summarised, hidden)


def _chosen(every: tuple[reports.Row, ...], choice: Choice) -> tuple[reports.Row, ...]:
    """The very same rows where nothing was chosen."""
    rows = every if choice.filter is None else matching(every, choice.filter)
    return rows if choice.sort is None else ordered(rows, choice.sort)


def status_payload(material: Material, extras: Extras = NO_EXTRAS, choice: Choice = AS_IT_IS) -> Payload:
    """node-status-details and machine-metrics in one object, of the nodes the chosen ones in their order, and in
    `node_notes` what else the table tells of them."""
    whole = {**reports.machine_payload(material), **reports.nodes_payload(material)}
    rows = _chosen(rows_of(material, extras), choice)
    nodes = [reports.facts_payload(row.facts) for row in rows]
    notes = [
        {
            "name": row.facts.name,
            "to_look_at": row.why,
            "earned_today_attos": None if row.earned is None else str(row.earned),
            "last_action": None if row.last is None else event_payload(row.last),
        }
        for row in rows
    ]
    return {**whole, "nodes": nodes, "node_notes": notes}


_BAR = 16
_WITH_BARS = 78
_LONGEST_GAUGE = 16
_MOST_DIFFERENT = 6
_HEADROOM = 1.25
"""The end of the bar of a reading without an end, as a multiple of its removal limit."""


def status_lines(
    found: Overview, material: Material, choice: Choice, width: int, *, dots: bool
) -> list[Line]:
    """Everything that `wnm status` shows."""
    head = headline(found)
    lines = [part("; ").join(head)]
    if lines[0].cell_len > width:
        lines = []
        for each in head:
            lines += hanging(line(), each.plain, width, Tone(str(each.style) or "none"))
    lines += [line(), *machine_lines(material, width, dots=dots)]
    if material.seen is not None:
        pin = material.settings.node_version
        program = program_words(material.seen.available) + (f", pinned to {pin}" if pin else "")
        lines += hanging(line(), f"program: {program}", width)
        for words in limit_notes(material.seen.machine):
            lines += hanging(line(), words, width)
        for note in place_notes(material.seen, material.settings, material.generated_at):
            words = f"storage {note.path}: {note.words}" + (f": {note.remedy}" if note.remedy else "")
            lines += hanging(line(), words, width, Tone.BAD if note.bad else Tone.WARN)
    lines += [*hanging(line(), *_age(material, width)), line()]
    if found.summarised:
        lines += [*_summary(found.every, width), line()]
    lines += _nodes(found, choice, width)
    lines += hanging(line(), last_cycle_line(material), width)
    names = {row.facts.id: row.facts.name for row in found.every}
    for held in found.needs:
        words = f"cannot {what(held, names)}: waits for {waiting_for(held, names)}"
        for told in (words, f"needs you: {remedy(held, names) or ''}"):
            lines += hanging(line(), told, width, Tone.BAD)
    return lines


def headline(found: Overview) -> list[Line]:
    """The number of nodes by status, and what they earned: the parts of a line, the most telling first."""
    counts = found.material.counts
    running, cap = counts[Status.RUNNING], found.material.settings.node_cap
    words = f"{running} of {len(found.every)} nodes running, cap {cap}"
    parts = [part(words, Tone.STRONG)]
    if others := tally(counts, but=Status.RUNNING):
        parts.append(part(others))
    earned = [row.earned for row in found.every if row.earned is not None]
    if earned:
        parts.append(part(f"earned today {short_ant(sum(earned))} ANT"))
    return parts


def _age(material: Material, width: int) -> tuple[str, int, Tone]:
    """When the last cycle looked, loudly when none has for long; with the width, as `hanging` takes it."""
    seen_at, now = material.observed_at, material.generated_at
    if seen_at is None:
        return "no cycle has looked yet", width, Tone.WARN
    words = f"as seen {relative(seen_at, now)}"
    if seen_at - now > LATE_AFTER:
        return f"{words}: the clock was set back since", width, Tone.WARN
    if now - seen_at <= LATE_AFTER:
        return words, width, Tone.QUIET
    return f"{words}: NO CYCLE HAS RUN SINCE; see wnm doctor", width, Tone.BAD


def machine_lines(material: Material, width: int, *, dots: bool) -> list[Line]:
    """A bar for each reading with both limits marked in it, and the same in numbers."""
    with_bars = width >= _WITH_BARS
    heads = ("machine", *([""] if with_bars else []), "now", "grows below", "sheds above", "free")
    rows = [[part(each, Tone.STRONG) for each in heads]]
    for gauge, system in gauges_shown(material):
        value, tone = gauge.value, tone_of_gauge(gauge)
        cells = [part(shorten(printable(gauge.name), _LONGEST_GAUGE))]
        if with_bars:
            cells.append(part(gauge_bar(gauge, _BAR, dots=dots), tone))
        unseen = part("not seen", Tone.WARN)
        cells.append(unseen if isinstance(value, Unseen) else part(reports.rounded(gauge, value), tone))
        limits = (gauge.allow, gauge.remove)
        cells += [part("off" if each is None else reports.rounded(gauge, each)) for each in limits]
        rows.append([*cells, part("" if system is None else size(system.free_bytes))])
    return columns(rows, right=range(2, 6) if with_bars else range(1, 5))


def gauges_shown(material: Material) -> list[tuple[Gauge, FileSystem | None]]:
    """The readings with a limit, and the disks with their file systems."""
    return [(each, None) for each in material.gauges if each.is_on] + [
        (at, disk) for disk, at in material.disks
    ]


def tone_of_gauge(gauge: Gauge) -> Tone:
    """Red above the limit for shedding, green below the one for growing."""
    return Tone.BAD if gauge.too_high else Tone.GOOD if gauge.allows_growth else Tone.WARN


def gauge_bar(gauge: Gauge, width: int, *, dots: bool) -> str:
    """The bar of a reading with its limits marked in it; an unseen reading is drawn as unknown."""
    if isinstance(gauge.value, Unseen):
        return "?" * width
    limits = [each for each in (gauge.allow, gauge.remove) if each]
    whole = 100.0 if gauge.unit == PERCENT else _HEADROOM * max(limits, default=1.0)
    return bar(gauge.value / whole, [each / whole for each in limits], width, dots=dots)


def _summary(rows: Sequence[reports.Row], width: int) -> list[Line]:
    """Many nodes in a few lines: what they run, how they answer, and the disk space that they take."""
    tallies = {
        "status": Counter(str(row.facts.status) for row in rows),
        "version": Counter(row.facts.version or row.facts.binary_version or NOTHING for row in rows),
        "process": Counter(str(row.facts.process) for row in rows),
        "reachable": Counter(reports.reachability(row.facts) for row in rows),
    }
    lines: list[Line] = []
    for name, counted in tallies.items():
        common = counted.most_common(_MOST_DIFFERENT)
        words = ", ".join(f"{count:,} {each}" for each, count in common)
        others = len(counted) - len(common)
        more = f", and {others} others" if others else ""
        lines += hanging(line(part(f"{name:<10}", Tone.QUIET)), f"{words}{more}", width)
    taken = [row.facts.disk_bytes for row in rows if row.facts.disk_bytes is not None]
    disk = f"{size(sum(taken))} in {len(taken):,} nodes, the largest {size(max(taken))}" if taken else NOTHING
    return [*lines, *hanging(line(part(f"{'disk':<10}", Tone.QUIET)), disk, width)]


def _nodes(found: Overview, choice: Choice, width: int) -> list[Line]:
    """The table, versions that differ from those on disk, and reasons to look at nodes that do not fit into it."""
    shown = layout(found.nodes, None if choice.every_column else width)
    in_table, lines = shown.why_width is not None, []
    if found.nodes:
        lines += table(found.nodes, shown)
        pairs: dict[tuple[str, str], list[str]] = {}
        for row in found.nodes:
            running, own = row.facts.version, row.facts.binary_version
            if running and own and running != own:
                pairs.setdefault((running, own), []).append(row.facts.name)
        for (running, own), names in pairs.items():
            words = f"runs {running}, has {own} on disk: {', '.join(names)}"
            lines.append(part(shorten(printable(words), width), Tone.WARN))
        lines.append(line())
    elif choice.filter is not None:
        more = part("; see wnm status --all", Tone.QUIET)
        lines += [line(f"no node matches {choice.filter}", more), line()]
    concerns = []
    for row in () if in_table else found.concerns:
        name = short_name(row.facts.name)
        words = f"{name}: {shorten(printable(row.why or ''), width - len(name) - 2)}"
        concerns.append(part(words, Tone.WARN))
    if found.hidden_concerns and (found.summarised or not in_table):
        words = f"and {found.hidden_concerns:,} more to look at: wnm status --all"
        concerns.append(part(words, Tone.WARN))
    if found.summarised and not found.concerns:
        concerns.append(line("no node needs a look; wnm status --all lists them all"))
    return [*lines, *concerns, line()] if concerns else lines
