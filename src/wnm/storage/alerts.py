"""Alerts as they are remembered, and the outbox: an alert and its messages are written in one transaction."""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any

from msgspec import Struct
from sqlalchemy import Connection, Row, delete, insert, select, update

from wnm.core import codec
from wnm.core.alert_rules import TREND_WINDOW, DiskLevel, in_utf8, is_level_due
from wnm.core.alerts import (
    GIVEN_UP_AFTER,
    QUIET,
    Advance,
    Episode,
    Event,
    Findings,
    GivenUp,
    Message,
    Severity,
    Waiting,
    advance,
    is_stale,
    message_of,
    retry_pause,
)
from wnm.core.errors import BadInput
from wnm.core.observation import FileSystem
from wnm.storage import models
from wnm.storage.columns import UnreadableError
from wnm.storage.database import Database

STARTS = 12
FORGOTTEN_PER_CYCLE = 50
_COLUMNS = tuple(Episode.__struct_fields__)


class ClockNote(Struct, frozen=True, kw_only=True):
    """By how much the time of day was ahead of the seconds since the start of the machine, in which start of it."""

    boot_id: str
    offset_seconds: float


class Memory(Struct, frozen=True, kw_only=True):
    """What rules need of the past: when cycles began, newest first, levels of disks, and the clock."""

    starts: tuple[datetime, ...]
    levels: tuple[DiskLevel, ...]
    clock: ClockNote | None


class News(Struct, frozen=True, kw_only=True):
    """What a cycle adds: `disks` and `clock` are remembered if they say something new. `channels` are names."""

    findings: Findings
    now: datetime
    channels: tuple[str, ...]
    machine_seed: int
    history_days: float
    disks: tuple[FileSystem, ...] = ()
    clock: ClockNote | None = None


class Alerts:
    """The alerts of one machine. Every verb is one transaction."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def memory(self, now: datetime, *, began: datetime) -> Memory:
        """What is remembered; the cycle that began at `began`, if it is written down already, is not part of it."""
        return self._database.read(lambda connection: _memory(connection, now, began))

    def take_note(self, news: News) -> tuple[Advance, tuple[GivenUp, ...]]:
        """Open and close alerts, and put their messages into the outbox; returns what is new, and what was given up."""

        def work(connection: Connection) -> tuple[Advance, tuple[GivenUp, ...]]:
            moved = advance(_episodes(connection, news.now), news.findings, news.now)
            _write_episodes(connection, moved)
            _queue_ends(connection, moved.ended, news)
            _queue_starts(connection, news)
            given_up = _give_up(connection, news)
            _note_levels(connection, news)
            _note_clock(connection, news.clock)
            _forget(connection, news)
            return moved, given_up

        return self._database.write(work)

    def waiting(self) -> tuple[Waiting, ...]:
        """The messages that have neither arrived nor been given up, oldest first."""
        return self._database.read(_waiting)

    def begin(self, messages: Iterable[Waiting], now: datetime) -> None:
        """Write down that these are about to be sent: only after their pause they will be tried again.

        What is cut short, or cannot be written down afterwards, is not sent anew by every cycle.
        """
        rows = models.AlertMessage

        def work(connection: Connection) -> None:
            for each in messages:
                again = now + retry_pause(each.attempts + 1)
                connection.execute(update(rows).where(rows.c.id == each.id).values(next_try_at=again))

        self._database.write(work)

    def delivered(self, message: Waiting, now: datetime) -> None:
        """Write down that a message has arrived."""
        self._mark(message, delivered_at=now, attempts=message.attempts + 1, last_error=None)

    def failed(self, message: Waiting, error: str, *, next_try_at: datetime) -> None:
        """Write down why a message has not arrived, and when it is tried again."""
        self._mark(message, attempts=message.attempts + 1, last_error=error, next_try_at=next_try_at)

    def latest(self, limit: int) -> tuple[Episode, ...]:
        """Alerts that somebody was told of, the open ones first, then those that ended last."""
        alert = models.Alert
        wanted = (
            select(alert)
            .where(alert.c.started_at.is_not(None))
            .order_by(alert.c.ended_at.is_not(None), alert.c.ended_at.desc(), alert.c.started_at.desc())
        )
        return self._database.read(
            lambda connection: tuple(map(_episode, connection.execute(wanted.limit(limit))))
        )

    def _mark(self, message: Waiting, **values: Any) -> None:
        rows = models.AlertMessage
        change = update(rows).where(rows.c.id == message.id).values(**values)
        self._database.write(lambda connection: connection.execute(change))


def _memory(connection: Connection, now: datetime, began: datetime) -> Memory:
    cycle = models.Cycle
    newest = select(cycle.c.started_at).order_by(cycle.c.id.desc()).limit(STARTS + 1)
    starts = [row.started_at for row in connection.execute(newest)]
    if starts and starts[0] == began:
        del starts[0]
    clock = connection.execute(select(models.AlertClock)).first()
    return Memory(
        starts=tuple(starts[:STARTS]),
        levels=_levels(connection, now),
        clock=None
        if clock is None
        else ClockNote(boot_id=clock.boot_id, offset_seconds=clock.offset_seconds),
    )


def _levels(connection: Connection, now: datetime) -> tuple[DiskLevel, ...]:
    level = models.DiskLevel
    return tuple(
        DiskLevel(mount_point=row.mount_point, at=row.at, free_bytes=row.free_bytes)
        for row in connection.execute(select(level).where(level.c.at >= now - TREND_WINDOW))
    )


def _episodes(connection: Connection, now: datetime) -> list[Episode]:
    alert = models.Alert
    wanted = select(alert).where(alert.c.ended_at.is_(None) | (alert.c.ended_at > now - QUIET))
    return [_episode(row) for row in connection.execute(wanted.order_by(alert.c.id))]


def _episode(row: Row[Any]) -> Episode:
    values = {name: getattr(row, name) for name in _COLUMNS}
    try:
        values["severity"] = Severity(values["severity"])
    except ValueError as error:
        raise UnreadableError(f"alert {row.id}: {error}") from None
    return Episode(**values)


def _write_episodes(connection: Connection, moved: Advance) -> None:
    alert = models.Alert
    for episode in moved.changed:
        row = {name: getattr(episode, name) for name in _COLUMNS if name != "id"}
        row["severity"] = episode.severity.value
        if episode.id:
            connection.execute(update(alert).where(alert.c.id == episode.id).values(**row))
        else:
            connection.execute(insert(alert).values(**row))
    if moved.dropped:
        gone = [episode.id for episode in moved.dropped]
        connection.execute(delete(alert).where(alert.c.id.in_(gone)))


def _queue_starts(connection: Connection, news: News) -> None:
    """Every channel hears of every open alert once, also one that was set up after the alert had started."""
    if not news.channels:
        return
    alert, rows = models.Alert, models.AlertMessage
    wanted = select(alert).where(alert.c.started_at.is_not(None), alert.c.ended_at.is_(None))
    for episode in map(_episode, connection.execute(wanted.order_by(alert.c.id)).all()):
        known = select(rows.c.channel).where(rows.c.alert_id == episode.id, rows.c.event == Event.START.value)
        told = set(connection.execute(known).scalars())
        missing = [name for name in news.channels if name not in told]
        _queue(connection, episode, Event.START, missing, news)
        # Given up so soon, they had nowhere to go: their channel was taken out, and is there again.
        back = (
            (rows.c.alert_id == episode.id)
            & rows.c.channel.in_(news.channels)
            & rows.c.given_up_at.is_not(None)
            & (rows.c.created_at >= news.now - GIVEN_UP_AFTER)
        )
        connection.execute(update(rows).where(back).values(given_up_at=None, next_try_at=news.now))


def _queue_ends(connection: Connection, ended: Iterable[Episode], news: News) -> None:
    """Only whoever heard of the start, or still will, hears of the end."""
    rows = models.AlertMessage
    for episode in ended:
        told = select(rows.c.channel).where(
            rows.c.alert_id == episode.id, rows.c.event == Event.START.value, rows.c.given_up_at.is_(None)
        )
        names = connection.execute(told.order_by(rows.c.id)).scalars().all()
        _queue(connection, episode, Event.END, names, news)


def _queue(
    connection: Connection, episode: Episode, event: Event, channels: Sequence[str], news: News
) -> None:
    content = codec.encode(message_of(episode, event, news.machine_seed))
    for channel in channels:
        connection.execute(
            insert(models.AlertMessage).values(
                alert_id=episode.id,
                event=event.value,
                channel=channel,
                message=content,
                created_at=news.now,
                attempts=0,
                next_try_at=news.now,
            )
        )


def _waiting(connection: Connection) -> tuple[Waiting, ...]:
    rows = models.AlertMessage
    wanted = select(rows).where(rows.c.delivered_at.is_(None), rows.c.given_up_at.is_(None))
    return tuple(
        Waiting(
            id=row.id,
            channel=row.channel,
            message=_message(row),
            attempts=row.attempts,
            next_try_at=row.next_try_at,
            last_error=row.last_error,
        )
        for row in connection.execute(wanted.order_by(rows.c.id))
    )


def _message(row: Row[Any]) -> Message:
    try:
        return codec.decode(Message, row.message)
    except BadInput as error:
        raise UnreadableError(f"alert_message {row.id}: {error}") from None


def _give_up(connection: Connection, news: News) -> tuple[GivenUp, ...]:
    """Stop trying what is too old, what has nowhere to go any more, and ends of which nobody heard the start."""
    rows = models.AlertMessage
    given_up: list[GivenUp] = []
    lost: set[tuple[int, str]] = set()
    waits = rows.c.delivered_at.is_(None) & rows.c.given_up_at.is_(None)
    for row in connection.execute(select(rows).where(waits).order_by(rows.c.id)).all():
        if row.channel not in news.channels:
            why = "it is no longer among alert_urls and alert_command"
        elif (row.alert_id, row.channel) in lost:
            why = "its start did not arrive either"
        elif row.attempts and is_stale(row.created_at, news.now):
            why = row.last_error or "it did not arrive"
        else:
            continue
        lost.add((row.alert_id, row.channel))
        connection.execute(update(rows).where(rows.c.id == row.id).values(given_up_at=news.now))
        given_up.append(GivenUp(channel=row.channel, message=_message(row), why=why))
    return tuple(given_up)


def _note_levels(connection: Connection, news: News) -> None:
    level, now = models.DiskLevel, news.now
    kept = _levels(connection, now)
    for system in news.disks:
        name = in_utf8(system.mount_point)
        if is_level_due([each for each in kept if each.mount_point == name], now):
            # Those that lie ahead were noted before the clock was set back.
            connection.execute(delete(level).where((level.c.at < now - TREND_WINDOW) | (level.c.at > now)))
            connection.execute(
                insert(level)
                .prefix_with("OR REPLACE")
                .values(mount_point=name, at=now, free_bytes=system.free_bytes)
            )


def _note_clock(connection: Connection, clock: ClockNote | None) -> None:
    if clock is not None:
        connection.execute(
            insert(models.AlertClock)
            .prefix_with("OR REPLACE")
            .values(id=1, boot_id=clock.boot_id, offset_seconds=clock.offset_seconds)
        )


def _forget(connection: Connection, news: News) -> None:
    alert = models.Alert
    # Its messages go with it, and may be tried for longer than a short history lasts.
    kept = max(timedelta(days=news.history_days), GIVEN_UP_AFTER)
    too_old = (
        select(alert.c.id)
        .where(alert.c.ended_at < news.now - kept)
        .order_by(alert.c.ended_at)
        .limit(FORGOTTEN_PER_CYCLE)
    )
    connection.execute(delete(alert).where(alert.c.id.in_(too_old)))
