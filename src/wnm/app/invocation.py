"""Holds what a command line asks for, which requests cannot be combined, and what a command has to tell."""

import re
from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from msgspec import Struct, field
from msgspec.structs import fields

from wnm.core.errors import BadInput, shortened

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
FASTEST_SECONDS, SLOWEST_SECONDS = 0.5, 3600.0
# The commands that each goes with, by the words that they are asked for with.
_GO_WITH = {
    "sort": ("status", "watch"),
    "filter": ("status", "watch"),
    "wide": ("status",),
    "all": ("status",),
    "days": ("history", "--report"),
    "node": ("history", "explain", "--report"),
    "limit": ("history", "explain", "--report"),
    "range": ("history", "--report"),
    "every": ("watch",),
}
_WHOLE = re.compile(r"[0-9]{1,9}")
_DECIMAL = re.compile(r"[0-9]{1,6}(\.[0-9]{1,6})?")
_NODE = re.compile(r"(antnode)?([0-9]{1,9})(\.service)?", re.ASCII)


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
NAMES = frozenset(field.name for field in fields(View))


def view_value(name: str, text: str) -> object:
    """The value of one of the options that have no choices. BadInput if it cannot be one."""
    match name:
        case "days":
            return _whole(name, text, most=3650)
        case "limit":
            return _whole(name, text, most=999_999_999)
        case "every":
            return _seconds(text)
        case "node":
            return node_text("--node", text)
        case _:
            if not text.strip() or not text.isprintable():
                raise BadInput(f"--{name} cannot be {shortened(text)}: give a part of what is shown")
            return text.strip()


def node_text(what: str, text: str) -> str:
    """A node as people name it: `antnode0017`, `antnode0017.service` or `17`. BadInput for anything else."""
    stripped = text.strip()
    if not _NODE.fullmatch(stripped):
        raise BadInput(f"{what} cannot be {shortened(text)}: give a node's name such as antnode0017")
    return stripped.removesuffix(".service")


def view_of(found: Mapping[str, Any]) -> View:
    """The options that are about views."""
    return View(**{name: value for name, value in found.items() if name in NAMES})


def check_view(view: View, command: str, report: str | None) -> None:
    """BadInput if an option does not go with the command; a report has to be the one of the history."""
    for name, commands in _GO_WITH.items():
        if not getattr(view, name):
            continue
        fits = command in commands and (command != "--report" or report == "history")
        if not fits:
            shown = " or ".join("--report history" if each == "--report" else each for each in commands)
            raise BadInput(f"--{name} only goes with {shown}: add it, or leave out --{name}")


def _whole(name: str, text: str, *, most: int) -> int:
    if not _WHOLE.fullmatch(text) or not 1 <= int(text) <= most:
        raise BadInput(f"--{name} cannot be {shortened(text)}: give a whole number from 1 to {most}")
    return int(text)


def _seconds(text: str) -> float:
    if not _DECIMAL.fullmatch(text) or not FASTEST_SECONDS <= float(text) <= SLOWEST_SECONDS:
        raise BadInput(
            f"--every cannot be {shortened(text)}: give seconds from {FASTEST_SECONDS} to {SLOWEST_SECONDS:.0f}"
        )
    return float(text)


if TYPE_CHECKING:
    from wnm.views.text import Line


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
_WITHOUT_NODES = frozenset({"survey", "teardown", "update_config", "accept_disk"})
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
    rehearsable = asked.takes_over or asked.command not in (Command.INIT, Command.REMOVE_LOCKFILE)
    if asked.dry_run and not rehearsable:
        raise BadInput(f"{asked.command} cannot be a dry run: leave out --dry_run (and WNM_DRY_RUN)")
    if asked.command is Command.FORCE:
        _check_forced(asked)
    else:
        _refuse_if(asked.count is not None, "--count", "--force_action")
        _refuse_if(asked.confirm, "--confirm", "--force_action")
        _refuse_if(asked.storage is not None, "--storage", "--force_action accept_disk")
        _refuse_if(
            bool(asked.service_names) and asked.command is not Command.REPORT,
            "--service_name",
            "--force_action or --report",
        )
    json_fits = asked.report_format == "json" and asked.command in _WITH_JSON
    _refuse_if(
        asked.report_format is not None and asked.command is not Command.REPORT and not json_fits,
        "--json" if asked.report_format == "json" else "--report_format",
        "--report, status, explain, history, doctor and such"
        if asked.report_format == "json"
        else "--report",
    )
    _refuse_if(asked.cycles is not None and asked.command is not Command.SIMULATE, "--cycles", "simulate")
    _refuse_if(asked.seed is not None and asked.command is not Command.SIMULATE, "--seed", "simulate")
    _refuse_if(asked.port is not None and asked.command is not Command.SERVE, "--port", "serve")
    check_view(asked.view, asked.command, asked.report)
    if asked.command is Command.CRON:
        _check_cron(asked)
    _check_takeover(asked)


def _check_takeover(asked: Invocation) -> None:
    sources = {
        "--migrate_anm": asked.migrate_anm,
        "--import": asked.import_services,
        "--migrate_wnm": asked.migrate_wnm is not None,
    }
    given = [option for option, is_given in sources.items() if is_given]
    for option in given:
        _refuse_if(asked.command is not Command.INIT, option, "--init")
    if len(given) > 1:
        raise BadInput(f"{given[0]} and {given[1]} cannot be combined: take over from one at a time")
    _refuse_if(asked.accept_defaults and asked.command is not Command.INIT, "--accept_defaults", "--init")
    _refuse_if(asked.companions is not None and not asked.migrate_anm, "--companions", "--migrate_anm")


def _check_cron(asked: Invocation) -> None:
    _refuse_if(
        asked.report_format is not None and asked.cron_verb != "show",
        "--json",
        "cron show, --report and such",
    )
    if asked.given:
        raise BadInput(
            f"--{next(iter(asked.given))} is no part of the line for cron: "
            "give it to wnm --force_action update_config, which keeps it"
        )


def _check_forced(asked: Invocation) -> None:
    action = asked.force_action
    if asked.count is not None and asked.service_names:
        raise BadInput("--count and --service_name cannot be combined: name the nodes or say how many")
    if action in _WITHOUT_NODES and (asked.count is not None or asked.service_names):
        raise BadInput(
            f"--force_action {action} is not about single nodes: leave out --count and --service_name"
        )
    if action == "adopt" and asked.count is not None:
        raise BadInput("--force_action adopt takes --service_name, or neither for every folder without a row")
    _refuse_if(
        asked.storage is not None and action != "accept_disk", "--storage", "--force_action accept_disk"
    )
    if action == "add" and asked.service_names:
        raise BadInput("--force_action add takes --count: new nodes get the lowest free ids by themselves")
    destroys = action in ("teardown", "accept_disk") or (action == "remove" and asked.service_names)
    if destroys and not asked.confirm and not asked.dry_run:
        raise BadInput(
            f"--force_action {action} deletes data: add --confirm, or --dry_run to see what it would do"
        )


def _refuse_if(wrong: bool, option: str, belongs_to: str) -> None:
    if wrong:
        raise BadInput(f"{option} only goes with {belongs_to}: add it, or leave out {option}")


class Report(Struct, frozen=True, kw_only=True):
    """The result of a use case: a text or lines for stdout, lines for stderr, and the exit code."""

    text: "str | Sequence[Line] | None" = None
    notes: Sequence[str] = ()
    exit_code: int = 0
