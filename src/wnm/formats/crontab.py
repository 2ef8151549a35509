"""Writes and finds the line of a cron table that starts wnm, in a marked block among lines of others.

A text is taken apart at its line feeds only, so that whatever else it holds comes out as it went in.
"""

import re
import shlex
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
        # Crons differ in what they make of backslashes, and a line is a line.
        if "\\" in text or any(ord(char) < 0x20 or ord(char) == 0x7F for char in text):
            raise NeedsOperator(
                f"{text!r} has a character that cannot stand in a cron table",
                remedy="move it to a plainer path",
            )
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
    block = [f"{_BEGIN}{database}", f"{OURS}; take it away with: {removal}", line, f"{_END}{database}"]
    kept, inside = _parted(text, database)
    first = inside[0][0] if inside else 0
    return _ended("\n".join([*kept[:first], *block, *kept[first:]]))


def without_block(text: str, database: str) -> str:
    """The table without any block for this database, else as it is. NeedsOperator as in `with_block`."""
    kept, inside = _parted(text, database)
    return _ended("\n".join(kept)) if inside else text


def line_in_block(text: str, database: str) -> str | None:
    """Return the scheduled line in the blocks for this database; None without one. NeedsOperator as in `with_block`."""
    _, inside = _parted(text, database)
    return lines_of_file("\n".join(line.rstrip("\r") for _, line in inside)) if inside else None


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


def _parted(text: str, database: str) -> tuple[list[str], list[tuple[int, str]]]:
    """The lines outside and those inside of the blocks of a database, each of these with how many are before the block.

    NeedsOperator for a begin without its end.
    """
    begin, end = f"{_BEGIN}{database}", f"{_END}{database}"
    kept: list[str] = []
    inside: list[tuple[int, str]] = []
    is_open = False
    for piece in text.split("\n"):
        line = piece.removesuffix("\r")
        if is_open and line.startswith(_BEGIN):
            break
        is_open = is_open or line == begin
        if is_open:
            inside.append((len(kept), piece))
            is_open = line != end
        else:
            kept.append(piece)
    if is_open:
        raise NeedsOperator(
            f"the crontab has the line {begin!r} without the one that ends it, so where wnm's part ends is not known",
            remedy="delete that line and what wnm wrote below it with crontab -e, then try again",
        )
    return kept, inside


def _ended(text: str) -> str:
    return text if not text or text.endswith("\n") else f"{text}\n"
