"""The lock around everything that changes the machine, taken before anything else is even imported.

Of twelve runs that cron, people and a reboot start together, the first gets it within a few milliseconds of work;
the others are turned away without having loaded what a cycle needs.
"""

import os
import time
from collections.abc import Callable

from wnm.app.context import Context
from wnm.app.invocation import Command
from wnm.app.watchdog import Watchdog
from wnm.core.errors import Busy
from wnm.system.lock import only_one, release_stale

DEFAULT_SECONDS = 50.0
TEARDOWN = "teardown"


def act_alone(run: Context) -> int:
    """Run a cycle while nobody else can, as root where that is needed. NeedsOperator without a database."""
    if run.asked.force_action != TEARDOWN or run.asked.dry_run:
        return _told_of(run)
    from wnm.app.cron_places import place_of
    from wnm.app.schedule import forget_schedule, suspended_schedule
    from wnm.storage.database import stored_absent

    _require_database(run.database_path)
    absent_before = stored_absent(run.database_path)
    with suspended_schedule(place_of(run)):
        code = _act_with_rights(run)
    if not os.path.lexists(run.database_path):
        forget_schedule(run)
        _clear_away(absent_before)
    return code


def _act_with_rights(run: Context) -> int:
    from wnm.app.elevate import act_as_root, needs_root

    _require_database(run.database_path)
    act: Callable[[Context], int] = act_as_root if needs_root(run) else act_here
    return act(run)


def _told_of(run: Context) -> int:
    """Act, then have sent what there is to tell, without the lock and, where root acted, as whoever asked for it."""
    from wnm.alerts.cycle import send_alerts, send_failure
    from wnm.app.log_file import log_path

    log_file = None if run.asked.log_file is None else log_path(run.asked.log_file)
    is_cycle = run.asked.command is Command.CYCLE
    try:
        code = _act_with_rights(run)
    except Exception as error:
        # Who asks for something by hand sees what comes of it.
        if is_cycle and not run.asked.dry_run and not isinstance(error, Busy):
            send_failure(run.database_path, error, log_file)
        raise
    if not run.asked.dry_run:
        send_alerts(run.database_path, good=code == 0 and is_cycle, log_file=log_file)
    return code


def act_here(run: Context) -> int:
    """Run a cycle in this process. Busy while another one does.

    Until the settings have said how long a cycle may take, their default holds.
    """
    watchdog = Watchdog(run.began, DEFAULT_SECONDS, time.monotonic())
    try:
        _require_database(run.database_path)
        return _rehearse(run) if run.asked.dry_run else _act(run, watchdog)
    finally:
        watchdog.call_off()


def _rehearse(run: Context) -> int:
    from wnm.app.acting import rehearse

    return rehearse(run)


def _act(run: Context, watchdog: Watchdog) -> int:
    with only_one(run.lock_path):
        from wnm.app.acting import act

        done = act(run, watchdog)
    if done.absent_before is not None:
        release_stale(run.lock_path)
        _clear_away(done.absent_before)
    return done.exit_code


def _clear_away(absent_before: tuple[str, ...]) -> None:
    """What was made for nodes that are gone goes too, the folder of the lock at the very end."""
    import logging

    from wnm.system.traces import clear_away

    for problem in clear_away(absent_before):
        logging.getLogger(__name__).warning("%s", problem)


def remove_lockfile(run: Context) -> int:
    """Free the lock, unless a live cycle holds it."""
    release_stale(run.lock_path)
    print(f"{run.lock_path} is free")
    return 0


def _require_database(path: str) -> None:
    """Without a database there is not even a lock file to be left behind."""
    if not os.path.lexists(path):
        from wnm.storage.errors import missing

        raise missing(path)
