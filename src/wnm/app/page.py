"""From what is remembered to the status page."""

import platform
from datetime import UTC
from typing import TYPE_CHECKING

from wnm import __version__
from wnm.app.histories import earned_by_day, earned_today
from wnm.core.timeline import RANGES
from wnm.storage.alerts import Alerts
from wnm.storage.earnings import Earnings
from wnm.storage.timeline import Timeline
from wnm.views.page.frame import render
from wnm.views.page.subject import Subject

MOST_ALERTS = 100

if TYPE_CHECKING:
    from wnm.storage.database import Database
    from wnm.views.material import Material


def status_page(material: "Material", database: "Database") -> str:
    """The page of this machine, as HTML."""
    longest = max(each.length for each in RANGES)
    since = (material.generated_at - longest).astimezone(UTC).date()
    earnings = Earnings(database).all(since=since)
    subject = Subject(
        machine_name=platform.node() or "this machine",
        version=__version__,
        material=material,
        past=Timeline(database).past(material.generated_at),
        alerts=tuple(each for each in Alerts(database).latest(MOST_ALERTS) if each.is_open),
        earned_today=earned_today(earnings, material.generated_at),
        earned_by_day=earned_by_day(earnings),
    )
    return render(subject)
