"""How our values lie in SQLite columns."""

import json
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Dialect, Text
from sqlalchemy.types import TypeDecorator

from wnm.core.errors import Bug


class UnreadableError(Exception):
    """A stored value that wnm cannot have written."""


class Moment(TypeDecorator[datetime]):
    """An aware time as ISO 8601 text in UTC, of one width so that it sorts."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> str | None:
        if value is None:
            return None
        if value.tzinfo is None:
            raise Bug(f"{value} has no time zone")
        return value.astimezone(UTC).isoformat(timespec="microseconds")

    def process_result_value(self, value: Any | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        try:
            moment = datetime.fromisoformat(value)
        except (TypeError, ValueError):
            raise UnreadableError(f"{value!r:.60} is not a time") from None
        if moment.tzinfo is None:
            raise UnreadableError(f"{value!r:.60} has no time zone")
        return moment


class Json(TypeDecorator[Any]):
    """JSON-able data as compact text; None is NULL."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: Any | None, dialect: Dialect) -> str | None:
        return None if value is None else json.dumps(value, separators=(",", ":"))

    def process_result_value(self, value: Any | None, dialect: Dialect) -> Any | None:
        if value is None:
            return None
        try:
            return json.loads(value)
        except (TypeError, ValueError, RecursionError):
            raise UnreadableError(f"{value!r:.60} is not JSON") from None


class Prose(TypeDecorator[str]):
    """Text for people. What UTF-8 cannot hold is written as an escape, since it must never stop a cycle."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:
        return None if value is None else value.encode("utf-8", "backslashreplace").decode("utf-8")
