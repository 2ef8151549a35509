"""Reads and writes each kind of setting: its text, its value, its bounds, and the words for what it takes."""

import math
import posixpath
import re
import shlex
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Literal
from urllib.parse import urlsplit

from wnm.core.host import Host
from wnm.core.values import Value

LONGEST_TEXT = 10_000
# Control characters, the other line separators, and what is left of bytes that are not UTF-8: none of them
# may reach a unit file, a log line or the database.
UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
TRUE_WORDS = frozenset({"true", "yes", "on", "1"})
BOOLEAN_WORDS = TRUE_WORDS | frozenset({"false", "no", "off", "0"})


class Form[T](Value, frozen=True, kw_only=True):
    """The format of a value: `parse(render(value)) == value`; `render(parse(text))` is the canonical text.

    `parse` raises ValueError with the reason. `accepts` says in words what it takes, bounds included.
    `clearable` forms take the empty text. `addresses` lists the wallet addresses in a value.
    """

    parse: Callable[[str, Host], T]
    render: Callable[[T], str]
    accepts: str
    shown: str
    choices: tuple[str, ...] = ()
    clearable: bool = False
    is_switch: bool = False
    addresses: Callable[[T], tuple[str, ...]] = lambda value: ()

    def read(self, text: str, host: Host) -> T:
        """Parse text that comes from outside. ValueError, with the reason, if it is not acceptable."""
        if UNPRINTABLE.search(text):
            raise ValueError("it holds a line break or another control character")
        if len(text) > LONGEST_TEXT:
            raise ValueError(f"it is longer than {LONGEST_TEXT} characters")
        stripped = text.strip()
        if not stripped and not self.clearable:
            raise ValueError("it is empty")
        return self.parse(stripped, host)


def optional[T](form: Form[T]) -> Form[T | None]:
    """The same form, with empty text (or `none`) for no value."""

    def parse(text: str, host: Host) -> T | None:
        return None if text.lower() in ("", "none") else form.parse(text, host)

    return Form(
        parse=parse,
        render=lambda value: "" if value is None else form.render(value),
        accepts=f"{form.accepts}, or empty for none",
        shown=form.shown,
        choices=form.choices,
        clearable=True,
    )


def choice(*choices: str, aliases: Mapping[str, str] | None = None) -> Form[str]:
    """One of a few words; an alias is accepted for the word it stands for."""
    meant = {word: word for word in choices} | dict(aliases or {})

    def parse(text: str, host: Host) -> str:
        try:
            return meant[text.lower()]
        except KeyError:
            raise ValueError("it is not one of the choices") from None

    also = f" (also {', '.join(aliases)})" if aliases else ""
    return Form(
        parse=parse,
        render=str,
        accepts=f"one of {', '.join(choices)}{also}",
        shown="|".join(choices),
        choices=choices,
    )


def switch() -> Form[bool]:
    """A boolean; on the command line the bare option means true."""

    def parse(text: str, host: Host) -> bool:
        word = text.lower()
        if word not in BOOLEAN_WORDS:
            raise ValueError("it is neither true nor false")
        return word in TRUE_WORDS

    return Form(
        parse=parse,
        render=lambda value: "true" if value else "false",
        accepts="true or false (also yes/no, on/off, 1/0)",
        shown="[true|false]",
        is_switch=True,
    )


def matching(pattern: re.Pattern[str], accepts: str, shown: str) -> Form[str]:
    """Text that matches a pattern as a whole and is kept as it is."""

    def parse(text: str, host: Host) -> str:
        if not pattern.fullmatch(text):
            raise ValueError("it does not have the right form")
        return text

    return Form(parse=parse, render=str, accepts=accepts, shown=shown)


# Numbers with bounds: counts, percentages, sizes in bytes, durations and blocks of ports

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


# Names and words: hosts, users, versions, and the arguments and environment of nodes

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_HOST_NAME = re.compile(r"(?!-)[A-Za-z0-9.-]{1,253}|[0-9A-Fa-f:.]*:[0-9A-Fa-f:.]*")
_USER_NAME = re.compile(r"(?!root$)[a-z_][a-z0-9_-]{0,31}")
_VERSION = re.compile(r"[0-9]{1,9}(?:\.[0-9]{1,9}){2}(?:-(?:alpha|beta|rc)(?:\.?[0-9]{1,9})?)?")
_COMMENT = re.compile(r"\s[;#]")
_UNSAFE = re.compile(r"([^\w@%+=:,./-])", re.ASCII)


def host_name() -> Form[str]:
    """A host name or an address."""
    return matching(_HOST_NAME, "a host name or an address, such as 127.0.0.1", "HOST")


def user_name() -> Form[str]:
    """The name of an unprivileged account."""
    return matching(_USER_NAME, "the name of an account other than root, in lower case", "USER")


def version() -> Form[str]:
    """A version as node programs write it; a leading `v` is dropped."""
    strict = matching(_VERSION, "a version such as 0.4.17 or 0.4.18-rc.1", "VERSION")
    return Form(
        parse=lambda text, host: strict.parse(text.removeprefix("v"), host),
        render=str,
        accepts=strict.accepts,
        shown=strict.shown,
    )


def arguments() -> Form[tuple[str, ...]]:
    """Arguments of a program, quoted as for a shell; no shell ever sees them."""
    return Form(
        parse=lambda text, host: tuple(_split(text)),
        render=lambda words: " ".join(map(_quote, words)),
        accepts="arguments, quoted as for a shell; empty for none",
        shown="'ARG …'",
        clearable=True,
    )


def variables() -> Form[tuple[tuple[str, str], ...]]:
    """Variables as `NAME=value` words, quoted as for a shell; no shell ever sees them."""

    def parse(text: str, host: Host) -> tuple[tuple[str, str], ...]:
        pairs = [word.partition("=") for word in _split(text)]
        for name, equals, _ in pairs:
            if not equals or not _NAME.fullmatch(name):
                raise ValueError(f"{name[:40]!r} is not of the form NAME=value")
        names = [name for name, _, _ in pairs]
        twice = next((name for name in names if names.count(name) > 1), None)
        if twice is not None:
            raise ValueError(f"{twice} is in it twice")
        return tuple((name, value) for name, _, value in pairs)

    return Form(
        parse=parse,
        render=lambda pairs: " ".join(f"{name}={_quote(value)}" for name, value in pairs),
        accepts="NAME=value words, quoted as for a shell; empty for none",
        shown="'NAME=value …'",
        clearable=True,
    )


def _split(text: str) -> list[str]:
    try:
        return shlex.split(text)
    except ValueError:
        raise ValueError("a quote in it is not closed, or it ends in a backslash") from None


def _quote(word: str) -> str:
    # Inside quotes a config file would take blank and # for a comment in some places, so such words get
    # backslashes instead.
    return _UNSAFE.sub(r"\\\1", word) if _COMMENT.search(word) else shlex.quote(word)


# Paths: always absolute in the end, with `~` and `$VAR` expanded

_VARIABLE = re.compile(r"\$(?:\{(\w+)\}|(\w+))", re.ASCII)
# A config file could not hold such a path: what follows the quote would be taken for a comment.
_LOOKS_LIKE_A_COMMENT = re.compile(r"""["']\s+[;#]""")


def expand(text: str, host: Host) -> str:
    """An absolute path without `.`, `..` and doubled slashes. ValueError says what is wrong with it."""

    def value_of(match: re.Match[str]) -> str:
        name = match[1] or match[2]
        if not host.environ.get(name):
            raise ValueError(f"the variable {name} is not set")
        return host.environ[name]

    path = _VARIABLE.sub(value_of, text)
    if path == "~" or path.startswith("~/"):
        path = posixpath.join(host.home, path[2:])
    elif path.startswith("~"):
        raise ValueError("the folder of another user has to be written in full")
    if not path.startswith("/"):
        raise ValueError("it is not absolute: it has to start with / or ~ or a variable that does")
    if "$" in path or _LOOKS_LIKE_A_COMMENT.search(path) or UNPRINTABLE.search(path):
        raise ValueError("it holds characters that no path of a setting may hold")
    # POSIX keeps two leading slashes apart; here they mean nothing.
    return posixpath.normpath("/" + path.lstrip("/"))


def folder() -> Form[str]:
    """A folder, or a file: an absolute path."""
    return Form(parse=expand, render=str, accepts="an absolute path (~ and $VAR are expanded)", shown="PATH")


def folders() -> Form[tuple[str, ...]]:
    """One or more folders, comma separated; none of them may be `/` or lie inside another."""

    def parse(text: str, host: Host) -> tuple[str, ...]:
        parts = [part.strip() for part in text.split(",")]
        if not all(parts):
            raise ValueError("there is an empty path in it")
        paths = tuple(expand(part, host) for part in parts)
        if "/" in paths or any("," in path for path in paths):
            raise ValueError("/ as a whole, or a folder with a comma in its name, cannot hold nodes")
        for one in paths:
            if sum(other == one or other.startswith(f"{one}/") for other in paths) > 1:
                raise ValueError(f"{one} is in it twice, or holds another of the folders")
        return paths

    return Form(
        parse=parse,
        render=",".join,
        accepts="one or more absolute paths, comma separated (~ and $VAR are expanded)",
        shown="PATH[,PATH…]",
    )


# Wallets: addresses, the names that stand for addresses, and weighted lists of both

FAUCET = "0x00455d78f850b0358E8cea5be24d415E01E107CF"
"""The community's faucet: what `faucet` stands for."""

_WALLET_ADDRESS = re.compile(r"0x[0-9a-fA-F]{40}")
_WORDS = ("faucet", "donate")
_WEIGHT = whole(1, 1_000_000)
_MOST_WALLETS = 100


class WeightedWallet(Value, frozen=True, kw_only=True):
    """An address, or the word `faucet` or `donate`, and how often it is drawn compared with the others."""

    name_or_address: str
    weight: int


def address() -> Form[str]:
    """One address, or `faucet` for the faucet's."""

    def parse(text: str, host: Host) -> str:
        return FAUCET if text.lower() == "faucet" else _address(text)

    return Form(
        parse=parse,
        render=str,
        accepts="0x and 40 hexadecimal digits, or faucet",
        shown="ADDRESS",
        addresses=lambda value: _with_checksum([value]),
    )


def wallets() -> Form[tuple[WeightedWallet, ...]]:
    """One wallet, or a list such as `0xA…:100,faucet:1,donate:10`; a weight that is left out is 1."""

    def parse(text: str, host: Host) -> tuple[WeightedWallet, ...]:
        parts = text.split(",")
        if len(parts) > _MOST_WALLETS:
            raise ValueError(f"it holds more than {_MOST_WALLETS} wallets")
        return tuple(_wallet(part.strip(), host) for part in parts)

    return Form(
        parse=parse,
        render=_wallets_text,
        accepts=(
            "0x and 40 hexadecimal digits, or donate, or faucet, or a list with weights from 1 to 1000000 "
            "such as 0x…:100,faucet:1,donate:10"
        ),
        shown="WALLETS",
        addresses=lambda value: _with_checksum([wallet.name_or_address for wallet in value]),
    )


def _wallet(text: str, host: Host) -> WeightedWallet:
    who, colon, weight = (part.strip() for part in text.partition(":"))
    name = who.lower() if who.lower() in _WORDS else _address(who)
    try:
        return WeightedWallet(name_or_address=name, weight=_WEIGHT.parse(weight, host) if colon else 1)
    except ValueError:
        raise ValueError(f"the weight {weight[:20]!r} is not a whole number from 1 to 1000000") from None


def _address(text: str) -> str:
    if not _WALLET_ADDRESS.fullmatch(text):
        raise ValueError(f"{text[:50]!r} is not an address")
    return text


def _wallets_text(value: tuple[WeightedWallet, ...]) -> str:
    if len(value) == 1 and value[0].weight == 1:
        return value[0].name_or_address
    return ",".join(f"{wallet.name_or_address}:{wallet.weight}" for wallet in value)


def _with_checksum(names: list[str]) -> tuple[str, ...]:
    """Those that carry a checksum: addresses in mixed case."""
    return tuple(name for name in names if name[2:] not in (name[2:].lower(), name[2:].upper()))


# Times of the week in which something may happen

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_WINDOW = re.compile(r"(?:([a-z,-]+)\s+)?([0-9]{1,2}):([0-9]{2})\s*-\s*([0-9]{1,2}):([0-9]{2})")
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
        parse=_window_of,
        render=_window_text,
        accepts="local time such as 02:00-05:30, also on some days only: sat,sun 22:00-06:00 or mon-fri 01:00-04:00",
        shown="'[DAYS] HH:MM-HH:MM'",
    )


def _window_of(text: str, host: Host) -> Window:
    found = _WINDOW.fullmatch(text.lower())
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


def _window_text(value: Window) -> str:
    days = "" if len(value.days) == 7 else ",".join(DAYS[day] for day in value.days) + " "
    return f"{days}{_clock(value.start)}-{_clock(value.end)}"


def _clock(moment: timedelta) -> str:
    minutes = int(moment.total_seconds()) // 60
    return f"{minutes // 60:02d}:{minutes % 60:02d}"


# Addresses that messages are sent to; they hold tokens, so no error repeats one

# Apprise addresses may hold commas themselves; one that begins the next address is followed by its scheme.
_BETWEEN = re.compile(r"\s*,\s*(?=[A-Za-z][A-Za-z0-9+.-]*://)")
_MESSAGE_ADDRESS = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://\S+")


def _web(text: str) -> str:
    try:
        parts = urlsplit(text)
        hostname, _ = parts.hostname, parts.port
    except ValueError:
        raise ValueError("it is not an address") from None
    if parts.scheme.lower() not in ("http", "https") or not hostname or re.search(r"\s", text):
        raise ValueError("it has to begin with https:// or http:// and name a host")
    return text


def web_address() -> Form[str]:
    """An address that can be asked for by HTTP."""
    return Form(
        parse=lambda text, host: _web(text),
        render=str,
        accepts="an address that begins with https:// or http://",
        shown="URL",
    )


def message_addresses() -> Form[tuple[str, ...]]:
    """Webhooks (https://…, http://…) and addresses of Apprise (any other scheme), comma separated."""

    def parse(text: str, host: Host) -> tuple[str, ...]:
        if not text or text.lower() == "none":
            return ()
        addresses = tuple(dict.fromkeys(_BETWEEN.split(text)))
        for number, address in enumerate(addresses, 1):
            if not _MESSAGE_ADDRESS.fullmatch(address):
                raise ValueError(f"number {number} of them is not of the form SCHEME://…")
            if address.lower().startswith(("http://", "https://")):
                _web(address)
        return addresses

    return Form(
        parse=parse,
        render=",".join,
        accepts="addresses such as https://HOST/PATH (a webhook) or of Apprise, comma separated; empty for none",
        shown="URL[,URL…]",
        clearable=True,
    )
