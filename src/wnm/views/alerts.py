"""Renders `wnm alerts`: what is wrong, what was, and which messages have not arrived."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from msgspec import Struct

from wnm.core.alerts import CycleFailure, Episode, Event, Message, Waiting, in_words
from wnm.views.payload import Payload, envelope, moment
from wnm.views.words import absolute, both, printable, relative


class Standing(Struct, frozen=True, kw_only=True):
    """Alerts that were told, the open ones first; messages on their way; and the channels by name.

    `failure` are cycles that could not be carried out, which the database knows nothing of.
    """

    episodes: tuple[Episode, ...]
    waiting: tuple[Waiting, ...]
    channels: tuple[str, ...]
    has_dead_man: bool
    failure: CycleFailure | None = None


def payload(standing: Standing, now: datetime) -> Payload:
    """The same for programs."""
    return envelope(
        now,
        {
            "channels": list(standing.channels),
            "dead_man_url": standing.has_dead_man,
            "open": [*_failing(standing), *(_entry(each) for each in standing.episodes if each.is_open)],
            "ended": [_entry(each) for each in standing.episodes if not each.is_open],
            "waiting": [
                {
                    "id": each.message.id,
                    "event": each.message.event.value,
                    "key": each.message.key,
                    "subject": each.message.subject,
                    "channel": each.channel,
                    "attempts": each.attempts,
                    "next_try_at": moment(each.next_try_at),
                    "last_error": each.last_error,
                }
                for each in standing.waiting
            ],
        },
    )


def text(standing: Standing, now: datetime) -> str:
    """A paragraph each: open alerts with their remedies, ended ones, messages that wait, and the channels."""
    lines = [*_open_lines(standing, now)]
    ended = [each for each in standing.episodes if not each.is_open]
    if ended:
        lines.extend(["", "ended:"])
        for each in ended:
            lasted = in_words((each.ended_at or now) - (each.started_at or each.since))
            lines.append(f"  {absolute(each.ended_at or now)}  {_what(each)}, after {lasted}")
    if standing.waiting:
        lines.extend(["", "messages that have not arrived:"])
        for one in standing.waiting:
            tries = f"tried {one.attempts} times, again {relative(one.next_try_at, now)}"
            why = f": {printable(one.last_error)}" if one.last_error else ""
            what = f"{one.message.event.value} of {one.message.key} {printable(one.message.subject)}"
            lines.append(
                f"  {what} to {printable(one.channel)}, {tries if one.attempts else 'not tried yet'}{why}"
            )
    return "\n".join([*lines, "", *_channel_lines(standing)])


def _open_lines(standing: Standing, now: datetime) -> list[str]:
    open_ones = [each for each in standing.episodes if each.is_open]
    failing = _failing(standing)
    if not open_ones and not failing:
        return ["nothing is wrong that anybody would be told of"]
    lines = ["open:"]
    for entry in failing:
        lines.append(f"  {entry['severity']}: {printable(str(entry['text']))}")
        lines.append(f"    remedy: {entry['remedy']}")
    for each in open_ones:
        lines.append(f"  {_what(each)}, since {both(each.started_at or each.since, now)}")
        lines.append(f"    remedy: {printable(each.remedy)}")
    return lines


def _channel_lines(standing: Standing) -> list[str]:
    if not standing.channels:
        lines = ["nobody is told: give alert_urls or alert_command"]
    else:
        lines = ["told are:", *(f"  {printable(name)}" for name in standing.channels)]
    dead_man = "is asked for after each good cycle" if standing.has_dead_man else "is not set"
    return [*lines, f"dead_man_url {dead_man}"]


def _what(episode: Episode) -> str:
    return f"{episode.severity}: {printable(episode.text)}"


def _failing(standing: Standing) -> Sequence[dict[str, Any]]:
    failure = standing.failure
    if failure is None or not failure.is_open or failure.ended_at is not None:
        return ()
    message = failure.message(Event.START, "")
    return ({**_named(message), "started_at": moment(failure.since), "ended_at": None},)


def _entry(episode: Episode) -> dict[str, Any]:
    times = {"started_at": moment(episode.started_at), "ended_at": moment(episode.ended_at)}
    return {**_named(episode), **times}


def _named(about: Episode | Message) -> dict[str, Any]:
    return {
        "key": about.key,
        "subject": about.subject,
        "severity": about.severity.value,
        "text": about.text,
        "remedy": about.remedy,
    }
