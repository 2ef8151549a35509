"""Sends what waits, in a process of its own that a cycle starts and does not wait for; never started by people."""

import logging
import os
import platform
import signal
import sys
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any, NoReturn

from msgspec.structs import replace

from wnm.alerts.delivery import Sent, begin_ping, hand_over
from wnm.alerts.fallback import fallback_path, keep_fallback, lock_path, read_fallback
from wnm.core import alerts
from wnm.core.errors import Busy, Transient, WnmError
from wnm.core.settings import SECRET
from wnm.storage.alerts import Alerts
from wnm.storage.database import open_as_it_is
from wnm.storage.ledger import Ledger
from wnm.system.clock import SystemClock
from wnm.system.lock import only_one
from wnm.system.logs import set_up_logging

GOOD, DONE, BAD = "good", "done", "bad"
"""The ways in which a cycle ends: with exit code 0, with another one, or without having been carried out."""

LIFE_SECONDS = 300
WRITE_ATTEMPTS = 12
WRITE_PAUSE_SECONDS = 0.5
PING_LOGGED_EVERY = timedelta(hours=1)
log = logging.getLogger("wnm.alerts.sender")


def main() -> NoReturn:
    """`DATABASE good|done|bad [WHY]`; ends by itself, whatever the receivers do."""
    # Threads that a server holds up cannot keep this from ending the process.
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    signal.alarm(LIFE_SECONDS)
    set_up_logging(None, None)
    database_path, outcome, *why = sys.argv[1:]
    try:
        send_once(database_path, outcome, " ".join(why))
    except WnmError as error:
        log.error("alerts could not be sent: %s", error)
    except Exception:
        log.exception("alerts could not be sent; this is a bug in wnm")
    os._exit(0)


def send_once(database_path: str, outcome: str, why: str) -> None:
    """Send what is to be sent now; nothing while another process does it."""
    # A database that was lost leaves the file behind, one that was torn down nothing.
    if not any(map(os.path.lexists, (database_path, fallback_path(database_path)))):
        return
    lock = lock_path(database_path)
    try:
        with only_one(lock):
            try:
                Sender(database_path).send(outcome, why)
            finally:
                Path(lock).unlink(missing_ok=True)
    except Busy:
        # The other one may be held up by receivers for minutes, and this cycle was a good one all the same.
        if outcome == GOOD and (url := Sender(database_path).to.dead_man_url) is not None:
            log.debug("dead_man_url: %s", begin_ping(url)() or "asked for")


class Sender:
    """One run: what the file beside the database says, where messages go, and what waits for them."""

    def __init__(self, database_path: str) -> None:
        self.path, self.now, self.waiting = database_path, SystemClock().now(), tuple[alerts.Waiting, ...]()
        state, self.to = read_fallback(database_path), alerts.Addresses()
        texts: Mapping[str, str] = dict(state.settings)
        try:
            with open_as_it_is(database_path) as database:
                stored, self.waiting = Ledger(database).settings(), Alerts(database).waiting()
            texts = {name: stored[name] for name in sorted(SECRET) if stored.get(name)}
        except WnmError as error:
            log.debug("the database cannot be read, %s: the file beside it says where messages go", error)
        try:
            self.to = alerts.addresses_in(texts)
        except ValueError as error:
            log.warning("alerts cannot be sent, the settings for them cannot be read: %s", error)
        self.state = replace(state, settings=tuple(texts.items()))

    def keep(self, **changes: Any) -> None:
        """Write down beside the database what has become of it."""
        self.state = replace(self.state, **changes)
        keep_fallback(self.path, self.state)

    def send(self, outcome: str, why: str) -> None:
        """Send what is due, and ask for the dead-man switch after a good cycle."""
        failure = alerts.after_success(self.state.failure, self.now)
        if outcome == BAD:
            failure = alerts.after_failure(self.state.failure, why, self.now)
        self.keep(failure=failure)
        url = self.to.dead_man_url if outcome == GOOD else None
        pinged = None if url is None else begin_ping(url)
        try:
            if self.state.failure is not None:
                self.keep(failure=self._tell_of(self.state.failure))
            self._deliver()
        finally:
            # The end of this process would cut it short.
            ping_failure = None if pinged is None else pinged()
        last = self.state.ping_logged_at
        is_recent = last is not None and timedelta(0) <= self.now - last < PING_LOGGED_EVERY
        if ping_failure is not None and not is_recent:
            log.warning("dead_man_url: %s", ping_failure)
            self.keep(ping_logged_at=self.now)

    def _tell_of(self, failure: alerts.CycleFailure) -> alerts.CycleFailure | None:
        events = {each: failure.event_for(each.name, self.now) for each in self.to.channels}
        wanted = {channel: event for channel, event in events.items() if event is not None}
        if not wanted:
            return failure
        host = platform.node()
        event = next(iter(wanted.values()))  # one for all: it has ended or it has not
        message = failure.message(event, f"{host}:{self.path}")
        results = {}
        for sent in hand_over(dict.fromkeys(wanted, (message,)), host):
            results[sent.channel.name] = sent.error is None
            _log_failure(sent, event)
        return failure.after_sending(event, results, self.now)

    def _deliver(self) -> None:
        """Write down what becomes of each message as soon as it is known: what is cut short in between is sent again.

        Nothing is sent while nothing can be written down, or every cycle would send it.
        """
        queued = alerts.due(self.waiting, self.now)
        queues = {each: queued[each.name] for each in self.to.channels if each.name in queued}
        if not queues:
            return
        with open_as_it_is(self.path) as database:
            Alerts(database).begin((each for queue in queues.values() for each in queue), SystemClock().now())
        messages = {channel: tuple(each.message for each in queue) for channel, queue in queues.items()}
        for sent in hand_over(messages, platform.node()):
            entry = queues[sent.channel][sent.place]
            _write_down(self.path, entry, sent.error)
            _log_failure(sent, entry.message.event)


def _write_down(database_path: str, entry: alerts.Waiting, error: str | None) -> None:
    """Record the result of sending a message. A database that cannot be written to yet is tried again."""
    clock, problem = SystemClock(), ""
    for _ in range(WRITE_ATTEMPTS):
        try:
            with open_as_it_is(database_path) as database:
                if error is None:
                    Alerts(database).delivered(entry, clock.now())
                else:
                    again = clock.now() + alerts.retry_pause(entry.attempts + 1)
                    Alerts(database).failed(entry, error, next_try_at=again)
                return
        except Transient as busy:  # SQLite has waited for seconds
            problem = str(busy)
            clock.sleep(WRITE_PAUSE_SECONDS)
        except WnmError as refused:
            problem = str(refused)
            break
    log.error("what became of an alert could not be written down, it will be sent again: %s", problem)


def _log_failure(sent: Sent, event: alerts.Event) -> None:
    if sent.error is not None:
        log.warning("the %s of an alert did not arrive at %s: %s", event.value, sent.channel.name, sent.error)


if __name__ == "__main__":
    main()
