"""Describes a kind of node program: how it is started, recognised and read."""

from collections.abc import Callable, Collection, Sequence
from typing import Protocol

from msgspec import Struct

from wnm.core.node import Node
from wnm.core.node_log import Sign
from wnm.node_kinds.log_health import LogWords


def options_in(words: Sequence[str]) -> frozenset[str]:
    """The options that are given, without the values of those that have an equals sign."""
    return frozenset(word.partition("=")[0] for word in words if word.startswith("-"))


def first_subcommand(words: Sequence[str], with_value: Collection[str]) -> int | None:
    """Return the place of the first word that is neither an option nor the value of one; None if there is none.

    `with_value` are the options that have a value.
    """
    place = 0
    while place < len(words):
        if not words[place].startswith("-"):
            return place
        place += 2 if words[place] in with_value else 1
    return None


def lacks_value(words: Sequence[str], with_value: Collection[str]) -> str | None:
    """The last option if its value is missing: it would take the next argument for it, whatever that is."""
    end = first_subcommand(words, with_value)
    place = 0
    while end is None and place < len(words):
        if words[place] in with_value:
            place += 1
        place += 1
    return words[-1] if end is None and place > len(words) else None


class CommandLine(Protocol):
    """Program and arguments of a node.

    `supervised` says that a service manager starts the node again whenever it ends; without one, a node that
    replaced its own program has to go on by itself.
    """

    def __call__(self, node: Node, *, supervised: bool = False) -> tuple[str, ...]: ...


class NodeKind(Struct, frozen=True, kw_only=True):
    """The way in which a kind of node program is started and recognised.

    `program_name` is the file name of a node's own copy; `companion_files` lie beside the program that is
    installed and must lie beside every copy of it. `parse_version_output` takes what `--version` printed and
    returns (kind, version), or None for a text that is not its own. `command_line` is complete, program first,
    and so is `environment`, in which what was decided for the node wins. `reserved_options` may not be given as
    extra arguments, because wnm sets them; `options_with_value` are all that are followed by a value.

    `identity_file_name` lies in a node's root directory. `failure_file` lies in its log directory, where a
    node that ends itself says why; None for a kind that only prints it. `has_metrics` is False for a kind whose
    metrics port nothing listens on. `store_files` are the files and folders below the root directory in which
    data is kept: they change while a node works, and how much they take up is what is allocated, not their
    length, which a sparse file only pretends. `log_files` is the pattern of the log files' names in the log
    directory, `log` the words in them that mean something, `signs` what a healthy node shows of itself there.
    """

    name: str
    program_name: str
    companion_files: tuple[str, ...]
    identity_file_name: str
    failure_file: str | None
    has_metrics: bool
    store_files: tuple[str, ...]
    log_files: str
    reserved_options: frozenset[str]
    options_with_value: frozenset[str]
    parse_version_output: Callable[[str], tuple[str, str] | None]
    command_line: CommandLine
    environment: Callable[[Node], tuple[tuple[str, str], ...]]
    log: LogWords
    signs: tuple[Sign, ...]
    fingerprint: Callable[[str], tuple[str, str]]

    def identity_file(self, root_dir: str) -> str:
        """The file whose age is the node's age; whoever has it is the node."""
        return f"{root_dir}/{self.identity_file_name}"

    def problem_with(self, start_args: Sequence[str]) -> str | None:
        """Return why no node of this kind can be started with the extra arguments, else None."""
        for word in start_args:
            option = word.partition("=")[0]
            if not option.startswith("--"):
                option = option[:2]  # a short option may have its value attached: -p12000
            if option in self.reserved_options:
                return f"{option} is set by wnm itself for every node; leave it out"
        alone = lacks_value(start_args, self.options_with_value)
        return f"{alone} needs a value" if alone else None
