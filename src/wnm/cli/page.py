"""From what is remembered to the status page."""

import platform
from typing import TYPE_CHECKING

from wnm import __version__
from wnm.record.alerts import Alerts
from wnm.record.past import read_past
from wnm.report.page.frame import render
from wnm.report.page.subject import Subject

MOST_ALERTS = 100

if TYPE_CHECKING:
    from wnm.record.database import Database
    from wnm.report.material import Material


def status_page(material: "Material", database: "Database") -> str:
    """The page of this machine, as HTML."""
    subject = Subject(
        machine_name=platform.node() or "this machine",
        version=__version__,
        material=material,
        past=read_past(database, material.generated_at),
        alerts=tuple(each for each in Alerts(database).latest(MOST_ALERTS) if each.is_open),
    )
    return render(subject)
