"""Taking over services of the whole system needs root: who may use `sudo -n` has all of it done by root."""

import os
from datetime import timedelta
from pathlib import Path
from posixpath import dirname

from wnm.app.context import Context
from wnm.app.elevate import act_as_root, needs_root
from wnm.app.invocation import Command
from wnm.core.backends import ALIASES, traits_of
from wnm.core.errors import NeedsOperator
from wnm_adopt.takeover_folder import PREFIX

# A run of anm may take minutes, and its end is waited for.
PATIENCE = timedelta(minutes=15)


def lacks_rights(run: Context) -> bool:
    """Whether this run is about services of the whole system, and this process may not change those."""
    if os.geteuid() == 0 or run.host.platform != "linux":
        return False
    if run.asked.command is Command.UNDO_MIGRATION:
        # What root has taken over only root can even look at.
        folders = Path(dirname(run.database_path)).glob(f"{PREFIX}*")
        return needs_root(run) or any(folder.lstat().st_uid == 0 for folder in folders)
    return run.asked.migrate_anm or traits_of(_manager_by_hand(run)).system_services


def hand_over(run: Context) -> int:
    """Have root do it. The folder of the database is the account's own, so it is made here."""
    folder = Path(dirname(run.database_path))
    if not run.asked.dry_run:
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise NeedsOperator(
                f"{folder} cannot be made ({error.strerror})",
                remedy="see who may write there, or give --dbpath",
            ) from error
    return act_as_root(run, patience=PATIENCE).exit_code


def _manager_by_hand(run: Context) -> str | None:
    text = next(
        (layer.values["process_manager"] for layer in run.layers if "process_manager" in layer.values), None
    )
    return None if text is None else ALIASES.get(text, text)
