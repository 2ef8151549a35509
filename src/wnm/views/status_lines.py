"""`wnm status` as lines: the machine against its limits, its nodes, and what needs somebody."""

from collections import Counter
from collections.abc import Iterable

from wnm.core.decide.gauges import Gauge
from wnm.core.node import Status
from wnm.core.observation import FileSystem, Unseen
from wnm.core.sentences import remedy, waiting_for, what
from wnm.views.charts import bar
from wnm.views.doctor import LATE_AFTER
from wnm.views.machine_metrics import Measured
from wnm.views.material import Material
from wnm.views.node_status import reachability
from wnm.views.node_table import Row, layout, table
from wnm.views.status import Choice, Overview
from wnm.views.text import Line, Tone, columns, hanging, line, part
from wnm.views.words import NOTHING, printable, relative, short_ant, short_name, shorten, size

_BAR = 16
_WITH_BARS = 78
_LONGEST_GAUGE = 16
_MOST_DIFFERENT = 6
_HEADROOM = 1.25
"""How far beyond its removal limit the bar of a reading without an end goes."""


def status_lines(
    found: Overview, material: Material, choice: Choice, width: int, *, dots: bool
) -> list[Line]:
    """Everything that `wnm status` shows."""
    lines = [*_head(found, width), line(), *machine_lines(found.measured, width, dots=dots)]
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


def _head(found: Overview, width: int) -> list[Line]:
    parts = headline(found)
    whole = part("; ").join(parts)
    if whole.cell_len <= width:
        return [whole]
    return [
        one for each in parts for one in hanging(line(), each.plain, width, Tone(str(each.style) or "none"))
    ]


def headline(found: Overview) -> list[Line]:
    """How many nodes there are, by status, and what they earned: the parts of a line, the most telling first."""
    running = found.counts[Status.RUNNING]
    words = f"{running} of {found.node_count} nodes running, cap {found.node_cap}"
    others = [
        f"{count} {status}"
        for status, count in found.counts.items()
        if count and status is not Status.RUNNING
    ]
    parts = [part(words, Tone.STRONG)]
    if others:
        parts.append(part(", ".join(others)))
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


def machine_lines(measured: Measured, width: int, *, dots: bool) -> list[Line]:
    """A bar for each reading with both limits marked in it, and the same in numbers."""
    with_bars = width >= _WITH_BARS
    heads = ("machine", *([""] if with_bars else []), "now", "grows below", "sheds above", "free")
    rows = [tuple(part(each, Tone.STRONG) for each in heads)]
    found: list[tuple[Gauge, FileSystem | None]] = [(each, None) for each in measured.gauges if each.is_on]
    found += [(gauge, system) for system, gauge in measured.disks]
    rows += [_gauge(gauge, system, with_bars=with_bars, dots=dots) for gauge, system in found]
    numbers = range(2, 6) if with_bars else range(1, 5)
    return columns(rows, right=numbers)


def _gauge(gauge: Gauge, system: FileSystem | None, *, with_bars: bool, dots: bool) -> tuple[Line, ...]:
    value = gauge.value
    tone = Tone.BAD if gauge.too_high else Tone.GOOD if gauge.allows_growth else Tone.WARN
    shown = part("not seen", Tone.WARN) if isinstance(value, Unseen) else part(_shown(gauge, value), tone)
    drawn = [part(_bar(gauge, dots=dots), tone)] if with_bars else []
    return (
        part(shorten(printable(gauge.name), _LONGEST_GAUGE)),
        *drawn,
        shown,
        part(_limit(gauge, gauge.allow)),
        part(_limit(gauge, gauge.remove)),
        part("" if system is None else size(system.free_bytes)),
    )


def share_of(gauge: Gauge) -> tuple[float, list[float]]:
    """How much of its bar a reading fills, and where its limits are in it; what was not seen fills nothing."""
    limits = [each for each in (gauge.allow, gauge.remove) if each]
    whole = 100.0 if gauge.unit == "%" else _HEADROOM * max(limits, default=1.0)
    value = 0.0 if isinstance(gauge.value, Unseen) else gauge.value
    return value / whole, [each / whole for each in limits]


def _bar(gauge: Gauge, *, dots: bool) -> str:
    if isinstance(gauge.value, Unseen):
        return "?" * _BAR
    share, marks = share_of(gauge)
    return bar(share, marks, _BAR, dots=dots)


def _limit(gauge: Gauge, value: float | None) -> str:
    return "off" if value is None else _shown(gauge, value)


def _shown(gauge: Gauge, value: float) -> str:
    """Rates shorter than where every digit counts: they have to fit."""
    return f"{size(round(value))}/s" if gauge.unit == "B/s" else gauge.shown(value)


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
    for name, tally in tallies.items():
        common = tally.most_common(_MOST_DIFFERENT)
        words = ", ".join(f"{count:,} {each}" for each, count in common)
        others = len(tally) - len(common)
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
    return [*table(found.nodes, shown), *_programs(found.nodes, width), line()]


def _programs(rows: Iterable[Row], width: int) -> list[Line]:
    """What nodes have on disk, where that is another version than the one that they run."""
    pairs: dict[tuple[str, str], list[str]] = {}
    for row in rows:
        running, own = row.facts.version, row.facts.binary_version
        if running and own and running != own:
            pairs.setdefault((running, own), []).append(row.facts.name)
    return [
        line(
            part(
                shorten(printable(f"runs {running}, has {own} on disk: {', '.join(names)}"), width), Tone.WARN
            )
        )
        for (running, own), names in pairs.items()
    ]


def _concerns(found: Overview, choice: Choice, width: int) -> list[Line]:
    """The reasons to look at nodes, where the table has no room for them."""
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
