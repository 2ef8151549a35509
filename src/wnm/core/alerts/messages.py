"""What is said at the start of an alert, at its end, and to try whether messages arrive."""

from datetime import datetime, timedelta
from hashlib import sha256

from wnm.core.alerts.values import Episode, Event, Message, Severity


def message_of(episode: Episode, event: Event, machine_seed: int) -> Message:
    """The message about the start or the end of an episode; always the same one for the same episode."""
    since = episode.started_at or episode.since
    ended = event is Event.END and episode.ended_at is not None
    at = episode.ended_at if ended and episode.ended_at is not None else since
    return Message(
        id=message_id(f"{machine_seed}:{episode.key}:{episode.subject}:{since.isoformat()}:{event}"),
        event=event,
        key=episode.key,
        subject=episode.subject,
        severity=episode.severity,
        text=f"over after {in_words(at - since)}: {episode.text}" if ended else episode.text,
        remedy=None if ended else episode.remedy,
        since=since,
        at=at,
    )


def test_message(now: datetime) -> Message:
    """A message that says that messages arrive."""
    return Message(
        id=message_id(f"test:{now.isoformat()}"),
        event=Event.TEST,
        key="test",
        subject="wnm",
        severity=Severity.WARNING,
        text="this is a test: alerts of wnm arrive here",
        remedy=None,
        since=now,
        at=now,
    )


def message_id(about: str) -> str:
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
