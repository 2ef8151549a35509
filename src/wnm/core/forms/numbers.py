"""Numbers with bounds: counts, percentages, sizes in bytes, durations and blocks of ports."""

import math
import re
from datetime import timedelta
from typing import Literal

from wnm.core.forms.form import Form
from wnm.core.host import Host

_WHOLE = re.compile(r"[+-]?[0-9]{1,18}")
_DECIMAL = re.compile(r"[+-]?(?:[0-9]{1,18}(?:\.[0-9]{0,30})?|\.[0-9]{1,30})(?:[eE][+-]?[0-9]{1,3})?")
_SIZE = re.compile(rf"({_DECIMAL.pattern})\s*(?:([kKMGTP])(i?))?B?(?:/s)?")
_DURATION = re.compile(rf"({_DECIMAL.pattern})\s*(ms|s|m|min|h|d)?")
_POWERS = {"K": 1, "M": 2, "G": 3, "T": 4, "P": 5}
_SPANS = {
    "ms": timedelta(milliseconds=1),
    "s": timedelta(seconds=1),
    "m": timedelta(minutes=1),
    "min": timedelta(minutes=1),
    "h": timedelta(hours=1),
    "d": timedelta(days=1),
}
PORTS_PER_BLOCK = 1000
_LAST_BLOCK = 65


def plain(number: float) -> str:
    """A number without a needless fraction: `70` for 70.0."""
    return str(int(number)) if float(number).is_integer() else repr(number)


def _decimal(text: str) -> float:
    if not _DECIMAL.fullmatch(text):
        raise ValueError("it is not a number")
    number = float(text)
    if not math.isfinite(number):
        raise ValueError("it is not a finite number")
    return number


def _whole(text: str) -> int:
    if not _WHOLE.fullmatch(text):
        raise ValueError("it is not a whole number")
    return int(text)


def _within[N: (int, float, timedelta)](number: N, low: N, high: N) -> N:
    if not low <= number <= high:
        raise ValueError("it is out of bounds")
    return number


def whole(low: int, high: int, unit: str = "") -> Form[int]:
    """A whole number in `unit`, bounds included."""

    def parse(text: str, host: Host) -> int:
        return _within(_whole(text), low, high)

    return Form(parse=parse, render=str, accepts=_range("a whole number", low, high, unit), shown="N")


def decimal(low: float, high: float, unit: str = "") -> Form[float]:
    """A number in `unit`, bounds included, fractions allowed."""

    def parse(text: str, host: Host) -> float:
        return _within(_decimal(text.removesuffix("%").rstrip() if unit == "%" else text), low, high)

    return Form(
        parse=parse, render=plain, accepts=_range("a number", low, high, unit), shown=unit.upper() or "X"
    )


def size(low: int, high: int, unit: str = "bytes") -> Form[int]:
    """A number of bytes: plain, as `1.5e6`, or with k M G T P (powers of 1000) or Ki Mi … (of 1024)."""

    def parse(text: str, host: Host) -> int:
        match = _SIZE.fullmatch(text)
        if not match:
            raise ValueError("it is not a size")
        digits, prefix, binary = match.groups()
        factor = (1024 if binary else 1000) ** _POWERS[prefix.upper()] if prefix else 1
        # Digits alone are read exactly; a float would lose some of the largest ones.
        number = int(digits) * factor if _WHOLE.fullmatch(digits) else _decimal(digits) * factor
        if not float(number).is_integer():
            raise ValueError("it is not a whole number of bytes")
        return _within(int(number), low, high)

    accepts = _range("a size", low, high, unit) + ", also written as 10M, 2GB, 1.5e6 or 4GiB"
    return Form(parse=parse, render=str, accepts=accepts, shown="SIZE")


def duration(
    unit: Literal["milliseconds", "seconds", "minutes", "hours"], low: timedelta, high: timedelta
) -> Form[timedelta]:
    """A span of time: a plain number counts in `unit`; ms, s, m, h and d may be written behind it."""
    one = {
        "milliseconds": _SPANS["ms"],
        "seconds": _SPANS["s"],
        "minutes": _SPANS["m"],
        "hours": _SPANS["h"],
    }[unit]

    def parse(text: str, host: Host) -> timedelta:
        match = _DURATION.fullmatch(text)
        if not match:
            raise ValueError("it is not a time")
        number, span = _decimal(match[1]), _SPANS[match[2]] if match[2] else one
        # The float is bounded first: a timedelta overflows far below what a float can hold.
        _within(number * (span / one), low / one, high / one)
        return _within(number * span, low, high)

    bounds = _range("a number", low / one, high / one, unit)
    accepts = f"{bounds}, also with ms, s, m, h or d behind it"
    return Form(parse=parse, render=lambda value: plain(value / one), accepts=accepts, shown=unit.upper())


def port_block() -> Form[int]:
    """The thousands of a block of ports: 55 stands for 55001 and up; 55000 is accepted for 55."""

    def parse(text: str, host: Host) -> int:
        number = _whole(text)
        if number >= PORTS_PER_BLOCK:
            number, rest = divmod(number, PORTS_PER_BLOCK)
            if rest:
                raise ValueError("it is not a whole number of thousands")
        return _within(number, 1, _LAST_BLOCK)

    accepts = f"a whole number of thousands from 1 to {_LAST_BLOCK} (55 or 55000)"
    return Form(parse=parse, render=str, accepts=accepts, shown="THOUSANDS")


def _range(what: str, low: float, high: float, unit: str) -> str:

    return f"{what} from {plain(low)} to {plain(high)}{' ' + unit if unit else ''}"
