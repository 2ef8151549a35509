"""Writes values as assignments that other programs read back as they were: for a shell, and for wnm's config files."""

import re
from collections.abc import Callable, Mapping

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_BARE = re.compile(r"[\w@%+./-][\w@%+=:,./-]*", re.ASCII)


def render_env(values: Mapping[str, str]) -> str:
    """One `export NAME='value'` line for each entry, which a POSIX shell takes over with `eval`.

    ValueError for what no variable can hold: a name that is not one, a NUL in a value.
    """
    # Nothing is special between single quotes, so a single quote itself has to stand outside of them.
    return _lines(values, "export {}={}", lambda value: "'" + value.replace("'", "'\\''") + "'")


def render_config(values: Mapping[str, str]) -> str:
    """One `key = value` line for each entry, as ConfigArgParse's default syntax and `-c FILE` read it.

    ValueError for what the syntax has no way to write: line breaks, brackets around the whole value, and a
    value in which both kinds of quote are followed by what would begin a comment.
    """
    return _lines(values, "{} = {}", _quoted)


def _lines(values: Mapping[str, str], form: str, quoted: Callable[[str], str]) -> str:
    for name, value in values.items():
        if not _NAME.fullmatch(name):
            raise ValueError(f"{name!r} cannot be the name of a variable")
        if "\0" in value:
            raise ValueError("a variable cannot hold a NUL")
    return "".join(form.format(name, quoted(value)) + "\n" for name, value in values.items())


def _quoted(value: str) -> str:
    if _BARE.fullmatch(value):
        return value
    if len(value.splitlines()) <= 1 and not (value.startswith("[") and value.endswith("]")):
        for quote in ('"', "'"):
            # A quote followed by blank and # would end the value there and begin a comment.
            if not re.search(rf"{quote}\s+[;#]", value):
                return f"{quote}{value}{quote}"
    raise ValueError(f"a config file cannot hold {value[:60]!r}")
