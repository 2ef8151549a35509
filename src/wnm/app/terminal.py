"""Finds out what a terminal can show: its size, and whether it has characters outside of ASCII."""

import os
import shutil
from typing import IO

from msgspec import Struct

from wnm.views.text import WIDEST

NARROWEST = 40


class Terminal(Struct, frozen=True, kw_only=True):
    """The abilities of a terminal: columns, rows (None where nobody looks at it), and dots and blocks."""

    width: int
    rows: int | None = None
    drawings: bool = False


def terminal_of(stream: IO[str] | None) -> Terminal:
    """The columns and rows of the terminal; without one the columns are what COLUMNS says, else as many as it takes."""
    if is_terminal(stream):
        size = shutil.get_terminal_size((80, 24))
        return Terminal(width=max(NARROWEST, size.columns), rows=size.lines, drawings=has_drawings(stream))
    columns = os.environ.get("COLUMNS", "")
    width = max(NARROWEST, int(columns)) if columns.isdigit() and len(columns) < 6 else WIDEST
    return Terminal(width=width, drawings=has_drawings(stream))


def is_terminal(stream: IO[str] | None) -> bool:
    """Whether somebody looks at it; a stream that was closed before wnm began is None."""
    return stream is not None and stream.isatty()


def has_drawings(stream: IO[str] | None) -> bool:
    """Whether the stream can show characters outside of ASCII: dots and blocks."""
    encoding = str(getattr(stream, "encoding", None) or "ascii").lower().replace("_", "-")
    # Where the locale was set to C, Python writes UTF-8 too, and then says so in LC_CTYPE (PEP 538).
    ctype = os.environ.get("LC_CTYPE", "")
    said = (os.environ.get("LC_ALL"), "" if ctype == "C.UTF-8" else ctype, os.environ.get("LANG"))
    wants_ascii = next(filter(None, said), "") in ("C", "POSIX")
    return encoding in ("utf-8", "utf8") and os.environ.get("TERM") != "linux" and not wants_ascii
