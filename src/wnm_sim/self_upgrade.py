"""How a node puts a newer program in the place of its own and starts it."""

import os
from collections.abc import Sequence
from pathlib import Path


class CannotUpgrade(Exception):
    """The node goes on with the program it has; the text says why."""


def replace_program(own: Path | None, newer: Path, *, keep_backup: bool = False) -> bool:
    """Rename a copy of `newer` over `own`; False when both are already the same.

    With `keep_backup` the old one stays as `<own>.backup`. `own` is None when this process was
    not started from a program file. Raises CannotUpgrade when there is no such file or no
    permission.
    """
    if own is None:
        raise CannotUpgrade("this process was not started from a node program")
    try:
        content = newer.read_bytes()
        if own.read_bytes() == content:
            return False
        if keep_backup:
            backup = own.with_name(f"{own.name}.backup")
            backup.write_bytes(own.read_bytes())
            backup.chmod(own.stat().st_mode)
        copy = own.with_name(f"{own.name}.upgrade")
        copy.write_bytes(content)
        copy.chmod(own.stat().st_mode)
        copy.rename(own)
    except OSError as problem:
        raise CannotUpgrade(str(problem)) from problem
    return True


def start_successor(program: Path, arguments: Sequence[str]) -> int:
    """Start the program with the same arguments and environment; returns its pid.

    It is spawned here, not through the manager's own door to other programs: the
    node program must run alone, from one file, without the rest of the package.
    """
    return os.posix_spawn(program, [str(program), *arguments], os.environ)
