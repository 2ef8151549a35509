"""Messages on their way: which of those that wait are to be sent now, and in which order."""

from collections.abc import Iterable
from datetime import datetime

from wnm.core.alerts.pauses import is_due
from wnm.core.alerts.values import Message
from wnm.core.values import Moment, Value


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
    """What to send now by channel, oldest first.

    The oldest message of a channel decides for all behind it: an end never overtakes its start.
    """
    by_channel: dict[str, list[Waiting]] = {}
    for each in sorted(waiting, key=lambda each: each.id):
        by_channel.setdefault(each.channel, []).append(each)
    return {
        channel: tuple(queue) for channel, queue in by_channel.items() if is_due(queue[0].next_try_at, now)
    }
