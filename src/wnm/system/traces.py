"""What wnm leaves on a machine beyond its nodes: folders and an account that were not there before.

They are written down as absent before anything is made, so that a teardown takes away exactly what wnm brought.
"""

import os
from collections.abc import Iterable, Sequence
from contextlib import suppress
from pathlib import Path

from wnm.core.errors import WnmError
from wnm.system import accounts

ACCOUNT = "account:"


def absent_folders(folders: Iterable[str]) -> list[str]:
    """Of these folders (absolute) and all above them, those that are not there."""
    every = {str(each) for folder in folders for each in (Path(folder), *Path(folder).parents)}
    return sorted(folder for folder in every if not os.path.lexists(folder))


def absent_account(name: str) -> list[str]:
    """The account, if there is none of that name but one that wnm made, which goes with the last database."""
    return [f"{ACCOUNT}{name}"] if accounts.find(name) is None or accounts.made_here(name) else []


def clear_away(absent_before: Sequence[str]) -> list[str]:
    """Remove the folders that are empty now and the account if wnm made it; returns what went wrong, a line each.

    A folder that holds anything, such as keys that were backed up, stays, and so does an account that is in use.
    """
    for folder in sorted((each for each in absent_before if each.startswith("/")), key=len, reverse=True):
        with suppress(OSError):
            Path(folder).rmdir()
    problems = []
    for name in (each.removeprefix(ACCOUNT) for each in absent_before if each.startswith(ACCOUNT)):
        try:
            accounts.remove_if_made_here(name)
        except WnmError as error:
            problems.append(str(error))
    return problems
