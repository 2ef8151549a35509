"""`wnm history` and the report of that name: from what is remembered to what happened."""

import sys
from datetime import datetime, timedelta

from msgspec.structs import replace

from wnm.app.context import Context
from wnm.app.invocation import Command
from wnm.app.paint import has_drawings, is_terminal, say, width_of
from wnm.app.stories import check_known, node_known
from wnm.app.view_options import View
from wnm.core.errors import BadInput
from wnm.core.node import Node
from wnm.core.settings import Settings
from wnm.storage.database import Database
from wnm.storage.earnings import Earnings
from wnm.storage.ledger import Ledger
from wnm.storage.timeline import Timeline
from wnm.system.clock import SystemClock
from wnm.views import history
from wnm.views.charts import Trends, range_named
from wnm.views.earnings import earned_by_day
from wnm.views.happenings import happenings
from wnm.views.history import Chronicle
from wnm.views.payload import write_json

REPORT = "history"
SHOWN_ON_TERMINAL = 40


def is_wanted(run: Context) -> bool:
    """Whether the history was asked for, as a command or as a report."""
    return run.asked.command is Command.HISTORY or run.asked.report == REPORT


def tell_history(run: Context, database: Database) -> int:
    """Print it as text or JSON. BadInput for another format, and for a node of which nothing is known."""
    form = run.asked.report_format or "text"
    if form not in ("text", "json"):
        raise BadInput(f"history does not come as {form}: use text or json")
    settings = run.resolve(Ledger(database).layers()).settings
    chronicle = chronicle_of(database, settings, run.asked.view, _node_wanted(run), SystemClock().now())
    if form == "json":
        print(write_json(history.payload(chronicle)))
        return 0
    if is_terminal(sys.stdout) and run.asked.view.limit is None:
        chronicle = _shortened(chronicle, SHOWN_ON_TERMINAL)
    say(history.text(chronicle, None, width_of(sys.stdout), dots=has_drawings(sys.stdout)))
    return 0


def chronicle_of(
    database: Database, settings: Settings, view: View, wanted: str | None, now: datetime
) -> Chronicle:
    """What happened over the days of the view, to the wanted node or to all, and the charts of all.

    BadInput, naming it, if nothing was ever known of the wanted node.
    """
    rows = Timeline(database).nodes()
    days = view.days or 1
    since = now - timedelta(days=days)
    node_id = None if wanted is None else node_known(rows, wanted)
    events = Timeline(database).events(node_id=node_id, since=since, limit=view.limit)
    if node_id is not None and not any(each.id == node_id for each in rows):
        check_known(Timeline(database).events(node_id=node_id, limit=1), node_id, rows, wanted or "")
    return Chronicle(
        generated_at=now,
        since=since,
        days=days,
        node=None if node_id is None else _name(rows, node_id),
        happened=happenings(events, {int(each.id): each.name for each in rows}),
        earlier=events.earlier,
        trends=None if node_id is not None else _trends(database, view.range or "day", now),
        settings=settings,
    )


def _node_wanted(run: Context) -> str | None:
    named = run.asked.service_names
    if len(named) > 1:
        raise BadInput("--report history is of one node or of all: give one --service_name")
    return named[0] if named else run.asked.view.node


def _name(rows: tuple[Node, ...], node_id: int) -> str:
    return next((each.name for each in rows if each.id == node_id), f"antnode{node_id:04d}")


def _trends(database: Database, name: str, now: datetime) -> Trends:
    trends = Timeline(database).past(now).trends
    finest = trends["day"]
    return Trends(
        range=range_named(name),
        until=now,
        buckets=trends[name],
        latest=finest[-1] if finest else None,
        earned=earned_by_day(Earnings(database).all()),
    )


def _shortened(chronicle: Chronicle, most: int) -> Chronicle:
    surplus = len(chronicle.happened) - most
    if surplus <= 0:
        return chronicle
    return replace(chronicle, happened=chronicle.happened[surplus:], earlier=chronicle.earlier + surplus)
