"""Writes and finds the line of a cron table that starts wnm, in a marked block among lines of others.

A text is taken apart at its line feeds only, so that whatever else it holds comes out as it went in.
"""

import re
import shlex
from collections.abc import Sequence
from itertools import pairwise

from msgspec import Struct

from wnm.core.errors import NeedsOperator

# For this command only: cron's own PATH lacks the sbin folders, and a variable in the table would change other lines.
SAFE_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
EVERY_MINUTE = "* * * * *"
# The oldest cron that is around drops longer commands without a word.
LONGEST_COMMAND = 998
OURS = "# Written by wnm cron install"
_BEGIN = "# BEGIN wnm "
_END = "# END wnm "
_NAMES_WNM = re.compile(r"(?<![\w-])wnm(?![\w-])")


class Start(Struct, frozen=True, kw_only=True):
    """The command that cron shall start; all paths are absolute. `config` is a settings file asked for by name."""

    program: tuple[str, ...]
    database: str
    log_file: str
    config: str | None = None


def schedule_line(start: Start, user: str | None) -> str:
    """The line, without its end, that starts a cycle every minute; `user` is the extra column of system tables.

    Everything goes to the log file, also what sh and Python say when wnm cannot start. But a log file that cannot be
    opened must not keep the nodes from being looked after, so sh tries before it redirects.
    NeedsOperator for paths that no cron table can hold.
    """
    for text in (*start.program, start.database, start.log_file, start.config or ""):
        _refuse_impossible(text)
    log = shlex.quote(start.log_file)
    config = ("-c", start.config) if start.config else ()
    words = (*start.program, "--dbpath", start.database, *config, "--log_file", start.log_file)
    command = (
        f"(umask 077; : >>{log}) 2>/dev/null && exec >>{log} 2>&1; "
        f"PATH={SAFE_PATH} {' '.join(map(shlex.quote, words))}"
    ).replace("%", "\\%")  # cron makes a line feed of a bare one, within quotes too
    if len(command.encode(errors="surrogateescape")) > LONGEST_COMMAND:
        raise NeedsOperator(
            f"the line for cron would be {len(command)} characters long, and cron takes {LONGEST_COMMAND}",
            remedy="give a shorter --log_file, or move the database or wnm to a folder with a shorter name",
        )
    return " ".join((EVERY_MINUTE, *([user] if user else []), command))


def program_of(line: str) -> str | None:
    """The program that a line written here starts; None if it does not look like one."""
    try:
        words = shlex.split(line.replace("\\%", "%"))
    except ValueError:
        return None
    after = [following for word, following in pairwise(words) if word == f"PATH={SAFE_PATH}"]
    return after[0] if len(after) == 1 else None


def file_text(line: str, database: str, removal: str) -> str:
    """A whole table of wnm's own; `removal` is the command that takes it away."""
    return f"{OURS} for {database}; take it away with: {removal}\n{line}\n"


def is_ours(text: str) -> bool:
    """Whether a whole table was written by wnm."""
    return text.startswith(OURS)


def lines_of_file(text: str) -> str:
    """Return the scheduled lines of a table of wnm's own."""
    return "\n".join(line for line in text.split("\n") if line.strip() and not line.startswith("#"))


def with_block(text: str, database: str, line: str, removal: str) -> str:
    """The table with exactly one block for this database, where the first one was, else at the top.

    At the top no variable that others set in the table counts for it. Everything else stays as it is, but the last
    line is ended: cron refuses a table without. NeedsOperator if the marks in the table are not in order.
    """
    block = "".join(
        f"{each}\n"
        for each in (
            f"{_BEGIN}{database}",
            f"{OURS}; take it away with: {removal}",
            line,
            f"{_END}{database}",
        )
    )
    pieces = text.split("\n")
    spans = _blocks(pieces, database)
    if not spans:
        return block + _ended(text)
    first, kept = spans[0][0], _without(pieces, spans)
    return _ended("\n".join([*kept[:first], *block.rstrip("\n").split("\n"), *kept[first:]]))


def without_block(text: str, database: str) -> str:
    """The table without any block for this database, else as it is. NeedsOperator as in `with_block`."""
    pieces = text.split("\n")
    spans = _blocks(pieces, database)
    return _ended("\n".join(_without(pieces, spans))) if spans else text


def line_in_block(text: str, database: str) -> str | None:
    """Return the scheduled line in the blocks for this database; None without one. NeedsOperator as in `with_block`."""
    pieces = text.split("\n")
    spans = _blocks(pieces, database)
    inside = [line.rstrip("\r") for first, last in spans for line in pieces[first + 1 : last]]
    return "\n".join(line for line in inside if line.strip() and not line.startswith("#")) if spans else None


def others_naming_wnm(text: str) -> list[str]:
    """The lines that name wnm and that it did not write itself."""
    if is_ours(text):
        return []
    found: list[str] = []
    inside = False
    for piece in text.split("\n"):
        inside = piece.startswith(_BEGIN) or (inside and not piece.startswith(_END))
        line = piece.strip()
        if not inside and not line.startswith("#") and _NAMES_WNM.search(line):
            found.append(line)
    return found


def _blocks(pieces: Sequence[str], database: str) -> list[tuple[int, int]]:
    """Return where the blocks of a database begin and end, inclusive. NeedsOperator for a begin without its end."""
    begin, end = f"{_BEGIN}{database}", f"{_END}{database}"
    found: list[tuple[int, int]] = []
    open_since: int | None = None
    for number, piece in enumerate(pieces):
        line = piece.removesuffix("\r")
        if open_since is not None and line.startswith(_BEGIN):
            raise _out_of_order(begin)
        if line == begin:
            open_since = number
        elif line == end and open_since is not None:
            found.append((open_since, number))
            open_since = None
    if open_since is not None:
        raise _out_of_order(begin)
    return found


def _out_of_order(begin: str) -> NeedsOperator:
    return NeedsOperator(
        f"the crontab has the line {begin!r} without the one that ends it, so where wnm's part ends is not known",
        remedy="delete that line and what wnm wrote below it with crontab -e, then try again",
    )


def _without(pieces: Sequence[str], spans: Sequence[tuple[int, int]]) -> list[str]:
    return [
        piece
        for number, piece in enumerate(pieces)
        if not any(first <= number <= last for first, last in spans)
    ]


def _ended(text: str) -> str:
    return text if not text or text.endswith("\n") else f"{text}\n"


def _refuse_impossible(text: str) -> None:
    """Crons differ in what they make of backslashes, and a line is a line."""
    if "\\" in text or any(ord(char) < 0x20 or ord(char) == 0x7F for char in text):
        raise NeedsOperator(
            f"{text!r} has a character that cannot stand in a cron table", remedy="move it to a plainer path"
        )
