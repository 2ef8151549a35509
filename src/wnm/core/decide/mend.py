"""What a cycle puts right in the firewall, besides its actions."""

from collections.abc import Iterable, Mapping

from msgspec.structs import replace

from wnm.core.action import AddNode, Resurvey, node_of
from wnm.core.decide.allocate import ports_of
from wnm.core.decide.ports import node_in_comment, port_changes
from wnm.core.decision import Decision
from wnm.core.node import Node, Status, id_in_name, node_name
from wnm.core.observation import FirewallReading, Observation, PortRule, Unseen
from wnm.core.settings import Settings

LEFT_ALONE = frozenset({Status.REMOVING, Status.DEAD, Status.DISABLED})


def with_ports(decision: Decision, seen: Observation, settings: Settings, nodes: Iterable[Node]) -> Decision:
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
        _without_neighbours(seen.firewall, {node.name: node.port for node in rows}, settings),
        {node.name: node.port for node in rows if node.name not in left_alone},
        in_action=in_action,
        claimed=claimed | left_alone,
    )
    return replace(decision, ports=changes)


def _without_neighbours(
    seen: FirewallReading | Unseen, ports: Mapping[str, int], settings: Settings
) -> FirewallReading | Unseen:
    """A rule at a port that no node here has or had is that of another wnm; what it opens is open.

    Each database has its own `port_start`, so names of nodes meet and their ports do not.
    """
    if isinstance(seen, Unseen):
        return seen
    own = tuple(rule for rule in seen.own if _may_be_ours(rule, ports, settings))
    others = {rule.port for rule in seen.own} - {rule.port for rule in own}
    return replace(seen, own=own, opened_by_others=seen.opened_by_others | others)


def _may_be_ours(rule: PortRule, ports: Mapping[str, int], settings: Settings) -> bool:
    name = node_in_comment(rule.comment) or ""
    node_id = id_in_name(name)
    return ports.get(name) == rule.port or (
        node_id is not None and ports_of(node_id, settings)[0] == rule.port
    )


def _names(node_id: int) -> tuple[str, ...]:
    """Every name that a node of this id may have."""
    short = f"antnode{node_id:03d}"
    return (node_name(node_id), short) if id_in_name(short) == node_id else (node_name(node_id),)
