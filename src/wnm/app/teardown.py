"""Removes everything that wnm brought: the nodes, then the line for cron, the database, and what is empty then."""

import logging
import os
from collections.abc import Sequence
from pathlib import Path

from wnm.act.places import unmark
from wnm.alerts.fallback import forget_fallback
from wnm.app.context import Context
from wnm.app.invocation import Report
from wnm.app.run_cycle import with_rights
from wnm.app.schedule import forget_schedule, place_of, suspended_schedule
from wnm.storage.database import stored_absent
from wnm.system import removal
from wnm.system.lock import release_stale

log = logging.getLogger(__name__)


def tear_down(context: Context) -> Report:
    """Remove all nodes; when none is left, everything else. Cron starts no cycle meanwhile."""
    absent_before = stored_absent(context.database_path)
    with suspended_schedule(place_of(context)):
        report = with_rights(context)
    if not os.path.lexists(context.database_path):
        forget_schedule(context)
        clear_away(absent_before)
    return report


def forget_everything(database_path: str, storages: Sequence[str], identity: str) -> None:
    """Nothing is left to be managed: markers of storage folders and the database go, the backed-up keys stay."""
    forget_fallback(database_path)
    for folder in storages:
        unmark(folder, identity)
    # The database last: what SQLite keeps beside it would be mixed into a new one of the same name.
    for suffix in ("-wal", "-shm", ""):
        Path(f"{database_path}{suffix}").unlink(missing_ok=True)
    log.info("everything is removed, %s too; backed-up keys stay", database_path)


def clear_away(absent_before: Sequence[str], lock_path: str | None = None) -> None:
    """Remove the things that were made for nodes that are gone: the lock first, its folder at the very end."""
    if lock_path is not None:
        release_stale(lock_path)
    for problem in removal.clear_away(absent_before):
        log.warning("%s", problem)
