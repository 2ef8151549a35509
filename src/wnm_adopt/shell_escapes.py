"""The escapes of bash's `$'…'`."""

import re

_ESCAPE = re.compile(
    r"\\(?:(?P<octal>[0-7]{1,3})|x(?P<hexadecimal>[0-9A-Fa-f]{1,2})"
    r"|u(?P<short>[0-9A-Fa-f]{1,4})|U(?P<long>[0-9A-Fa-f]{1,8})|(?P<char>.))",
    re.DOTALL,
)
_CHARS = {
    "a": "\a", "b": "\b", "e": "\x1b", "E": "\x1b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v",
    "\\": "\\", "'": "'", '"': '"', "?": "?",
}  # fmt: skip


def ansi_text(inside: str) -> str | None:
    """What stands between the quotes, without its escapes; None for bytes, characters and escapes that are not ASCII.

    What such an escape means depends on the locale of whoever runs it.
    """
    values = [_value(found) for found in _ESCAPE.finditer(inside)]
    if any(value is None for value in values):
        return None
    remaining = iter(values)
    return _ESCAPE.sub(lambda found: next(remaining) or "", inside)


def _value(found: re.Match[str]) -> str | None:
    if found["char"] is not None:
        return _CHARS.get(found["char"])
    number = int(found["octal"], 8) if found["octal"] else int(found[found.lastgroup or ""], 16)
    return chr(number) if 0 < number < 0x80 else None
