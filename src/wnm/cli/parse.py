"""Parses a command line into an Invocation.

Not with argparse, because the promises differ: a switch stands alone or takes true or false, and leaves the word after
it alone if that is a command; hyphens and underscores are the same; a value that looks like an option needs `=`;
what is unknown is refused with the nearest known name.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from wnm.app.invocation import (
    ALERTS_VERBS,
    CRON_VERBS,
    FORCED_ACTIONS,
    Command,
    Invocation,
    View,
    refuse_conflicts,
)
from wnm.app.run_options import RUN_OPTIONS, SHORT, Takes, known_commands, known_options, run_text, takes
from wnm.core.errors import BadInput, did_you_mean, shortened
from wnm.core.forms import BOOLEAN_WORDS
from wnm.core.node import id_in_name
from wnm.core.settings import NAMES

# Dashes make an option, except before a number.
_OPTION = re.compile(r"-[^0-9.]", re.DOTALL)


class Word(Struct, frozen=True, kw_only=True):
    """An option (`name` in snake_case, `value` None if it takes none), or a plain word (`name` None)."""

    name: str | None
    value: str | None


def words_of(argv: Sequence[str]) -> Iterator[Word]:
    """The command line word by word. BadInput for an unknown option and for a missing or a needless value."""
    waiting = list(reversed(argv))
    while waiting:
        text = waiting.pop()
        if not _OPTION.match(text):
            yield Word(name=None, value=text)
            continue
        written, equals, attached = text.partition("=")
        name = SHORT.get(written) or written.removeprefix("--").replace("-", "_")
        kind = takes(name) if written in SHORT or written.startswith("--") else None
        if kind is None:
            names = [name] if name in known_commands() else known_options()
            raise BadInput(
                f"unknown option {shortened(written)}: {did_you_mean(written, names, 'see wnm --help')}"
            )
        if kind is Takes.NOTHING and equals:
            raise BadInput(f"--{name} takes no value: leave out {shortened(equals + attached)}")
        yield Word(name=name, value=attached if equals else _next_value(name, kind, waiting))


def _next_value(name: str, kind: Takes, waiting: list[str]) -> str | None:
    if kind is Takes.NOTHING:
        return None
    if kind is Takes.SWITCH:
        return waiting.pop() if waiting and waiting[-1].lower() in BOOLEAN_WORDS else "true"
    if not waiting:
        raise BadInput(f"--{name} needs a value: see wnm --help")
    # Several words in one, such as "--relay --alpha", can only be meant as a value.
    if _OPTION.match(waiting[-1]) and " " not in waiting[-1]:
        raise BadInput(f"--{name} needs a value: if {shortened(waiting[-1])} is meant, write --{name}=VALUE")
    return waiting.pop()


_WHOLE = re.compile(r"[+-]?[0-9]{1,18}")
_SIMPLE = re.compile(r"[0-9]{1,9}")
_DECIMAL = re.compile(r"[0-9]{1,6}(\.[0-9]{1,6})?")
_NODE = re.compile(r"(antnode)?([0-9]{1,9})(\.service)?", re.ASCII)
# The least and the most of a number, its form, and what it is in words.
_NUMBERS: Mapping[str, tuple[float, float, re.Pattern[str], str]] = {
    "count": (1, 10**18, _WHOLE, "a whole number, 1 or more"),
    "cycles": (1, 10**18, _WHOLE, "a whole number, 1 or more"),
    "seed": (0, 10**18, _WHOLE, "a whole number, 0 or more"),
    "port": (0, 65535, _WHOLE, "a port, or 0 for one that is free"),
    "days": (1, 3650, _SIMPLE, "a whole number from 1 to 3650"),
    "limit": (1, 999_999_999, _SIMPLE, "a whole number from 1 to 999999999"),
    "every": (0.5, 3600, _DECIMAL, "seconds from 0.5 to 3600"),
}
_MOST_ARGUMENTS = {Command.EXPLAIN: 1, Command.REPLAY: 1, Command.CRON: 1, Command.ALERTS: 1}
_VERBS = {Command.CRON: CRON_VERBS, Command.ALERTS: ALERTS_VERBS}
# Options that are the whole request.
_REQUESTS = {
    "init": Command.INIT,
    "force_action": Command.FORCE,
    "report": Command.REPORT,
    "remove_lockfile": Command.REMOVE_LOCKFILE,
    "undo_migration": Command.UNDO_MIGRATION,
}


def parse(argv: Sequence[str]) -> Invocation:
    """Return what the words after `wnm` ask for. BadInput, in one line, for anything that is not understood.

    The texts of settings are taken as they are; `wnm.core.layers.resolve` reads them.
    """
    found: dict[str, Any] = {}
    given: dict[str, str] = {}
    plain: list[str] = []
    for word in words_of(argv):
        if word.name in ("help", "version"):
            return Invocation(command=Command(f"--{word.name}"))
        if word.name is None:
            plain.append(word.value or "")
        elif word.name in NAMES:
            given[NAMES[word.name]] = word.value or ""
        else:
            found[word.name] = _run_value(word)
    command = _command(found, plain)
    asked = Invocation(command=command, given=given, **_plain_fields(found))
    asked = replace(asked, **_arguments(command, plain[1:], asked.view))
    refuse_conflicts(asked)
    return asked


def _run_value(word: Word) -> object:
    name, text = word.name or "", word.value
    if text is None:
        return True
    if name == "service_name":
        return service_names(text)
    if name in _NUMBERS:
        low, high, pattern, form = _NUMBERS[name]
        if not pattern.fullmatch(text) or not low <= float(text) <= high:
            raise BadInput(f"--{name} cannot be {shortened(text)}: give {form}")
        return float(text) if pattern is _DECIMAL else int(text)
    if name == "node":
        return _node_text("--node", text)
    if name == "filter":
        if not text.strip() or not text.isprintable():
            raise BadInput(f"--{name} cannot be {shortened(text)}: give a part of what is shown")
        return text.strip()
    return run_text(name, text)


def _node_text(what: str, text: str) -> str:
    """A node as people name it: `antnode0017`, `antnode0017.service` or `17`. BadInput for anything else."""
    stripped = text.strip()
    if not _NODE.fullmatch(stripped):
        raise BadInput(f"{what} cannot be {shortened(text)}: give a node's name such as antnode0017")
    return stripped.removesuffix(".service")


def service_names(text: str) -> tuple[str, ...]:
    """`antnode0001,antnode0003.service` as names without the suffix, each once. BadInput for any other form."""
    names = [part.strip().removesuffix(".service") for part in text.split(",")]
    if any(id_in_name(name) is None for name in names):
        raise BadInput(
            f"--service_name cannot be {shortened(text)}: give names such as antnode0001,antnode0003"
        )
    return tuple(dict.fromkeys(names))


def _meant(word: str) -> str:
    """Suggest a command for a word that is none; people who come from other managers type `start` and `init`."""
    if word in FORCED_ACTIONS:
        return f"did you mean --force_action {word}?"
    if word in RUN_OPTIONS:
        return f"did you mean --{word}?"
    return did_you_mean(word, known_commands(), "see wnm --help")


def _command(found: Mapping[str, Any], plain: Sequence[str]) -> Command:
    """The one thing that is asked for. BadInput if it is more than one, or not known."""
    requests = [command for name, command in _REQUESTS.items() if name in found]
    if plain:
        if plain[0] not in known_commands():
            raise BadInput(f"no command is called {shortened(plain[0])}: {_meant(plain[0])}")
        requests.append(Command(plain[0]))
    if len(requests) > 1:
        raise BadInput(f"{requests[0]} and {requests[1]} cannot be combined: run one after the other")
    return requests[0] if requests else Command.CYCLE


def _plain_fields(found: Mapping[str, Any]) -> dict[str, Any]:
    """The run options as fields of an Invocation."""
    requests = ("init", "remove_lockfile", "undo_migration", "json")
    fields = {name: value for name, value in found.items() if name not in requests}
    if "import" in fields:
        fields["import_services"] = fields.pop("import")
    if "service_name" in fields:
        fields["service_names"] = fields.pop("service_name")
    view = {name: fields.pop(name) for name in View.__struct_fields__ if name in fields}
    fields["view"] = View(**view)
    if "json" in found:
        if fields.get("report_format", "json") != "json":
            raise BadInput("--json and --report_format cannot be combined: leave one out")
        fields["report_format"] = "json"
    return fields


def _arguments(command: Command, words: Sequence[str], view: View) -> dict[str, Any]:
    """The words after a command as fields of an Invocation; `view` is what its options said."""
    if len(words) > _MOST_ARGUMENTS.get(command, 0):
        surplus = words[_MOST_ARGUMENTS.get(command, 0)]
        raise BadInput(f"{command} does not take {shortened(surplus)}: leave it out")
    if command is Command.REPLAY:
        if not words or not words[0]:
            raise BadInput("replay needs a FILE: one that wnm --report decisions --json wrote")
        return {"file": words[0]}
    if command in _VERBS:
        verbs = _VERBS[command]
        word = words[0] if words else verbs[0]
        if word not in verbs:
            remedy = did_you_mean(word, verbs, f"give one of {', '.join(verbs)}")
            raise BadInput(f"{command} cannot {shortened(word)}: {remedy}")
        return {f"{command}_verb": word}
    if command is Command.EXPLAIN and words:
        if words[0].startswith("antnode"):
            return {"view": replace(view, node=_node_text("the node of explain", words[0]))}
        remedy = "give the number of a cycle, or the name of a node such as antnode0017"
        if _WHOLE.fullmatch(words[0]):
            if int(words[0]) >= 1:
                return {"cycle": int(words[0])}
            remedy = "give a whole number, 1 or more"
        raise BadInput(f"the CYCLE of explain cannot be {shortened(words[0])}: {remedy}")
    return {}
