"""Opens and closes alerts after a cycle, with its lock held, and starts their sender without waiting for it.

Nothing that goes wrong here is the cycle's concern: it is one line of the log, and the next cycle tries again.
"""

import logging
import os
import sys
import time
from collections.abc import Sequence
from datetime import timedelta
from typing import TYPE_CHECKING

from wnm.alerts.fallback import fallback_path, read_fallback

if TYPE_CHECKING:
    from wnm.core.decision import Cycle
    from wnm.core.node import Node
    from wnm.core.observation import LedgerState
    from wnm.core.settings import Settings
    from wnm.storage.database import Database

SENDER = "wnm.alerts.sender"
LONGEST_REASON = 500
# If a whole group of processes is ended together with its first one, as by a timer of systemd, nothing would
# ever be sent if nobody waited at all.
WAIT_SECONDS = 1.5
LOOK_EVERY_SECONDS = 0.02
CLOCK_NOTE = timedelta(seconds=30)
log = logging.getLogger(__name__)


def note_alerts(
    database: "Database", cycle: "Cycle", nodes: "Sequence[Node]", state: "LedgerState", settings: "Settings"
) -> None:
    """Open and close alerts after a cycle; `nodes` are the rows after it. The caller holds the cycle's lock."""
    try:
        _note(database, cycle, nodes, state, settings)
    except Exception as error:
        # The cycle is over and written down: nothing may undo that.
        log.warning("alerts could not be seen to: %s: %s", type(error).__name__, error)
        log.debug("the same in full", exc_info=error)


def _note(
    database: "Database", cycle: "Cycle", nodes: "Sequence[Node]", state: "LedgerState", settings: "Settings"
) -> None:
    from wnm.core.action import Result
    from wnm.core.alert_rules import Look, find
    from wnm.core.alerts import addresses
    from wnm.storage.alerts import Alerts, ClockNote, News
    from wnm.system.clock import seconds_since_boot

    seen, alerts, jump = cycle.plan.seen, Alerts(database), timedelta(0)
    memory = alerts.memory(seen.now, began=cycle.plan.started_at)
    # By how much the clock was set since it was noted last; it is noted again if that is worth it.
    offset = time.time() - seconds_since_boot()
    is_same_boot = memory.clock is not None and memory.clock.boot_id == seen.machine.boot_id
    if memory.clock is not None and is_same_boot:
        jump = timedelta(seconds=offset - memory.clock.offset_seconds)
    note = ClockNote(boot_id=seen.machine.boot_id, offset_seconds=offset)
    look = Look(
        seen=seen,
        decision=cycle.plan.decision,
        nodes=tuple(nodes),
        did=any(outcome.result is Result.DONE for outcome in cycle.outcomes),
        starts=memory.starts,
        levels=memory.levels,
        clock_jump=jump,
    )
    news = News(
        findings=find(look, settings),
        now=seen.now,
        channels=addresses(settings.alert_urls, settings.alert_command, settings.dead_man_url).names,
        machine_seed=state.machine_seed,
        history_days=settings.history_days,
        disks=seen.machine.file_systems,
        clock=None if is_same_boot and abs(jump) < CLOCK_NOTE else note,
    )
    moved, given_up = alerts.take_note(news)
    for episode in moved.started:
        log.warning("alert %s: %s: %s", episode.key, episode.text, episode.remedy)
    for episode in moved.ended:
        log.info("alert %s is over: %s", episode.key, episode.text)
    for each in given_up:
        log.error("an alert never arrived at %s (%s): %s", each.channel, each.why, each.message.text)


def send_alerts(database_path: str, outcome: str, why: object = "", *, log_file: str | None) -> None:
    """Have sent what waits, if there is anything to do, and give the sender a moment. Call it without the lock.

    The outcome is `good` after a cycle with exit code 0, `bad` when one could not be carried out at all, which is
    told in time with the reason, else `done`. `log_file` gets the lines of the sender.
    """
    try:
        if not _has_work(database_path, outcome):
            return
        from wnm.system.command import ended, spawn_detached

        said = (" ".join(str(why).split()) or type(why).__name__)[:LONGEST_REASON] if why else ""
        # Without -P, a folder named wnm in the one that cron starts in could be taken for the program.
        argv = (sys.executable, "-P", "-m", SENDER, database_path, outcome, said)
        pid = spawn_detached(argv, env=dict(os.environ), cwd="/", log_file=log_file or os.devnull)
        until = time.monotonic() + WAIT_SECONDS
        while ended(pid) is None and time.monotonic() < until:
            time.sleep(LOOK_EVERY_SECONDS)
    except Exception as error:  # noqa: BLE001 - see the beginning
        log.warning("alerts could not be sent: %s: %s", type(error).__name__, error)


def _has_work(database_path: str, outcome: str) -> bool:
    if not any(map(os.path.lexists, (database_path, fallback_path(database_path)))):
        return False
    from wnm.core.alerts import FallbackState
    from wnm.core.settings import SECRET
    from wnm.storage.alerts import has_due
    from wnm.storage.database import stored_settings
    from wnm.system.clock import SystemClock

    stored, state = stored_settings(database_path), read_fallback(database_path)
    wanted = {name: stored[name] for name in sorted(SECRET) if stored.get(name)}
    if not wanted and state == FallbackState():
        return False
    return (
        outcome == "bad"
        or state.failure is not None
        or (outcome == "good" and "dead_man_url" in wanted)
        or (bool(stored) and dict(state.settings) != wanted)
        or has_due(database_path, SystemClock().now())
    )
