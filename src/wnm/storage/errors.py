"""Translates errors of SQLite, of the file system and of stored values into one line with the remedy."""

import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from wnm.core.errors import BadInput, Bug, NeedsOperator, Transient, WnmError


class UnreadableError(Exception):
    """A stored value that wnm cannot have written."""


INIT = "wnm --init --rewards_address ADDRESS"


@contextmanager
def database_errors(path: str) -> Iterator[None]:
    """Turn every error of SQLite, of the file system and of stored values into one of wnm's own."""
    try:
        yield
    except sqlite3.Error as error:
        raise _translated(path, error) from error
    except UnicodeEncodeError as error:
        raise BadInput(f"{error.object!r} is not UTF-8 and cannot be kept in {path}") from error
    except UnreadableError as error:
        raise damaged(path, str(error)) from error
    except OSError as error:
        raise unusable(path, error.strerror or str(error)) from error
    except Exception as error:
        # SQLAlchemy, which migrates databases, wraps what SQLite raises.
        cause = getattr(error, "orig", None)
        if isinstance(cause, sqlite3.Error):
            raise _translated(path, cause) from error
        raise


def missing(path: str, remedy: str | None = None) -> NeedsOperator:
    remedy = remedy or f"create it with: {INIT}, or from nodes that run: wnm --init --import"
    return NeedsOperator(f"there is no database at {path}", remedy=remedy)


def foreign(path: str, *, earlier: bool = False) -> NeedsOperator:
    if earlier:
        remedy = "take it over with: wnm --init"
        return NeedsOperator(f"{path} is the database of an older wnm", remedy=remedy)
    return NeedsOperator(
        f"{path} is not a database of wnm", remedy=f"give another --dbpath, or move it away, then: {INIT}"
    )


def newer(path: str, revision: str) -> NeedsOperator:
    return NeedsOperator(f"{path} was written by a newer wnm (revision {revision:.40})", remedy="upgrade wnm")


def damaged(path: str, cause: str) -> NeedsOperator:
    """A database of ours that cannot be read; the remedy names the newest copy that a migration left."""
    file = Path(path)
    try:
        copies = [each for each in file.parent.iterdir() if each.name.startswith(f"{file.name}.before-")]
    except OSError:
        copies = []
    newest = max(copies, key=lambda copy: copy.name.rpartition("-")[2], default=None)
    restore = "" if newest is None else f"restore its newest copy: cp -p '{newest}' '{path}', or start anew: "
    return NeedsOperator(
        f"{path} is damaged ({cause})", remedy=f"move it and {path}-wal away, then {restore}{INIT}"
    )


def unusable(path: str, cause: str) -> NeedsOperator:
    return NeedsOperator(
        f"{path} cannot be used ({cause})", remedy="see to the disk and the permissions, then run wnm again"
    )


def _translated(path: str, error: sqlite3.Error) -> WnmError:
    said = str(error)
    match getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR) & 0xFF:
        case sqlite3.SQLITE_BUSY | sqlite3.SQLITE_LOCKED:
            return Transient(f"{path} is in use by another program: {said}; the next cycle tries again")
        case sqlite3.SQLITE_CORRUPT | sqlite3.SQLITE_NOTADB | sqlite3.SQLITE_FORMAT:
            return damaged(path, said)
        case sqlite3.SQLITE_FULL:
            folder = os.path.dirname(path) or "."  # noqa: PTH120 - as it was given
            return NeedsOperator(f"there is no room to write {path}", remedy=f"free some space in {folder}")
        case (
            sqlite3.SQLITE_READONLY
            | sqlite3.SQLITE_CANTOPEN
            | sqlite3.SQLITE_PERM
            | sqlite3.SQLITE_AUTH
            | sqlite3.SQLITE_IOERR
        ):
            return unusable(path, said)
        case sqlite3.SQLITE_ERROR if said.startswith(("no such column", "no such table")):
            return damaged(path, said)
        case _:
            return Bug(f"{path}: {said}")
