"""`wnm explain`: a cycle, or the story of a node, from what is remembered of them."""

import sys
from collections.abc import Iterable

from msgspec.structs import replace

from wnm.app.context import Context
from wnm.app.invocation import Command
from wnm.app.material import cycle_view
from wnm.app.paint import height_of, say, width_of
from wnm.core.errors import BadInput
from wnm.core.node import Node, node_name
from wnm.core.suggest import did_you_mean, shortened
from wnm.core.timeline import Events
from wnm.storage.database import Database
from wnm.storage.timeline import Timeline
from wnm.views import story
from wnm.views.explain import explain
from wnm.views.happenings import happenings
from wnm.views.material import CycleView, Material
from wnm.views.payload import write_json
from wnm.views.registry import render
from wnm.views.story import Story, last_stop
from wnm.views.text import hanging, line, wrapped
from wnm.views.times import at_and_ago

FEWEST_EVENTS = 6
_ROWS_OF_HEAD = 32
"""What stands above and around the events; with fewer rows than that the fewest events are shown."""


def explain_node(run: Context, database: Database, found: Material, wanted: str) -> int:
    """Print the story of this node, as text or JSON. BadInput if nothing was ever known of it."""
    told = story_of(database, found, wanted)
    if run.asked.view.limit is not None:
        told = _shortened(told, run.asked.view.limit)
    if run.asked.report_format == "json":
        print(write_json(story.payload(told)))
        return 0
    if run.asked.report_format not in (None, "text"):
        raise BadInput("the story of a node comes as text or json: leave out --report_format, or give --json")
    rows = height_of(sys.stdout)
    if rows is not None and run.asked.view.limit is None:
        told = _shortened(told, max(FEWEST_EVENTS, rows - _ROWS_OF_HEAD))
    say(story.text(told, None, width_of(sys.stdout)))
    return 0


def explain_cycle(run: Context, database: Database, found: Material) -> int:
    """Print the cycle of the material, as text or JSON, and what concerns a node that has its number."""
    if run.asked.report_format not in (None, "text"):
        print(render("decisions", run.asked.report_format, found).rstrip("\n"))
        return 0
    width = width_of(sys.stdout)
    lines = wrapped(explain(found), width)
    namesake = next((each.node.name for each in found.nodes if each.node.id == run.asked.cycle), None)
    if namesake is not None:
        words = f"this is the cycle with that number; for the story of the node: wnm explain {namesake}"
        lines += [line(), *hanging(line(), words, width)]
        stop = story_of(database, found, namesake).stop
        if stop is not None:
            when = at_and_ago(stop.at, found.generated_at, None)
            because = f"{namesake} was last stopped {when}, because: {stop.because or stop.words}"
            lines += hanging(line(), because, width)
    say(lines)
    return 0


def node_meant(run: Context, database: Database) -> str | None:
    """The node that `wnm explain` is asked about; None where it is a cycle.

    A bare number is a cycle's; where there is no such cycle it is the node with that id.
    """
    asked = run.asked
    if asked.command is not Command.EXPLAIN:
        return None
    if asked.view.node is not None and asked.cycle is not None:
        raise BadInput("a cycle and --node cannot be combined: leave one out")
    if asked.cycle is None:
        return asked.view.node
    history = Timeline(database)
    is_node = any(node.id == asked.cycle for node in history.nodes())
    return str(asked.cycle) if is_node and history.cycle(asked.cycle) is None else None


def story_of(database: Database, found: Material, wanted: str) -> Story:
    """Everything that is remembered of the node. BadInput, naming it, if that is nothing."""
    node_id = node_known([each.node for each in found.nodes], wanted)
    events = Timeline(database).events(node_id=node_id)
    seen = next((each for each in found.nodes if each.node.id == node_id), None)
    if seen is None:
        check_known(events, node_id, [each.node for each in found.nodes], wanted)
    name = seen.node.name if seen is not None else _name_then(events, node_id)
    happened = happenings(events, {node_id: name})
    stop = last_stop(happened)
    return Story(
        name=name,
        material=found,
        seen=seen,
        happened=happened,
        stop=stop,
        stop_cycle=None if stop is None else _cycle(database, stop.cycle, node_id, name),
        stop_sample=None if stop is None else Timeline(database).sample_of(stop.cycle),
        earlier=events.earlier,
    )


def check_known(events: Events, node_id: int, rows: Iterable[Node], wanted: str) -> None:
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


def _name_then(events: Events, node_id: int) -> str:
    return events.changes[0].node if events.changes else node_name(node_id)


def _cycle(database: Database, number: int, node_id: int, name: str) -> CycleView | None:
    history = Timeline(database)
    record = history.cycle(number)
    return None if record is None else cycle_view(record, history.operations(number), {node_id: name})


def _shortened(told: Story, most: int) -> Story:
    surplus = len(told.happened) - most
    if surplus <= 0:
        return told
    return replace(told, happened=told.happened[surplus:], earlier=told.earlier + surplus)
