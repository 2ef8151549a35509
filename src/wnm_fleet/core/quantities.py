"""Reads and writes the quantities that people type: amounts of memory and spans of time."""

import re
from datetime import timedelta

_POWERS = {"": 0, "k": 1, "m": 2, "g": 3, "t": 4, "p": 5}
_SIZE = re.compile(r"(\d{1,15}(?:\.\d{1,9})?)\s*([kmgtpKMGTP]?)(i?)[bB]?")
_PART = re.compile(r"(\d{1,12}(?:\.\d{1,9})?)(ms|s|m|h|d|w)")
_UNITS = {
    "ms": timedelta(milliseconds=1),
    "s": timedelta(seconds=1),
    "m": timedelta(minutes=1),
    "h": timedelta(hours=1),
    "d": timedelta(days=1),
    "w": timedelta(weeks=1),
}
LONGEST = timedelta(days=3650)


def size(text: str) -> int:
    """Return the bytes of `32Gi`, `512M` (powers of 1000), `1.5GiB` or a plain number. ValueError, with the reason."""
    match = _SIZE.fullmatch(text.strip())
    if match is None:
        raise ValueError(f"{text!r} is no amount: write it as 32Gi, 512Mi or 2G")
    digits, prefix, binary = match.groups()
    if binary and not prefix:
        raise ValueError(f"{text!r} is no amount: write it as 32Gi, 512Mi or 2G")
    factor: int = (1024 if binary else 1000) ** _POWERS[prefix.lower()]
    number: int = int(digits) * factor if digits.isdigit() else round(float(digits) * factor)
    if not 1 <= number < 1 << 60:
        raise ValueError(f"{text!r} is not between 1 byte and 1 EiB")
    return number


def duration(text: str) -> timedelta:
    """Return the span of `24h`, `1h30m`, `90d` or `500ms`. ValueError, with the reason."""
    rest, whole = text.strip().lower(), timedelta()
    matches = list(_PART.finditer(rest))
    if not matches or "".join(match[0] for match in matches) != rest:
        raise ValueError(f"{text!r} is no span of time: write it as 30s, 15m, 24h or 7d")
    units = [match[2] for match in matches]
    if len(set(units)) != len(units):
        raise ValueError(f"{text!r} names a unit twice")
    for match in matches:
        if float(match[1]) * (_UNITS[match[2]] / LONGEST) > 1:
            raise ValueError(f"{text!r} is longer than ten years")
        whole += float(match[1]) * _UNITS[match[2]]
    if not timedelta() < whole <= LONGEST:
        raise ValueError(f"{text!r} is not between a millisecond and ten years")
    return whole


def size_text(number: int) -> str:
    """Return bytes in the largest binary unit that needs at most one digit behind the point: `1.5Gi`."""
    value, unit = float(number), ""
    for unit in ("", "Ki", "Mi", "Gi", "Ti", "Pi"):
        if value < 1024 or unit == "Pi":
            break
        value /= 1024
    return f"{value:.0f}{unit or 'B'}" if value >= 100 or value == int(value) else f"{value:.1f}{unit}"


def duration_text(span: timedelta) -> str:
    """Return a span in its two largest units: `2d3h`, `1h30m`, `45s`."""
    seconds = max(round(span.total_seconds()), 0)
    parts = []
    for unit, length in (("d", 86_400), ("h", 3600), ("m", 60), ("s", 1)):
        count, seconds = divmod(seconds, length)
        if count:
            parts.append(f"{count}{unit}")
        elif parts:
            break
    return "".join(parts[:2]) or "0s"
