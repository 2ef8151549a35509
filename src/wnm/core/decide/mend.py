"""What a cycle puts right in the firewall, besides its actions."""

from collections.abc import Iterable
from dataclasses import replace

from wnm.core.action import AddNode, Resurvey, node_of
from wnm.core.decide.ports import port_changes
from wnm.core.decision import Decision
from wnm.core.node import Node, Status, id_in_name, node_name
from wnm.core.observation import Observation

LEFT_ALONE = frozenset({Status.REMOVING, Status.DEAD, Status.DISABLED})


def with_ports(decision: Decision, seen: Observation, nodes: Iterable[Node]) -> Decision:
    """The decision with the port changes that go with it; `nodes` are all rows as concluded.

    Nodes that an action is about are left to it. Those that are leaving or disabled keep the rule that they have,
    and so does what else has a node's name on this machine.
    """
    rows = list(nodes)
    acted_on = {node_of(action) for action in decision.actions if not isinstance(action, Resurvey)}
    in_action = {node.name for node in rows if node.id in acted_on}
    in_action |= {action.node.name for action in decision.actions if isinstance(action, AddNode)}
    left_alone = {node.name for node in rows if node.status in LEFT_ALONE}
    ours = {node.name for node in rows}
    claimed = {name for claim in seen.claims for name in _names(claim.id)} - ours
    changes = port_changes(
        seen.firewall,
        {node.name: node.port for node in rows if node.name not in left_alone},
        in_action=in_action,
        claimed=claimed | left_alone,
    )
    return replace(decision, ports=changes)


def _names(node_id: int) -> tuple[str, ...]:
    """Every name that a node of this id may have."""
    short = f"antnode{node_id:03d}"
    return (node_name(node_id), short) if id_in_name(short) == node_id else (node_name(node_id),)
