"""Readings and reservations that other programs of this machine hand over: wnm shows, subtracts and ages them."""

from collections.abc import Mapping
from datetime import datetime, timedelta

from wnm.core.values import Moment, Value

FRESH_INTERVALS = 3
"""A reading that is not renewed counts for so many of its intervals."""


class Reservation(Value, frozen=True, kw_only=True):
    """A part of this machine that is spoken for; `disk_bytes` is by path. Without `until` it lasts until withdrawn."""

    owner: str
    cores: float = 0.0
    memory_bytes: int = 0
    disk_bytes: Mapping[str, int] = {}
    until: Moment | None = None

    def holds(self, now: datetime) -> bool:
        """Whether it still counts."""
        return self.until is None or now < self.until


class ForeignReading(Value, frozen=True, kw_only=True):
    """One figure that another program measured, such as a GPU's memory; `value` is None where it saw none.

    `source` names the program, `key` what was measured (in `unit`), `subject` of which thing. `owner` is what takes
    part of the machine, where the reading is about that; `interval` is how often it is renewed.
    """

    source: str
    key: str
    subject: str
    value: float | None
    unit: str
    at: Moment
    interval: timedelta
    owner: str | None = None

    def is_fresh(self, now: datetime) -> bool:
        """Whether it is young enough to count."""
        return now - self.at < FRESH_INTERVALS * self.interval
