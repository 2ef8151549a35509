"""One action as calls of the hands, in an order in which any interruption can be made good by a later cycle."""

from msgspec import Struct

from wnm.core.action import (
    AddNode,
    DisableNode,
    EnableNode,
    NodeAction,
    ProgramChoice,
    RemoveNode,
    RestartNode,
    RetireNode,
    RollBackNode,
    StartNode,
    StopNode,
    UpgradeNode,
    port_comment,
)
from wnm.core.contracts import Firewall, ProcessManager
from wnm.core.errors import ProgramFailed, Transient, WnmError
from wnm.core.node import Node

KILLED = "it ignored TERM and had to be killed"


class Hands(Struct, frozen=True, kw_only=True):
    """What may touch the machine."""

    manager: ProcessManager
    firewall: Firewall


class Performed(Struct, frozen=True, kw_only=True):
    """What doing an action brought to light."""

    freed_bytes: int | None = None
    note: str | None = None


def perform(action: NodeAction, node: Node, hands: Hands) -> Performed:
    """Do it and return when it is so. What fails half-way is taken back before the error goes on."""
    match action:
        case AddNode():
            return _add(action, hands)
        case StartNode():
            return _start(action, node, hands)
        case UpgradeNode():
            return _upgrade(action, node, hands)
        case RollBackNode():
            hands.manager.restore_program(node)
            return _killed(hands.manager.restart_node(node))
        case RestartNode():
            return _killed(hands.manager.restart_node(node))
        case StopNode() | RetireNode() | DisableNode():
            return _killed(hands.manager.stop_node(node))
        case RemoveNode():
            return _remove(node, hands)
        case EnableNode():
            return Performed()


def _killed(had_to_be_killed: bool) -> Performed:
    return Performed(note=KILLED if had_to_be_killed else None)


def _add(action: AddNode, hands: Hands) -> Performed:
    node = action.node
    hands.manager.create_node(node, action.program.path)
    try:
        hands.firewall.open_port(node.port, port_comment(node.name))
        hands.manager.start_node(node)
    except WnmError as error:
        try:
            _remove(node, hands)
        except WnmError as leftover:
            raise Transient(f"{error}; undoing the addition failed too: {leftover}") from error
        raise
    return Performed()


def _start(action: StartNode, node: Node, hands: Hands) -> Performed:
    if action.program is not None:
        _place(action.program, node, hands)
    hands.firewall.open_port(node.port, port_comment(node.name))
    try:
        hands.manager.start_node(node)
    except WnmError as error:
        if node.trial is None:
            raise
        raise _gone_back(node, hands, error) from error
    return Performed()


def _place(program: ProgramChoice, node: Node, hands: Hands) -> None:
    """Replace the node's program. What is kept beside it is one that worked, not one that was on trial itself."""
    if node.trial is not None and node.binary_version not in (node.former_version, program.version):
        hands.manager.restore_program(node)
    hands.manager.place_program(node, program.path)


def _check(program: ProgramChoice, node: Node, hands: Hands) -> None:
    """Try the node's new copy alone; the node itself goes on meanwhile, and keeps its old program if that fails."""
    try:
        hands.manager.check_program(node, program.version)
    except ProgramFailed as error:
        raise _gone_back(node, hands, error) from error
    except WnmError:
        hands.manager.restore_program(node)
        raise


def _upgrade(action: UpgradeNode, node: Node, hands: Hands) -> Performed:
    _place(action.program, node, hands)
    _check(action.program, node, hands)
    try:
        killed = hands.manager.stop_node(node)
    except WnmError as error:
        # Nothing is known of the new program: the node is what did not end.
        try:
            hands.manager.restore_program(node)
        except WnmError as worse:
            raise Transient(f"{error}; putting its old program back failed too: {worse}") from error
        raise
    try:
        hands.manager.start_node(node)
    except WnmError as error:
        raise _gone_back(node, hands, error) from error
    return _killed(killed)


def _gone_back(node: Node, hands: Hands, error: WnmError) -> WnmError:
    """Put the old program back and start the node on it; returns the error that tells of all this."""
    try:
        hands.manager.restore_program(node)
        hands.manager.start_node(node)
    except WnmError as worse:
        return ProgramFailed(f"{error}; going back to the old program failed too: {worse}")
    return ProgramFailed(f"{error}; it runs on its old program again")


def _remove(node: Node, hands: Hands) -> Performed:
    freed_bytes = hands.manager.remove_node(node)
    hands.firewall.close_port(node.port, port_comment(node.name))
    if node.command is not None:
        # The rule that it came with has its bare name for a comment.
        hands.firewall.close_port(node.port, node.name)
    return Performed(freed_bytes=freed_bytes)
