"""The shape that all forms share, and the plainest of them."""

import re
from collections.abc import Callable, Mapping

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
    """How a value is written: `parse(render(value)) == value`; `render(parse(text))` is the canonical text.

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


def described[T](form: Form[T], accepts: str) -> Form[T]:
    """The same form, with other words for what it takes."""
    return replace(form, accepts=accepts)
