"""Understands a unit that was found: which node it would be by its name, and with which arguments."""

import posixpath
import re

from msgspec import Struct

from wnm.core.node import NodeId, id_in_name
from wnm.core.suggest import shortened
from wnm.formats.launchd_plist import LABEL_PREFIX, label_of, unit_name_of
from wnm.formats.systemd_reading import CUT_OFF
from wnm.node_kinds.forms import NETWORKS
from wnm.node_kinds.kinds import KINDS
from wnm_adopt.arguments import Named, NodeArguments, kind_of_command, named_by, read_arguments
from wnm_adopt.folder_rules import tidy_path
from wnm_adopt.found import LAUNCHD, SYSTEMD, SYSTEMD_USER, FoundUnit

# Names have three or four digits, and wnm never has more nodes than that.
MOST_IDS = 9999
ANTCTL = "it is antctl's: remove it with antctl first, or keep it there"
_ABOUT_NODES = ("antnode", "ant-node", "ant_node", "safenode")
_OF_ANTCTL = re.compile(r"antnode[1-9][0-9]*")
_OLD_NODE = "it is a safenode, which the network no longer knows: remove it"
_TEMPLATE = "it is a template, and no node of its own"
_NOT_RUN = "systemd does not run it: its name does not end in .service"
_NOT_READ = "launchd does not read it: its file name does not end in .plist"
_REMEDIES = {
    _TEMPLATE: "give each node of it a unit of its own",
    _NOT_RUN: "nothing has to be done",
    _NOT_READ: "nothing has to be done",
}
_RENAME = "give its unit and its folder such a name"


class Understood(Struct, frozen=True, kw_only=True):
    """A unit with what its name and command line mean.

    `name` and `id` are those of the node; `name_problem` says why it has none that wnm can keep, `name_remedy` what
    can be done about that. `named` is what the command line names for itself, also of many that cannot be adopted.
    `root_dir` is tidy. `problem` is the first thing wrong with the command line. `is_live` if its service manager
    runs it at all.
    """

    unit: FoundUnit
    name: str
    id: NodeId | None
    name_problem: str | None
    name_remedy: str
    named: Named
    kind: str | None
    doubt: str | None
    arguments: NodeArguments | None
    root_dir: str | None
    problem: str | None
    is_live: bool

    @property
    def ports(self) -> dict[str, int]:
        """The ports that it listens on, by what they are called."""
        listens = self.kind is None or KINDS[self.kind].has_metrics
        found = {"metrics port": self.named.metrics_port if listens else None, "port": self.named.port}
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
    kind = kind_of_command(argv)
    found = None if kind is None else read_arguments(kind.name, argv, unit.environment)
    problem = unit.problem
    if problem is None and unit.argv is None:
        problem = "its command line is not known"
    elif problem is None and kind is None:
        problem = f"its program {shortened(argv[0] if argv else '')} is no node program"
    elif problem is None and isinstance(found, str):
        problem = f"it {found}" + (f" ({kind.doubt})" if kind and kind.doubt else "")
    if CUT_OFF in unit.notes and (problem is not None or not _is_whole(found)):
        problem = f"it is cut off within its command line{'' if problem is None else f': {problem}'}"
    root_dir = found.root_dir if isinstance(found, NodeArguments) else named.root_dir
    name, not_run = _own_name(unit)
    name_problem, remedy = _name_problem(unit, name, not_run)
    return Understood(
        unit=unit,
        name=name,
        id=id_in_name(name),
        name_problem=name_problem,
        name_remedy=remedy,
        named=named,
        kind=kind.name if kind else None,
        doubt=kind.doubt if kind else None,
        arguments=found if isinstance(found, NodeArguments) else None,
        root_dir=tidy_path(root_dir) if root_dir else None,
        problem=problem,
        is_live=not unit.inert and (unit.manager == LAUNCHD or not_run is None),
    )


def _is_whole(arguments: NodeArguments | str | None) -> bool:
    """Whether a command line ends as those of nodes do: in what chooses the payment network."""
    if not isinstance(arguments, NodeArguments) or not arguments.network:
        return False
    first = arguments.network[0]
    return first in NETWORKS or not first.startswith("evm-")


def _own_name(unit: FoundUnit) -> tuple[str, str | None]:
    """The name without what the service manager adds to it, and why it is no name of a service."""
    if unit.manager in (SYSTEMD, SYSTEMD_USER):
        stem = unit.name.removesuffix(".service")
        if "@" in stem:
            return stem, _TEMPLATE
        return stem, _NOT_RUN if stem == unit.name and "." in unit.name else None
    if unit.manager != LAUNCHD:
        return unit.name, None
    short = unit.name.removeprefix(LABEL_PREFIX)
    if ".plist" in short:
        return short, _NOT_READ
    name = unit_name_of(unit.name)
    if name is None or id_in_name(name) is None:
        return name or short, None
    # Some names can be told from more than one label, and only by one of them does launchd know the node then.
    own = label_of(name)
    return name, None if own == unit.name else f"its label would have to be {own}"


def _name_problem(unit: FoundUnit, name: str, not_run: str | None) -> tuple[str | None, str]:
    """Why wnm cannot keep a node of this name, and what can be done about that; (None, "") if it can."""
    if not_run is not None:
        return not_run, _REMEDIES.get(not_run, "")
    program = posixpath.basename(unit.argv[0]) if unit.argv else ""
    if name.startswith("safenode") or program == "safenode":
        return _OLD_NODE, ""
    node_id = id_in_name(name)
    if node_id is None and _OF_ANTCTL.fullmatch(name):
        return ANTCTL, ""
    if node_id is None:
        return (
            f"its name {shortened(name)} is none that wnm can keep: that would be one like antnode0001",
            _RENAME,
        )
    if node_id > MOST_IDS:
        return (
            f"its number is too large: names of nodes have three or four digits, the last is {MOST_IDS}",
            _RENAME,
        )
    return None, ""
