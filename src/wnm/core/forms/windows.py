"""Times of the week in which something may happen."""

import re
from datetime import datetime, timedelta

from wnm.core.forms.form import Form
from wnm.core.host import Host
from wnm.core.values import Value

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_TEXT = re.compile(r"(?:([a-z,-]+)\s+)?([0-9]{1,2}):([0-9]{2})\s*-\s*([0-9]{1,2}):([0-9]{2})")
_WHOLE_DAY = timedelta(days=1)


class Window(Value, frozen=True, kw_only=True):
    """A range of local time on some weekdays (Monday is 0), `start` to before `end` after midnight.

    One whose end is not after its start reaches into the next day; `days` are those on which it begins.
    """

    days: tuple[int, ...]
    start: timedelta
    end: timedelta

    def is_open(self, at: datetime) -> bool:
        """Whether local time `at` lies in it."""
        return any(begin <= at < begin + self._length for begin in self._begins(at))

    def next_opening(self, at: datetime) -> datetime:
        """When it opens next at or after local time `at`."""
        return min(begin for begin in self._begins(at) if begin >= at)

    @property
    def _length(self) -> timedelta:
        length = self.end - self.start
        return length if length > timedelta(0) else length + _WHOLE_DAY

    def _begins(self, at: datetime) -> list[datetime]:
        midnight = at.replace(hour=0, minute=0, second=0, microsecond=0)
        days = (midnight + timedelta(days=offset) for offset in range(-1, 9))
        return [day + self.start for day in days if day.weekday() in self.days]


def window() -> Form[Window]:
    """Local time as `02:00-05:30`, after weekdays if only some are meant: `sat,sun 22:00-06:00`, `mon-fri …`."""
    return Form(
        parse=_parse,
        render=_render,
        accepts="local time such as 02:00-05:30, also on some days only: sat,sun 22:00-06:00 or mon-fri 01:00-04:00",
        shown="'[DAYS] HH:MM-HH:MM'",
    )


def _parse(text: str, host: Host) -> Window:
    found = _TEXT.fullmatch(text.lower())
    if found is None:
        raise ValueError("it does not have the right form")
    days, *clock = found.groups()
    start, end = _moment(clock[0], clock[1]), _moment(clock[2], clock[3])
    if start >= _WHOLE_DAY:
        raise ValueError("a window begins at 23:59 at the latest")
    return Window(days=_days(days), start=start, end=end)


def _moment(hours: str, minutes: str) -> timedelta:
    moment = timedelta(hours=int(hours), minutes=int(minutes))
    if int(minutes) > 59 or moment > _WHOLE_DAY:
        raise ValueError(f"{hours}:{minutes} is no time of day")
    return moment


def _days(text: str | None) -> tuple[int, ...]:
    if text is None:
        return tuple(range(7))
    found: set[int] = set()
    for part in text.split(","):
        first, dash, last = part.partition("-")
        for name in (first, last) if dash else (first,):
            if name not in DAYS:
                raise ValueError(f"{name[:20]!r} is no weekday; they are {', '.join(DAYS)}")
        begin, end = DAYS.index(first), DAYS.index(last if dash else first)
        found.update(range(begin, end + 1) if begin <= end else (*range(begin, 7), *range(end + 1)))
    return tuple(sorted(found))


def _render(value: Window) -> str:
    days = "" if len(value.days) == 7 else ",".join(DAYS[day] for day in value.days) + " "
    return f"{days}{_clock(value.start)}-{_clock(value.end)}"


def _clock(moment: timedelta) -> str:
    minutes = int(moment.total_seconds()) // 60
    return f"{minutes // 60:02d}:{minutes % 60:02d}"
