"""Writes assignments that a POSIX shell takes over with `eval`, whatever the values are."""

import re
from collections.abc import Mapping

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


def render_env(values: Mapping[str, str]) -> str:
    """One `export NAME='value'` line for each entry.

    ValueError for what no variable can hold: a name that is not one, a NUL in a value.
    """
    return "".join(f"export {_checked(name)}={_quoted(value)}\n" for name, value in values.items())


def _checked(name: str) -> str:
    if not _NAME.fullmatch(name):
        raise ValueError(f"{name!r} cannot be the name of a variable")
    return name


def _quoted(value: str) -> str:
    if "\0" in value:
        raise ValueError("a variable cannot hold a NUL")
    # Nothing is special between single quotes, so a single quote itself has to stand outside of them.
    return "'" + value.replace("'", "'\\''") + "'"
