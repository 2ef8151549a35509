"""Keeps alerts and their outbox: an alert and its messages are written in one transaction."""

from collections.abc import Iterable, Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from sqlite3 import Connection, Row

from msgspec import Struct

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
    due,
    is_stale,
    message_of,
    retry_pause,
)
from wnm.core.errors import WnmError
from wnm.core.observation import FileSystem
from wnm.storage import rows
from wnm.storage.database import Database, open_for_reading
from wnm.storage.errors import UnreadableError

STARTS = 12
FORGOTTEN_PER_CYCLE = 50
_COLUMNS = Episode.__struct_fields__
_MOMENTS = ("since", "started_at", "gone_since", "ended_at")


class ClockNote(Struct, frozen=True, kw_only=True):
    """By how much the time of day was ahead of the seconds since the start of the machine, in which start of it."""

    boot_id: str
    offset_seconds: float


class Memory(Struct, frozen=True, kw_only=True):
    """The past values that rules need: when cycles began, newest first, levels of disks, and the clock."""

    starts: tuple[datetime, ...]
    levels: tuple[DiskLevel, ...]
    clock: ClockNote | None


class News(Struct, frozen=True, kw_only=True):
    """The news of a cycle: `disks` and `clock` are remembered if they say something new. `channels` are names."""

    findings: Findings
    now: datetime
    channels: tuple[str, ...]
    machine_seed: int
    history_days: float
    disks: tuple[FileSystem, ...] = ()
    clock: ClockNote | None = None


def has_due(path: str, now: datetime) -> bool:
    """Whether a message should be sent now; False where that cannot be told. Nothing is written."""
    with suppress(WnmError), open_for_reading(path) as database:
        return bool(due(Alerts(database).waiting(), now))
    return False


class Alerts:
    """The alerts of one machine. Every verb is one transaction."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def memory(self, now: datetime, *, began: datetime) -> Memory:
        """Return what is remembered, without the cycle that began at `began` if it is written down already."""
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

        A message that is cut short, or cannot be written down afterwards, is not sent anew by every cycle.
        """

        def work(connection: Connection) -> None:
            for each in messages:
                again = now + retry_pause(each.attempts + 1)
                rows.update(connection, "alert_message", {"next_try_at": again}, "id = ?", [each.id])

        self._database.write(work)

    def delivered(self, message: Waiting, now: datetime) -> None:
        """Write down that a message has arrived."""
        self._mark(message, delivered_at=now, attempts=message.attempts + 1, last_error=None)

    def failed(self, message: Waiting, error: str, *, next_try_at: datetime) -> None:
        """Write down why a message has not arrived, and when it is tried again."""
        self._mark(message, attempts=message.attempts + 1, last_error=error, next_try_at=next_try_at)

    def latest(self, limit: int) -> tuple[Episode, ...]:
        """Alerts that somebody was told of, the open ones first, then those that ended last."""
        wanted = (
            "SELECT * FROM alert WHERE started_at IS NOT NULL "
            "ORDER BY ended_at IS NOT NULL, ended_at DESC, started_at DESC LIMIT ?"
        )
        return self._database.read(
            lambda connection: tuple(map(_episode, connection.execute(wanted, (limit,))))
        )

    def _mark(self, message: Waiting, **values: object) -> None:
        self._database.write(
            lambda connection: rows.update(connection, "alert_message", values, "id = ?", [message.id])
        )


def _memory(connection: Connection, now: datetime, began: datetime) -> Memory:
    newest = connection.execute("SELECT started_at FROM cycle ORDER BY id DESC LIMIT ?", (STARTS + 1,))
    starts = [rows.moment_of(row["started_at"]) for row in newest]
    if starts and starts[0] == began:
        del starts[0]
    clock = connection.execute("SELECT boot_id, offset_seconds FROM alert_clock").fetchone()
    return Memory(
        starts=tuple(starts[:STARTS]),
        levels=_levels(connection, now),
        clock=None if clock is None else ClockNote(boot_id=clock[0], offset_seconds=clock[1]),
    )


def _levels(connection: Connection, now: datetime) -> tuple[DiskLevel, ...]:
    found = connection.execute(
        "SELECT * FROM disk_level WHERE at >= ?", (rows.moment_text(now - TREND_WINDOW),)
    )
    return tuple(
        DiskLevel(mount_point=row["mount_point"], at=rows.moment_of(row["at"]), free_bytes=row["free_bytes"])
        for row in found
    )


def _episodes(connection: Connection, now: datetime) -> list[Episode]:
    wanted = "SELECT * FROM alert WHERE ended_at IS NULL OR ended_at > ? ORDER BY id"
    return list(map(_episode, connection.execute(wanted, (rows.moment_text(now - QUIET),))))


def _episode(row: Row) -> Episode:
    values = {name: row[name] for name in _COLUMNS}
    for name in _MOMENTS:
        values[name] = rows.moment_or_none(values[name])
    try:
        values["severity"] = Severity(values["severity"])
    except ValueError as error:
        raise UnreadableError(f"alert {row['id']}: {error}") from None
    return Episode(**values)


def _write_episodes(connection: Connection, moved: Advance) -> None:
    for episode in moved.changed:
        row = {name: getattr(episode, name) for name in _COLUMNS if name != "id"}
        if episode.id:
            rows.update(connection, "alert", row, "id = ?", [episode.id])
        else:
            rows.insert(connection, "alert", row)
    gone = [episode.id for episode in moved.dropped]
    connection.execute(f"DELETE FROM alert WHERE id IN ({rows.marks(gone)})", gone)


def _queue_starts(connection: Connection, news: News) -> None:
    """Every channel hears of every open alert once, also one that was set up after the alert had started."""
    if not news.channels:
        return
    started = "SELECT * FROM alert WHERE started_at IS NOT NULL AND ended_at IS NULL ORDER BY id"
    for episode in map(_episode, connection.execute(started).fetchall()):
        known = "SELECT channel FROM alert_message WHERE alert_id = ? AND event = ?"
        told = {row[0] for row in connection.execute(known, (episode.id, Event.START.value))}
        _queue(connection, episode, Event.START, [each for each in news.channels if each not in told], news)
        # Given up so soon, they had nowhere to go: their channel was taken out, and is there again.
        rows.update(
            connection,
            "alert_message",
            {"given_up_at": None, "next_try_at": news.now},
            f"alert_id = ? AND channel IN ({rows.marks(news.channels)}) AND given_up_at IS NOT NULL "
            "AND created_at >= ?",
            [episode.id, *news.channels, news.now - GIVEN_UP_AFTER],
        )


def _queue_ends(connection: Connection, ended: Iterable[Episode], news: News) -> None:
    """Only whoever heard of the start, or still will, hears of the end."""
    told = "SELECT channel FROM alert_message WHERE alert_id = ? AND event = ? AND given_up_at IS NULL ORDER BY id"
    for episode in ended:
        names = [row[0] for row in connection.execute(told, (episode.id, Event.START.value))]
        _queue(connection, episode, Event.END, names, news)


def _queue(
    connection: Connection, episode: Episode, event: Event, channels: Sequence[str], news: News
) -> None:
    for channel in channels:
        row = {
            "alert_id": episode.id,
            "event": event.value,
            "channel": channel,
            "message": message_of(episode, event, news.machine_seed),
            "created_at": news.now,
            "attempts": 0,
            "next_try_at": news.now,
        }
        rows.insert(connection, "alert_message", row)


_WAITING = "SELECT * FROM alert_message WHERE delivered_at IS NULL AND given_up_at IS NULL ORDER BY id"


def _waiting(connection: Connection) -> tuple[Waiting, ...]:
    return tuple(
        Waiting(
            id=row["id"],
            channel=row["channel"],
            message=_message(row),
            attempts=row["attempts"],
            next_try_at=rows.moment_of(row["next_try_at"]),
            last_error=row["last_error"],
        )
        for row in connection.execute(_WAITING)
    )


def _message(row: Row) -> Message:
    return rows.json_of(Message, row["message"], f"alert_message {row['id']}")


def _give_up(connection: Connection, news: News) -> tuple[GivenUp, ...]:
    """Stop trying what is too old, what has nowhere to go any more, and ends of which nobody heard the start."""
    given_up: list[GivenUp] = []
    lost: set[tuple[int, str]] = set()
    for row in connection.execute(_WAITING).fetchall():
        key = (row["alert_id"], row["channel"])
        if row["channel"] not in news.channels:
            why = "it is no longer among alert_urls and alert_command"
        elif key in lost:
            why = "its start did not arrive either"
        elif row["attempts"] and is_stale(rows.moment_of(row["created_at"]), news.now):
            why = row["last_error"] or "it did not arrive"
        else:
            continue
        lost.add(key)
        rows.update(connection, "alert_message", {"given_up_at": news.now}, "id = ?", [row["id"]])
        given_up.append(GivenUp(channel=row["channel"], message=_message(row), why=why))
    return tuple(given_up)


def _note_levels(connection: Connection, news: News) -> None:
    now = news.now
    kept = _levels(connection, now)
    for system in news.disks:
        name = in_utf8(system.mount_point)
        if is_level_due([each for each in kept if each.mount_point == name], now):
            # Those that lie ahead were noted before the clock was set back.
            outdated = (rows.moment_text(now - TREND_WINDOW), rows.moment_text(now))
            connection.execute("DELETE FROM disk_level WHERE at < ? OR at > ?", outdated)
            row = {"mount_point": name, "at": now, "free_bytes": system.free_bytes}
            rows.put(connection, "disk_level", [row])


def _note_clock(connection: Connection, clock: ClockNote | None) -> None:
    if clock is not None:
        row = {"id": 1, "boot_id": clock.boot_id, "offset_seconds": clock.offset_seconds}
        rows.put(connection, "alert_clock", [row])


def _forget(connection: Connection, news: News) -> None:
    # Its messages go with it, and may be tried for longer than a short history lasts.
    kept = max(timedelta(days=news.history_days), GIVEN_UP_AFTER)
    connection.execute(
        "DELETE FROM alert WHERE id IN (SELECT id FROM alert WHERE ended_at < ? ORDER BY ended_at LIMIT ?)",
        (rows.moment_text(news.now - kept), FORGOTTEN_PER_CYCLE),
    )
