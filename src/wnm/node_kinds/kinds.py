"""Every kind of node program that wnm can run."""

from collections.abc import Mapping
from types import MappingProxyType

from wnm.node_kinds.antnode import ANTNODE
from wnm.node_kinds.kind import NodeKind

KINDS: Mapping[str, NodeKind] = MappingProxyType({kind.name: kind for kind in (ANTNODE,)})
