"""Carries out as root what an ordinary user asked for; wnm itself starts it through sudo, people never do."""

import os
import stat
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NoReturn

from wnm import wiring
from wnm.app.context import Context
from wnm.app.elevate import CODE_OFFSET, LARGEST_HANDOVER, MODULE, owner_of, read
from wnm.app.invocation import Command, Report
from wnm.cli.main import finish, guarded, say
from wnm.core.errors import BadInput
from wnm.system.logs import set_up_logging

SAFE_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


def main() -> NoReturn:
    """Read what to do from standard input, do it, and end with wnm's exit code moved out of sudo's way."""
    os.environ["PATH"] = SAFE_PATH
    code = guarded(_act)
    finish(code + CODE_OFFSET if code else 0)


def _act() -> Report:
    if os.geteuid() != 0 or sys.stdin.isatty():
        raise BadInput(f"{MODULE} is started by wnm itself through sudo")
    context = read(sys.stdin.read(LARGEST_HANDOVER), wiring)
    set_up_logging(context.asked.loglevel, context.asked.log_format)
    owner = owner_of(context.host.user)
    try:
        match context.asked.command:
            case Command.INIT:
                from wnm.app.init import take_over

                return take_over(context, say)
            case Command.UNDO_MIGRATION:
                from wnm.app.init import undo_migration

                return undo_migration(context, say)
            case _:
                from wnm.app.run_cycle import act_here

                return act_here(context)
    finally:
        _give_back(context, owner)


def _give_back(context: Context, owner: tuple[int, int]) -> None:
    """Give the files that were made beside the user's database to the user, so that reports need no sudo.

    Only in a folder of the user's own, and only what was looked at: the user may put something else in its place.
    """
    database, lock = Path(context.database_path), Path(context.lock_path)
    with suppress(OSError), _opened(database.parent, os.O_DIRECTORY) as folder:
        if os.fstat(folder).st_uid != owner[0]:
            return
        for name in os.listdir(folder):  # noqa: PTH208 - of what is open
            if name != lock.name and not name.startswith(database.name):
                continue
            with suppress(OSError), _opened(name, os.O_NONBLOCK, folder) as file:
                seen = os.fstat(file)
                if seen.st_uid == 0 and stat.S_ISREG(seen.st_mode) and seen.st_nlink == 1:
                    os.fchown(file, *owner)


@contextmanager
def _opened(path: str | Path, kind: int, folder: int | None = None) -> Iterator[int]:
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | kind, dir_fd=folder)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


if __name__ == "__main__":
    main()
