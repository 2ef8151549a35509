"""Splits a value into words as systemd does, and expands specifiers and variables."""

import re
from collections.abc import Iterator, Mapping

WHITESPACE = b" \t\n\r"

_PLAIN = re.compile(rb"[^\\\"' \t\n\r]+")
_QUOTED = {b'"': re.compile(rb'[^\\"]+'), b"'": re.compile(rb"[^\\']+")}
_SEPARATOR = re.compile(rb"[ \t\n\r]*")
_ESCAPE = re.compile(
    rb"\\(?:([abfnrtvs\\\"'])|x([0-9a-fA-F]{2})|u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8})|([0-3][0-7]{2}))"
)
_NAMED = {
    b"a": b"\a",
    b"b": b"\b",
    b"f": b"\f",
    b"n": b"\n",
    b"r": b"\r",
    b"t": b"\t",
    b"v": b"\v",
    b"s": b" ",
}
_SPECIFIER = re.compile(r"%(%|[A-Za-z0-9])")
_VARIABLE = re.compile(r"\$\$|\$\{([^}]*)\}")
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


class Unclear(ValueError):
    """The meaning of a unit cannot be told from its text; the message says why, and reads on after `it`."""


class _BadEscapeError(ValueError):
    """A backslash before something that has no meaning there."""


def skip_separators(value: bytes, at: int) -> int:
    """Return where the next word begins, or the end of the value."""
    found = _SEPARATOR.match(value, at)
    return found.end() if found else at


def next_word(value: bytes, at: int) -> tuple[str, int]:
    """The word that begins at `at`, which is no separator, and where the next one begins.

    A quote may begin and end anywhere in a word. In a word with an escape that means nothing, that one and its
    like stay as they are. Unclear for quotes that do not end, and for what is not UTF-8 in the end.
    """
    try:
        word, end = _extract(value, at, lenient=False)
    except _BadEscapeError:
        word, end = _extract(value, at, lenient=True)
    try:
        return word.decode(), skip_separators(value, end)
    except UnicodeDecodeError:
        raise Unclear(f"has an argument that is not UTF-8: {word!r:.100}") from None


def words(value: str) -> Iterator[str]:
    """All words of a value. Unclear, after those before it, for one that is none."""
    text = value.encode()
    at = skip_separators(text, 0)
    while at < len(text):
        word, at = next_word(text, at)
        yield word


def with_specifiers(text: str, known: Mapping[str, str]) -> str:
    """The text with `%%` and the specifiers that are `known` replaced. Unclear for others: they depend on more.

    A % before anything that is neither letter nor digit stays as it is.
    """

    def value_of(found: re.Match[str]) -> str:
        if found[1] == "%":
            return "%"
        if found[1] not in known:
            raise Unclear(f"depends on {found[0]}, which only systemd can resolve: {text!r:.200}")
        return known[found[1]]

    return _SPECIFIER.sub(value_of, text)


def with_variables(word: str, known: Mapping[str, str]) -> list[str]:
    """The arguments that one becomes: `$NAME` alone is split into words, `${NAME}` anywhere is replaced.

    Unclear for a variable that is not `known`: systemd has some that no unit names. See systemd.service(5),
    "Command lines".
    """
    if word.startswith("$") and word[1:2] not in ("{", "$"):
        if not word[1:]:
            return []
        return _split(_known(word[1:], word, known))
    return [_VARIABLE.sub(lambda found: "$" if found[1] is None else _known(found[1], word, known), word)]


def _known(name: str, word: str, known: Mapping[str, str]) -> str:
    if not _NAME.fullmatch(name):
        raise Unclear(f"has a $ with no name of a variable after it in {word!r:.100}")
    if name not in known:
        raise Unclear(f"depends on the variable {name}, whose value it does not say")
    return known[name]


def _split(value: str) -> list[str]:
    """The words of a variable's value: quotes group, a backslash takes the meaning from what follows."""
    found: list[str] = []
    word: str | None = None
    quote = ""
    characters = iter(value)
    for char in characters:
        if char == "\\":
            word = (word or "") + next(characters, "")
        elif char == quote:
            quote = ""
        elif not quote and char in "\"'":
            quote, word = char, word or ""
        elif not quote and char in " \t\n\r":
            found += [] if word is None else [word]
            word = None
        else:
            word = (word or "") + char
    return found + ([] if word is None else [word])


def _extract(value: bytes, at: int, *, lenient: bool) -> tuple[bytes, int]:
    word = bytearray()
    quote = b""
    while at < len(value):
        char = value[at : at + 1]
        if plain := (_QUOTED[quote] if quote else _PLAIN).match(value, at):
            word += plain[0]
            at = plain.end()
        elif char == b"\\":
            meant, at = _escape(value, at, lenient=lenient)
            word += meant
        elif char == quote:
            quote = b""
            at += 1
        elif char in WHITESPACE:
            return bytes(word), at
        else:
            quote = char
            at += 1
    if quote:
        raise Unclear("has a quote that does not end")
    return bytes(word), at


def _escape(value: bytes, at: int, *, lenient: bool) -> tuple[bytes, int]:
    """Return what the backslash at `at` and its characters stand for, and where they end."""
    found = _ESCAPE.match(value, at)
    meant = _meant(found) if found else None
    if found and meant is not None:
        return meant, found.end()
    if not lenient:
        raise _BadEscapeError
    return value[at : at + 2], min(at + 2, len(value))


def _meant(found: re.Match[bytes]) -> bytes | None:
    """None for what no word can hold: a NUL, or a number that is no character."""
    named, byte, short, long, octal = found.groups()
    if named:
        return _NAMED.get(named, named)
    code = int(octal, 8) if octal else int(byte or short or long, 16)
    if code == 0:
        return None
    if byte or octal:
        return bytes([code])
    noncharacter = 0xFDD0 <= code <= 0xFDEF or code & 0xFFFE == 0xFFFE or 0xD800 <= code <= 0xDFFF
    if long and (noncharacter or code > 0x10FFFF):
        return None
    # Half a character is written all the same, which is no UTF-8 then.
    return chr(code).encode("utf-8", "surrogatepass")
