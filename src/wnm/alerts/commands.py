"""Runs `wnm alerts` and `wnm alerts test`, and checks for `wnm doctor` whether messages can be delivered."""

import os
import platform
from collections.abc import Callable, Iterator, Mapping, Sequence
from importlib.util import find_spec
from shutil import which

from wnm.alerts.delivery import INSTALL_APPRISE, hand_over
from wnm.alerts.fallback import read_fallback
from wnm.core.alerts import Addresses, Channel, Kind, addresses, addresses_in, test_message
from wnm.core.errors import BadInput, NeedsOperator, WnmError
from wnm.core.layers import Layer
from wnm.core.settings import Settings
from wnm.storage.alerts import Alerts
from wnm.storage.database import open_for_reading
from wnm.storage.ledger import Ledger
from wnm.system.clock import SystemClock
from wnm.views import alerts as view
from wnm.views.doctor import Check, CheckKind
from wnm.views.payload import envelope, write_json

MOST_SHOWN = 30
NAME = "alerts"
type Resolve = Callable[[Sequence[Layer]], Settings]
"""The settings that the stored ones and those of this call add up to."""


def show(database_path: str, resolve: Resolve, *, as_json: bool) -> str:
    """Show the open alerts, the past ones, and the waiting messages. Nothing is written."""
    now = SystemClock().now()
    failure = read_fallback(database_path).failure
    with open_for_reading(database_path) as database:
        to = _addresses(resolve(Ledger(database).layers()))
        remembered = Alerts(database)
        standing = view.Standing(
            episodes=remembered.latest(MOST_SHOWN),
            waiting=remembered.waiting(),
            channels=to.names,
            has_dead_man=to.dead_man_url is not None,
            failure=failure,
        )
    return write_json(view.payload(standing, now)) if as_json else view.text(standing, now)


def send_test(database_path: str, resolve: Resolve, *, as_json: bool) -> tuple[str, int]:
    """Send a message through every channel now: what to print, and 1 if one did not take it.

    BadInput if there is no channel.
    """
    try:
        with open_for_reading(database_path) as database:
            stored = Ledger(database).layers()
    except NeedsOperator:
        # The channels that tell of a database that cannot be read are worth a test, too.
        kept = dict(read_fallback(database_path).settings)
        if not kept:
            raise
        to = addresses_in(kept)
    else:
        to = _addresses(resolve(stored))
    if not to.channels:
        raise BadInput("there is nobody to tell: give --alert_urls or --alert_command")
    message = test_message(SystemClock().now())
    sent = hand_over(dict.fromkeys(to.channels, (message,)), platform.node())
    results: Mapping[str, str | None] = {each.channel.name: each.error for each in sent}
    code = int(any(error is not None for error in results.values()))
    if as_json:
        entries = [
            {"channel": name, "ok": results[name] is None, "error": results[name]} for name in to.names
        ]
        return write_json(envelope(message.at, {"id": message.id, "results": entries})), code
    lines = [f"{name}: {results[name] or f'has taken message {message.id}'}" for name in to.names]
    return "\n".join(lines), code


def alert_checks(database_path: str, settings: Settings) -> Iterator[Check]:
    """Whether channels can be used and messages arrive; nothing where nobody is to be told, and nothing is sent."""
    to = _addresses(settings)
    if not to.channels:
        return
    wrong = [check for channel in to.channels if (check := _usable(channel)) is not None]
    late = _late(database_path)
    yield from wrong
    if late is not None:
        yield late
    elif not wrong:
        yield Check(
            kind=CheckKind.ALERTS,
            name=NAME,
            ok=True,
            detail=f"told are {len(to.channels)}: {', '.join(to.names)}",
        )


def _usable(channel: Channel) -> Check | None:
    detail, remedy = "", ""
    if channel.kind is Kind.APPRISE and find_spec("apprise") is None:
        detail, remedy = "needs Apprise, which is not installed", INSTALL_APPRISE
    if channel.kind is Kind.COMMAND:
        program = channel.target[0]
        if not os.path.isabs(program):  # noqa: PTH117 - a word, not yet a path
            detail = "is not a whole path"
            remedy = "give its whole path in alert_command: cron looks for programs in few folders"
        elif which(program) is None:
            detail = f"cannot be started: {program} is not a program that may be run"
            remedy = "set alert_command to one, or to nothing"
    return (
        Check(kind=CheckKind.ALERTS, name=NAME, ok=False, detail=f"{channel.name} {detail}", remedy=remedy)
        if detail
        else None
    )


def _late(database_path: str) -> Check | None:
    """The message that has been tried most often."""
    try:
        with open_for_reading(database_path) as database:
            tried = [each for each in Alerts(database).waiting() if each.attempts]
    except WnmError as error:
        return Check(kind=CheckKind.ALERTS, name=NAME, ok=None, detail=str(error))
    if not tried:
        return None
    worst = max(tried, key=lambda each: each.attempts)
    detail = f"{len(tried)} messages did not arrive; {worst.channel}: {worst.last_error}"
    return Check(
        kind=CheckKind.ALERTS,
        name=NAME,
        ok=False,
        detail=detail,
        remedy="see wnm alerts, and try it with wnm alerts test",
    )


def _addresses(settings: Settings) -> Addresses:
    return addresses(settings.alert_urls, settings.alert_command, settings.dead_man_url)
