"""The reference pages say what wnm really writes: JSON keys, metrics, tables, exit codes, commands."""

import ast
import inspect
import json
import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from msgspec.structs import replace
from scripts.reference.commands import EXIT_CODES, commands_markdown, exit_codes_markdown
from scripts.reference.json import NODE
from scripts.reference.json import REPORTS as DOCUMENTED
from scripts.reference.metrics import metrics_in
from scripts.reference.schema import PURPOSES, schema_markdown
from tests.builders import NOW
from tests.views.past import remember
from tests.views.recorded import MACHINES, busy
from tests.views.terminal_texts import LOOKED_AT, looked_at
from tests.views.test_earnings import SOME

from wnm.alerts import commands as alert_commands
from wnm.app import schedule as cron
from wnm.app.invocation import FORCED_ACTIONS, REPORTS, SUBCOMMANDS, View
from wnm.app.read import chronicle_of, story_of
from wnm.app.run_options import RUN_OPTIONS
from wnm.core.alerts import CycleFailure, Episode, Event, Severity, Waiting, addresses, message_of
from wnm.core.errors import WnmError
from wnm.storage.database import open_for_reading
from wnm.storage.schema import TABLES_SQL, tables
from wnm.views import doctor, earnings, prometheus, registry, timeline
from wnm.views.reports import KEYS

ROOT = Path(__file__).resolve().parents[2]
COMMON = {"schema", "generated_at"}
# What stands for any name in the tables, by where it stands.
ANY_NAME = {
    "health_sources": "KIND",
    "readings": "READING",
    "unseen": "READING",
    "node_counts": "STATUS",
    "settings": "NAME",
    "trends.measures": "NAME",
}
WHOLE = {"observation", "decision", "node", "last_stop"}
"""What is described in one row, or elsewhere."""
WITHOUT_CONTENT = {"trends", "last_cycle"}
"""What is null as a whole in some cases."""


def paths(value: Any, prefix: str = "") -> Iterator[str]:
    """The paths of all keys below a value, as the tables write them."""
    if prefix in WHOLE or not isinstance(value, dict | list):
        yield prefix
    elif isinstance(value, list):
        for each in value:
            yield from paths(each, f"{prefix}[]") if each is not None else ()
    else:
        for name, each in value.items():
            shown = ANY_NAME.get(prefix, name)
            yield from paths(each, f"{prefix}.{shown}".lstrip("."))


def told(report: str, *payloads: Any) -> None:
    """All keys of the payloads are documented, and all that are documented are there."""
    found = {path for payload in payloads for path in paths(payload)} - COMMON
    assert found - set(DOCUMENTED[report]) == set()
    assert set(DOCUMENTED[report]) - found == set()


def rendered(name: str) -> list[Any]:
    return [json.loads(registry.render(name, "json", of)) for of in MACHINES.values()]


@pytest.mark.parametrize(
    ("name", "report"),
    [
        ("node-status", "node-status and node-status-details"),
        ("node-status-details", "node-status and node-status-details"),
        ("machine-config", "machine-config"),
        ("machine-metrics", "machine-metrics"),
        ("status", "status"),
    ],
)
def test_reports_have_the_keys_that_are_documented(name: str, report: str) -> None:
    told(report, *rendered(name))


@pytest.mark.parametrize("name", ["decisions", "explain"])
def test_a_cycle_has_the_keys_that_are_documented(name: str) -> None:
    told("decisions and explain", json.loads(registry.render(name, "json", busy())))


def test_nodes_have_the_keys_that_are_documented() -> None:
    assert tuple(NODE) == KEYS


def test_history_and_stories_have_the_keys_that_are_documented(tmp_path: Path) -> None:
    past = remember(tmp_path / "colony.db", NOW)
    with open_for_reading(past.path) as database:
        found = looked_at(database)
        view = View(days=3, range="week")
        told(
            "history", timeline.history_payload(chronicle_of(database, found.settings, view, None, LOOKED_AT))
        )
        shed = timeline.story_payload(story_of(database, found, "antnode0017"))
    told("explain NODE", shed)


def test_earnings_and_the_doctor_have_the_keys_that_are_documented() -> None:
    told("earnings", earnings.payload(SOME, NOW))
    told("doctor", doctor.payload(tuple(doctor.checks_of(busy())), NOW))


def test_alerts_have_the_keys_that_are_documented() -> None:
    said: dict[str, Any] = {"severity": Severity.WARNING, "text": "full", "remedy": "free some", "since": NOW}
    crisis = Episode(key="disk-crisis", subject="/", started_at=NOW, **said)
    message = message_of(crisis, Event.START, 1)
    waiting = Waiting(id=1, channel="a", message=message, attempts=0, next_try_at=NOW)
    failure = CycleFailure(since=NOW, text="damaged", sightings=3)
    to = addresses(("https://example.org/hook",), (), None)
    standing = alert_commands.Standing(
        episodes=(crisis, replace(crisis, ended_at=NOW)), waiting=(waiting,), to=to, failure=failure
    )
    told("alerts", alert_commands.payload(standing, NOW))


@pytest.mark.parametrize(
    ("module", "functions", "report"),
    [
        (alert_commands, ("send_test",), "alerts test"),
        (cron, ("_payload",), "cron show"),
    ],
)
def test_what_needs_a_machine_has_the_keys_that_are_documented(
    module: ModuleType, functions: tuple[str, ...], report: str
) -> None:
    tree = ast.parse(inspect.getsource(module))
    written = {
        key.value
        for function in ast.walk(tree)
        if isinstance(function, ast.FunctionDef) and function.name in functions
        for node in ast.walk(function)
        if isinstance(node, ast.Dict)
        for key in node.keys
        if isinstance(key, ast.Constant)
    }
    documented = {part.removesuffix("[]") for path in DOCUMENTED[report] for part in path.split(".")}
    assert written == documented


def test_every_metric_is_documented() -> None:
    page = (ROOT / "docs/reference/metrics.md").read_text(encoding="utf-8")
    for of in MACHINES.values():
        for metric in metrics_in([prometheus.text(of)]):
            assert f"| `{metric.name}` | {metric.type} |" in page
            for label in metric.labels:
                row = next(line for line in page.splitlines() if f"| `{metric.name}` |" in line)
                assert label in row.split("|")[3]


def test_every_table_and_column_is_documented() -> None:
    page = schema_markdown()
    assert set(PURPOSES) == set(tables())
    with closing(sqlite3.connect(":memory:")) as connection:
        connection.executescript(TABLES_SQL.read_text(encoding="utf-8"))
        for table in tables():
            part = page.partition(f"\n## {table}\n")[2].partition("\n## ")[0]
            columns = [row[1] for row in connection.execute(f"PRAGMA table_xinfo({table})")]
            assert re.findall(r"^\| `(\w+)` \|", part, re.MULTILINE) == columns


def subclasses(of: type[WnmError]) -> Iterator[type[WnmError]]:
    for each in of.__subclasses__():
        yield each
        yield from subclasses(each)


def test_every_exit_code_is_documented() -> None:
    page = exit_codes_markdown()
    # The fleet has codes of its own, and its tests may run in this process.
    of_wnm = [each for each in subclasses(WnmError) if not each.__module__.startswith("wnm_fleet.")]
    assert {each.exit_code for each in of_wnm} < {code for code, _ in EXIT_CODES}
    assert all(f"| {code} | {meaning} |" in page for code, meaning in EXIT_CODES)


def test_every_command_and_option_is_documented() -> None:
    page = commands_markdown()
    for word in (*map(str, SUBCOMMANDS), *FORCED_ACTIONS, *REPORTS, *(f"--{name}" for name in RUN_OPTIONS)):
        assert f"`{word}" in page or f"`wnm {word}" in page
