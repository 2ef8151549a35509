"""Reads the command line of a node that somebody else set up."""

import posixpath
import re
from collections.abc import Mapping, Sequence

from msgspec import Struct

from wnm.node_kinds.forms import FORMS, Form
from wnm.node_kinds.kinds import KINDS

MOST_WORDS = 2_000
LONGEST_COMMAND = 128 * 1024
LARGEST_PORT = 65535
_SHOWN = 100
_NAMING = {"--root-dir": "root_dir", "--port": "port", "-p": "port", "--rpc": "rpc"} | {
    form.metrics: "metrics_port" for form in FORMS.values()
}


class GuessedKind(Struct, frozen=True, kw_only=True):
    """Which kind of node a program is; `doubt` says why that is not sure, None if it is."""

    name: str
    doubt: str | None = None


class NodeArguments(Struct, frozen=True, kw_only=True):
    """The arguments of a node, told apart; texts are as they were found.

    `metrics_port` and `wallet` are None where none is given, `log_dir` is None where the log goes elsewhere than
    to a folder that is named. `network` are the words that choose the payment network, or the variable that does.
    `rpc` is the address that antctl gives to each of its nodes. `start_args` are all other words, in their order.
    """

    root_dir: str
    port: int
    metrics_port: int | None
    wallet: str | None
    log_dir: str | None
    no_upnp: bool
    network: tuple[str, ...]
    rpc: str | None
    start_args: tuple[str, ...]
    notes: tuple[str, ...]


class Named(Struct, frozen=True, kw_only=True):
    """Folder and ports that a command line names, whatever it runs; `by_antctl` if it has what only antctl gives."""

    root_dir: str | None
    port: int | None
    metrics_port: int | None
    by_antctl: bool


class _NoNodeError(ValueError):
    """Why a command line is none that a node can be kept with."""


def kind_of_command(argv: Sequence[str]) -> GuessedKind | None:
    """The kind of node that a command line starts, by the program's name, else by its flags; None if it is none."""
    if not argv:
        return None
    named = posixpath.basename(argv[0])
    given = {word.partition("=")[0] for word in argv[1:MOST_WORDS]}
    by_flags = [name for name, form in FORMS.items() if given & form.only_here]
    for name, kind in KINDS.items():
        if named != kind.program_name:
            continue
        others = [other for other in by_flags if other != name]
        doubt = f"its program is called {named}, but it has flags of {others[0]}" if others else None
        return GuessedKind(name=name, doubt=doubt)
    if len(by_flags) != 1:
        return None
    return GuessedKind(
        name=by_flags[0], doubt=f"its program is called {named[:_SHOWN]}, but has flags of {by_flags[0]}"
    )


def read_arguments(
    kind_name: str, argv: Sequence[str], environment: Sequence[tuple[str, str]] = ()
) -> NodeArguments | str:
    """What a node of this kind was told, program first in `argv`; or why it is none that can be kept.

    Options may come in any order, as `--option value` or `--option=value`, and after the payment network too. The
    reason reads on after the node's name.
    """
    if len(argv) > MOST_WORDS or sum(map(len, argv)) > LONGEST_COMMAND:
        return "has a command line that is too long for a node"
    found = _Reader(FORMS[kind_name], KINDS[kind_name].options_with_value)
    try:
        found.read(argv[1:])
        return found.arguments(dict(environment))
    except _NoNodeError as reason:
        return str(reason)


def named_by(argv: Sequence[str]) -> Named:
    """What a command line of any kind names for itself, also one that no node can be kept with."""
    found: dict[str, str] = {}
    for position, word in enumerate(argv[:MOST_WORDS]):
        option, equals, value = word.partition("=")
        if option in _NAMING:
            found[_NAMING[option]] = value if equals else next(iter(argv[position + 1 : position + 2]), "")
    return Named(
        root_dir=found.get("root_dir") or None,
        port=_named_port(found.get("port", "")),
        metrics_port=_named_port(found.get("metrics_port", "")),
        by_antctl="rpc" in found,
    )


def _named_port(text: str) -> int | None:
    return int(text) if re.fullmatch(r"[0-9]{1,5}", text) and 1 <= int(text) <= LARGEST_PORT else None


class _Reader:
    """The words of a command line, sorted by what they are for."""

    def __init__(self, form: Form, with_value: frozenset[str]) -> None:
        self.form = form
        self.with_value = with_value
        self.known = with_value | form.switches
        self.kept = {
            "--root-dir",
            "--port",
            form.metrics,
            form.log,
            "--rewards-address",
            "--no-upnp",
            "--rpc",
        }
        self.values: dict[str, str] = {}
        self.seen: set[str] = set()
        self.network: list[str] = []
        self.others: list[str] = []
        self.notes: list[str] = []
        self.in_network = False

    def read(self, words: Sequence[str]) -> None:
        """Read them all. _NoNodeError for an option that lacks its value."""
        at = 0
        while at < len(words):
            if words[at] == "--":
                raise _NoNodeError("has a bare -- in its command line, after which nothing is an option")
            option, value = self._option(words[at])
            used = [words[at]]
            if option is None:
                self.in_network = self.in_network or self._is_network(words[at])
            elif value is None and option not in self.form.switches:
                value = self._following(option, words[at + 1] if at + 1 < len(words) else None)
                used += [] if value is None else [value]
            self._sort(option, value, used)
            at += len(used)

    def _option(self, word: str) -> tuple[str | None, str | None]:
        """The option that a word is, by its long name, and the value attached to it; (None, None) for a bare word."""
        if not _is_option(word):
            return None, None
        if word.startswith("--"):
            option, equals, value = word.partition("=")
            return option, value if equals else None
        option, rest = word[:2], word[2:]
        return self.form.aliases.get(option, option), (rest.removeprefix("=") if rest else None)

    def _following(self, option: str, word: str | None) -> str | None:
        """The value of an option; an unknown one has none before another option or the payment network."""
        if option in self.with_value or option in self.form.of_subcommand:
            if word is None or _is_option(word):
                raise _NoNodeError(f"has {option} without a value")
            return word
        return None if word is None or _is_option(word) or self._is_network(word) else word

    def _is_network(self, word: str) -> bool:
        return self.form.subcommands is not None and self.form.subcommands.fullmatch(word) is not None

    def _sort(self, option: str | None, value: str | None, used: Sequence[str]) -> None:
        # A subcommand has options of its own; those that only the program itself has are the node's all the same.
        of_network = self.in_network and option not in self.known
        if option is not None and not of_network:
            if option in self.seen and option not in self.form.repeatable:
                self.notes.append(f"{option} is given more than once: the last one counts")
            self.seen.add(option)
            if option in self.known and self.network and self.form.subcommands:
                self.notes.append(f"{option} comes after the payment network")
        if of_network or option in self.form.network:
            self.network += used
        elif option in self.kept:
            self.values[str(option)] = value or ""
        elif option not in self.form.dropped:
            self.others += used
            if option not in self.known:
                self.notes.append(
                    f"{used[0][:_SHOWN]!r} is nothing that this kind of node is known to understand"
                )

    def arguments(self, environment: Mapping[str, str]) -> NodeArguments:
        """The arguments that were read. _NoNodeError if one is missing that every node needs."""
        form, values = self.form, self.values
        if not values.get("--root-dir"):
            raise _NoNodeError("has no --root-dir")
        port, metrics_port = self._port("--port"), self._port(form.metrics)
        if port is None:
            raise _NoNodeError("has no --port: it takes another one at every start")
        if metrics_port is None and form.needs_metrics:
            raise _NoNodeError(f"has no {form.metrics}: nothing could tell how it is")
        log = values.get(form.log) or environment.get(form.log_variable or "")
        by_variable = [
            f"{name}={environment[name]}" for name in sorted(form.network_variables & set(environment))
        ]
        if not self.network and not by_variable and form.needs_metrics:
            self.notes.append("its command line names no payment network")
        return NodeArguments(
            root_dir=values["--root-dir"],
            port=port,
            metrics_port=metrics_port,
            wallet=values.get("--rewards-address"),
            log_dir=None if not log or log in form.no_log_folder else log,
            no_upnp="--no-upnp" in values,
            network=tuple(self.network or by_variable),
            rpc=values.get("--rpc"),
            start_args=tuple(self.others),
            notes=tuple(self.notes),
        )

    def _port(self, option: str) -> int | None:
        text = self.values.get(option)
        if text is None:
            return None
        if not re.fullmatch(r"\+?[0-9]{1,9}", text) or not 1 <= int(text) <= LARGEST_PORT:
            raise _NoNodeError(f"has {option} {text[:_SHOWN]!r}, which is no port from 1 to 65535")
        return int(text)


def _is_option(word: str) -> bool:
    return word.startswith("-") and len(word) > 1
