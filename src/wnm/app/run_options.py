"""Lists the options of a run beside those of settings, and where else each may be given."""

from collections.abc import Mapping
from enum import Enum

from msgspec import Struct

from wnm.app.invocation import FORCED_ACTIONS, RANGE_NAMES, REPORT_FORMATS, REPORTS, SORTS, SUBCOMMANDS
from wnm.core.errors import BadInput, did_you_mean, shortened
from wnm.core.settings import NAMES, SPECS


class Takes(Enum):
    """The kind of value that an option takes."""

    NOTHING = "nothing"
    VALUE = "a value"
    SWITCH = "true or false, or nothing for true"


class Option(Struct, frozen=True, kw_only=True):
    """An option that is not a setting; `from_files` and `from_environment` say where else it may be given."""

    name: str
    meaning: str
    takes: Takes = Takes.VALUE
    shown: str = ""
    choices: tuple[str, ...] = ()
    from_environment: bool = False
    from_files: bool = False


LOG_LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")
SHORT = {"-c": "config", "-h": "help"}

# An option that makes wnm act, or act otherwise, never comes from an environment or a file: no variable that other
# software set may remove nodes every minute. Making a run harmless is the one exception.
RUN_OPTIONS: Mapping[str, Option] = {
    option.name: option
    for option in (
        Option(name="init", meaning="create the database with these settings", takes=Takes.NOTHING),
        Option(
            name="dry_run",
            meaning="show everything that would be done, and change nothing",
            takes=Takes.NOTHING,
            from_environment=True,
        ),
        Option(name="force_action", meaning="do this now", shown="ACTION", choices=FORCED_ACTIONS),
        Option(name="service_name", meaning="the nodes that are meant", shown="antnode0001[,antnode0003…]"),
        Option(name="count", meaning="how many nodes, chosen as wnm itself would choose them", shown="N"),
        Option(name="confirm", meaning="yes, delete the data of these nodes", takes=Takes.NOTHING),
        Option(name="storage", meaning="the storage folder whose disk is accepted as it is", shown="FOLDER"),
        Option(name="report", meaning="print a report", shown="NAME", choices=REPORTS),
        Option(name="report_format", meaning="how to write it", shown="FORMAT", choices=REPORT_FORMATS),
        Option(name="json", meaning="the same as --report_format json", takes=Takes.NOTHING),
        Option(name="cycles", meaning="how many cycles to simulate", shown="N"),
        Option(name="seed", meaning="makes a simulation repeatable", shown="N"),
        Option(
            name="port", meaning="where serve listens, 8966 unless given; 0 = one that is free", shown="N"
        ),
        Option(name="sort", meaning="order the nodes by this", shown="COLUMN", choices=SORTS),
        Option(name="filter", meaning="only the nodes of which something shown holds this", shown="TEXT"),
        Option(name="wide", meaning="every column, however wide the terminal", takes=Takes.NOTHING),
        Option(name="all", meaning="every node, however many there are", takes=Takes.NOTHING),
        Option(name="days", meaning="how many days of history, 1 unless given", shown="N"),
        Option(name="node", meaning="only this node, or the story of it", shown="NAME"),
        Option(name="limit", meaning="at most so many of the latest events", shown="N"),
        Option(name="range", meaning="what the charts are of", shown="RANGE", choices=RANGE_NAMES),
        Option(name="every", meaning="how often watch looks, 2 unless given", shown="SECONDS"),
        Option(
            name="dbpath",
            meaning="the database: a path or an sqlite:/// URL",
            shown="PATH",
            from_environment=True,
            from_files=True,
        ),
        Option(name="config", meaning="read settings from this file too (also -c FILE)", shown="FILE"),
        Option(
            name="loglevel",
            meaning="what is logged to stderr",
            shown="LEVEL",
            choices=LOG_LEVELS,
            from_environment=True,
            from_files=True,
        ),
        Option(
            name="log_format",
            meaning="how it is logged",
            shown="FORMAT",
            choices=("text", "json"),
            from_environment=True,
            from_files=True,
        ),
        Option(
            name="log_file",
            meaning="append to this file too, kept below 10 MiB, what a cycle says",
            shown="PATH",
            from_environment=True,
            from_files=True,
        ),
        Option(
            name="migrate_anm",
            meaning="with --init: take over the nodes and settings of anm, and switch it off",
            takes=Takes.NOTHING,
        ),
        Option(
            name="import",
            meaning="with --init: take over the nodes that the process manager already has",
            takes=Takes.NOTHING,
        ),
        Option(
            name="migrate_wnm",
            meaning="with --init: take over from this database of wnm 0.5 or 0.6; one that lies at --dbpath is found",
            shown="PATH",
        ),
        Option(
            name="accept_defaults",
            meaning="with --init: put the default in the place of a setting that cannot be right",
            takes=Takes.NOTHING,
        ),
        Option(
            name="companions",
            meaning="with --migrate_anm: what becomes of anm's influx_resources and scrape in cron.d",
            shown="WHAT",
            choices=("leave", "disable", "replace"),
        ),
        Option(
            name="undo_migration",
            meaning="put back all that --migrate_anm or --migrate_wnm changed",
            takes=Takes.NOTHING,
        ),
        Option(name="remove_lockfile", meaning="free the lock unless a cycle holds it", takes=Takes.NOTHING),
        Option(name="version", meaning="print the version of wnm", takes=Takes.NOTHING),
        Option(name="help", meaning="print this", takes=Takes.NOTHING),
    )
}


def known_options() -> list[str]:
    """Every option as it may be written, for suggestions."""
    return [f"--{name}" for name in (*RUN_OPTIONS, *NAMES)]


def known_commands() -> list[str]:
    """Every word that may stand without dashes."""
    return [str(command) for command in SUBCOMMANDS]


def takes(name: str) -> Takes | None:
    """Return the kind of value of the option with that snake_case name; None if there is no such option."""
    if name in RUN_OPTIONS:
        return RUN_OPTIONS[name].takes
    if name in NAMES:
        return Takes.SWITCH if SPECS[NAMES[name]].form.is_switch else Takes.VALUE
    return None


def run_text(name: str, text: str) -> str:
    """The value of a run option that has choices, in their spelling, else as it is. BadInput if not a choice."""
    choices = RUN_OPTIONS[name].choices
    if not choices:
        if not text.strip() or "\0" in text:
            raise BadInput(f"--{name} cannot be {shortened(text)}: give {RUN_OPTIONS[name].meaning}")
        return text
    for choice in choices:
        if choice.lower() == text.lower().strip():
            return choice
    remedy = did_you_mean(text, choices, f"give one of {', '.join(choices)}")
    raise BadInput(f"--{name} cannot be {shortened(text)}: {remedy}")
