"""The lock around everything that changes the machine, taken before anything else is even imported.

Of twelve runs that cron, people and a reboot start together, the first gets it within a few milliseconds of work;
the others are turned away without having loaded what a cycle needs.
"""

import os
import time

from wnm.cli.run import Run
from wnm.cli.watchdog import Watchdog
from wnm.system.lock import only_one, release_stale

DEFAULT_SECONDS = 50.0


def act_alone(run: Run) -> int:
    """Run a cycle while nobody else can. Busy when somebody does; NeedsOperator without a database.

    Until the settings have said how long a cycle may take, their default holds.
    """
    watchdog = Watchdog(run.began, DEFAULT_SECONDS, time.monotonic())
    try:
        _require_database(run.database_path)
        return _rehearse(run) if run.asked.dry_run else _act(run, watchdog)
    finally:
        watchdog.call_off()


def _rehearse(run: Run) -> int:
    from wnm.cli.acting import rehearse

    return rehearse(run)


def _act(run: Run, watchdog: Watchdog) -> int:
    with only_one(run.lock_path):
        from wnm.cli.acting import act

        code = act(run, watchdog)
    if not os.path.lexists(run.database_path):
        release_stale(run.lock_path)
    return code


def remove_lockfile(run: Run) -> int:
    """Free the lock, unless a live cycle holds it."""
    release_stale(run.lock_path)
    print(f"{run.lock_path} is free")
    return 0


def _require_database(path: str) -> None:
    """Without a database there is not even a lock file to be left behind."""
    if not os.path.lexists(path):
        from wnm.record.trouble import missing

        raise missing(path)
