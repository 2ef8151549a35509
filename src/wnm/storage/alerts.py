"""Keeps alerts and their outbox: an alert and its messages are written in one transaction."""

from collections.abc import Iterable, Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from sqlite3 import Connection, Row

from msgspec import Struct
from msgspec.structs import asdict

from wnm.core import alerts
from wnm.core.alert_rules import TREND_WINDOW, DiskLevel, in_utf8, is_level_due
from wnm.core.errors import WnmError
from wnm.core.observation import FileSystem
from wnm.storage import rows
from wnm.storage.database import Database, open_for_reading

STARTS = 12
FORGOTTEN_PER_CYCLE = 50
_COLUMNS = alerts.Episode.__struct_fields__[1:]
_WAITING = "SELECT * FROM alert_message WHERE delivered_at IS NULL AND given_up_at IS NULL ORDER BY id"


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

    findings: alerts.Findings
    now: datetime
    channels: tuple[str, ...]
    machine_seed: int
    history_days: float
    disks: tuple[FileSystem, ...] = ()
    clock: ClockNote | None = None


def has_due(path: str, now: datetime) -> bool:
    """Whether a message should be sent now; False where that cannot be told. Nothing is written."""
    with suppress(WnmError), open_for_reading(path) as database:
        return bool(alerts.due(Alerts(database).waiting(), now))
    return False


class Alerts:
    """The alerts of one machine. Every verb is one transaction."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def memory(self, now: datetime, *, began: datetime) -> Memory:
        """Return what is remembered, without the cycle that began at `began` if it is written down already."""

        def work(connection: Connection) -> Memory:
            newest = connection.execute(
                "SELECT started_at FROM cycle ORDER BY id DESC LIMIT ?", (STARTS + 1,)
            )
            starts = [rows.moment_of(row["started_at"]) for row in newest]
            if starts and starts[0] == began:
                del starts[0]
            clock = connection.execute("SELECT * FROM alert_clock").fetchone()
            return Memory(
                starts=tuple(starts[:STARTS]),
                levels=_levels(connection, now),
                clock=None if clock is None else rows.value_of(ClockNote, clock, "alert_clock"),
            )

        return self._database.read(work)

    def take_note(self, news: News) -> tuple[alerts.Advance, tuple[alerts.GivenUp, ...]]:
        """Open and close alerts, and put their messages into the outbox; returns what is new, and what was given up."""

        def work(connection: Connection) -> tuple[alerts.Advance, tuple[alerts.GivenUp, ...]]:
            wanted = "SELECT * FROM alert WHERE ended_at IS NULL OR ended_at > ? ORDER BY id"
            before = connection.execute(wanted, (rows.moment_text(news.now - alerts.QUIET),))
            moved = alerts.advance(map(_episode, before.fetchall()), news.findings, news.now)
            for episode in moved.changed:
                row = {name: getattr(episode, name) for name in _COLUMNS}
                if episode.id:
                    rows.update(connection, "alert", row, "id = ?", [episode.id])
                else:
                    rows.insert(connection, "alert", row)
            gone = [episode.id for episode in moved.dropped]
            connection.execute(f"DELETE FROM alert WHERE id IN ({rows.marks(gone)})", gone)
            # Only whoever heard of the start, or still will, hears of the end.
            for episode in moved.ended:
                told = _told(connection, episode, "given_up_at IS NULL")
                _queue(connection, episode, alerts.Event.END, told, news)
            if news.channels:
                _queue_starts(connection, news)
            given_up = _give_up(connection, news)
            _remember(connection, news)
            # Its messages go with it, and may be tried for longer than a short history lasts.
            kept = max(timedelta(days=news.history_days), alerts.GIVEN_UP_AFTER)
            oldest = "SELECT id FROM alert WHERE ended_at < ? ORDER BY ended_at LIMIT ?"
            outdated = (rows.moment_text(news.now - kept), FORGOTTEN_PER_CYCLE)
            connection.execute(f"DELETE FROM alert WHERE id IN ({oldest})", outdated)
            return moved, given_up

        return self._database.write(work)

    def waiting(self) -> tuple[alerts.Waiting, ...]:
        """The messages that have neither arrived nor been given up, oldest first."""

        def of_row(row: Row) -> alerts.Waiting:
            return rows.value_of(alerts.Waiting, row, f"alert_message {row['id']}", message=_message(row))

        return self._database.read(lambda connection: tuple(map(of_row, connection.execute(_WAITING))))

    def begin(self, messages: Iterable[alerts.Waiting], now: datetime) -> None:
        """Write down that these are about to be sent: only after their pause they will be tried again.

        A message that is cut short, or cannot be written down afterwards, is not sent anew by every cycle.
        """

        def work(connection: Connection) -> None:
            for each in messages:
                again = now + alerts.retry_pause(each.attempts + 1)
                rows.update(connection, "alert_message", {"next_try_at": again}, "id = ?", [each.id])

        self._database.write(work)

    def delivered(self, message: alerts.Waiting, now: datetime) -> None:
        """Write down that a message has arrived."""
        self._mark(message, delivered_at=now, attempts=message.attempts + 1, last_error=None)

    def failed(self, message: alerts.Waiting, error: str, *, next_try_at: datetime) -> None:
        """Write down why a message has not arrived, and when it is tried again."""
        self._mark(message, attempts=message.attempts + 1, last_error=error, next_try_at=next_try_at)

    def latest(self, limit: int) -> tuple[alerts.Episode, ...]:
        """Alerts that somebody was told of, the open ones first, then those that ended last."""
        wanted = (
            "SELECT * FROM alert WHERE started_at IS NOT NULL "
            "ORDER BY ended_at IS NOT NULL, ended_at DESC, started_at DESC LIMIT ?"
        )
        read = self._database.read
        return read(lambda connection: tuple(map(_episode, connection.execute(wanted, (limit,)))))

    def _mark(self, message: alerts.Waiting, **values: object) -> None:
        self._database.write(
            lambda connection: rows.update(connection, "alert_message", values, "id = ?", [message.id])
        )


def _levels(connection: Connection, now: datetime) -> tuple[DiskLevel, ...]:
    wanted = "SELECT * FROM disk_level WHERE at >= ?"
    found = connection.execute(wanted, (rows.moment_text(now - TREND_WINDOW),))
    return tuple(rows.value_of(DiskLevel, row, "disk_level") for row in found)


def _episode(row: Row) -> alerts.Episode:
    return rows.value_of(alerts.Episode, row, f"alert {row['id']}")


def _message(row: Row) -> alerts.Message:
    return rows.json_of(alerts.Message, row["message"], f"alert_message {row['id']}")


def _told(connection: Connection, episode: alerts.Episode, only: str = "TRUE") -> list[str]:
    """The channels that are told of its start."""
    wanted = f"SELECT channel FROM alert_message WHERE alert_id = ? AND event = ? AND {only} ORDER BY id"
    return [row[0] for row in connection.execute(wanted, (episode.id, alerts.Event.START.value))]


def _queue_starts(connection: Connection, news: News) -> None:
    """Every channel hears of every open alert once, also one that was set up after the alert had started."""
    started = "SELECT * FROM alert WHERE started_at IS NOT NULL AND ended_at IS NULL ORDER BY id"
    for episode in map(_episode, connection.execute(started).fetchall()):
        told = _told(connection, episode)
        untold = [each for each in news.channels if each not in told]
        _queue(connection, episode, alerts.Event.START, untold, news)
        # Given up so soon, they had nowhere to go: their channel was taken out, and is there again.
        rows.update(
            connection,
            "alert_message",
            {"given_up_at": None, "next_try_at": news.now},
            f"alert_id = ? AND channel IN ({rows.marks(news.channels)}) AND given_up_at IS NOT NULL "
            "AND created_at >= ?",
            [episode.id, *news.channels, news.now - alerts.GIVEN_UP_AFTER],
        )


def _queue(
    connection: Connection, episode: alerts.Episode, event: alerts.Event, channels: Sequence[str], news: News
) -> None:
    for channel in channels:
        row = {
            "alert_id": episode.id,
            "event": event.value,
            "channel": channel,
            "message": alerts.message_of(episode, event, news.machine_seed),
            "created_at": news.now,
            "attempts": 0,
            "next_try_at": news.now,
        }
        rows.insert(connection, "alert_message", row)


def _give_up(connection: Connection, news: News) -> tuple[alerts.GivenUp, ...]:
    """Stop trying what is too old, what has nowhere to go any more, and ends of which nobody heard the start."""
    given_up: list[alerts.GivenUp] = []
    lost: set[tuple[int, str]] = set()
    for row in connection.execute(_WAITING).fetchall():
        key = (row["alert_id"], row["channel"])
        if row["channel"] not in news.channels:
            why = "it is no longer among alert_urls and alert_command"
        elif key in lost:
            why = "its start did not arrive either"
        elif row["attempts"] and news.now - rows.moment_of(row["created_at"]) > alerts.GIVEN_UP_AFTER:
            why = row["last_error"] or "it did not arrive"
        else:
            continue
        lost.add(key)
        rows.update(connection, "alert_message", {"given_up_at": news.now}, "id = ?", [row["id"]])
        given_up.append(alerts.GivenUp(channel=row["channel"], message=_message(row), why=why))
    return tuple(given_up)


def _remember(connection: Connection, news: News) -> None:
    """Keep the levels of disks and the clock, where they say something new."""
    now, kept = news.now, _levels(connection, news.now)
    for system in news.disks:
        level = DiskLevel(mount_point=in_utf8(system.mount_point), at=now, free_bytes=system.free_bytes)
        if is_level_due([each for each in kept if each.mount_point == level.mount_point], now):
            # Those that lie ahead were noted before the clock was set back.
            outdated = (rows.moment_text(now - TREND_WINDOW), rows.moment_text(now))
            connection.execute("DELETE FROM disk_level WHERE at < ? OR at > ?", outdated)
            rows.put(connection, "disk_level", [level])
    if news.clock is not None:
        rows.put(connection, "alert_clock", [{"id": 1, **asdict(news.clock)}])
