"""`wnm status` on a terminal and in a pipe."""

import sys
from datetime import UTC
from typing import IO

from wnm.app.context import Context
from wnm.app.paint import NARROWEST, has_drawings, height_of, say, width_of
from wnm.storage.database import Database
from wnm.storage.earnings import Earnings
from wnm.storage.timeline import Timeline
from wnm.views import status
from wnm.views.earnings import earned_today
from wnm.views.happenings import latest_happenings
from wnm.views.material import Material
from wnm.views.node_table import NO_EXTRAS, Extras
from wnm.views.payload import write_json
from wnm.views.status import AS_IT_IS, MOST_NODES_IN_FULL, Choice, overview
from wnm.views.status_lines import status_lines

_WIDTH_OF_PIPES = 80


def tell_status(run: Context, database: Database, found: Material) -> int:
    """Print the overview as text or JSON, with the nodes and the order that were asked for."""
    view = run.asked.view
    rows = height_of(sys.stdout)
    choice = Choice(
        sort=view.sort,
        filter=view.filter,
        every_node=view.all,
        every_column=view.wide,
        most=MOST_NODES_IN_FULL if rows is None else max(rows, 20),
    )
    extras = extras_of(database, found)
    if run.asked.report_format == "json":
        print(write_json(status.payload(found, extras, choice)))
    else:
        show_status(found, sys.stdout, extras=extras, choice=choice)
    return 0


def extras_of(database: Database, found: Material) -> Extras:
    """What is known of the nodes besides their rows and readings."""
    names = {int(each.node.id): each.node.name for each in found.nodes}
    today = found.generated_at.astimezone(UTC).date()
    return Extras(
        last=latest_happenings(Timeline(database).latest_operations(), names),
        earned=earned_today(Earnings(database).all(since=today), found.generated_at),
    )


def show_status(
    material: Material,
    stream: IO[str],
    *,
    width: int | None = None,
    extras: Extras = NO_EXTRAS,
    choice: Choice = AS_IT_IS,
) -> None:
    """Print the overview as wide as the terminal, or `width` characters; colours only where a terminal shows them.

    NO_COLOR in the environment turns them off.
    """
    columns = width_of(stream) if width is None else width
    room = max(NARROWEST, columns if columns < 10_000 else _WIDTH_OF_PIPES)
    found = overview(material, extras, choice)
    say(status_lines(found, material, choice, room, dots=has_drawings(stream)), stream)
