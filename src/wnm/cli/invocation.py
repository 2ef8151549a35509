"""What a command line asks for, and which requests cannot be combined."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from wnm.core.errors import BadInput


class Command(StrEnum):
    """What one run of wnm does; exactly one of these."""

    CYCLE = "cycle"
    INIT = "--init"
    FORCE = "--force_action"
    REPORT = "--report"
    REMOVE_LOCKFILE = "--remove_lockfile"
    VERSION = "--version"
    HELP = "--help"
    STATUS = "status"
    EXPLAIN = "explain"
    REPLAY = "replay"
    SIMULATE = "simulate"
    DOCTOR = "doctor"
    CRON = "cron"


SUBCOMMANDS: Mapping[Command, str] = {
    Command.STATUS: "a table of the machine and its nodes",
    Command.EXPLAIN: "why the last cycle, or the one with that number, did what it did",
    Command.REPLAY: "plan again from an exported cycle",
    Command.SIMULATE: "run the decisions against a simulated machine",
    Command.DOCTOR: "check the set-up and print remedies",
    Command.CRON: "the line that lets cron start a cycle every minute: show, install or remove it",
}
CRON_VERBS = ("show", "install", "remove")
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
)
REPORTS = ("node-status", "node-status-details", "machine-config", "machine-metrics", "decisions")
REPORT_FORMATS = ("text", "json", "env", "config")
_WITHOUT_NODES = frozenset({"survey", "teardown", "update_config"})
_WITH_JSON = frozenset({Command.REPORT, Command.STATUS, Command.EXPLAIN, Command.DOCTOR, Command.CRON})


@dataclass(frozen=True, slots=True, kw_only=True)
class Invocation:
    """One command line. None means "not given"; `given` holds the settings' texts by name.

    `service_names` come without `.service`. `cycle` goes with explain, `file` with replay, `cycles` and `seed`
    with simulate, `cron_verb` with cron.
    """

    command: Command = Command.CYCLE
    dry_run: bool = False
    force_action: str | None = None
    service_names: tuple[str, ...] = ()
    count: int | None = None
    confirm: bool = False
    report: str | None = None
    report_format: str | None = None
    cycle: int | None = None
    file: str | None = None
    cycles: int | None = None
    seed: int | None = None
    cron_verb: str | None = None
    dbpath: str | None = None
    config: str | None = None
    loglevel: str | None = None
    log_format: str | None = None
    log_file: str | None = None
    given: Mapping[str, str] = field(default_factory=dict)


def refuse_conflicts(asked: Invocation) -> None:
    """BadInput if the parts of a request do not go together."""
    if asked.dry_run and asked.command in (Command.INIT, Command.REMOVE_LOCKFILE):
        raise BadInput(f"{asked.command} cannot be a dry run: leave out --dry_run (and WNM_DRY_RUN)")
    if asked.command is Command.FORCE:
        _check_forced(asked)
    else:
        _refuse_if(asked.count is not None, "--count", "--force_action")
        _refuse_if(asked.confirm, "--confirm", "--force_action")
        _refuse_if(
            bool(asked.service_names) and asked.command is not Command.REPORT,
            "--service_name",
            "--force_action or --report",
        )
    json_fits = asked.report_format == "json" and asked.command in _WITH_JSON
    _refuse_if(
        asked.report_format is not None and asked.command is not Command.REPORT and not json_fits,
        "--json" if asked.report_format == "json" else "--report_format",
        "--report",
    )
    _refuse_if(asked.cycles is not None and asked.command is not Command.SIMULATE, "--cycles", "simulate")
    _refuse_if(asked.seed is not None and asked.command is not Command.SIMULATE, "--seed", "simulate")
    if asked.command is Command.CRON:
        _check_cron(asked)


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
    if action == "add" and asked.service_names:
        raise BadInput("--force_action add takes --count: new nodes get the lowest free ids by themselves")
    destroys = action == "teardown" or (action == "remove" and asked.service_names)
    if destroys and not asked.confirm and not asked.dry_run:
        raise BadInput(
            f"--force_action {action} deletes data: add --confirm, or --dry_run to see what it would do"
        )


def _refuse_if(wrong: bool, option: str, belongs_to: str) -> None:
    if wrong:
        raise BadInput(f"{option} only goes with {belongs_to}: add it, or leave out {option}")
