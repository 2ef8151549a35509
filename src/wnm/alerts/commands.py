"""Runs `wnm alerts` and `wnm alerts test`, and checks for `wnm doctor` whether messages can be delivered."""

import os
import platform
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from importlib.util import find_spec
from shutil import which
from typing import Any

from msgspec import Struct

from wnm.alerts.delivery import INSTALL_APPRISE, hand_over
from wnm.alerts.fallback import read_fallback
from wnm.core import alerts
from wnm.core.errors import BadInput, NeedsOperator, WnmError
from wnm.core.layers import Layer
from wnm.core.settings import Settings
from wnm.storage.alerts import Alerts
from wnm.storage.database import open_for_reading
from wnm.storage.ledger import Ledger
from wnm.system.clock import SystemClock
from wnm.views.doctor import Check, CheckKind
from wnm.views.payload import Payload, envelope, moment, picked, write_json
from wnm.views.words import absolute, both, printable, relative

MOST_SHOWN = 30
NAME = "alerts"
type Resolve = Callable[[Sequence[Layer]], Settings]
"""The settings that the stored ones and those of this call add up to."""


class Standing(Struct, frozen=True, kw_only=True):
    """Alerts that were told, the open ones first; messages on their way; and where they go.

    `failure` are cycles that could not be carried out, which the database knows nothing of.
    """

    episodes: tuple[alerts.Episode, ...]
    waiting: tuple[alerts.Waiting, ...]
    to: alerts.Addresses
    failure: alerts.CycleFailure | None = None


def show(database_path: str, resolve: Resolve, *, as_json: bool) -> str:
    """Show the open alerts, the past ones, and the waiting messages. Nothing is written."""
    now, failure = SystemClock().now(), read_fallback(database_path).failure
    with open_for_reading(database_path) as database:
        to, kept = _addresses(resolve(Ledger(database).layers())), Alerts(database)
        standing = Standing(episodes=kept.latest(MOST_SHOWN), waiting=kept.waiting(), to=to, failure=failure)
    return write_json(payload(standing, now)) if as_json else text(standing, now)


def payload(standing: Standing, now: datetime) -> Payload:
    """The same for programs."""
    waiting = [
        {
            **picked(each.message, ("id", "event", "key", "subject")),
            **picked(each, ("channel", "attempts", "next_try_at", "last_error")),
        }
        for each in standing.waiting
    ]
    return envelope(
        now,
        {
            "channels": list(standing.to.names),
            "dead_man_url": standing.to.dead_man_url is not None,
            "open": [*_failing(standing), *(_entry(each) for each in standing.episodes if each.is_open)],
            "ended": [_entry(each) for each in standing.episodes if not each.is_open],
            "waiting": waiting,
        },
    )


def text(standing: Standing, now: datetime) -> str:
    """A paragraph each: open alerts with their remedies, ended ones, messages that wait, and the channels."""
    lines = []
    for entry in _failing(standing):
        lines.append(f"  {entry['severity']}: {printable(entry['text'])}")
        lines.append(f"    remedy: {entry['remedy']}")
    ended = []
    for each in standing.episodes:
        what = f"{each.severity}: {printable(each.text)}"
        if each.is_open:
            lines.append(f"  {what}, since {both(each.started_at or each.since, now)}")
            lines.append(f"    remedy: {printable(each.remedy)}")
        else:
            lasted = alerts.in_words((each.ended_at or now) - (each.started_at or each.since))
            ended.append(f"  {absolute(each.ended_at or now)}  {what}, after {lasted}")
    lines = ["open:", *lines] if lines else ["nothing is wrong that anybody would be told of"]
    if ended:
        lines += ["", "ended:", *ended]
    if standing.waiting:
        lines += ["", "messages that have not arrived:"]
        for one in standing.waiting:
            tries = f"tried {one.attempts} times, again {relative(one.next_try_at, now)}"
            why = f": {printable(one.last_error)}" if one.last_error else ""
            what = f"{one.message.event.value} of {one.message.key} {printable(one.message.subject)}"
            tried = tries if one.attempts else "not tried yet"
            lines.append(f"  {what} to {printable(one.channel)}, {tried}{why}")
    names = [f"  {printable(name)}" for name in standing.to.names]
    told = ["told are:", *names] if names else ["nobody is told: give alert_urls or alert_command"]
    dead_man = "is asked for after each good cycle" if standing.to.dead_man_url else "is not set"
    return "\n".join([*lines, "", *told, f"dead_man_url {dead_man}"])


def _failing(standing: Standing) -> Sequence[dict[str, Any]]:
    failure = standing.failure
    if failure is None or not failure.is_open or failure.ended_at is not None:
        return ()
    times = {"started_at": moment(failure.since), "ended_at": None}
    return ({**_named(failure.message(alerts.Event.START, "")), **times},)


def _entry(episode: alerts.Episode) -> dict[str, Any]:
    return {**_named(episode), **picked(episode, ("started_at", "ended_at"))}


def _named(about: alerts.Episode | alerts.Message) -> dict[str, Any]:
    return picked(about, ("key", "subject", "severity", "text", "remedy"))


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
        to = alerts.addresses_in(kept)
    else:
        to = _addresses(resolve(stored))
    if not to.channels:
        raise BadInput("there is nobody to tell: give --alert_urls or --alert_command")
    message = alerts.test_message(SystemClock().now())
    sent = hand_over(dict.fromkeys(to.channels, (message,)), platform.node())
    errors = {each.channel.name: each.error for each in sent}
    code = int(any(error is not None for error in errors.values()))
    if as_json:
        results = [{"channel": name, "ok": errors[name] is None, "error": errors[name]} for name in to.names]
        return write_json(envelope(message.at, {"id": message.id, "results": results})), code
    lines = [f"{name}: {errors[name] or f'has taken message {message.id}'}" for name in to.names]
    return "\n".join(lines), code


def alert_checks(database_path: str, settings: Settings) -> Iterator[Check]:
    """Whether channels can be used and messages arrive; nothing where nobody is to be told, and nothing is sent."""
    to = _addresses(settings)
    if not to.channels:
        return
    wrong = [check for channel in to.channels for check in _unusable(channel)]
    yield from wrong
    try:
        with open_for_reading(database_path) as database:
            tried = [each for each in Alerts(database).waiting() if each.attempts]
    except WnmError as error:
        yield Check(CheckKind.ALERTS, NAME, None, str(error))
        return
    if tried:
        worst = max(tried, key=lambda each: each.attempts)
        detail = f"{len(tried)} messages did not arrive; {worst.channel}: {worst.last_error}"
        yield Check(CheckKind.ALERTS, NAME, False, detail, "see wnm alerts, and try it with wnm alerts test")
    elif not wrong:
        told = f"told are {len(to.channels)}: {', '.join(to.names)}"
        yield Check(CheckKind.ALERTS, NAME, True, told)


def _unusable(channel: alerts.Channel) -> Iterator[Check]:
    detail, remedy = "", ""
    if channel.kind is alerts.Kind.APPRISE and find_spec("apprise") is None:
        detail, remedy = "needs Apprise, which is not installed", INSTALL_APPRISE
    if channel.kind is alerts.Kind.COMMAND:
        program = channel.target[0]
        if not os.path.isabs(program):  # noqa: PTH117 - a word, not yet a path
            detail = "is not a whole path"
            remedy = "give its whole path in alert_command: cron looks for programs in few folders"
        elif which(program) is None:
            detail = f"cannot be started: {program} is not a program that may be run"
            remedy = "set alert_command to one, or to nothing"
    if detail:
        yield Check(CheckKind.ALERTS, NAME, False, f"{channel.name} {detail}", remedy)


def _addresses(settings: Settings) -> alerts.Addresses:
    return alerts.addresses(settings.alert_urls, settings.alert_command, settings.dead_man_url)
