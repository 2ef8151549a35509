"""The checks of `wnm doctor` that are about alerts: whether channels can be used, and whether messages arrive."""

import os
from collections.abc import Iterator
from importlib.util import find_spec
from shutil import which

from wnm.alerts.channels import INSTALL_APPRISE
from wnm.app.run import Run
from wnm.core.alerts.channels import Channel, Kind, addresses
from wnm.core.errors import WnmError
from wnm.core.settings import Settings
from wnm.storage.alerts import Alerts
from wnm.storage.database import open_for_reading
from wnm.views.doctor import Check

NAME = "alerts"


def alert_checks(run: Run, settings: Settings) -> Iterator[Check]:
    """Nothing where nobody is to be told. Nothing is sent: `wnm alerts test` does that."""
    to = addresses(settings.alert_urls, settings.alert_command, settings.dead_man_url)
    if not to.channels:
        return
    unusable = [check for channel in to.channels if (check := _usable(channel)) is not None]
    yield from unusable
    late = _late(run.database_path)
    if late is not None:
        yield late
    if not unusable and late is None:
        yield Check(name=NAME, ok=True, detail=f"told are {len(to.channels)}: {', '.join(to.names)}")


def _usable(channel: Channel) -> Check | None:
    if channel.kind is Kind.APPRISE and find_spec("apprise") is None:
        return Check(
            name=NAME,
            ok=False,
            detail=f"{channel.name} needs Apprise, which is not installed",
            remedy=INSTALL_APPRISE,
        )
    if channel.kind is Kind.COMMAND:
        program = channel.target[0]
        if not os.path.isabs(program):  # noqa: PTH117 - a word, not yet a path
            remedy = "give its whole path in alert_command: cron looks for programs in few folders"
            return Check(name=NAME, ok=False, detail=f"{channel.name} is not a whole path", remedy=remedy)
        if which(program) is None:
            detail = f"{channel.name} cannot be started: {program} is not a program that may be run"
            return Check(name=NAME, ok=False, detail=detail, remedy="set alert_command to one, or to nothing")
    return None


def _late(database_path: str) -> Check | None:
    """The message that has been tried most often."""
    try:
        with open_for_reading(database_path) as database:
            tried = [each for each in Alerts(database).waiting() if each.attempts]
    except WnmError as error:
        return Check(name=NAME, ok=None, detail=str(error))
    if not tried:
        return None
    worst = max(tried, key=lambda each: each.attempts)
    detail = f"{len(tried)} messages did not arrive; {worst.channel}: {worst.last_error}"
    return Check(name=NAME, ok=False, detail=detail, remedy="see wnm alerts, and try it with wnm alerts test")
