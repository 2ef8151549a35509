"""Answers reports, status, history, explain and replay: they only read, need no lock and change no byte."""

import os
import sys
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

from msgspec.structs import replace

from wnm.app.context import Context
from wnm.app.invocation import Command, Report, View
from wnm.app.material import material, recorded
from wnm.app.terminal import NARROWEST, Terminal
from wnm.core.decide.ladder import decide
from wnm.core.decision import BY_HAND
from wnm.core.errors import BadInput, did_you_mean, shortened
from wnm.core.layers import DATABASE, Layer, resolve
from wnm.core.node import Node, node_name
from wnm.core.settings import Settings
from wnm.core.timeline import Events
from wnm.storage.database import Database, open_for_reading
from wnm.storage.earnings import Earnings
from wnm.storage.ledger import Ledger
from wnm.storage.timeline import Timeline
from wnm.views import earnings, explain, replay, timeline
from wnm.views.charts import Trends, range_named
from wnm.views.material import Material, only
from wnm.views.payload import write_json
from wnm.views.registry import render
from wnm.views.status import (
    AS_IT_IS,
    MOST_NODES_IN_FULL,
    NO_EXTRAS,
    Choice,
    Extras,
    overview,
    status_lines,
    status_payload,
)
from wnm.views.text import Line, hanging, line, wrapped
from wnm.views.timeline import Chronicle, Story, events_of, last_stop, latest_events
from wnm.views.words import at_and_ago

HISTORY = "history"
DAY_OF_CYCLES = 24 * 60
ANY_WALLET = Layer(name="default", values={"rewards_address": "faucet"})
SHOWN_ON_TERMINAL = 40
FEWEST_EVENTS = 6
_WIDTH_OF_PIPES = 80
_ROWS_OF_HEAD = 32
"""The lines above and around the events of a node; with fewer rows than that the fewest events are shown."""


def read(context: Context, terminal: Terminal) -> Report:
    """Answer one of the commands that only read, for that terminal."""
    asked = context.asked
    if asked.command is Command.REPLAY:
        return _replay(context)
    if asked.command is Command.SIMULATE:
        return _simulate(context)
    with open_for_reading(context.database_path) as database:
        resolved = context.resolve(Ledger(database).layers())
        if asked.report == earnings.NAME:
            return _earnings(context, database)
        if asked.command is Command.HISTORY or asked.report == HISTORY:
            return _history(context, database, resolved.settings, terminal)
        node = _node_meant(context, database)
        found = material(database, resolved, context.clock.now(), None if node else asked.cycle)
        if node is not None:
            return _node(context, database, found, node, terminal)
        if asked.command is Command.STATUS:
            return _status(context, database, found, terminal)
        if asked.command is Command.EXPLAIN:
            return _cycle(context, database, found, terminal)
    return _report(context, found)


def _report(context: Context, found: Material) -> Report:
    asked = context.asked
    chosen = only(found, asked.service_names) if asked.service_names else found
    if asked.report == "influx-resources" and asked.report_format in (None, "text"):
        from wnm.app.publish import points_for_dashboards  # the only report that asks the nodes

        return Report(text=points_for_dashboards(chosen).rstrip("\n"))
    return Report(text=render(asked.report or "", asked.report_format or "text", chosen).rstrip("\n"))


def _earnings(context: Context, database: Database) -> Report:
    """The earnings in the format that was asked for, of the named nodes only if any are named."""
    records = Earnings(database).all()
    if context.asked.service_names:
        records = tuple(earnings.only_of(records, context.asked.service_names))
    form = context.asked.report_format or "text"
    return Report(text=earnings.render_earnings(form, records, context.clock.now()))


def _replay(context: Context) -> Report:
    """Plan again from an exported cycle: exit code 1 when this wnm would decide otherwise."""
    exported = replay.load_exported(_read_export(context.asked.file or ""))
    if exported.recorded.rule == BY_HAND:
        raise BadInput(f"cycle {exported.cycle} was asked for by hand: there is nothing to plan again")
    stored = Layer(name=DATABASE, values=exported.settings_texts)
    settings = resolve((stored,), context.host).settings
    try:
        again = decide(exported.seen, settings)
        differences = replay.compare(exported.recorded, again)
        plan = explain.plan_text(exported.seen, again, settings).rstrip("\n")
    except OverflowError:
        raise BadInput("not an exported cycle: it holds a time that no clock shows") from None
    lines = [plan, *(f"differs from the record: {difference}" for difference in differences)]
    return Report(text="\n".join(lines), exit_code=1 if differences else 0)


def _read_export(name: str) -> str:
    try:
        if name == "-":
            return sys.stdin.buffer.read(replay.LARGEST_BYTES + 1).decode()
        with Path(name).open("rb") as file:
            return file.read(replay.LARGEST_BYTES + 1).decode()
    except OSError as error:
        raise BadInput(f"{name} cannot be read ({error.strerror}): give a file that wnm wrote") from None
    except UnicodeDecodeError:
        raise BadInput(
            f"{name} is not an exported cycle: make one with wnm --report decisions --json > FILE"
        ) from None


def _simulate(context: Context) -> Report:
    """Play so many minutes against a simulated machine, with this machine's settings if it has any; touch nothing."""
    from wnm_sim.simulation import render, run_simulation

    asked = context.asked
    stored: tuple[Layer, ...] = (ANY_WALLET,)
    if os.path.lexists(context.database_path):
        with open_for_reading(context.database_path) as database:
            stored = Ledger(database).layers()
    settings = resolve((*context.layers, *stored), context.host).settings
    cycles = DAY_OF_CYCLES if asked.cycles is None else asked.cycles
    return Report(text=render(run_simulation(settings, cycles, asked.seed or 0)))


# The machine and its nodes: wnm status


def _status(context: Context, database: Database, found: Material, terminal: Terminal) -> Report:
    """The overview as lines or JSON, with the nodes and the order that were asked for."""
    view = context.asked.view
    choice = Choice(
        sort=view.sort,
        filter=view.filter,
        every_node=view.all,
        every_column=view.wide,
        most=MOST_NODES_IN_FULL if terminal.rows is None else max(terminal.rows, 20),
    )
    extras = extras_of(database, found)
    if context.asked.report_format == "json":
        return Report(text=write_json(status_payload(found, extras, choice)))
    return Report(text=status_of(found, terminal, extras=extras, choice=choice))


def status_of(
    found: Material, terminal: Terminal, *, extras: Extras = NO_EXTRAS, choice: Choice = AS_IT_IS
) -> list[Line]:
    """The overview, as wide as the terminal."""
    width = max(NARROWEST, terminal.width if terminal.width < 10_000 else _WIDTH_OF_PIPES)
    whole = overview(found, extras, choice)
    return status_lines(whole, found, choice, width, dots=terminal.drawings)


def extras_of(database: Database, found: Material) -> Extras:
    """Return the facts about the nodes besides their rows and readings."""
    names = {int(each.node.id): each.node.name for each in found.nodes}
    today = found.generated_at.astimezone(UTC).date()
    return Extras(
        last=latest_events(Timeline(database).latest_operations(), names),
        earned=earnings.earned_today(Earnings(database).all(since=today), found.generated_at),
    )


# The past of the machine or of a node: wnm history


def _history(context: Context, database: Database, settings: Settings, terminal: Terminal) -> Report:
    """As lines or JSON. BadInput for another format, and for a node of which nothing is known."""
    asked = context.asked
    form = asked.report_format or "text"
    if form not in ("text", "json"):
        raise BadInput(f"history does not come as {form}: use text or json")
    if len(asked.service_names) > 1:
        raise BadInput("--report history is of one node or of all: give one --service_name")
    wanted = asked.service_names[0] if asked.service_names else asked.view.node
    chronicle = chronicle_of(database, settings, asked.view, wanted, context.clock.now())
    if form == "json":
        return Report(text=write_json(timeline.history_payload(chronicle)))
    if terminal.rows is not None and asked.view.limit is None:
        chronicle = _latest(chronicle, SHOWN_ON_TERMINAL)
    return Report(text=timeline.history_lines(chronicle, None, terminal.width, dots=terminal.drawings))


def chronicle_of(
    database: Database, settings: Settings, view: View, wanted: str | None, now: datetime
) -> Chronicle:
    """Return the events within the days of the view, of the wanted node or of all, and the charts of all.

    BadInput, naming it, if nothing was ever known of the wanted node.
    """
    past = Timeline(database)
    rows = past.nodes()
    days = view.days or 1
    since = now - timedelta(days=days)
    node_id = None if wanted is None else node_known(rows, wanted)
    events = past.events(node_id=node_id, since=since, limit=view.limit)
    names = {int(each.id): each.name for each in rows}
    if node_id is not None and node_id not in names:
        _check_known(past.events(node_id=node_id, limit=1), node_id, rows, wanted or "")
    trends = None
    if node_id is None:
        of, name = past.past(now).trends, view.range or "day"
        trends = Trends(
            range=range_named(name),
            until=now,
            buckets=of[name],
            latest=of["day"][-1] if of["day"] else None,
            earned=earnings.earned_by_day(Earnings(database).all()),
        )
    return Chronicle(
        generated_at=now,
        since=since,
        days=days,
        node=None if node_id is None else names.get(node_id, f"antnode{node_id:04d}"),
        happened=events_of(events, names),
        earlier=events.earlier,
        trends=trends,
        settings=settings,
    )


def _latest[T: (Chronicle, Story)](told: T, most: int) -> T:
    """The same with no more than the latest events."""
    surplus = len(told.happened) - most
    if surplus <= 0:
        return told
    return replace(told, happened=told.happened[surplus:], earlier=told.earlier + surplus)


# wnm explain: the reasons of a cycle, or the story of a node


def _cycle(context: Context, database: Database, found: Material, terminal: Terminal) -> Report:
    """The cycle of the material, as lines or JSON, and what concerns a node that has its number."""
    if context.asked.report_format not in (None, "text"):
        return Report(text=render("decisions", context.asked.report_format, found).rstrip("\n"))
    lines: Sequence[Line] = wrapped(explain.explain(found), terminal.width)
    namesake = next((each.node.name for each in found.nodes if each.node.id == context.asked.cycle), None)
    if namesake is None:
        return Report(text=lines)
    words = f"this is the cycle with that number; for the story of the node: wnm explain {namesake}"
    lines = [*lines, line(), *hanging(line(), words, terminal.width)]
    stop = story_of(database, found, namesake).stop
    if stop is not None:
        when = at_and_ago(stop.at, found.generated_at, None)
        because = f"{namesake} was last stopped {when}, because: {stop.because or stop.words}"
        lines += hanging(line(), because, terminal.width)
    return Report(text=lines)


def _node(context: Context, database: Database, found: Material, wanted: str, terminal: Terminal) -> Report:
    """The story of this node, as lines or JSON. BadInput if nothing was ever known of it."""
    asked = context.asked
    told = story_of(database, found, wanted)
    if asked.view.limit is not None:
        told = _latest(told, asked.view.limit)
    if asked.report_format == "json":
        return Report(text=write_json(timeline.story_payload(told)))
    if asked.report_format not in (None, "text"):
        raise BadInput("the story of a node comes as text or json: leave out --report_format, or give --json")
    if terminal.rows is not None and asked.view.limit is None:
        told = _latest(told, max(FEWEST_EVENTS, terminal.rows - _ROWS_OF_HEAD))
    return Report(text=timeline.story_lines(told, None, terminal.width))


def _node_meant(context: Context, database: Database) -> str | None:
    """The node that `wnm explain` is asked about; None where it is a cycle.

    A bare number is a cycle's; where there is no such cycle it is the node with that id.
    """
    asked = context.asked
    if asked.command is not Command.EXPLAIN:
        return None
    if asked.view.node is not None and asked.cycle is not None:
        raise BadInput("a cycle and --node cannot be combined: leave one out")
    if asked.cycle is None:
        return asked.view.node
    past = Timeline(database)
    is_node = any(node.id == asked.cycle for node in past.nodes())
    return str(asked.cycle) if is_node and past.cycle(asked.cycle) is None else None


def story_of(database: Database, found: Material, wanted: str) -> Story:
    """Everything that is remembered of the node. BadInput, naming it, if that is nothing."""
    past = Timeline(database)
    rows = [each.node for each in found.nodes]
    node_id = node_known(rows, wanted)
    events = past.events(node_id=node_id)
    seen = next((each for each in found.nodes if each.node.id == node_id), None)
    if seen is None:
        _check_known(events, node_id, rows, wanted)
        name = events.changes[0].node if events.changes else node_name(node_id)
    else:
        name = seen.node.name
    happened = events_of(events, {node_id: name})
    stop = last_stop(happened)
    return Story(
        name=name,
        material=found,
        seen=seen,
        happened=happened,
        stop=stop,
        stop_cycle=None if stop is None else recorded(past, stop.cycle),
        stop_sample=None if stop is None else past.sample_of(stop.cycle),
        earlier=events.earlier,
    )


def _check_known(events: Events, node_id: int, rows: Iterable[Node], wanted: str) -> None:
    """BadInput, naming it, if nothing is remembered of this node, which is none of the rows."""
    if events.operations or events.changes:
        return
    known = [each.name for each in rows]
    remedy = did_you_mean(node_name(node_id), known, "see wnm --report node-status for those that exist")
    raise BadInput(f"nothing is known of a node {shortened(wanted)}: {remedy}")


def node_known(rows: Iterable[Node], wanted: str) -> int:
    """The id that is meant: of a node of that very name, else the number in it."""
    named = next((int(each.id) for each in rows if each.name == wanted), None)
    return int(wanted.removeprefix("antnode")) if named is None else named
