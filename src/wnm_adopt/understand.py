"""Understands a unit that was found: which node it would be by its name, and with which arguments."""

import posixpath
import re
from collections.abc import Iterator, Mapping, Sequence

from msgspec import Struct

from wnm.core.errors import shortened
from wnm.core.node import NodeId, id_in_name
from wnm.formats.launchd import LABEL_PREFIX, label_of, unit_name_of
from wnm.formats.systemd_reading import CUT_OFF
from wnm.node_kinds.forms import FORMS, NETWORKS, Form
from wnm.node_kinds.kinds import KINDS
from wnm_adopt.discover import LAUNCHD, SETSID, SYSTEMD, SYSTEMD_USER, FoundUnit, tidy_path

MOST_WORDS = 2_000
LONGEST_COMMAND = 128 * 1024
LARGEST_PORT = 65535
_SHOWN = 100
_NAMING = {"--root-dir": "root_dir", "--port": "port", "-p": "port", "--rpc": "rpc"} | {
    form.metrics: "metrics_port" for form in FORMS.values()
}


class NodeArguments(Struct, frozen=True, kw_only=True):
    """The arguments of a node, told apart; texts are as they were found.

    `metrics_port` and `wallet` are None where none is given, `log_dir` is None where the log goes elsewhere than
    to a folder that is named. `network` are the words that choose the payment network, or the variable that does.
    `start_args` are all other words, in their order.
    """

    root_dir: str
    port: int
    metrics_port: int | None
    wallet: str | None
    log_dir: str | None
    no_upnp: bool
    network: tuple[str, ...]
    start_args: tuple[str, ...]
    notes: tuple[str, ...]


class _NoNodeError(ValueError):
    """No node can be kept with a command line; the message says why."""


def kind_of_command(argv: Sequence[str]) -> tuple[str, str | None] | None:
    """The kind of node that a command line starts, by the program's name, else by its flags; None if it is none.

    Beside it stands why that is not sure, None if it is.
    """
    if not argv:
        return None
    named = posixpath.basename(argv[0])
    given = {word.partition("=")[0] for word in argv[1:MOST_WORDS]}
    by_flags = [name for name, form in FORMS.items() if given & form.only_here]
    for name, kind in KINDS.items():
        if named == kind.name:
            others = [other for other in by_flags if other != name]
            return name, f"its program is called {named}, but it has flags of {others[0]}" if others else None
    if len(by_flags) != 1:
        return None
    return by_flags[0], f"its program is called {named[:_SHOWN]}, but has flags of {by_flags[0]}"


def read_arguments(
    kind_name: str, argv: Sequence[str], environment: Sequence[tuple[str, str]] = ()
) -> NodeArguments | str:
    """Return the arguments of a node of this kind, program first in `argv`; or why it cannot be kept with them.

    Options may come in any order, as `--option value` or `--option=value`, and after the payment network too. The
    reason reads on after the node's name.
    """
    if len(argv) > MOST_WORDS or sum(map(len, argv)) > LONGEST_COMMAND:
        return "has a command line that is too long for a node"
    try:
        return _Reader(FORMS[kind_name], KINDS[kind_name].options_with_value).read(
            argv[1:], dict(environment)
        )
    except _NoNodeError as reason:
        return str(reason)


def named_by(argv: Sequence[str]) -> Mapping[str, str]:
    """Return what a command line of any kind names for itself, also one that no node can be kept with.

    `root_dir`, `port` and `metrics_port`, as far as they can be; `rpc` is what only antctl gives.
    """
    found: dict[str, str] = {}
    for position, word in enumerate(argv[:MOST_WORDS]):
        option, equals, value = word.partition("=")
        if option in _NAMING:
            found[_NAMING[option]] = value if equals else next(iter(argv[position + 1 : position + 2]), "")
    return {
        name: text
        for name, text in found.items()
        if name == "rpc" or (text if name == "root_dir" else _port_of(text))
    }


def _port_of(text: str) -> int | None:
    port = int(text) if re.fullmatch(r"\+?[0-9]{1,9}", text) else 0
    return port if 1 <= port <= LARGEST_PORT else None


class _Reader:
    """The words of a command line, sorted by what they are for."""

    def __init__(self, form: Form, with_value: frozenset[str]) -> None:
        self.form = form
        self.with_value = with_value
        self.known = with_value | form.switches
        # Sorted by the values that they have; all others are kept as words.
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
        self.network: list[str] = []
        self.others: list[str] = []
        self.notes: list[str] = []

    def read(self, words: Sequence[str], environment: Mapping[str, str]) -> NodeArguments:
        """Read them all. _NoNodeError for an option without its value, or if one is missing that every node needs."""
        form, values = self.form, self.values
        seen: set[str] = set()
        in_network = False
        for option, value, used in self._options(words):
            in_network = in_network or (option is None and self._is_network(used[0]))
            # A subcommand has options of its own; those that only the program itself has are the node's all the same.
            of_network = in_network and option not in self.known
            if option is not None and not of_network:
                if option in seen and option not in form.repeatable:
                    self.notes.append(f"{option} is given more than once: the last one counts")
                seen.add(option)
                if option in self.known and self.network and form.subcommands:
                    self.notes.append(f"{option} comes after the payment network")
            self._sort(option, value, used, of_network)
        if not values.get("--root-dir"):
            raise _NoNodeError("has no --root-dir")
        port, metrics_port = self._port("--port"), self._port(form.metrics)
        if port is None:
            raise _NoNodeError("has no --port: it takes another one at every start")
        if metrics_port is None and form.needs_metrics:
            raise _NoNodeError(f"has no {form.metrics}: nothing could tell how it is")
        log = values.get(form.log) or environment.get(form.log_variable or "")
        variables = sorted(form.network_variables & set(environment))
        network = self.network or [f"{name}={environment[name]}" for name in variables]
        if not network and form.needs_metrics:
            self.notes.append("its command line names no payment network")
        return NodeArguments(
            root_dir=values["--root-dir"],
            port=port,
            metrics_port=metrics_port,
            wallet=values.get("--rewards-address"),
            log_dir=None if not log or log in form.no_log_folder else log,
            no_upnp="--no-upnp" in values,
            network=tuple(network),
            start_args=tuple(self.others),
            notes=tuple(self.notes),
        )

    def _options(self, words: Sequence[str]) -> Iterator[tuple[str | None, str | None, Sequence[str]]]:
        """Each option by its long name, with its value, and the words that it is made of; a bare word has no name."""
        left = list(reversed(words))
        while left:
            word = left.pop()
            following = left[-1] if left and not _is_option(left[-1]) else None
            if word == "--":
                raise _NoNodeError("has a bare -- in its command line, after which nothing is an option")
            option, equals, value = word.partition("=")
            if not _is_option(word):
                yield None, None, (word,)
                continue
            if not word.startswith("--"):
                option, value = self.form.aliases.get(word[:2], word[:2]), word[2:].removeprefix("=")
                equals = word[2:]
            if equals or option in self.form.switches:
                yield option, value if equals else None, (word,)
                continue
            if option in self.with_value or option in self.form.of_subcommand:
                if following is None:
                    raise _NoNodeError(f"has {option} without a value")
            elif following is not None and self._is_network(following):
                following = None  # an option that is not known has no value there
            yield option, following, (word,) if following is None else (word, left.pop())

    def _is_network(self, word: str) -> bool:
        return self.form.subcommands is not None and self.form.subcommands.fullmatch(word) is not None

    def _sort(self, option: str | None, value: str | None, used: Sequence[str], of_network: bool) -> None:
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

    def _port(self, option: str) -> int | None:
        text = self.values.get(option)
        if text is not None and _port_of(text) is None:
            raise _NoNodeError(f"has {option} {text[:_SHOWN]!r}, which is no port from 1 to 65535")
        return None if text is None else _port_of(text)


def _is_option(word: str) -> bool:
    return word.startswith("-") and len(word) > 1


# Names have three or four digits, and wnm never has more nodes than that.
MOST_IDS = 9999
ANTCTL = "it is antctl's: remove it with antctl first, or keep it there"
_ABOUT_NODES = ("antnode", "ant-node", "ant_node", "safenode")
_OF_ANTCTL = re.compile(r"antnode[1-9][0-9]*")


class Understood(Struct, frozen=True, kw_only=True):
    """A unit with what its name and command line mean.

    `name` and `id` are those of the node. `problem` is the first thing wrong with either, `remedy` what can be done
    about that, empty where the problem says it. `port` and `metrics_port` are those that the command line names, also
    of many that cannot be adopted. `program` and `root_dir` are tidy, empty where there is none. `is_live` if its
    service manager runs it at all.
    """

    unit: FoundUnit
    name: str
    id: NodeId | None
    port: int | None
    metrics_port: int | None
    kind: str | None
    doubt: str | None
    arguments: NodeArguments | None
    program: str
    root_dir: str
    problem: str | None
    remedy: str
    is_live: bool

    @property
    def ports(self) -> dict[str, int]:
        """The ports that it listens on, by what they are called."""
        listens = self.kind is None or KINDS[self.kind].has_metrics
        found = {"metrics port": self.metrics_port if listens else None, "port": self.port}
        return {what: port for what, port in found.items() if port is not None}


def is_about_a_node(unit: FoundUnit) -> bool:
    """Whether a unit has anything to do with nodes, by its name or by what it runs."""
    if unit.name.removeprefix(LABEL_PREFIX).startswith(_ABOUT_NODES):
        return True
    if not unit.argv:
        return False
    program = posixpath.basename(unit.argv[0])
    return program.startswith(_ABOUT_NODES) or kind_of_command(unit.argv) is not None


def understand(unit: FoundUnit) -> Understood:
    """Read all that a unit says of itself; of one that cannot be adopted, as much as can be told."""
    argv = unit.argv or ()
    named = named_by(argv)
    kind, doubt = kind_of_command(argv) or (None, None)
    found = None if kind is None else read_arguments(kind, argv, unit.environment)
    arguments = None if isinstance(found, str) else found
    name, problem, remedy = _own_name(unit)
    is_run = problem is None or unit.manager == LAUNCHD
    if problem is None:
        problem, remedy = _name_problem(name, posixpath.basename(argv[0] if argv else ""))
    if problem is None and "rpc" in named:
        problem = f"{ANTCTL} (it has --rpc)"
    elif problem is None:
        problem = unit.problem
        if problem is None and unit.argv is None:
            problem = "its command line is not known"
        elif problem is None and kind is None:
            problem = f"its program {shortened(''.join(argv[:1]))} is no node program"
        elif problem is None and isinstance(found, str):
            problem = f"it {found}" + (f" ({doubt})" if doubt else "")
        if CUT_OFF in unit.notes and (problem is not None or not _is_whole(arguments)):
            problem = f"it is cut off within its command line{'' if problem is None else f': {problem}'}"
        remedy = unit.remedy or ("" if unit.manager == SETSID else "mend that file, or take it away")
    root_dir = arguments.root_dir if arguments is not None else named.get("root_dir", "")
    return Understood(
        unit=unit,
        name=name,
        id=id_in_name(name),
        port=_port_of(named.get("port", "")),
        metrics_port=_port_of(named.get("metrics_port", "")),
        kind=kind,
        doubt=doubt,
        arguments=arguments,
        program=tidy_path(argv[0] if argv else ""),
        root_dir=tidy_path(root_dir),
        problem=problem,
        remedy=remedy,
        is_live=not unit.inert and is_run,
    )


def _is_whole(arguments: NodeArguments | None) -> bool:
    """Whether a command line ends as those of nodes do: in what chooses the payment network."""
    first = next(iter(arguments.network), "evm-") if arguments is not None else "evm-"
    return first in NETWORKS or not first.startswith("evm-")


def _own_name(unit: FoundUnit) -> tuple[str, str | None, str]:
    """The name without what the service manager adds to it; why it is no name of a service, and the remedy."""
    if unit.manager in (SYSTEMD, SYSTEMD_USER):
        stem = unit.name.removesuffix(".service")
        if "@" in stem:
            return stem, "it is a template, and no node of its own", "give each node of it a unit of its own"
        is_one = stem != unit.name or "." not in stem
        problem = None if is_one else "systemd does not run it: its name does not end in .service"
        return stem, problem, "nothing has to be done"
    if unit.manager != LAUNCHD:
        return unit.name, None, ""
    short, name = unit.name.removeprefix(LABEL_PREFIX), unit_name_of(unit.name)
    if ".plist" in short:
        problem = "launchd does not read it: its file name does not end in .plist"
        return short, problem, "nothing has to be done"
    if name is None or id_in_name(name) is None:
        return name or short, None, ""
    # Some names can be told from more than one label, and only by one of them does launchd know the node then.
    own = label_of(name)
    return name, None if own == unit.name else f"its label would have to be {own}", ""


def _name_problem(name: str, program: str) -> tuple[str | None, str]:
    """Return why wnm cannot keep a node of this name, and the remedy; (None, "") if it can."""
    node_id = id_in_name(name)
    if name.startswith("safenode") or program == "safenode":
        return "it is a safenode, which the network no longer knows: remove it", ""
    if node_id is None and _OF_ANTCTL.fullmatch(name):
        return ANTCTL, ""
    if node_id is not None and node_id <= MOST_IDS:
        return None, ""
    problem = f"its number is too large: names of nodes have three or four digits, the last is {MOST_IDS}"
    if node_id is None:
        problem = f"its name {shortened(name)} is none that wnm can keep: that would be one like antnode0001"
    return problem, "give its unit and its folder such a name"
