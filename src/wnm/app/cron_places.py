"""Where the line for cron is kept: a file of its own in cron.d for root, else a block in the user's crontab."""

import hashlib
import os
import shlex
from pathlib import Path
from typing import Protocol

from wnm.app.context import DATABASE_NAME, Context
from wnm.core.errors import NeedsOperator
from wnm.core.host import data_folder
from wnm.formats import crontab
from wnm.system import crontabs


class NotOurs(NeedsOperator):
    """Something that wnm did not write has the name."""


class Place(Protocol):
    """One place for the line of one database. `removal` takes it away.

    NeedsOperator from every method if it cannot be read or trusted.
    """

    user: str | None
    described: str
    removal: str

    def line(self) -> str | None:
        """What is scheduled there for this database, None if nothing is."""

    def text_with(self, line: str) -> str:
        """The text, for people, that `install` writes."""

    def install(self, line: str) -> bool:
        """Return when exactly this line is there; False if it was."""

    def remove(self) -> bool:
        """Return when nothing is there for this database; False if nothing was."""


def place_of(run: Context) -> Place:
    """Where the line for this run's database belongs."""
    database = run.database_path
    if run.host.platform == "linux" and run.host.is_root:
        name = f"wnm{suffix_of(run)}"
        return SystemFile(crontabs.SYSTEM_FOLDER / name, database, _removal(run))
    return UserTable(run.host.user, database, _removal(run))


def suffix_of(run: Context) -> str:
    """What tells the files of a database other than the default one apart; no dots, cron passes over such names."""
    return "" if _is_default(run) else f"-{hashlib.sha256(os.fsencode(run.database_path)).hexdigest()[:8]}"


def _is_default(run: Context) -> bool:
    return run.database_path == os.path.realpath(f"{data_folder(run.host)}/{DATABASE_NAME}")


def _removal(run: Context) -> str:
    option = "" if _is_default(run) else f" --dbpath {shlex.quote(run.database_path)}"
    return f"wnm{option} cron remove"


class SystemFile:
    """A file of wnm's own in cron.d; cron takes note by itself."""

    user: str | None = "root"

    def __init__(self, path: Path, database: str, removal: str) -> None:
        self._path, self._database, self.removal = path, database, removal
        self.described = str(path)

    def line(self) -> str | None:
        text = self._text()
        return None if text is None else crontab.lines_of_file(text)

    def text_with(self, line: str) -> str:
        return crontab.file_text(line, self._database, self.removal)

    def install(self, line: str) -> bool:
        if not crontabs.has_cron():
            raise NeedsOperator("there is no cron on this machine", remedy=crontabs.INSTALL_CRON)
        wanted = self.text_with(line)
        if self._text() == wanted and crontabs.is_readable_by_all(self._path):
            return False
        crontabs.write_system_file(self._path, wanted)
        return True

    def remove(self) -> bool:
        if self._text() is None:
            return False
        crontabs.remove_system_file(self._path)
        return True

    def _text(self) -> str | None:
        text = crontabs.system_file(self._path)
        if text is not None and not crontab.is_ours(text):
            raise NotOurs(
                f"{self._path} was not written by wnm",
                remedy=f"move it out of {self._path.parent}, then try again",
            )
        return text


class UserTable:
    """A block between two comment lines in the user's crontab."""

    user: str | None = None

    def __init__(self, user: str, database: str, removal: str) -> None:
        self._database, self.removal = database, removal
        self.described = f"the crontab of {user}"

    def line(self) -> str | None:
        return crontab.line_in_block(crontabs.user_table() or "", self._database)

    def text_with(self, line: str) -> str:
        return crontab.with_block("", self._database, line, self.removal)

    def install(self, line: str) -> bool:
        before = crontabs.user_table()
        after = crontab.with_block(before or "", self._database, line, self.removal)
        if after == before:
            return False
        crontabs.write_user_table(after)
        return True

    def remove(self) -> bool:
        before = crontabs.user_table() or ""
        after = crontab.without_block(before, self._database)
        if after == before:
            return False
        if after:
            crontabs.write_user_table(after)
        else:
            crontabs.remove_user_table()
        return True
