"""Which node a service is by its name, and whose it is."""

import posixpath
import re

from msgspec import Struct

from wnm.core.node import NodeId, id_in_name
from wnm.core.suggest import shortened
from wnm.formats.launchd_plist import LABEL_PREFIX, label_of, unit_name_of
from wnm.node_kinds.found import kind_of_command
from wnm_adopt.services import LAUNCHD, SYSTEMD, SYSTEMD_USER, FoundService

# Names have three or four digits, and wnm never has more nodes than that.
MOST_IDS = 9999
_ABOUT_NODES = ("antnode", "ant-node", "ant_node", "safenode")
_ANTCTL = re.compile(r"antnode[0-9]+")
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
ANTCTL = "it is antctl's: remove it with antctl first, or keep it there"


class NameFound(Struct, frozen=True, kw_only=True):
    """The name and number of the node that a service is; `problem` says why it has none that wnm can keep.

    `remedy` says what can be done about that, empty where `problem` does.
    """

    name: str
    id: NodeId | None
    problem: str | None = None
    remedy: str = ""


def is_about_a_node(service: FoundService) -> bool:
    """Whether a service has anything to do with nodes, by its name or by what it runs."""
    short = service.name.removeprefix(LABEL_PREFIX)
    if short.startswith(_ABOUT_NODES):
        return True
    if not service.argv:
        return False
    program = posixpath.basename(service.argv[0])
    return program.startswith(_ABOUT_NODES) or kind_of_command(service.argv) is not None


def name_of(service: FoundService) -> NameFound:
    """The node by the service's name, or why that is none."""
    name, problem = _own_name(service)
    node_id = id_in_name(name)
    remedy = _REMEDIES.get(problem or "", "")
    if problem is None:
        problem = _whose(service, name)
    if problem is None and node_id is None:
        problem = f"its name {shortened(name)} is none that wnm can keep: that would be one like antnode0001"
        remedy = _RENAME
    if problem is None and node_id is not None and node_id > MOST_IDS:
        problem = f"its number is too large: names of nodes have three or four digits, the last is {MOST_IDS}"
        remedy = _RENAME
    return NameFound(name=name, id=node_id, problem=problem, remedy=remedy)


def is_live(service: FoundService) -> bool:
    """Whether its service manager reads it at all, by its name."""
    return service.manager not in (SYSTEMD, SYSTEMD_USER) or _unit_name(service.name)[1] is None


def _own_name(service: FoundService) -> tuple[str, str | None]:
    """The name without what the service manager adds to it, and why it is no name of a service."""
    if service.manager in (SYSTEMD, SYSTEMD_USER):
        return _unit_name(service.name)
    if service.manager == LAUNCHD:
        short = service.name.removeprefix(LABEL_PREFIX)
        if ".plist" in short:
            return short, _NOT_READ
        return _agent_name(service.name, short)
    return service.name, None


def _agent_name(label: str, short: str) -> tuple[str, str | None]:
    name = unit_name_of(label)
    if name is None or id_in_name(name) is None:
        return name or short, None
    # Some names can be told from more than one label, and only by one of them does launchd know the node then.
    own = label_of(name)
    return name, None if own == label else f"its label would have to be {own}"


def _unit_name(file_name: str) -> tuple[str, str | None]:
    stem = file_name.removesuffix(".service")
    if "@" in stem:
        return stem, _TEMPLATE
    if stem == file_name and "." in file_name:
        return stem, _NOT_RUN
    return stem, None


def _whose(service: FoundService, name: str) -> str | None:
    program = posixpath.basename(service.argv[0]) if service.argv else ""
    if name.startswith("safenode") or program == "safenode":
        return _OLD_NODE
    if (
        _ANTCTL.fullmatch(name)
        and id_in_name(name) is None
        and int(name[7:20]) > 0
        and not name[7:].startswith("0")
    ):
        return ANTCTL
    return None
