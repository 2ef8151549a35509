"""Reads the command line of a node that somebody else set up."""

import posixpath
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

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


class _Part(Struct, frozen=True, kw_only=True):
    """One option with its value, or one bare word; `words` are what stands in the command line for it."""

    option: str | None
    value: str | None
    words: tuple[str, ...]
    of_network: bool = False


@dataclass(slots=True, kw_only=True)
class _Sorted:
    """The parts of a command line by what they are for."""

    values: dict[str, str] = field(default_factory=dict)
    network: list[str] = field(default_factory=list)
    others: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


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
    form = FORMS[kind_name]
    if len(argv) > MOST_WORDS or sum(map(len, argv)) > LONGEST_COMMAND:
        return "has a command line that is too long for a node"
    try:
        found = _sorted(kind_name, form, argv[1:])
        return _arguments(form, found, dict(environment))
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


def _arguments(form: Form, found: _Sorted, environment: Mapping[str, str]) -> NodeArguments:
    values = found.values
    if not values.get("--root-dir"):
        raise _NoNodeError("has no --root-dir")
    port = _port("--port", values)
    if port is None:
        raise _NoNodeError("has no --port: it takes another one at every start")
    metrics_port = _port(form.metrics, values)
    if metrics_port is None and form.needs_metrics:
        raise _NoNodeError(f"has no {form.metrics}: nothing could tell how it is")
    log = values.get(form.log) or environment.get(form.log_variable or "")
    network = tuple(found.network)
    by_variable = [
        f"{name}={environment[name]}" for name in sorted(form.network_variables & set(environment))
    ]
    if not network and not by_variable and form.needs_metrics:
        found.notes.append("its command line names no payment network")
    return NodeArguments(
        root_dir=values["--root-dir"],
        port=port,
        metrics_port=metrics_port,
        wallet=values.get("--rewards-address"),
        log_dir=None if not log or log in form.no_log_folder else log,
        no_upnp="--no-upnp" in values,
        network=network or tuple(by_variable),
        rpc=values.get("--rpc"),
        start_args=tuple(found.others),
        notes=tuple(found.notes),
    )


def _port(option: str, values: Mapping[str, str]) -> int | None:
    text = values.get(option)
    if text is None:
        return None
    if not re.fullmatch(r"\+?[0-9]{1,9}", text) or not 1 <= int(text) <= LARGEST_PORT:
        raise _NoNodeError(f"has {option} {text[:_SHOWN]!r}, which is no port from 1 to 65535")
    return int(text)


def _sorted(kind_name: str, form: Form, arguments: Sequence[str]) -> _Sorted:
    with_value = KINDS[kind_name].options_with_value
    kept = {"--root-dir", "--port", form.metrics, form.log, "--rewards-address", "--no-upnp", "--rpc"}
    found = _Sorted()
    seen: set[str] = set()
    for part in _parts(form, with_value, arguments):
        if part.option and not part.of_network:
            if part.option in seen and part.option not in form.repeatable:
                found.notes.append(f"{part.option} is given more than once: the last one counts")
            seen.add(part.option)
            if part.option in with_value | form.switches and found.network and form.subcommands:
                found.notes.append(f"{part.option} comes after the payment network")
        _sort(form, kept, found, part, known=part.option in with_value | form.switches)
    return found


def _sort(form: Form, kept: set[str], found: _Sorted, part: _Part, *, known: bool) -> None:
    if part.of_network or part.option in form.network:
        found.network += part.words
    elif part.option in kept:
        found.values[part.option] = part.value or ""
    elif part.option not in form.dropped:
        found.others += part.words
        if not known:
            found.notes.append(
                f"{part.words[0][:_SHOWN]!r} is nothing that this kind of node is known to understand"
            )


def _parts(form: Form, with_value: frozenset[str], arguments: Sequence[str]) -> Iterator[_Part]:
    """The options and words of a command line. _NoNodeError for an option that lacks its value."""
    at = 0
    in_network = False
    while at < len(arguments):
        word = arguments[at]
        following = arguments[at + 1] if at + 1 < len(arguments) else None
        if word == "--":
            raise _NoNodeError("has a bare -- in its command line, after which nothing is an option")
        option, attached = _option(form, word)
        if option is None:
            starts = form.subcommands is not None and form.subcommands.fullmatch(word) is not None
            in_network = in_network or starts
            yield _Part(option=None, value=None, words=(word,), of_network=in_network)
            at += 1
        elif attached is not None or option in form.switches:
            # A subcommand has options of its own; those that only the program itself has are the node's all the same.
            of_network = in_network and option not in with_value | form.switches
            yield _Part(option=option, value=attached, words=(word,), of_network=of_network)
            at += 1
        elif option in with_value or option in form.of_subcommand:
            if following is None or _is_option(following):
                raise _NoNodeError(f"has {option} without a value")
            of_network = in_network and option not in with_value
            yield _Part(option=option, value=following, words=(word, following), of_network=of_network)
            at += 2
        else:
            taken = _taken(form, following)
            words = (word,) if taken is None else (word, taken)
            yield _Part(option=option, value=taken, words=words, of_network=in_network)
            at += 1 if taken is None else 2


def _option(form: Form, word: str) -> tuple[str | None, str | None]:
    """The option that a word is, by its long name, and the value attached to it; (None, None) for a bare word."""
    if not _is_option(word):
        return None, None
    if word.startswith("--"):
        option, equals, value = word.partition("=")
        return option, value if equals else None
    option, rest = word[:2], word[2:]
    return form.aliases.get(option, option), (rest.removeprefix("=") if rest else None)


def _is_option(word: str) -> bool:
    return word.startswith("-") and len(word) > 1


def _taken(form: Form, following: str | None) -> str | None:
    """The value of an option that is not known: the next word, unless it is an option or the payment network."""
    if following is None or _is_option(following):
        return None
    return None if form.subcommands and form.subcommands.fullmatch(following) else following
