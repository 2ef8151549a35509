"""Lists the kinds of node program that wnm can run."""

from collections.abc import Mapping
from types import MappingProxyType

from wnm.node_kinds.ant_node import ANT_NODE
from wnm.node_kinds.antnode import ANTNODE
from wnm.node_kinds.kind import NodeKind

KINDS: Mapping[str, NodeKind] = MappingProxyType({kind.name: kind for kind in (ANTNODE, ANT_NODE)})


def kind_of_version_output(text: str, kinds: Mapping[str, NodeKind] = KINDS) -> tuple[str, str] | None:
    """(kind, version) of the program that printed this when asked for its version; None if it is none of `kinds`."""
    for kind in kinds.values():
        if recognised := kind.parse_version_output(text):
            return recognised
    return None
