"""`wnm alerts`: what stands open, and `wnm alerts test`: whether messages arrive."""

import platform

from wnm.alerts.notes import read_notes
from wnm.app.run import Run
from wnm.core.alerts.channels import Addresses, addresses, addresses_in
from wnm.core.alerts.messages import test_message
from wnm.core.errors import BadInput, NeedsOperator
from wnm.storage.alerts import Alerts
from wnm.storage.database import open_for_reading
from wnm.storage.ledger import Ledger
from wnm.system.clock import SystemClock
from wnm.views import alerts as report
from wnm.views.payload import envelope, write_json

MOST_SHOWN = 30


def alerts(run: Run) -> int:
    """Run the verb that was asked for. Nothing is written; a test needs no alert to be open."""
    return _test(run) if run.asked.alerts_verb == "test" else _show(run)


def _show(run: Run) -> int:
    now = SystemClock().now()
    notes = read_notes(run.database_path)
    with open_for_reading(run.database_path) as database:
        to = _addresses(run, Ledger(database).settings())
        remembered = Alerts(database)
        standing = report.Standing(
            episodes=remembered.latest(MOST_SHOWN),
            waiting=remembered.waiting(),
            channels=to.names,
            has_dead_man=to.dead_man_url is not None,
            trouble=notes.trouble,
        )
    as_json = run.asked.report_format == "json"
    print(write_json(report.payload(standing, now)) if as_json else report.text(standing, now))
    return 0


def _test(run: Run) -> int:
    """Exit code 1 if a channel did not take the message. BadInput if there is none."""
    from wnm.alerts.channels import hand_over

    try:
        with open_for_reading(run.database_path) as database:
            stored = Ledger(database).settings()
    except NeedsOperator:
        # What tells of a database that cannot be read is worth a test, too.
        stored = dict(read_notes(run.database_path).settings)
        if not stored:
            raise
        to = addresses_in(stored)
    else:
        to = _addresses(run, stored)
    if not to.channels:
        raise BadInput("there is nobody to tell: give --alert_urls or --alert_command")
    message = test_message(SystemClock().now())
    results = {
        sent.channel.name: sent.error
        for sent in hand_over(dict.fromkeys(to.channels, (message,)), platform.node())
    }
    if run.asked.report_format == "json":
        entries = [
            {"channel": name, "ok": results[name] is None, "error": results[name]} for name in to.names
        ]
        print(write_json(envelope(message.at, {"id": message.id, "results": entries})))
    else:
        for name in to.names:
            print(f"{name}: {results[name] or f'has taken message {message.id}'}")
    return int(any(error is not None for error in results.values()))


def _addresses(run: Run, stored: dict[str, str]) -> Addresses:
    settings = run.resolve(stored).settings
    return addresses(settings.alert_urls, settings.alert_command, settings.dead_man_url)
