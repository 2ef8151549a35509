"""Moments for people at a terminal: in the time of their clock, and in UTC where that is another."""

from datetime import UTC, datetime, tzinfo

from wnm.views.words import relative


def local(moment: datetime, zone: tzinfo | None) -> datetime:
    """The moment in this zone; None is that of the machine, with the rules that held then.

    Where TZ names a zone that there cannot be the clock shows UTC.
    """
    try:
        return moment.astimezone(zone)
    except ValueError:
        return moment.astimezone(UTC)


def at(moment: datetime, zone: tzinfo | None) -> str:
    """`2026-03-01 13:00:00 CET (12:00:00 UTC)`; where the clock shows UTC, `2026-03-01 12:00:00 UTC`."""
    here, there = local(moment, zone), moment.astimezone(UTC)
    if not here.utcoffset():
        return f"{there:%Y-%m-%d %H:%M:%S} UTC"
    day = "" if here.date() == there.date() else f"{there:%Y-%m-%d} "
    return f"{here:%Y-%m-%d %H:%M:%S} {here.tzname()} ({day}{there:%H:%M:%S} UTC)"


def at_and_ago(moment: datetime, now: datetime, zone: tzinfo | None) -> str:
    """`2026-03-01 13:00:00 CET (12:00:00 UTC), 3 h ago`."""
    return f"{at(moment, zone)}, {relative(moment, now)}"


def day(moment: datetime, zone: tzinfo | None) -> str:
    """`Sunday 2026-03-01`, never in the words of another language."""
    names = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
    here = local(moment, zone)
    return f"{names[here.weekday()]} {here:%Y-%m-%d}"


def zone_name(moment: datetime, zone: tzinfo | None, since: datetime | None = None) -> str:
    """What the clock's time is called then: `CET`, `UTC`; `CET and CEST` where it was another since."""
    here = local(moment, zone)
    name = (here.tzname() or "local time") if here.utcoffset() else "UTC"
    before = name if since is None else zone_name(since, zone)
    return name if before == name else f"{before} and {name}"
