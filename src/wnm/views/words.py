"""Writes times, sizes, amounts and foreign texts for people."""

from datetime import UTC, datetime, timedelta, tzinfo

from wnm.core.decision import BY_HAND
from wnm.core.earnings import ATTOS_PER_ANT, ant_text

NOTHING = "-"
"""The sign in a table for a value that is not known."""

_LONGEST_NAME = 20
_SIZES = ("B", "kB", "MB", "GB", "TB", "PB")


def by_rule(rule: str) -> str:
    """Return the origin of a decision: `by growth`, `by hand`."""
    return printable(rule if rule == BY_HAND else f"by {rule}")


def with_reason(words: str, because: str) -> str:
    """Return the action, and its reason if that is known."""
    return f"{words}: {printable(because)}" if because else words


def absolute(moment: datetime) -> str:
    """`2026-03-01 12:00:00 UTC`."""
    return at(moment, UTC)


def relative(moment: datetime, now: datetime) -> str:
    """`in 3 min`, `40 s ago` or `now`."""
    distance = moment - now
    if abs(distance) < timedelta(seconds=1):
        return "now"
    return f"in {span(distance)}" if distance > timedelta(0) else f"{span(-distance)} ago"


def both(moment: datetime, now: datetime) -> str:
    """`2026-03-01 12:00:00 UTC (in 3 min)`."""
    return f"{absolute(moment)} ({relative(moment, now)})"


def span(length: timedelta) -> str:
    """A length of time in its largest unit that has two of itself: `90 s`, `3 min`, `5 h`, `4 days`."""
    seconds = length.total_seconds()
    for unit, unit_seconds in (("days", 86400), ("h", 3600), ("min", 60)):
        if seconds >= 2 * unit_seconds:
            return f"{seconds / unit_seconds:.0f} {unit}"
    return f"{seconds:.0f} s"


def window(seconds: float) -> str:
    """A time that rates were taken over: `60 s`, `0.4 s`."""
    return f"{seconds:.0f} s" if seconds >= 10 else f"{seconds:.1f} s"


def size(count: int) -> str:
    """Bytes with a power of 1000: `12.3 GB`."""
    amount, unit = float(count), _SIZES[0]
    for unit in _SIZES:
        if abs(amount) < 999.95 or unit == _SIZES[-1]:
            break
        amount /= 1000
    return f"{count} B" if unit == _SIZES[0] else f"{amount:.1f} {unit}"


def short_ant(attos: int) -> str:
    """An amount in ANT for a table: exact where that is short, else rounded."""
    exact, amount = ant_text(attos), attos / ATTOS_PER_ANT
    return exact if len(exact) <= 8 else f"{amount:,.0f}" if amount >= 10_000 else f"{amount:.4g}"


def printable(text: str) -> str:
    """Text from elsewhere on one line and without anything that a terminal would obey."""
    line = " ".join(text.split())
    return line if line.isprintable() else "".join(char if char.isprintable() else "?" for char in line)


def short_name(name: str) -> str:
    """A node's name for a table: one that somebody else gave may be long, and differ from others only at its end."""
    shown = printable(name)
    if len(shown) <= _LONGEST_NAME:
        return shown
    half = (_LONGEST_NAME - 3) // 2
    return f"{shown[: _LONGEST_NAME - 3 - half]}...{shown[-half:]}"


def shorten(text: str, width: int) -> str:
    """At most `width` characters, cut at a word where that loses little."""
    if len(text) <= width:
        return text
    if width <= 3:
        return text[:width]
    cut = text[: width - 3]
    words = cut.rpartition(" ")[0]
    return f"{words if len(words) > len(cut) * 2 // 3 else cut}..."


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
    """Return the name of the clock's time then: `CET`, `UTC`; `CET and CEST` where it was another since."""
    here = local(moment, zone)
    name = (here.tzname() or "local time") if here.utcoffset() else "UTC"
    before = name if since is None else zone_name(since, zone)
    return name if before == name else f"{before} and {name}"
