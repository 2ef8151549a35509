"""Describes a kind of node program: how it is started, recognised and read."""

import re
from collections.abc import Callable, Collection, Sequence
from typing import Protocol

from msgspec import Struct

from wnm.core.node import Node
from wnm.core.node_log import Sign
from wnm.core.release import tidy_version
from wnm.node_kinds.log_health import LogWords

_LONGEST_OUTPUT = 4096


def options_in(words: Sequence[str]) -> set[str]:
    """The options that are given, without the values of those that have an equals sign."""
    return {word.partition("=")[0] for word in words if word.startswith("-")}


def end_of_options(words: Sequence[str], with_value: Collection[str]) -> int:
    """Return the place of the first word that is neither an option nor the value of one.

    `with_value` are the options that have a value. It is the number of words if there is none, and more than that if
    the last option lacks its value: it would take the next argument for it, whatever that is.
    """
    place = 0
    while place < len(words) and words[place].startswith("-"):
        place += 2 if words[place] in with_value else 1
    return place


class CommandLine(Protocol):
    """Program and arguments of a node.

    `supervised` says that a service manager starts the node again whenever it ends; without one, a node that
    replaced its own program has to go on by itself.
    """

    def __call__(self, node: Node, *, supervised: bool = False) -> tuple[str, ...]: ...


class NodeKind(Struct, frozen=True, kw_only=True):
    """The way in which a kind of node program is started and recognised.

    `name` is also the file name of a node's own copy; `companion_files` lie beside the program that is
    installed and must lie beside every copy of it. `banner` finds the version in what `--version` prints.
    `command_line` is complete, program first, and so is `environment`, in which what was decided for the node wins.
    `reserved_options` may not be given as extra arguments, because wnm sets them; `options_with_value` are all that
    are followed by a value.

    `identity_file_name` lies in a node's root directory. `failure_file` lies in its log directory, where a
    node that ends itself says why; None for a kind that only prints it. `has_metrics` is False for a kind whose
    metrics port nothing listens on. `store_files` are the files and folders below the root directory in which
    data is kept: they change while a node works, and how much they take up is what is allocated, not their
    length, which a sparse file only pretends. `log_files` is the pattern of the log files' names in the log
    directory, `log_words` reads what their lines tell, and `signs` are what a healthy node shows of itself there.
    """

    name: str
    companion_files: tuple[str, ...]
    identity_file_name: str
    failure_file: str | None
    has_metrics: bool
    store_files: tuple[str, ...]
    log_files: str
    reserved_options: frozenset[str]
    options_with_value: frozenset[str]
    banner: re.Pattern[str]
    command_line: CommandLine
    environment: Callable[[Node], tuple[tuple[str, str], ...]]
    log_words: LogWords
    signs: tuple[Sign, ...] = ()

    def identity_file(self, root_dir: str) -> str:
        """The file whose age is the node's age; whoever has it is the node."""
        return f"{root_dir}/{self.identity_file_name}"

    def fingerprint(self, root_dir: str) -> tuple[str, str]:
        """Two neighbouring arguments that no other process on the machine has."""
        return ("--root-dir", root_dir)

    def parse_version_output(self, text: str) -> tuple[str, str] | None:
        """(kind, version) from what `--version` printed; None for a text that is not its own."""
        found = self.banner.search(text[:_LONGEST_OUTPUT])
        version = tidy_version(found[1]) if found else None
        return None if version is None else (self.name, version)

    def problem_with(self, start_args: Sequence[str]) -> str | None:
        """Return why no node of this kind can be started with the extra arguments, else None."""
        for word in start_args:
            option = word.partition("=")[0]
            if not option.startswith("--"):
                option = option[:2]  # a short option may have its value attached: -p12000
            if option in self.reserved_options:
                return f"{option} is set by wnm itself for every node; leave it out"
        alone = end_of_options(start_args, self.options_with_value) > len(start_args)
        return f"{start_args[-1]} needs a value" if alone else None
