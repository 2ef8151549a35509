"""The commands that only read: reports, status, explain, replay, doctor. They need no lock and change no byte."""

import sys
from collections.abc import Callable, Mapping
from pathlib import Path

from wnm.app.context import Context
from wnm.app.doctor import look_around
from wnm.app.histories import is_wanted, tell_history
from wnm.app.invocation import Command
from wnm.app.material import material
from wnm.app.show import tell_status
from wnm.app.stories import explain_cycle, explain_node, node_meant
from wnm.cli.earning_report import EARNINGS, report_earnings
from wnm.core.decide.forced import BY_HAND
from wnm.core.decide.ladder import decide
from wnm.core.errors import BadInput
from wnm.core.layers import DATABASE, Layer, resolve
from wnm.storage.database import open_for_reading
from wnm.storage.ledger import Ledger
from wnm.system.clock import SystemClock
from wnm.views import doctor, explain, replay
from wnm.views.material import Material, only
from wnm.views.payload import write_json
from wnm.views.registry import render


def read(run: Context) -> int:
    """Run one of the commands that only read."""
    if run.asked.command is Command.REPLAY:
        return _replay(run)
    with open_for_reading(run.database_path) as database:
        resolved = run.resolve(Ledger(database).layers())
        if run.asked.report == EARNINGS:
            return report_earnings(run, database)
        if is_wanted(run):
            return tell_history(run, database)
        node = node_meant(run, database)
        found = material(database, resolved, SystemClock().now(), None if node else run.asked.cycle)
        if node is not None:
            return explain_node(run, database, found, node)
        if run.asked.command is Command.STATUS:
            return tell_status(run, database, found)
        if run.asked.command is Command.EXPLAIN:
            return explain_cycle(run, database, found)
    return _COMMANDS[run.asked.command](run, found)


def _report(run: Context, found: Material) -> int:
    chosen = only(found, run.asked.service_names) if run.asked.service_names else found
    if run.asked.report == "influx-resources" and run.asked.report_format in (None, "text"):
        from wnm.app.publish import points_for_dashboards  # the only report that asks the nodes

        _print(points_for_dashboards(chosen))
        return 0
    _print(render(run.asked.report or "", run.asked.report_format or "text", chosen))
    return 0


def _doctor(run: Context, found: Material) -> int:
    checks = (*look_around(run, found.settings), *doctor.checks_of(found))
    as_json = run.asked.report_format == "json"
    _print(write_json(doctor.payload(checks, found.generated_at)) if as_json else doctor.text(checks))
    return 3 if any(check.ok is False for check in checks) else 0


def _replay(run: Context) -> int:
    """Plan again from an exported cycle: exit code 1 when this wnm would decide otherwise."""
    exported = replay.load_exported(_read_export(run.asked.file or ""))
    if exported.recorded.rule == BY_HAND:
        raise BadInput(f"cycle {exported.cycle} was asked for by hand: there is nothing to plan again")
    stored = Layer(name=DATABASE, values=exported.settings_texts)
    settings = resolve((stored,), run.host).settings
    again = decide(exported.seen, settings)
    _print(explain.plan_text(exported.seen, again, settings))
    differences = replay.compare(exported.recorded, again)
    for difference in differences:
        _print(f"differs from the record: {difference}")
    return 1 if differences else 0


def _read_export(name: str) -> str:
    try:
        if name == "-":
            return sys.stdin.buffer.read(replay.LARGEST_BYTES + 1).decode()
        with Path(name).open("rb") as file:
            return file.read(replay.LARGEST_BYTES + 1).decode()
    except OSError as error:
        raise BadInput(f"{name} cannot be read ({error.strerror}): give a file that wnm wrote") from None
    except UnicodeDecodeError:
        raise BadInput(
            f"{name} is not an exported cycle: make one with wnm --report decisions --json > FILE"
        ) from None


def _print(text: str) -> None:
    print(text.rstrip("\n"))


_COMMANDS: Mapping[Command, Callable[[Context, Material], int]] = {
    Command.REPORT: _report,
    Command.DOCTOR: _doctor,
}
