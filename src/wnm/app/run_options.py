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


class Option(Struct, frozen=True):
    """An option that is not a setting, with `shown` in the place of its value if it takes one.

    `from_files` and `from_environment` say where else it may be given.
    """

    name: str
    meaning: str
    shown: str = ""
    choices: tuple[str, ...] = ()
    from_environment: bool = False
    from_files: bool = False


LOG_LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")
SHORT = {"-c": "config", "-h": "help"}

# An option that makes wnm act, or act otherwise, never comes from an environment or a file: no variable that other
# software set may remove nodes every minute. Making a run harmless is the one exception.
_OPTIONS = (
    Option("init", "create the database with these settings"),
    Option("dry_run", "show everything that would be done, and change nothing", from_environment=True),
    Option("force_action", "do this now", "ACTION", FORCED_ACTIONS),
    Option("service_name", "the nodes that are meant", "antnode0001[,antnode0003…]"),
    Option("count", "how many nodes, chosen as wnm itself would choose them", "N"),
    Option("confirm", "yes, delete the data of these nodes"),
    Option("storage", "the storage folder whose disk is accepted as it is", "FOLDER"),
    Option("report", "print a report", "NAME", REPORTS),
    Option("report_format", "how to write it", "FORMAT", REPORT_FORMATS),
    Option("json", "the same as --report_format json"),
    Option("cycles", "how many cycles to simulate", "N"),
    Option("seed", "makes a simulation repeatable", "N"),
    Option("port", "where serve listens, 8966 unless given; 0 = one that is free", "N"),
    Option("sort", "order the nodes by this", "COLUMN", SORTS),
    Option("filter", "only the nodes of which something shown holds this", "TEXT"),
    Option("wide", "every column, however wide the terminal"),
    Option("all", "every node, however many there are"),
    Option("days", "how many days of history, 1 unless given", "N"),
    Option("node", "only this node, or the story of it", "NAME"),
    Option("limit", "at most so many of the latest events", "N"),
    Option("range", "what the charts are of", "RANGE", RANGE_NAMES),
    Option("every", "how often watch looks, 2 unless given", "SECONDS"),
    Option("dbpath", "the database: a path or an sqlite:/// URL", "PATH", (), True, True),
    Option("config", "read settings from this file too (also -c FILE)", "FILE"),
    Option("loglevel", "what is logged to stderr", "LEVEL", LOG_LEVELS, True, True),
    Option("log_format", "how it is logged", "FORMAT", ("text", "json"), True, True),
    Option(
        "log_file", "append to this file too, kept below 10 MiB, what a cycle says", "PATH", (), True, True
    ),
    Option("migrate_anm", "with --init: take over the nodes and settings of anm, and switch it off"),
    Option("import", "with --init: take over the nodes that the process manager already has"),
    Option(
        "migrate_wnm",
        "with --init: take over from this database of wnm 0.5 or 0.6; one that lies at --dbpath is found",
        "PATH",
    ),
    Option("accept_defaults", "with --init: put the default in the place of a setting that cannot be right"),
    Option(
        "companions",
        "with --migrate_anm: what becomes of anm's influx_resources and scrape in cron.d",
        "WHAT",
        ("leave", "disable", "replace"),
    ),
    Option("undo_migration", "put back all that --migrate_anm or --migrate_wnm changed"),
    Option("remove_lockfile", "free the lock unless a cycle holds it"),
    Option("version", "print the version of wnm"),
    Option("help", "print this"),
)
RUN_OPTIONS: Mapping[str, Option] = {option.name: option for option in _OPTIONS}


def known_options() -> list[str]:
    """Every option as it may be written, for suggestions."""
    return [f"--{name}" for name in (*RUN_OPTIONS, *NAMES)]


def known_commands() -> list[str]:
    """Every word that may stand without dashes."""
    return [str(command) for command in SUBCOMMANDS]


def takes(name: str) -> Takes | None:
    """Return the kind of value of the option with that snake_case name; None if there is no such option."""
    if name in RUN_OPTIONS:
        return Takes.VALUE if RUN_OPTIONS[name].shown else Takes.NOTHING
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
