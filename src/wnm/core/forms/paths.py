"""Paths: always absolute in the end, with `~` and `$VAR` expanded."""

import posixpath
import re

from wnm.core.forms.form import UNPRINTABLE, Form
from wnm.core.host import Host

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
