"""The process that sends what waits, started by a cycle that does not wait for it; never by people."""

import logging
import os
import platform
import signal
import sys
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import NoReturn

from msgspec import Struct
from msgspec.structs import replace

from wnm.alerts.channels import begin_ping, hand_over
from wnm.alerts.notes import keep_notes, lock_path, notes_path, read_notes
from wnm.app.logs import set_up_logging
from wnm.cli.main import finish, guarded
from wnm.core.alerts import trouble as troubles
from wnm.core.alerts.channels import Addresses, Channel, addresses_in
from wnm.core.alerts.outbox import Waiting, due
from wnm.core.alerts.pauses import pause
from wnm.core.alerts.trouble import Notes, Trouble
from wnm.core.alerts.values import Event
from wnm.core.errors import Busy, Transient, WnmError
from wnm.core.settings import SECRET
from wnm.storage.alerts import Alerts
from wnm.storage.database import open_as_it_is
from wnm.storage.ledger import Ledger
from wnm.system.clock import SystemClock
from wnm.system.lock import only_one

MODULE = "wnm.alerts.sender"
GOOD, DONE, BAD = "good", "done", "bad"
"""How the cycle ended: with exit code 0, with another one, or without having been carried out."""

LIFE_SECONDS = 300
WRITE_ATTEMPTS = 12
WRITE_PAUSE_SECONDS = 0.5
PING_LOGGED_EVERY = timedelta(hours=1)
log = logging.getLogger(__name__)


class Job(Struct, frozen=True, kw_only=True):
    """One run: the database, how its cycle ended and why, and where messages go, with what waits for them."""

    database_path: str
    outcome: str
    why: str
    now: datetime
    notes: Notes
    to: Addresses
    waiting: tuple[Waiting, ...]


def main() -> NoReturn:
    """`DATABASE good|done|bad [WHY]`; ends by itself, whatever the receivers do."""
    # Threads that a server holds up cannot keep this from ending the process.
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    signal.alarm(LIFE_SECONDS)
    set_up_logging(None, None)
    database_path, outcome, *why = sys.argv[1:]
    finish(guarded(lambda: send_once(database_path, outcome, " ".join(why))))


def send_once(database_path: str, outcome: str, why: str) -> int:
    """Send what is to be sent now; nothing while another process does it."""
    # A database that was lost leaves the notes behind, one that was torn down nothing.
    if not any(map(os.path.lexists, (database_path, notes_path(database_path)))):
        return 0
    lock = lock_path(database_path)
    try:
        with only_one(lock):
            try:
                _send(_job(database_path, outcome, why))
            finally:
                Path(lock).unlink(missing_ok=True)
    except Busy:
        if outcome == GOOD:
            # The other one may be held up by receivers for minutes, and this cycle was a good one all the same.
            _ping(_job(database_path, outcome, why))
    return 0


def _job(database_path: str, outcome: str, why: str) -> Job:
    notes = read_notes(database_path)
    waiting: tuple[Waiting, ...] = ()
    texts: Mapping[str, str] = dict(notes.settings)
    try:
        with open_as_it_is(database_path) as database:
            stored, waiting = Ledger(database).settings(), Alerts(database).waiting()
        texts = {name: stored[name] for name in sorted(SECRET) if stored.get(name)}
    except WnmError as error:
        log.debug("the database cannot be read, %s: the notes beside it say where messages go", error)
    try:
        to = addresses_in(texts)
    except ValueError as error:
        log.warning("alerts cannot be sent, the settings for them cannot be read: %s", error)
        to = Addresses()
    return Job(
        database_path=database_path,
        outcome=outcome,
        why=why,
        now=SystemClock().now(),
        notes=replace(notes, settings=tuple(texts.items())),
        to=to,
        waiting=waiting,
    )


def _send(job: Job) -> None:
    notes = replace(job.notes, trouble=_trouble_after(job))
    keep_notes(job.database_path, notes)
    url = job.to.dead_man_url if job.outcome == GOOD else None
    pinged = None if url is None else begin_ping(url)
    try:
        notes = replace(notes, trouble=_tell_trouble(job, notes.trouble))
        keep_notes(job.database_path, notes)
        _deliver(job)
    finally:
        # The end of this process would cut it short.
        failure = None if pinged is None else pinged()
    if failure is not None:
        keep_notes(job.database_path, _with_failed_ping(job, notes, failure))


def _ping(job: Job) -> None:
    if job.to.dead_man_url is not None:
        failure = begin_ping(job.to.dead_man_url)()
        log.debug("dead_man_url: %s", failure or "asked for")


def _trouble_after(job: Job) -> Trouble | None:
    if job.outcome == BAD:
        return troubles.after_failure(job.notes.trouble, job.why, job.now)
    return troubles.after_success(job.notes.trouble, job.now)


def _with_failed_ping(job: Job, notes: Notes, failure: str) -> Notes:
    last = notes.ping_logged_at
    if last is not None and timedelta(0) <= job.now - last < PING_LOGGED_EVERY:
        return notes
    log.warning("dead_man_url: %s", failure)
    return replace(notes, ping_logged_at=job.now)


def _tell_trouble(job: Job, trouble: Trouble | None) -> Trouble | None:
    if trouble is None:
        return None
    events = {each: troubles.event_for(trouble, each.name, job.now) for each in job.to.channels}
    wanted = {channel: event for channel, event in events.items() if event is not None}
    if not wanted:
        return trouble
    host = platform.node()
    event = next(iter(wanted.values()))  # one for all: it has ended or it has not
    message = troubles.message_about(trouble, event, f"{host}:{job.database_path}")
    results = {}
    for sent in hand_over(dict.fromkeys(wanted, (message,)), host):
        results[sent.channel.name] = sent.error is None
        _log_failure(sent.channel, event, sent.error)
    return troubles.after_sending(trouble, event, results, job.now)


def _deliver(job: Job) -> None:
    """Write down what becomes of each message as soon as it is known: what is cut short in between is sent again.

    Nothing is sent while nothing can be written down, or every cycle would send it.
    """
    by_name = {channel.name: channel for channel in job.to.channels}
    queues: dict[Channel, Sequence[Waiting]] = {
        by_name[name]: queue for name, queue in due(job.waiting, job.now).items() if name in by_name
    }
    if not queues:
        return
    with open_as_it_is(job.database_path) as database:
        Alerts(database).begin((each for queue in queues.values() for each in queue), SystemClock().now())
    messages = {channel: tuple(each.message for each in queue) for channel, queue in queues.items()}
    for sent in hand_over(messages, platform.node()):
        entry = queues[sent.channel][sent.place]
        _write_down(job.database_path, entry, sent.error)
        _log_failure(sent.channel, entry.message.event, sent.error)


def _write_down(database_path: str, entry: Waiting, error: str | None) -> None:
    """What became of a message. Whoever keeps the database from being written to is waited for."""
    clock, problem = SystemClock(), ""
    for _ in range(WRITE_ATTEMPTS):
        try:
            with open_as_it_is(database_path) as database:
                if error is None:
                    Alerts(database).delivered(entry, clock.now())
                else:
                    again = clock.now() + pause(entry.attempts + 1)
                    Alerts(database).failed(entry, error, next_try_at=again)
                return
        except Transient as busy:  # SQLite has waited for seconds
            problem = str(busy)
            clock.sleep(WRITE_PAUSE_SECONDS)
        except WnmError as refused:
            problem = str(refused)
            break
    log.error("what became of an alert could not be written down, it will be sent again: %s", problem)


def _log_failure(channel: Channel, event: Event, error: str | None) -> None:
    if error is not None:
        log.warning("the %s of an alert did not arrive at %s: %s", event.value, channel.name, error)


if __name__ == "__main__":
    main()
