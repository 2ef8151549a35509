"""Builds `wnm status`: the machine against its limits, the nodes that fit the terminal, and what needs somebody."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from msgspec import Struct

from wnm.core.action import Result
from wnm.core.node import ProcessState, Reachability, Status
from wnm.core.observation import FileSystem, Unseen
from wnm.core.readings import PERCENT, Gauge
from wnm.core.reasons import Blocked
from wnm.core.sentences import remedy, waiting_for, what
from wnm.views.actions import past, verb
from wnm.views.charts import bar
from wnm.views.doctor import LATE_AFTER
from wnm.views.explain import last_cycle_line, program_words
from wnm.views.material import Material, NodeFacts, tally
from wnm.views.payload import Payload
from wnm.views.reports import (
    FIGURES,
    FORMS,
    Figure,
    facts_payload,
    machine_payload,
    nodes_payload,
    reachability,
    rounded,
)
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


class Row(Struct, frozen=True, kw_only=True):
    """A node in the table; `why` is why somebody may want to look at it."""

    facts: NodeFacts
    why: str | None
    earned: int | None
    last: Event | None
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
    return tuple(
        Row(
            facts=facts,
            why=why,
            earned=extras.earned.get(facts.name),
            last=extras.last.get(facts.id),
            now=material.generated_at,
        )
        for facts, why in zip(material.facts, material.concerns, strict=True)
    )


def matching(rows: Sequence[Row], wanted: str) -> tuple[Row, ...]:
    """The rows of which some cell, the wallet or the reason to look at it holds the text, in any case."""
    text = wanted.casefold()

    def shown(row: Row) -> Iterator[str]:
        yield from (column.cell(row).plain for column in COLUMNS.values())
        facts = row.facts
        yield from (facts.name, facts.wallet, row.why or "", facts.peer_id or "", facts.root_dir)

    return tuple(row for row in rows if any(text in each.casefold() for each in shown(row)))


def ordered(rows: Sequence[Row], column: str, *, reverse: bool = False) -> tuple[Row, ...]:
    """The rows by this column; numbers begin with the largest, texts with the first. Unknown values come last."""
    key = COLUMNS[column].key
    known = [row for row in rows if key(row) is not None]
    unknown = [row for row in rows if key(row) is None]
    largest_first = COLUMNS[column].right is not reverse
    # Two stable sorts: those that are alike stay in the order of their ids, whichever way it goes.
    known.sort(key=lambda row: row.facts.id)
    known.sort(key=lambda row: key(row), reverse=largest_first)  # type: ignore[arg-type, return-value]
    return (*known, *unknown)


class Layout(Struct, frozen=True, kw_only=True):
    """The columns that fit, in their order, how wide each is, and the gap between them.

    `why_width` is how wide the reasons to look at nodes may be behind them; None where they do not fit.
    """

    columns: tuple[Column, ...]
    widths: tuple[int, ...]
    gap: int
    why_width: int | None


def layout(rows: Sequence[Row], width: int | None) -> Layout:
    """The columns that fit into the width, where None is as wide as it takes; what matters least is left out first."""
    widths = {
        name: max(len(column.heading or name), *(column.cell(row).cell_len for row in rows), 0)
        for name, column in COLUMNS.items()
    }
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
    gap = 2 if sum(widths[name] + 2 for name in _CORE) - 2 <= width else 1
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
    kind = row.last.action or ""
    words = past(kind) if row.last.result == Result.DONE else verb(kind)
    failed = " failed" if row.last.is_bad else ""
    ago = span(max(row.now - row.last.at, timedelta(0)))
    return part(f"{shorten(words, 12)}{failed} {ago} ago", tone_of(row.last) if failed else Tone.PLAIN)


def _number(figure: Figure) -> Column:
    """A column of numbers, with a dash where nothing is known."""
    form = short_ant if figure.kind == "coin" else FORMS.get(figure.kind, str)

    def value(row: Row) -> Any:
        return getattr(row if figure.kind == "coin" else row.facts, figure.key)

    return Column(
        name=figure.name,
        cell=lambda row: part(NOTHING if (known := value(row)) is None else form(known)),
        key=value,
        right=True,
        heading=figure.heading if figure.kind == "coin" else "",
    )


_EVERY = (
    Column(name="name", cell=lambda row: part(short_name(row.facts.name)), key=lambda row: row.facts.id),
    Column(name="status", cell=_status, key=lambda row: row.facts.status.value),
    Column(name="process", cell=_process, key=lambda row: row.facts.process.value),
    Column(
        name="reachable", cell=_reachable, key=lambda row: row.facts.reachable and row.facts.reachable.value
    ),
    Column(name="version", cell=_version, key=lambda row: row.facts.version or row.facts.binary_version),
    *map(_number, FIGURES),
    Column(
        name="last", heading="last action", cell=_last, key=lambda row: row.last and -row.last.at.timestamp()
    ),
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


class Overview(Struct, frozen=True, kw_only=True):
    """One look at a machine. `nodes` are those for the table: the chosen ones, else all of them, or where these
    are too many, the ones with concerns. `concerns` are nodes to look at; `hidden_concerns` more found no place.
    """

    gauges: tuple[tuple[Gauge, FileSystem | None], ...]
    counts: Mapping[Status, int]
    node_cap: int
    every: tuple[Row, ...]
    nodes: tuple[Row, ...]
    concerns: tuple[Row, ...]
    summarised: bool
    hidden_concerns: int
    needs: tuple[Blocked, ...]
    program: str | None
    last_cycle: str

    @property
    def node_count(self) -> int:
        return sum(self.counts.values())


def overview(material: Material, extras: Extras = NO_EXTRAS, choice: Choice = AS_IT_IS) -> Overview:
    """Return the status table's values for this material."""
    every = rows_of(material, extras)
    nodes = _chosen(every, choice)
    summarised = nodes is every and len(every) > choice.most and not choice.every_node
    concerns = tuple(row for row in nodes if row.why is not None)
    shown = concerns[:_MOST_CONCERNS] if summarised else concerns
    program = None
    if material.seen is not None:
        pin = material.settings.node_version
        program = program_words(material.seen.available) + (f", pinned to {pin}" if pin else "")
    return Overview(
        gauges=(
            *((gauge, None) for gauge in material.gauges if gauge.is_on),
            *((gauge, system) for system, gauge in material.disks),
        ),
        counts=material.counts,
        node_cap=material.settings.node_cap,
        every=every,
        nodes=shown if summarised else nodes,
        concerns=shown,
        summarised=summarised,
        hidden_concerns=len(concerns) - len(shown),
        needs=tuple(held for held in material.cycle.held if held.remedy) if material.cycle else (),
        program=program,
        last_cycle=last_cycle_line(material),
    )


def _chosen(every: tuple[Row, ...], choice: Choice) -> tuple[Row, ...]:
    """The very same rows where nothing was chosen."""
    rows = every if choice.filter is None else matching(every, choice.filter)
    return rows if choice.sort is None else ordered(rows, choice.sort)


def status_payload(material: Material, extras: Extras = NO_EXTRAS, choice: Choice = AS_IT_IS) -> Payload:
    """node-status-details and machine-metrics in one object, of the nodes the chosen ones in their order, and in
    `node_notes` what else the table tells of them."""
    whole = {**machine_payload(material), **nodes_payload(material)}
    rows = _chosen(rows_of(material, extras), choice)
    nodes = [facts_payload(row.facts) for row in rows]
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
    lines += [line(), *machine_lines(found, width, dots=dots)]
    if found.program is not None:
        lines += hanging(line(), f"program: {found.program}", width)
    lines += [*hanging(line(), *age(material, width)), line()]
    if found.summarised:
        lines += [*summary(found.every, width), line()]
    lines += _nodes(found, choice, width)
    lines += _concerns(found, choice, width)
    lines += hanging(line(), found.last_cycle, width)
    names = {row.facts.id: row.facts.name for row in found.every}
    for held in found.needs:
        lines += hanging(
            line(), f"cannot {what(held, names)}: waits for {waiting_for(held, names)}", width, Tone.BAD
        )
        lines += hanging(line(), f"needs you: {remedy(held, names) or ''}", width, Tone.BAD)
    return lines


def headline(found: Overview) -> list[Line]:
    """The number of nodes by status, and what they earned: the parts of a line, the most telling first."""
    running = found.counts[Status.RUNNING]
    words = f"{running} of {found.node_count} nodes running, cap {found.node_cap}"
    parts = [part(words, Tone.STRONG)]
    if others := tally(found.counts, but=Status.RUNNING):
        parts.append(part(others))
    earned = [row.earned for row in found.every if row.earned is not None]
    if earned:
        parts.append(part(f"earned today {short_ant(sum(earned))} ANT"))
    return parts


def age(material: Material, width: int) -> tuple[str, int, Tone]:
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


def machine_lines(found: Overview, width: int, *, dots: bool) -> list[Line]:
    """A bar for each reading with both limits marked in it, and the same in numbers."""
    with_bars = width >= _WITH_BARS
    heads = ("machine", *([""] if with_bars else []), "now", "grows below", "sheds above", "free")
    rows = [[part(each, Tone.STRONG) for each in heads]]
    for gauge, system in found.gauges:
        value, tone = gauge.value, tone_of_gauge(gauge)
        cells = [part(shorten(printable(gauge.name), _LONGEST_GAUGE))]
        if with_bars:
            cells.append(part(gauge_bar(gauge, _BAR, dots=dots), tone))
        unseen = part("not seen", Tone.WARN)
        cells.append(unseen if isinstance(value, Unseen) else part(rounded(gauge, value), tone))
        limits = (gauge.allow, gauge.remove)
        cells += [part("off" if each is None else rounded(gauge, each)) for each in limits]
        rows.append([*cells, part("" if system is None else size(system.free_bytes))])
    return columns(rows, right=range(2, 6) if with_bars else range(1, 5))


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


def summary(every: Iterable[Row], width: int) -> list[Line]:
    """Many nodes in a few lines: what they run, how they answer, and the disk space that they take."""
    rows = tuple(every)
    tallies = {
        "status": Counter(str(row.facts.status) for row in rows),
        "version": Counter(row.facts.version or row.facts.binary_version or NOTHING for row in rows),
        "process": Counter(str(row.facts.process) for row in rows),
        "reachable": Counter(reachability(row.facts) for row in rows),
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
    if not found.nodes:
        if choice.filter is None:
            return []
        return [line(f"no node matches {choice.filter}", part("; see wnm status --all", Tone.QUIET)), line()]
    shown = layout(found.nodes, None if choice.every_column else width)
    # Versions that nodes have on disk, where they differ from those that they run.
    pairs: dict[tuple[str, str], list[str]] = {}
    for row in found.nodes:
        running, own = row.facts.version, row.facts.binary_version
        if running and own and running != own:
            pairs.setdefault((running, own), []).append(row.facts.name)
    words = [
        f"runs {running}, has {own} on disk: {', '.join(names)}" for (running, own), names in pairs.items()
    ]
    differ = [line(part(shorten(printable(each), width), Tone.WARN)) for each in words]
    return [*table(found.nodes, shown), *differ, line()]


def _concerns(found: Overview, choice: Choice, width: int) -> list[Line]:
    """The reasons to look at nodes, where they do not fit into the table."""
    shown = layout(found.nodes, None if choice.every_column else width)
    in_table = shown.why_width is not None
    lines: list[Line] = []
    if not in_table:
        for row in found.concerns:
            name = short_name(row.facts.name)
            words = f"{name}: {shorten(printable(row.why or ''), width - len(name) - 2)}"
            lines.append(line(part(words, Tone.WARN)))
    if found.hidden_concerns and (found.summarised or not in_table):
        lines.append(
            line(part(f"and {found.hidden_concerns:,} more to look at: wnm status --all", Tone.WARN))
        )
    if found.summarised and not found.concerns:
        lines.append(line("no node needs a look; wnm status --all lists them all"))
    return [*lines, line()] if lines else []
