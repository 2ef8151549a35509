"""Writes wnm's config files: `key = value` lines, as ConfigArgParse's default syntax reads them."""

import re
from collections.abc import Mapping

_KEY = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_BARE = re.compile(r"[\w@%+./-][\w@%+=:,./-]*", re.ASCII)


def render_config(values: Mapping[str, str]) -> str:
    """One `key = value` line for each entry, in a form that `-c FILE` reads back as it was.

    ValueError for what the syntax has no way to write: line breaks, brackets around the whole value, and a
    value in which both kinds of quote are followed by what would begin a comment.
    """
    return "".join(f"{_checked(key)} = {_quoted(value)}\n" for key, value in values.items())


def _checked(key: str) -> str:
    if not _KEY.fullmatch(key):
        raise ValueError(f"{key!r} cannot be a key")
    return key


def _quoted(value: str) -> str:
    if _BARE.fullmatch(value):
        return value
    if len(value.splitlines()) > 1 or "\0" in value or (value.startswith("[") and value.endswith("]")):
        raise ValueError(f"a config file cannot hold {value[:60]!r}")
    for quote in ('"', "'"):
        # A quote followed by blank and # would end the value there and begin a comment.
        if not re.search(rf"{quote}\s+[;#]", value):
            return f"{quote}{value}{quote}"
    raise ValueError(f"a config file cannot hold {value[:60]!r}")
