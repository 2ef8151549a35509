"""Reads and writes each kind of setting: its text, its value, its bounds, and the words for what it takes."""

import math
import posixpath
import re
import shlex
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any, Literal
from urllib.parse import urlsplit

from msgspec.structs import replace

from wnm.core.host import Host
from wnm.core.values import Value

LONGEST_TEXT = 10_000
# Control characters, the other line separators, and what is left of bytes that are not UTF-8: none of them
# may reach a unit file, a log line or the database.
UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
TRUE_WORDS = frozenset({"true", "yes", "on", "1"})
BOOLEAN_WORDS = TRUE_WORDS | frozenset({"false", "no", "off", "0"})


class Form[T](Value, frozen=True, kw_only=True):
    """The format of a value: `read(render(value)) == value`; `render(read(text))` is the canonical text.

    `parse` raises ValueError with the reason. `accepts` says in words what it takes, bounds included.
    `clearable` forms take the empty text, `optional` ones mean no value by it. `addresses` lists the wallet
    addresses in a value.
    """

    parse: Callable[[str, Host], T]
    render: Callable[[T], str] = str
    accepts: str
    shown: str
    choices: tuple[str, ...] = ()
    clearable: bool = False
    optional: bool = False
    is_switch: bool = False
    addresses: Callable[[T], tuple[str, ...]] | None = None

    def read(self, text: str, host: Host) -> T:
        """Parse text that comes from outside. ValueError, with the reason, if it is not acceptable."""
        if UNPRINTABLE.search(text):
            raise ValueError("it holds a line break or another control character")
        if len(text) > LONGEST_TEXT:
            raise ValueError(f"it is longer than {LONGEST_TEXT} characters")
        stripped = text.strip()
        if not stripped and not self.clearable:
            raise ValueError("it is empty")
        if self.optional and stripped.lower() in ("", "none"):
            return None  # type: ignore[return-value]  # only `optional` makes such a form
        return self.parse(stripped, host)


def optional[T](form: Form[T]) -> Form[T | None]:
    """The same form, with empty text (or `none`) for no value."""
    wider: Form[Any] = form
    return replace(
        wider,
        render=lambda value: "" if value is None else form.render(value),
        accepts=f"{form.accepts}, or empty for none",
        clearable=True,
        optional=True,
    )


def choice(*choices: str, aliases: Mapping[str, str] | None = None) -> Form[str]:
    """One of a few words; an alias is accepted for the word it stands for."""
    meant = {word: word for word in choices} | dict(aliases or {})

    def parse(text: str, host: Host) -> str:
        if text.lower() not in meant:
            raise ValueError("it is not one of the choices")
        return meant[text.lower()]

    also = f" (also {', '.join(aliases)})" if aliases else ""
    accepts = f"one of {', '.join(choices)}{also}"
    return Form(parse=parse, accepts=accepts, shown="|".join(choices), choices=choices)


def _truth(text: str, host: Host) -> bool:
    if text.lower() not in BOOLEAN_WORDS:
        raise ValueError("it is neither true nor false")
    return text.lower() in TRUE_WORDS


SWITCH = Form(
    parse=_truth,
    render={True: "true", False: "false"}.__getitem__,
    accepts="true or false (also yes/no, on/off, 1/0)",
    shown="[true|false]",
    is_switch=True,
)
"""A boolean; on the command line the bare option means true."""

# Numbers with bounds: counts, percentages, sizes in bytes, durations and blocks of ports

_WHOLE = re.compile(r"([+-]?[0-9]{1,18})")
_DIGITS = r"([+-]?(?:[0-9]{1,18}(?:\.[0-9]{0,30})?|\.[0-9]{1,30})(?:[eE][+-]?[0-9]{1,3})?)"
_DECIMAL, _PERCENT = re.compile(_DIGITS), re.compile(rf"{_DIGITS}(?:\s*%)?")
_SIZE = re.compile(rf"{_DIGITS}\s*([kKMGTP]i?)?B?(?:/s)?")
_DURATION = re.compile(rf"{_DIGITS}\s*(ms|s|m|min|h|d)?")
_FACTORS = {f"{prefix}i": 1024**power for power, prefix in enumerate("KMGTP", start=1)}
_FACTORS |= {prefix: 1000**power for power, prefix in enumerate("KMGTP", start=1)}
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


def _bounded[N: (int, float, timedelta)](
    low: N, high: N, pattern: re.Pattern[str], kind: str, value_of: Callable[..., N], **words: Any
) -> Form[N]:
    """A number that `value_of` makes of the groups of `pattern`, bounds included; `kind` is its name."""

    def parse(text: str, host: Host) -> N:
        found = pattern.fullmatch(text)
        if found is None:
            raise ValueError(f"it is not {kind}")
        number = value_of(*found.groups())
        if not low <= number <= high:
            raise ValueError("it is out of bounds")
        return number

    return Form(parse=parse, **words)


def _range(kind: str, low: float, high: float, unit: str) -> str:
    return f"{kind} from {plain(low)} to {plain(high)}{' ' + unit if unit else ''}"


def whole(low: int, high: int, unit: str = "") -> Form[int]:
    """A whole number in `unit`, bounds included."""
    accepts = _range("a whole number", low, high, unit)
    return _bounded(low, high, _WHOLE, "a whole number", int, accepts=accepts, shown="N")


def _finite(digits: str) -> float:
    number = float(digits)
    if not math.isfinite(number):
        raise ValueError("it is not a finite number")
    return number


def decimal(low: float, high: float, unit: str = "") -> Form[float]:
    """A number in `unit`, bounds included, fractions allowed."""
    pattern, accepts = _PERCENT if unit == "%" else _DECIMAL, _range("a number", low, high, unit)
    shown = unit.upper() or "X"
    return _bounded(low, high, pattern, "a number", _finite, render=plain, accepts=accepts, shown=shown)


def _bytes(digits: str, prefix: str | None) -> int:
    factor = _FACTORS[prefix[0].upper() + prefix[1:]] if prefix else 1
    # Digits alone are read exactly; a float would lose some of the largest ones.
    number = int(digits) * factor if _WHOLE.fullmatch(digits) else _finite(digits) * factor
    if not float(number).is_integer():
        raise ValueError("it is not a whole number of bytes")
    return int(number)


def size(low: int, high: int, unit: str = "bytes") -> Form[int]:
    """A number of bytes: plain, as `1.5e6`, or with k M G T P (powers of 1000) or Ki Mi … (of 1024)."""
    accepts = _range("a size", low, high, unit) + ", also written as 10M, 2GB, 1.5e6 or 4GiB"
    return _bounded(low, high, _SIZE, "a size", _bytes, accepts=accepts, shown="SIZE")


def duration(
    unit: Literal["milliseconds", "seconds", "minutes", "hours"], low: timedelta, high: timedelta
) -> Form[timedelta]:
    """A span of time: a plain number counts in `unit`; ms, s, m, h and d may be written behind it."""
    one = timedelta(**{unit: 1})

    def span(digits: str, suffix: str | None) -> timedelta:
        number, step = _finite(digits), _SPANS[suffix] if suffix else one
        # The float is bounded first: a timedelta overflows far below what a float can hold.
        if not low / one <= number * (step / one) <= high / one:
            raise ValueError("it is out of bounds")
        return number * step

    return _bounded(
        low,
        high,
        _DURATION,
        "a time",
        span,
        render=lambda value: plain(value / one),
        accepts=f"{_range('a number', low / one, high / one, unit)}, also with ms, s, m, h or d behind it",
        shown=unit.upper(),
    )


def _thousands(digits: str) -> int:
    number, rest = divmod(int(digits), PORTS_PER_BLOCK)
    if number > 0 and rest:
        raise ValueError("it is not a whole number of thousands")
    return number if number > 0 else int(digits)


PORT_BLOCK = _bounded(
    1,
    _LAST_BLOCK,
    _WHOLE,
    "a whole number",
    _thousands,
    accepts=f"a whole number of thousands from 1 to {_LAST_BLOCK} (55 or 55000)",
    shown="THOUSANDS",
)
"""The thousands of a block of ports: 55 stands for 55001 and up; 55000 is accepted for 55."""

# Names and words: hosts, users, versions, and the arguments and environment of nodes


def matching(pattern: str, accepts: str, shown: str) -> Form[str]:
    """Text that matches a pattern as a whole; what its group holds is kept."""
    compiled = re.compile(f"(?:{pattern})")

    def parse(text: str, host: Host) -> str:
        found = compiled.fullmatch(text)
        if found is None:
            raise ValueError("it does not have the right form")
        return str(found[1] if compiled.groups else text)

    return Form(parse=parse, accepts=accepts, shown=shown)


_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_COMMENT = re.compile(r"\s[;#]")
_UNSAFE = re.compile(r"([^\w@%+=:,./-])", re.ASCII)

HOST_NAME = matching(
    r"(?!-)[A-Za-z0-9.-]{1,253}|[0-9A-Fa-f:.]*:[0-9A-Fa-f:.]*",
    "a host name or an address, such as 127.0.0.1",
    "HOST",
)
USER_NAME = matching(
    r"(?!root$)[a-z_][a-z0-9_-]{0,31}", "the name of an account other than root, in lower case", "USER"
)
VERSION = matching(
    r"v?([0-9]{1,9}(?:\.[0-9]{1,9}){2}(?:-(?:alpha|beta|rc)(?:\.?[0-9]{1,9})?)?)",
    "a version such as 0.4.17 or 0.4.18-rc.1",
    "VERSION",
)
"""A version as node programs write it; a leading `v` is dropped."""


def _split(text: str, host: Host) -> tuple[str, ...]:
    try:
        return tuple(shlex.split(text))
    except ValueError:
        raise ValueError("a quote in it is not closed, or it ends in a backslash") from None


def _quote(word: str) -> str:
    # Inside quotes a config file would take blank and # for a comment in some places, so such words get
    # backslashes instead.
    return _UNSAFE.sub(r"\\\1", word) if _COMMENT.search(word) else shlex.quote(word)


ARGUMENTS = Form(
    parse=_split,
    render=lambda words: " ".join(map(_quote, words)),
    accepts="arguments, quoted as for a shell; empty for none",
    shown="'ARG …'",
    clearable=True,
)
"""Arguments of a program, quoted as for a shell; no shell ever sees them."""


def _variables(text: str, host: Host) -> tuple[tuple[str, str], ...]:
    found: dict[str, str] = {}
    twice = None
    for word in _split(text, host):
        name, equals, value = word.partition("=")
        if not equals or not _NAME.fullmatch(name):
            raise ValueError(f"{name[:40]!r} is not of the form NAME=value")
        twice = twice or (name if name in found else None)
        found[name] = value
    if twice is not None:
        raise ValueError(f"{twice} is in it twice")
    return tuple(found.items())


VARIABLES = Form(
    parse=_variables,
    render=lambda pairs: " ".join([f"{name}={_quote(value)}" for name, value in pairs]),
    accepts="NAME=value words, quoted as for a shell; empty for none",
    shown="'NAME=value …'",
    clearable=True,
)
"""Variables as `NAME=value` words, quoted as for a shell; no shell ever sees them."""

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


PATH = Form(parse=expand, accepts="an absolute path (~ and $VAR are expanded)", shown="PATH")
"""A folder, or a file."""


def _folders(text: str, host: Host) -> tuple[str, ...]:
    parts = [part.strip() for part in text.split(",")]
    if not all(parts):
        raise ValueError("there is an empty path in it")
    paths = [expand(part, host) for part in parts]
    if "/" in paths or "," in "".join(paths):
        raise ValueError("/ as a whole, or a folder with a comma in its name, cannot hold nodes")
    for one in paths:
        if len([other for other in paths if other == one or other.startswith(f"{one}/")]) > 1:
            raise ValueError(f"{one} is in it twice, or holds another of the folders")
    return tuple(paths)


FOLDERS = Form(
    parse=_folders,
    render=",".join,
    accepts="one or more absolute paths, comma separated (~ and $VAR are expanded)",
    shown="PATH[,PATH…]",
)
"""One or more folders, comma separated; none of them may be `/` or lie inside another."""

# Wallets: addresses, the names that stand for addresses, and weighted lists of both

FAUCET = "0x00455d78f850b0358E8cea5be24d415E01E107CF"
"""The community's faucet: what `faucet` stands for."""

_WALLET_ADDRESS = re.compile(r"0x[0-9a-fA-F]{40}")
_HEAVIEST = 1_000_000
_MOST_WALLETS = 100


class WeightedWallet(Value, frozen=True, kw_only=True):
    """An address, or the word `faucet` or `donate`, and how often it is drawn compared with the others."""

    name_or_address: str
    weight: int


def _wallets(text: str, host: Host) -> tuple[WeightedWallet, ...]:
    parts = text.split(",")
    if len(parts) > _MOST_WALLETS:
        raise ValueError(f"it holds more than {_MOST_WALLETS} wallets")
    wallets = []
    for part in parts:
        who, colon, weight = map(str.strip, part.partition(":"))
        name = who.lower() if who.lower() in ("faucet", "donate") else _address(who, host)
        if colon and not (_WHOLE.fullmatch(weight) and 1 <= int(weight) <= _HEAVIEST):
            raise ValueError(f"the weight {weight[:20]!r} is not a whole number from 1 to {_HEAVIEST}")
        wallets.append(WeightedWallet(name_or_address=name, weight=int(weight) if colon else 1))
    return tuple(wallets)


def _address(text: str, host: Host) -> str:
    if text.lower() == "faucet":
        return FAUCET
    if not _WALLET_ADDRESS.fullmatch(text):
        raise ValueError(f"{text[:50]!r} is not an address")
    return text


def _wallets_text(value: tuple[WeightedWallet, ...]) -> str:
    if len(value) == 1 and value[0].weight == 1:
        return value[0].name_or_address
    return ",".join([f"{wallet.name_or_address}:{wallet.weight}" for wallet in value])


ADDRESS = Form(
    parse=_address,
    accepts="0x and 40 hexadecimal digits, or faucet",
    shown="ADDRESS",
    addresses=lambda value: (value,),
)
"""One address, or `faucet` for the faucet's."""
WALLETS = Form(
    parse=_wallets,
    render=_wallets_text,
    accepts=(
        f"0x and 40 hexadecimal digits, or donate, or faucet, or a list with weights from 1 to {_HEAVIEST} "
        "such as 0x…:100,faucet:1,donate:10"
    ),
    shown="WALLETS",
    addresses=lambda value: tuple([wallet.name_or_address for wallet in value]),
)
"""One wallet, or a list such as `0xA…:100,faucet:1,donate:10`; a weight that is left out is 1."""

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
        length = self.end - self.start
        length += timedelta(0) if length > timedelta(0) else _WHOLE_DAY
        return any(begin <= at < begin + length for begin in self._begins(at))

    def next_opening(self, at: datetime) -> datetime:
        """When it opens next at or after local time `at`."""
        return min(begin for begin in self._begins(at) if begin >= at)

    def _begins(self, at: datetime) -> list[datetime]:
        midnight = at.replace(hour=0, minute=0, second=0, microsecond=0)
        days = (midnight + timedelta(days=offset) for offset in range(-1, 9))
        return [day + self.start for day in days if day.weekday() in self.days]


def _window(text: str, host: Host) -> Window:
    found = _WINDOW.fullmatch(text.lower())
    if found is None:
        raise ValueError("it does not have the right form")
    moments = []
    for hours, minutes in ((found[2], found[3]), (found[4], found[5])):
        moments.append(timedelta(hours=int(hours), minutes=int(minutes)))
        if int(minutes) > 59 or moments[-1] > _WHOLE_DAY:
            raise ValueError(f"{hours}:{minutes} is no time of day")
    if moments[0] >= _WHOLE_DAY:
        raise ValueError("a window begins at 23:59 at the latest")
    return Window(days=_days(found[1] or "mon-sun"), start=moments[0], end=moments[1])


def _days(text: str) -> tuple[int, ...]:
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
    start, end = (divmod(moment // timedelta(minutes=1), 60) for moment in (value.start, value.end))
    return f"{days}{start[0]:02d}:{start[1]:02d}-{end[0]:02d}:{end[1]:02d}"


WINDOW = Form(
    parse=_window,
    render=_window_text,
    accepts="local time such as 02:00-05:30, also on some days only: sat,sun 22:00-06:00 or mon-fri 01:00-04:00",
    shown="'[DAYS] HH:MM-HH:MM'",
)

# Addresses that messages are sent to; they hold tokens, so no error repeats one

# Apprise addresses may hold commas themselves; one that begins the next address is followed by its scheme.
_BETWEEN = re.compile(r"\s*,\s*(?=[A-Za-z][A-Za-z0-9+.-]*://)")
_MESSAGE_ADDRESS = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://\S+")


def _web(text: str, host: Host) -> str:
    try:
        parts = urlsplit(text)
        hostname, _ = parts.hostname, parts.port
    except ValueError:
        raise ValueError("it is not an address") from None
    if parts.scheme.lower() not in ("http", "https") or not hostname or re.search(r"\s", text):
        raise ValueError("it has to begin with https:// or http:// and name a host")
    return text


WEB_ADDRESS = Form(parse=_web, accepts="an address that begins with https:// or http://", shown="URL")


def _message_addresses(text: str, host: Host) -> tuple[str, ...]:
    if not text or text.lower() == "none":
        return ()
    addresses = tuple(dict.fromkeys(_BETWEEN.split(text)))
    for number, address in enumerate(addresses, 1):
        if not _MESSAGE_ADDRESS.fullmatch(address):
            raise ValueError(f"number {number} of them is not of the form SCHEME://…")
        if address.lower().startswith(("http://", "https://")):
            _web(address, host)
    return addresses


MESSAGE_ADDRESSES = Form(
    parse=_message_addresses,
    render=",".join,
    accepts="addresses such as https://HOST/PATH (a webhook) or of Apprise, comma separated; empty for none",
    shown="URL[,URL…]",
    clearable=True,
)
"""Webhooks (https://…, http://…) and addresses of Apprise (any other scheme), comma separated."""
