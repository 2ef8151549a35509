"""`wnm status` on a terminal: the machine against its limits, its nodes, and what needs somebody."""

from typing import IO

from rich.console import Console
from rich.table import Table
from rich.text import Text

from wnm.core.decide.gauges import Gauge
from wnm.core.node import ProcessState, Reachability, Status
from wnm.core.observation import Unseen
from wnm.report.facts import NodeFacts
from wnm.report.machine_metrics import Measured
from wnm.report.material import Material
from wnm.report.node_status import reachability
from wnm.report.status import Overview, overview
from wnm.report.words import NOTHING, printable, relative, shorten, size

NARROWEST = 40
_WIDTH_WITH_ERRORS = 110
_LONGEST_ERROR = 70
_LONGEST_VERSION = 12
_LONGEST_GAUGE = 24
_HEADINGS = ("name", "status", "process", "reachable", "version", "peers", "records", "disk")
_NUMBERS = ("peers", "records", "disk")
_STATUS_STYLES = {
    Status.RUNNING: "green",
    Status.STOPPED: "yellow",
    Status.DEAD: "red",
    Status.DISABLED: "dim",
}


def show_status(material: Material, stream: IO[str], *, width: int | None = None) -> None:
    """Print the overview as wide as the terminal, or `width` characters; colours only where a terminal shows them.

    NO_COLOR in the environment turns them off.
    """
    console = Console(file=stream, width=width, highlight=False, emoji=False, markup=False)
    console.width = max(console.width, NARROWEST)
    found = overview(material)
    console.print(_headline(found))
    console.print()
    console.print(_machine(found.measured))
    if found.program is not None:
        console.print(Text(f"program: {found.program}"))
    console.print(_age(material))
    console.print()
    if found.nodes:
        console.print(_nodes(found, console.width))
        _tell_programs(found, console)
        console.print()
    _tell_concerns(found, console)
    console.print(Text(found.last_cycle))
    for held in found.needs:
        console.print(
            Text(f"cannot {printable(held.what)}: waits for {printable(held.waiting_for)}", style="red")
        )
        console.print(Text(f"needs you: {printable(held.remedy or '')}", style="bold red"))


def _headline(found: Overview) -> Text:
    running = found.counts[Status.RUNNING]
    text = Text(f"{running} of {found.node_count} nodes running, cap {found.node_cap}", style="bold")
    others = [
        f"{count} {status}"
        for status, count in found.counts.items()
        if count and status is not Status.RUNNING
    ]
    if others:
        text.append(f"; {', '.join(others)}")
    return text


def _age(material: Material) -> Text:
    at = material.observed_at
    words = "no cycle has looked yet" if at is None else f"as seen {relative(at, material.generated_at)}"
    return Text(words, style="dim")


def _machine(measured: Measured) -> Table:
    table = _table()
    for heading in ("machine", "now", "grows below", "sheds above"):
        table.add_column(heading, justify="left" if heading == "machine" else "right", no_wrap=True)
    for gauge in measured.gauges:
        if gauge.is_on:
            table.add_row(*_gauge_row(gauge))
    for system, gauge in measured.disks:
        name, *others = _gauge_row(gauge)
        table.add_row(Text(f"{name}, {size(system.free_bytes)} free"), *others)
    return table


def _gauge_row(gauge: Gauge) -> tuple[Text, Text, Text, Text]:
    value = gauge.value
    style = "red" if gauge.too_high else "" if gauge.allows_growth else "yellow"
    now = (
        Text("not seen", style="yellow")
        if isinstance(value, Unseen)
        else Text(_shown(gauge, value), style=style)
    )
    name = Text(shorten(printable(gauge.name), _LONGEST_GAUGE))
    return name, now, Text(_limit(gauge, gauge.allow)), Text(_limit(gauge, gauge.remove))


def _limit(gauge: Gauge, value: float | None) -> str:
    return "off" if value is None else _shown(gauge, value)


def _shown(gauge: Gauge, value: float) -> str:
    """Rates shorter than where every digit counts: four columns of them have to fit."""
    return f"{size(round(value))}/s" if gauge.unit == "B/s" else gauge.shown(value)


def _nodes(found: Overview, width: int) -> Table:
    wide = width >= _WIDTH_WITH_ERRORS
    table = _table(2 if wide else 1)
    for heading in _HEADINGS:
        table.add_column(heading, justify="right" if heading in _NUMBERS else "left", no_wrap=True)
    if wide:
        table.add_column("last error", no_wrap=True)
    for facts in found.nodes:
        cells = _node_row(facts, wide=wide)
        if wide:
            cells.append(
                Text(shorten(printable(facts.last_error or ""), min(_LONGEST_ERROR, width - 90)), style="red")
            )
        table.add_row(*cells)
    return table


def _node_row(facts: NodeFacts, *, wide: bool) -> list[Text]:
    version = facts.version or facts.binary_version
    silent = facts.reachable in (Reachability.REFUSES, Reachability.TIMES_OUT)
    down = facts.status is Status.RUNNING and facts.process is not ProcessState.RUNNING
    return [
        Text(printable(facts.name)),
        Text(facts.status, style=_STATUS_STYLES.get(facts.status, "cyan")),
        Text(facts.process, style="yellow" if down else ""),
        Text(reachability(facts), style="yellow" if silent else ""),
        Text(shorten(printable(version or NOTHING), 64 if wide else _LONGEST_VERSION)),
        Text(_known(facts.connected_peers)),
        Text(_known(facts.records)),
        Text(NOTHING if facts.disk_bytes is None else size(facts.disk_bytes)),
    ]


def _tell_programs(found: Overview, console: Console) -> None:
    """What nodes have on disk, where that is another version than the one that they run."""
    pairs: dict[tuple[str, str], list[str]] = {}
    for facts in found.nodes:
        running, own = facts.version, facts.binary_version
        if running and own and running != own:
            pairs.setdefault((running, own), []).append(facts.name)
    for (running, own), names in pairs.items():
        line = f"runs {running}, has {own} on disk: {', '.join(names)}"
        console.print(Text(shorten(printable(line), console.width), style="yellow"))


def _tell_concerns(found: Overview, console: Console) -> None:
    """A wide table has the errors in it already, but not every concern is an error."""
    in_table = console.width >= _WIDTH_WITH_ERRORS
    told = [each for each in found.concerns if not (in_table and each.facts.last_error)]
    for concern in told:
        room = console.width - len(concern.facts.name) - 2
        console.print(
            Text(f"{printable(concern.facts.name)}: {shorten(printable(concern.why), room)}", style="yellow")
        )
    if found.hidden_concerns:
        console.print(Text(f"and {found.hidden_concerns} more: wnm --report node-status", style="yellow"))
    if found.summarised and not found.concerns:
        console.print(Text("no node needs a look; wnm --report node-status lists them all"))
    if told or found.hidden_concerns or found.summarised:
        console.print()


def _table(gap: int = 2) -> Table:
    return Table(box=None, pad_edge=False, padding=(0, gap, 0, 0), header_style="bold")


def _known(value: int | None) -> str:
    return NOTHING if value is None else str(value)
