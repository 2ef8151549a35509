"""Defines alerts as values: conditions, their episodes from start to end, messages about them and who gets them.

`wnm.core.alert_rules` finds the conditions, `wnm.storage.alerts` keeps episodes and messages, `wnm.alerts` sends.
"""

import shlex
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from enum import StrEnum
from hashlib import sha256
from posixpath import basename
from typing import Any
from urllib.parse import urlsplit

from msgspec import Struct, field
from msgspec.structs import asdict, replace

from wnm.core.errors import backoff, holds
from wnm.core.host import Host
from wnm.core.settings import SPECS
from wnm.core.values import Moment, Value

ENOUGH_SIGHTINGS = 3
"""A machine that was asleep for an hour has not seen anything for an hour: so many cycles have to agree as well."""
QUIET = timedelta(hours=1)
"""The same alert does not start again sooner than this after its end."""
MOST_NODES = 5
_UNLIMITED = 1_000_000
FIRST_PAUSE = timedelta(minutes=1)
LONGEST_PAUSE = timedelta(minutes=30)
GIVEN_UP_AFTER = timedelta(days=3)
# These settings mean the same on every machine.
_ANY_HOST = Host(platform="linux", is_root=False, user="", home="/", environ={}, usable_cores=1.0)


class Severity(StrEnum):
    """The severity of an alert: a warning can wait until somebody is awake."""

    WARNING = "warning"
    CRITICAL = "critical"


class Event(StrEnum):
    """The event of an alert that a message tells."""

    START = "start"
    END = "end"
    TEST = "test"


class Key(StrEnum):
    """The rules by name; these are written down, sent and documented."""

    UPGRADE_HALTED = "upgrade-halted"
    PRESSURE = "pressure"
    NODE_FAILING = "node-failing"
    MANY_FAILING = "many-nodes-failing"
    DISK_CRISIS = "disk-crisis"
    DISK_FULL_SOON = "disk-full-soon"
    NO_GROWTH = "no-growth"
    MISSING_STORAGE = "missing-storage"
    CYCLE_GAP = "cycle-gap"
    CLOCK = "clock"
    CYCLE_FAILS = "cycle-fails"


class Rule(Struct, frozen=True):
    """It has to hold for `hold` to start and be gone for `release` to end; at most `most` are open at one time."""

    hold: timedelta = timedelta(0)
    release: timedelta = timedelta(0)
    most: int = _UNLIMITED


# How many minutes it has to hold and to be gone, by rule.
_MINUTES: Mapping[str, tuple[float, float]] = {
    Key.UPGRADE_HALTED: (0, 5),
    Key.PRESSURE: (30, 10),
    Key.NODE_FAILING: (0, 10),
    Key.MANY_FAILING: (5, 10),
    Key.DISK_CRISIS: (0, 30),
    Key.DISK_FULL_SOON: (60, 360),
    Key.NO_GROWTH: (180, 10),
    Key.MISSING_STORAGE: (5, 5),
    Key.CYCLE_GAP: (0, 10),
    Key.CLOCK: (0, 10),
    # Told without the database, which may be what is wrong; see CycleFailure.
    Key.CYCLE_FAILS: (5, 0),
}
_MOST = {Key.NODE_FAILING: MOST_NODES}
RULES: Mapping[str, Rule] = {
    key: Rule(timedelta(minutes=hold), timedelta(minutes=release), _MOST.get(Key(key), _UNLIMITED))
    for key, (hold, release) in _MINUTES.items()
}


class Condition(Struct, frozen=True):
    """Something that is wrong in this cycle. `key` names its rule, `subject` what it is about."""

    key: str
    subject: str
    text: str
    remedy: str
    severity: Severity = Severity.WARNING


class Findings(Value, frozen=True, kw_only=True):
    """All that is wrong now; of the rules in `blind` nothing could be told, so what was so stays so."""

    conditions: tuple[Condition, ...]
    blind: frozenset[str] = frozenset()


class Episode(Value, frozen=True, kw_only=True):
    """A condition from when it was first seen (`since`) until it has been gone for long enough (`ended_at`).

    It waits while `started_at` is None: nobody has been told. `sightings` counts the cycles in a row that saw it, or
    from `gone_since` on those that did not, and stops counting where more make no difference. `id` is 0 before it
    is written down. `text` and `remedy` are those of the moment at which it started.
    """

    id: int = 0
    key: str
    subject: str
    severity: Severity
    text: str
    remedy: str
    since: Moment
    sightings: int = 1
    started_at: Moment | None = None
    gone_since: Moment | None = None
    ended_at: Moment | None = None

    @property
    def is_open(self) -> bool:
        """Whether somebody was told that it started and nobody that it ended."""
        return self.started_at is not None and self.ended_at is None


class Advance(Value, frozen=True, kw_only=True):
    """The changes of the episodes. `started` and `ended`, of which somebody is told, are among `changed`."""

    changed: tuple[Episode, ...] = ()
    dropped: tuple[Episode, ...] = ()
    started: tuple[Episode, ...] = ()
    ended: tuple[Episode, ...] = ()


def advance(
    episodes: Iterable[Episode], findings: Findings, now: datetime, rules: Mapping[str, Rule] = RULES
) -> Advance:
    """Advance the episodes by this cycle's findings: those that have not ended, and the last ended ones.

    An episode starts once and ends once; there is one at a time for a key and a subject.
    """
    episodes = tuple(episodes)
    running = {(each.key, each.subject): each for each in episodes if each.ended_at is None}
    ended_at = [((each.key, each.subject), each.ended_at) for each in episodes if each.ended_at is not None]
    resting = {identity for identity, at in ended_at if timedelta(0) <= now - at < QUIET}
    found = {(each.key, each.subject): each for each in findings.conditions if each.key in rules}
    open_ones = Counter(each.key for each in running.values() if each.is_open)
    changed, dropped, started, ended = [], [], [], []
    for identity in [*running, *(each for each in found if each not in running)]:
        key = identity[0]
        before, condition = running.get(identity), found.get(identity)
        if condition is not None:
            may_start = identity not in resting and open_ones[key] < rules[key].most
            after = _while_it_holds(before, condition, rules[key], now, may_start=may_start)
            if after.started_at is not None and not (before and before.started_at):
                started.append(after)
                open_ones[key] += 1
        elif before is None or key in findings.blind:
            continue
        elif not before.is_open:
            dropped.append(before)
            continue
        else:
            # An episode of a rule that there is no more ends as soon as it is seen to be gone.
            sightings = 1 if before.gone_since is None else min(before.sightings + 1, ENOUGH_SIGHTINGS)
            gone_since = min(before.gone_since or now, now)
            after = replace(before, gone_since=gone_since, sightings=sightings)
            if _lasted(gone_since, sightings, (rules.get(key) or Rule()).release, now):
                after = replace(after, ended_at=now)
                ended.append(after)
                open_ones[key] -= 1
        if after != before:
            changed.append(after)
    return Advance(changed=tuple(changed), dropped=tuple(dropped), started=tuple(started), ended=tuple(ended))


def _while_it_holds(
    before: Episode | None, condition: Condition, rule: Rule, now: datetime, *, may_start: bool
) -> Episode:
    said: dict[str, Any] = asdict(condition)
    if before is None:
        after = Episode(since=now, **said)
    elif before.is_open:
        return replace(before, gone_since=None)
    else:
        # A time that lies ahead dates from before the clock was set back: the wait begins anew.
        sightings = min(before.sightings + 1, ENOUGH_SIGHTINGS)
        after = replace(before, since=min(before.since, now), sightings=sightings)
    if may_start and _lasted(after.since, after.sightings, rule.hold, now):
        return replace(after, started_at=now, **said)
    return after


def _lasted(since: datetime, sightings: int, long_enough: timedelta, now: datetime) -> bool:
    return not long_enough or (sightings >= ENOUGH_SIGHTINGS and now - since >= long_enough)


class Message(Value, frozen=True, kw_only=True):
    """A message that is sent. `id` is the same every time that it is sent, and no other message has it.

    `since` is when the alert started, `at` when this was written.
    """

    id: str
    event: Event
    key: str
    subject: str
    severity: Severity
    text: str
    remedy: str | None
    since: Moment
    at: Moment


def message_of(episode: Episode, event: Event, machine_seed: int) -> Message:
    """The message about the start or the end of an episode; always the same one for the same episode."""
    since = episode.started_at or episode.since
    ended_at = episode.ended_at if event is Event.END else None
    at = ended_at or since
    about = f"{machine_seed}:{episode.key}:{episode.subject}:{since.isoformat()}:{event}"
    same: dict[str, Any] = {name: getattr(episode, name) for name in ("key", "subject", "severity")}
    return Message(
        **same,
        id=_message_id(about),
        event=event,
        text=f"over after {in_words(at - since)}: {episode.text}" if ended_at else episode.text,
        remedy=None if ended_at else episode.remedy,
        since=since,
        at=at,
    )


def test_message(now: datetime) -> Message:
    """A message that says that messages arrive."""
    said = "this is a test: alerts of wnm arrive here"
    test = Episode(key="test", subject="wnm", severity=Severity.WARNING, text=said, remedy="", since=now)
    about = _message_id(f"test:{now.isoformat()}")
    return replace(message_of(test, Event.TEST, 0), id=about, remedy=None)


def _message_id(about: str) -> str:
    """Sixteen hexadecimal digits that stand for a message."""
    return sha256(about.encode(errors="backslashreplace")).hexdigest()[:16]


def in_words(length: timedelta) -> str:
    """A length of time in its two largest units: `45 s`, `12 min`, `2 h 5 min`, `3 days 4 h`."""
    minutes, seconds = divmod(max(0, int(length.total_seconds())), 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    if days:
        return f"{days} day{'s' if days > 1 else ''}{f' {hours} h' if hours else ''}"
    if hours:
        return f"{hours} h{f' {minutes} min' if minutes else ''}"
    return f"{minutes} min" if minutes else f"{seconds} s"


class Waiting(Value, frozen=True, kw_only=True):
    """A message for one channel, by name, that has not arrived; `id` is that of its row."""

    id: int
    channel: str
    message: Message
    attempts: int
    next_try_at: Moment
    last_error: str | None = None


class GivenUp(Value, frozen=True, kw_only=True):
    """A message that is not tried any more."""

    channel: str
    message: Message
    why: str


def due(waiting: Iterable[Waiting], now: datetime) -> dict[str, tuple[Waiting, ...]]:
    """Return the messages to send now by channel, oldest first.

    The oldest message of a channel decides for all behind it: an end never overtakes its start.
    """
    by_channel: dict[str, list[Waiting]] = {}
    for each in sorted(waiting, key=lambda each: each.id):
        by_channel.setdefault(each.channel, []).append(each)
    return {
        channel: tuple(queue) for channel, queue in by_channel.items() if is_due(queue[0].next_try_at, now)
    }


def retry_pause(attempts: int) -> timedelta:
    """Return how long a message waits after so many failed attempts."""
    return backoff(attempts, first=FIRST_PAUSE, longest=LONGEST_PAUSE)


def is_due(next_try_at: datetime | None, now: datetime) -> bool:
    """Whether a message may be tried now."""
    return not holds(next_try_at, now, longest=LONGEST_PAUSE)


class CycleFailure(Value, frozen=True, kw_only=True, tag="Trouble"):
    """Cycles that failed one after another, since when, and the channels that have been told, by name.

    Kept without the database, which may be what is wrong.
    """

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

    def event_for(self, channel: str, now: datetime) -> Event | None:
        """Return the event that the channel of that name still has to be told now."""
        if not is_due(self.next_try_at, now):
            return None
        if self.ended_at is not None:
            return Event.END if channel in self.told else None
        return Event.START if self.is_open and channel not in self.told else None

    def message(self, event: Event, machine: str) -> Message:
        """The message; `machine` tells those of several machines apart."""
        episode = Episode(
            key=Key.CYCLE_FAILS,
            subject="cycles",
            severity=Severity.CRITICAL,
            text=f"no cycle can be carried out: {self.text}",
            remedy="run wnm once by hand and do what it says",
            since=self.since,
            ended_at=self.ended_at,
        )
        about = f"{machine}:{Key.CYCLE_FAILS}:{self.since.isoformat()}:{event}"
        return replace(message_of(episode, event, 0), id=_message_id(about))

    def after_sending(
        self, event: Event, results: Mapping[str, bool], now: datetime
    ) -> "CycleFailure | None":
        """The failure when these channels, by name, were tried; None when everybody knows that it is over."""
        arrived = {name for name, is_there in results.items() if is_there}
        if event is Event.START:
            told = tuple(dict.fromkeys([*self.told, *sorted(arrived)]))
        else:
            told = tuple(name for name in self.told if name not in arrived)
            if not told:
                return None
        attempts = self.attempts + 1 if len(arrived) < len(results) else 0
        next_try_at = now + retry_pause(attempts) if attempts else None
        return replace(self, told=told, attempts=attempts, next_try_at=next_try_at)


def after_failure(failure: CycleFailure | None, text: str, now: datetime) -> CycleFailure:
    """The failure after one more cycle that could not be carried out."""
    if failure is None or (failure.ended_at is not None and not failure.told):
        return CycleFailure(since=now, text=text)
    if failure.ended_at is not None:
        # The end that is still owed to somebody is not told any more: it did not last.
        return CycleFailure(since=failure.since, text=failure.text, told=failure.told)
    sightings = min(failure.sightings + 1, ENOUGH_SIGHTINGS)
    if not failure.told and now - min(failure.since, now) < RULES[Key.CYCLE_FAILS].hold:
        sightings = min(sightings, ENOUGH_SIGHTINGS - 1)
    text = failure.text if failure.told else text
    return replace(failure, since=min(failure.since, now), sightings=sightings, text=text)


def after_success(failure: CycleFailure | None, now: datetime) -> CycleFailure | None:
    """The failure after a cycle that was carried out; None when nobody has to be told any more."""
    if failure is None or not failure.told:
        return None
    if failure.ended_at is None:
        return replace(failure, ended_at=now, attempts=0, next_try_at=None)
    return None if now - failure.ended_at > GIVEN_UP_AFTER else failure


class FallbackState(Value, frozen=True, kw_only=True, tag="Notes"):
    """The values kept beside the database, for when it cannot be read: settings of alerts as (name, text), the failing
    of cycles, and when a failed request for `dead_man_url` was logged."""

    settings: tuple[tuple[str, str], ...] = ()
    failure: CycleFailure | None = field(default=None, name="trouble")
    ping_logged_at: Moment | None = None


class Kind(StrEnum):
    """The way in which a message is delivered."""

    WEBHOOK = "webhook"
    APPRISE = "apprise"
    COMMAND = "command"


class Channel(Value, frozen=True, kw_only=True):
    """One receiver. `target` may hold tokens and is told to nobody; `name` stands for it everywhere."""

    kind: Kind
    target: tuple[str, ...]
    name: str


class Addresses(Value, frozen=True, kw_only=True):
    """The receivers of messages, each once, and the address that is asked for after a good cycle."""

    channels: tuple[Channel, ...] = ()
    dead_man_url: str | None = None

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(each.name for each in self.channels)


def addresses(urls: Sequence[str], command: Sequence[str], dead_man_url: str | None) -> Addresses:
    """Return the channels of the settings of the same names."""

    def mark(secret: str) -> str:
        """Enough to tell two addresses of one host apart, and far too little to guess either."""
        return sha256(secret.encode(errors="surrogateescape")).hexdigest()[:6]

    found = []
    for url in urls:
        parts = urlsplit(url)
        scheme, is_web = parts.scheme.lower(), parts.scheme.lower() in ("http", "https")
        # The apparent host of an address of Apprise is often the token.
        name = f"{scheme}://{parts.hostname}/… #{mark(url)}" if is_web else f"{parts.scheme}://… #{mark(url)}"
        found.append(Channel(kind=Kind.WEBHOOK if is_web else Kind.APPRISE, target=(url,), name=name))
    if command:
        name = f"command {basename(command[0])} #{mark(shlex.join(command))}"
        found.append(Channel(kind=Kind.COMMAND, target=tuple(command), name=name))
    return Addresses(channels=tuple({each.name: each for each in found}.values()), dead_man_url=dead_man_url)


def addresses_in(texts: Mapping[str, str]) -> Addresses:
    """The same from settings as the database holds them; ValueError if they are not of this wnm's making."""

    def value(name: str) -> Any:
        spec = SPECS[name]
        return spec.form.read(texts[name], _ANY_HOST) if name in texts else spec.default

    return addresses(value("alert_urls"), value("alert_command"), value("dead_man_url"))
