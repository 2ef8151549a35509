"""Holds what a command line asks for, which requests cannot be combined, and what a command has to tell."""

from collections.abc import Iterator, Mapping, Sequence
from enum import StrEnum
from typing import TYPE_CHECKING

from msgspec import Struct, field

from wnm.core.errors import BadInput

if TYPE_CHECKING:
    from wnm.views.text import Line

SORTS = (
    "name",
    "status",
    "process",
    "reachable",
    "version",
    "peers",
    "shuns",
    "records",
    "disk",
    "earned",
    "cpu",
    "memory",
    "uptime",
    "last",
)
RANGE_NAMES = ("day", "week", "month")
# The requests that an option goes with, by the words that they are made with.
GO_WITH: Mapping[str, tuple[str, ...]] = {
    "count": ("--force_action",),
    "confirm": ("--force_action",),
    "storage": ("--force_action accept_disk",),
    "service_name": ("--force_action", "--report"),
    "cycles": ("simulate",),
    "seed": ("simulate",),
    "port": ("serve",),
    "sort": ("status", "watch"),
    "filter": ("status", "watch"),
    "wide": ("status",),
    "all": ("status",),
    "days": ("history", "--report history"),
    "node": ("history", "explain", "--report history"),
    "limit": ("history", "explain", "--report history"),
    "range": ("history", "--report history"),
    "every": ("watch",),
}


class View(Struct, frozen=True, kw_only=True):
    """The view to be shown; fields are None or False where nothing was given.

    `node` is a name as it was written, perhaps only a number; `every` is in seconds.
    """

    sort: str | None = None
    filter: str | None = None
    wide: bool = False
    all: bool = False
    days: int | None = None
    node: str | None = None
    limit: int | None = None
    range: str | None = None
    every: float | None = None


EVERYTHING = View()


class Command(StrEnum):
    """The thing that one run of wnm does; exactly one of these."""

    CYCLE = "cycle"
    INIT = "--init"
    FORCE = "--force_action"
    REPORT = "--report"
    REMOVE_LOCKFILE = "--remove_lockfile"
    UNDO_MIGRATION = "--undo_migration"
    VERSION = "--version"
    HELP = "--help"
    STATUS = "status"
    EXPLAIN = "explain"
    HISTORY = "history"
    WATCH = "watch"
    REPLAY = "replay"
    SIMULATE = "simulate"
    DOCTOR = "doctor"
    CRON = "cron"
    SERVE = "serve"
    ALERTS = "alerts"


SUBCOMMANDS: Mapping[Command, str] = {
    Command.STATUS: "the machine against its limits, and its nodes",
    Command.EXPLAIN: "why the last cycle, or the one with that number, did what it did; of a node its whole story",
    Command.HISTORY: "what happened, and how the machine was, as charts",
    Command.WATCH: "a live view of the machine and its nodes",
    Command.REPLAY: "plan again from a cycle that --report decisions --json wrote",
    Command.SIMULATE: "run the decisions against a simulated machine",
    Command.DOCTOR: "check the set-up and print remedies",
    Command.SERVE: "show the status page on 127.0.0.1 until it is ended",
    Command.ALERTS: "what is or was wrong, and which messages wait; test sends one through every channel",
    Command.CRON: "the line that lets cron start a cycle every minute: show, install or remove it",
}
CRON_VERBS = ("show", "install", "remove")
ALERTS_VERBS = ("show", "test")
FORCED_ACTIONS = (
    "add",
    "start",
    "stop",
    "restart",
    "upgrade",
    "remove",
    "disable",
    "enable",
    "survey",
    "teardown",
    "update_config",
    "adopt",
    "accept_disk",
)
REPORTS = (
    "node-status",
    "node-status-details",
    "machine-config",
    "machine-metrics",
    "decisions",
    "prometheus",
    "influx-resources",
    "earnings",
    "history",
)
REPORT_FORMATS = ("text", "json", "env", "config", "csv")
_WITH_JSON = frozenset(
    {
        Command.REPORT,
        Command.STATUS,
        Command.EXPLAIN,
        Command.HISTORY,
        Command.DOCTOR,
        Command.ALERTS,
        Command.CRON,
    }
)


class Invocation(Struct, frozen=True, kw_only=True):
    """One command line. None means "not given"; `given` holds the settings' texts by name.

    `service_names` come without `.service`, `storage` is a folder. `cycle` goes with explain, `file` with replay,
    `cycles` and `seed` with simulate, `cron_verb` with cron, `alerts_verb` with alerts, `port` with serve, `view` with
    status, explain, history and watch; `migrate_anm`, `import_services`, `migrate_wnm` (the path of an older
    database), `accept_defaults` and `companions` with --init.
    """

    command: Command = Command.CYCLE
    dry_run: bool = False
    force_action: str | None = None
    service_names: tuple[str, ...] = ()
    count: int | None = None
    confirm: bool = False
    storage: str | None = None
    report: str | None = None
    report_format: str | None = None
    cycle: int | None = None
    file: str | None = None
    cycles: int | None = None
    seed: int | None = None
    cron_verb: str | None = None
    alerts_verb: str | None = None
    port: int | None = None
    migrate_anm: bool = False
    import_services: bool = False
    migrate_wnm: str | None = None
    accept_defaults: bool = False
    companions: str | None = None
    view: View = EVERYTHING
    dbpath: str | None = None
    config: str | None = None
    loglevel: str | None = None
    log_format: str | None = None
    log_file: str | None = None
    given: Mapping[str, str] = field(default_factory=dict)

    @property
    def takes_over(self) -> bool:
        """Whether --init takes over what is there already, as far as the command line says so."""
        return self.migrate_anm or self.import_services or self.migrate_wnm is not None


def refuse_conflicts(asked: Invocation) -> None:
    """BadInput if the parts of a request do not go together."""
    for words in _conflicts(asked):
        raise BadInput(words)


def _conflicts(asked: Invocation) -> Iterator[str]:
    command, is_json = asked.command, asked.report_format == "json"
    rehearsable = asked.takes_over or command not in (Command.INIT, Command.REMOVE_LOCKFILE)
    if asked.dry_run and not rehearsable:
        yield f"{command} cannot be a dry run: leave out --dry_run (and WNM_DRY_RUN)"
    if command is Command.FORCE:
        yield from _forced_conflicts(asked)
    for name, words in GO_WITH.items():
        holder: Struct = asked.view if hasattr(asked.view, name) else asked
        value = getattr(holder, "service_names" if name == "service_name" else name)
        is_given = value is not None and value is not False and value != ()
        if is_given and not {command, f"{command} {asked.report or asked.force_action}"}.intersection(words):
            yield _misplaced(f"--{name}", " or ".join(words))
    if asked.report_format is not None and command is not Command.REPORT:
        if not is_json:
            yield _misplaced("--report_format", "--report")
        if command not in _WITH_JSON:
            yield _misplaced("--json", "--report, status, explain, history, doctor and such")
        if command is Command.CRON and asked.cron_verb != "show":
            yield _misplaced("--json", "cron show, --report and such")
    if command is Command.CRON and asked.given:
        yield (
            f"--{next(iter(asked.given))} is no part of the line for cron: "
            "give it to wnm --force_action update_config, which keeps it"
        )
    yield from _takeover_conflicts(asked)


def _misplaced(option: str, belongs_to: str) -> str:
    return f"{option} only goes with {belongs_to}: add it, or leave out {option}"


def _forced_conflicts(asked: Invocation) -> Iterator[str]:
    action, has_names = asked.force_action, bool(asked.service_names)
    if asked.count is not None and has_names:
        yield "--count and --service_name cannot be combined: name the nodes or say how many"
    if action in ("survey", "teardown", "update_config", "accept_disk") and (
        asked.count is not None or has_names
    ):
        yield f"--force_action {action} is not about single nodes: leave out --count and --service_name"
    if action == "adopt" and asked.count is not None:
        yield "--force_action adopt takes --service_name, or neither for every folder without a row"
    if action == "add" and has_names:
        yield "--force_action add takes --count: new nodes get the lowest free ids by themselves"
    destroys = action in ("teardown", "accept_disk") or (action == "remove" and has_names)
    if destroys and not asked.confirm and not asked.dry_run:
        yield f"--force_action {action} deletes data: add --confirm, or --dry_run to see what it would do"


def _takeover_conflicts(asked: Invocation) -> Iterator[str]:
    is_init = asked.command is Command.INIT
    sources = {
        "--migrate_anm": asked.migrate_anm,
        "--import": asked.import_services,
        "--migrate_wnm": asked.migrate_wnm is not None,
    }
    given = [option for option, is_given in sources.items() if is_given]
    for option in given if not is_init else ():
        yield _misplaced(option, "--init")
    if len(given) > 1:
        yield f"{given[0]} and {given[1]} cannot be combined: take over from one at a time"
    if asked.accept_defaults and not is_init:
        yield _misplaced("--accept_defaults", "--init")
    if asked.companions is not None and not asked.migrate_anm:
        yield _misplaced("--companions", "--migrate_anm")


class Report(Struct, frozen=True, kw_only=True):
    """The result of a use case: a text or lines for stdout, lines for stderr, and the exit code."""

    text: "str | Sequence[Line] | None" = None
    notes: Sequence[str] = ()
    exit_code: int = 0
