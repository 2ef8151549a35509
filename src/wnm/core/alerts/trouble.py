"""Cycles that cannot be carried out at all: told without the database, which may be what is wrong.

It is kept in a small file beside the database, together with where messages go.
"""

from collections.abc import Mapping
from datetime import datetime

from msgspec.structs import replace

from wnm.core.alerts.messages import in_words, message_id
from wnm.core.alerts.pauses import is_due, is_stale, pause
from wnm.core.alerts.rules import CYCLE_FAILS, ENOUGH_SIGHTINGS, RULES
from wnm.core.alerts.values import Event, Message, Severity
from wnm.core.values import Moment, Value

SUBJECT = "cycles"
REMEDY = "run wnm once by hand and do what it says"


class Trouble(Value, frozen=True, kw_only=True):
    """Cycles that failed one after another, since when, and the channels that have been told, by name."""

    since: Moment
    text: str
    sightings: int = 1
    ended_at: Moment | None = None
    told: tuple[str, ...] = ()
    attempts: int = 0
    next_try_at: Moment | None = None

    @property
    def is_open(self) -> bool:
        """Whether it has lasted long enough that somebody is, or was, to be told."""
        return bool(self.told) or self.sightings >= ENOUGH_SIGHTINGS


class Notes(Value, frozen=True, kw_only=True):
    """The whole file: settings of alerts as (name, text), the trouble there is, when a failed ping was logged."""

    settings: tuple[tuple[str, str], ...] = ()
    trouble: Trouble | None = None
    ping_logged_at: Moment | None = None


def after_failure(trouble: Trouble | None, text: str, now: datetime) -> Trouble:
    """The trouble after one more cycle that could not be carried out."""
    if trouble is None or trouble.ended_at is not None:
        # The end that is still owed to somebody is not told any more: it did not last.
        told = trouble.told if trouble is not None else ()
        since = trouble.since if told and trouble is not None else now
        return Trouble(since=since, text=trouble.text if told and trouble is not None else text, told=told)
    sightings = trouble.sightings + 1
    if not trouble.told and now - min(trouble.since, now) < RULES[CYCLE_FAILS].hold:
        sightings = min(sightings, ENOUGH_SIGHTINGS - 1)
    return replace(
        trouble,
        since=min(trouble.since, now),
        sightings=min(sightings, ENOUGH_SIGHTINGS),
        text=trouble.text if trouble.told else text,
    )


def after_success(trouble: Trouble | None, now: datetime) -> Trouble | None:
    """The trouble after a cycle that was carried out; None when nobody has to be told any more."""
    if trouble is None or not trouble.told:
        return None
    if trouble.ended_at is None:
        return replace(trouble, ended_at=now, attempts=0, next_try_at=None)
    return None if is_stale(trouble.ended_at, now) else trouble


def event_for(trouble: Trouble, channel: str, now: datetime) -> Event | None:
    """What the channel of that name still has to be told now."""
    if trouble.next_try_at is not None and not is_due(trouble.next_try_at, now):
        return None
    if trouble.ended_at is not None:
        return Event.END if channel in trouble.told else None
    return Event.START if trouble.is_open and channel not in trouble.told else None


def message_about(trouble: Trouble, event: Event, machine: str) -> Message:
    """The message; `machine` tells those of several machines apart."""
    ended = trouble.ended_at if event is Event.END else None
    what = f"no cycle can be carried out: {trouble.text}"
    return Message(
        id=message_id(f"{machine}:{CYCLE_FAILS}:{trouble.since.isoformat()}:{event}"),
        event=event,
        key=CYCLE_FAILS,
        subject=SUBJECT,
        severity=Severity.CRITICAL,
        text=what if ended is None else f"over after {in_words(ended - trouble.since)}: {what}",
        remedy=REMEDY if ended is None else None,
        since=trouble.since,
        at=ended or trouble.since,
    )


def after_sending(
    trouble: Trouble, event: Event, results: Mapping[str, bool], now: datetime
) -> Trouble | None:
    """The trouble when these channels, by name, were tried; None when everybody knows that it is over."""
    arrived = {name for name, is_there in results.items() if is_there}
    told = tuple(name for name in trouble.told if event is Event.START or name not in arrived)
    if event is Event.START:
        told = tuple(dict.fromkeys([*told, *sorted(arrived)]))
    elif not told:
        return None
    attempts = trouble.attempts + 1 if len(arrived) < len(results) else 0
    next_try_at = now + pause(attempts) if attempts else None
    return replace(trouble, told=told, attempts=attempts, next_try_at=next_try_at)
