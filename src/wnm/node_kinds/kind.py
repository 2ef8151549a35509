"""What wnm needs to know of a kind of node program."""

from collections.abc import Callable
from dataclasses import dataclass

from wnm.core.node import Node


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeKind:
    """How a kind of node program is started and recognised.

    `parse_version_output` takes what `--version` printed and returns (kind, version), or None for a text
    that is not its own; the kind may be another one, known well enough to be named. `command_line` is
    complete, program first. `reserved_options` may not be given as extra arguments, because wnm sets them.
    `identity_file_name` lies in a node's root directory, `last_words_file`
    in its log directory, where a node that ends itself says why.
    """

    name: str
    identity_file_name: str
    last_words_file: str
    reserved_options: frozenset[str]
    parse_version_output: Callable[[str], tuple[str, str] | None]
    command_line: Callable[[Node], tuple[str, ...]]
    fingerprint: Callable[[str], tuple[str, str]]

    def identity_file(self, root_dir: str) -> str:
        """The file whose age is the node's age; whoever has it is the node."""
        return f"{root_dir}/{self.identity_file_name}"
