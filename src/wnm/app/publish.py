"""Publishes what other programs read: the files after each cycle, the status page, and the points for dashboards."""

import logging
import platform
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from msgspec import Struct

from wnm.core.errors import WnmError

if TYPE_CHECKING:
    from wnm.core.decision import Cycle
    from wnm.core.layers import Resolved
    from wnm.core.node import Node
    from wnm.core.settings import Settings
    from wnm.storage.database import Database
    from wnm.views.material import Material

MOST_ALERTS = 100
log = logging.getLogger(__name__)


class Output(Struct, frozen=True):
    """A file after each cycle: the setting that names it, what its beginning holds, and how its text is made."""

    setting: str
    marker: str
    render: "Callable[[Material, Database], str]"


def _exposition(material: "Material", database: "Database") -> str:
    from wnm.views.prometheus import text

    return text(material)


def _targets(material: "Material", database: "Database") -> str:
    from wnm.views.prometheus import targets

    return targets(material)


def status_page(material: "Material", database: "Database") -> str:
    """The page of this machine, as HTML: the material, and from the database only what it has of earlier cycles."""
    from wnm import __version__
    from wnm.core.timeline import RANGES
    from wnm.storage.alerts import Alerts
    from wnm.storage.earnings import Earnings
    from wnm.storage.timeline import Timeline
    from wnm.views.earnings import earned_by_day, earned_today
    from wnm.views.html.page import render
    from wnm.views.html.verdict import Subject

    now = material.generated_at
    since = (now - max(each.length for each in RANGES)).astimezone(UTC).date()
    earnings = Earnings(database).all(since=since)
    subject = Subject(
        machine_name=platform.node() or "this machine",
        version=__version__,
        material=material,
        past=Timeline(database).past(now),
        alerts=tuple(each for each in Alerts(database).latest(MOST_ALERTS) if each.is_open),
        earned_today=earned_today(earnings, now),
        earned_by_day=earned_by_day(earnings),
    )
    return render(subject)


OUTPUTS = (
    Output("prometheus_textfile", "# Written by wnm", _exposition),
    Output("prometheus_targets", '"__meta_written_by": "wnm"', _targets),
    Output("status_page", "<!-- Written by wnm -->", status_page),
)


def publish(
    cycle: "Cycle", nodes: "Sequence[Node]", resolved: "Resolved", database: "Database", now: datetime
) -> tuple[str, ...]:
    """Write every file that the settings ask for; returns what went wrong, a line each.

    `cycle` is the one in hand, which is over and written down; `nodes` are the rows after it.
    """
    if not any(getattr(resolved.settings, each.setting) for each in OUTPUTS):
        return ()
    try:
        # Only now: a cycle without outputs must not pay for reports.
        from wnm.app.material import in_hand
        from wnm.system.files import publish as write_file

        made = in_hand(cycle, nodes, resolved, now)
    except Exception as error:  # noqa: BLE001 - the cycle is over and written down: nothing may undo that
        return (_line("the files for other programs", error),)

    def write(output: Output, path: str) -> None:
        text = output.render(made, database)
        write_file(path, f"{text}\n".encode(errors="replace"), marker=output.marker.encode())

    return _each(resolved.settings, write)


def withdraw(settings: "Settings") -> tuple[str, ...]:
    """Take away what `publish` wrote, when nothing is managed any more; returns what went wrong."""
    from wnm.system.files import withdraw as remove_file

    return _each(settings, lambda output, path: remove_file(path, marker=output.marker.encode()))


def _each(settings: "Settings", work: Callable[[Output, str], None]) -> tuple[str, ...]:
    problems: list[str] = []
    for output in OUTPUTS:
        try:
            if path := getattr(settings, output.setting):
                work(output, path)
        except Exception as error:  # noqa: BLE001 - one that cannot be made keeps neither the others nor the cycle
            problems.append(_line(output.setting, error))
    return tuple(problems)


def _line(what: str, error: Exception) -> str:
    if isinstance(error, WnmError):
        return f"{what}: {error}"
    log.debug("%s", what, exc_info=error)
    return f"{what}: a bug in wnm, the cycle itself is done: {type(error).__name__}: {error}"


def points_for_dashboards(material: "Material") -> str:
    """The report influx-resources with the figures that only dashboards want: the nodes are asked for them now.

    A node that does not answer within poll_timeout lacks these figures and nothing else.
    """
    from wnm.core.node import NodeId
    from wnm.core.observation import Target
    from wnm.formats.antnode_metrics import read_figures
    from wnm.sensors.node_http import ask_all
    from wnm.system.clock import SystemClock
    from wnm.views.influx import is_running, text
    from wnm.views.reports import tells_metrics

    settings = material.settings
    targets = [
        Target(id=NodeId(each.id), host=settings.host, port=each.metrics_port)
        for each in material.facts
        if tells_metrics(each.kind) and is_running(each)
    ]
    answers = ask_all(
        targets,
        poll_timeout=settings.poll_timeout,
        survey_delay=settings.pause_between_polls,
        clock=SystemClock(),
    )
    pages = {node_id: answer.metrics for node_id, answer in answers.items() if answer.metrics is not None}
    return text(material, {node_id: read_figures(page) for node_id, page in pages.items()})
