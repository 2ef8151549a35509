"""Finds the firewall rules that are missing and those that are left over."""

import re
from collections.abc import Collection, Iterable, Mapping

from msgspec.structs import replace

from wnm.core.action import AddNode, ClosePort, OpenPort, PortChange, nodes_in, port_comment
from wnm.core.decision import Decision
from wnm.core.node import Node, Status, id_in_name, node_name
from wnm.core.observation import FirewallReading, Observation, Unseen
from wnm.core.reasons import Reason, ReasonKind
from wnm.core.settings import Settings

LEFT_ALONE = frozenset({Status.REMOVING, Status.DEAD, Status.DISABLED})
_COMMENT = re.compile(r"wnm ([A-Za-z0-9_-]{1,100})")


def ports_of(node_id: int, settings: Settings) -> tuple[int, int]:
    """The node port and the metrics port that belong to an id."""
    return settings.port_start * 1000 + node_id, settings.metrics_port_start * 1000 + node_id


def node_in_comment(comment: str) -> str | None:
    """The name of the node whose rule carries this comment; None if it is no comment of ours."""
    found = _COMMENT.fullmatch(comment)
    return found[1] if found else None


def port_changes(
    seen: FirewallReading | Unseen,
    wanted: Mapping[str, int],
    *,
    in_action: Collection[str] = (),
    claimed: Collection[str] = (),
) -> tuple[PortChange, ...]:
    """Return the steps that make the firewall fit the nodes, in order. Empty when there is nothing to see or set up.

    `wanted` is the port of each node whose rule must be there. `in_action` names nodes that an action of this
    cycle is about: it sees to their rules itself. `claimed` names what else is there on the machine under a node's
    name (its rule may be that of another wnm) and nodes that are to be left alone; their rules stay as they are.
    Rules of others are never touched, and a port that they open is open.
    """
    if isinstance(seen, Unseen) or not seen.active:
        return ()
    changes: list[PortChange] = []
    for port, comment in sorted({(rule.port, rule.comment) for rule in seen.own}):
        name = node_in_comment(comment)
        if name is None or name in {*in_action, *claimed} or wanted.get(name) == port:
            continue
        because = Reason(kind=ReasonKind.PORT_WITHOUT_NODE, name=name)
        if name in wanted:
            because = Reason(kind=ReasonKind.PORT_CHANGED, name=name, count=wanted[name])
        changes.append(ClosePort(port=port, comment=comment, because=because))
    leaving = {(change.port, change.comment) for change in changes}
    staying = [rule for rule in seen.own if (rule.port, rule.comment) not in leaving]
    done = set(seen.opened_by_others)
    for name, port in sorted(wanted.items()):
        comment = port_comment(name)
        rules = [rule for rule in staying if rule.port == port]
        # A port has one rule: where somebody else's is, even a node's of another name, ours cannot be added.
        enough = [rule for rule in rules if rule.whole or rule.comment != comment]
        if enough or name in in_action or port in done:
            continue
        done.add(port)
        missing = ReasonKind.PORT_HALF_OPEN if rules else ReasonKind.PORT_CLOSED
        changes.append(OpenPort(port=port, comment=comment, because=Reason(kind=missing)))
    return tuple(changes)


def with_ports(decision: Decision, seen: Observation, settings: Settings, nodes: Iterable[Node]) -> Decision:
    """The decision with the port changes that go with it; `nodes` are all rows as concluded.

    Nodes that an action is about are left to it. Those that are leaving or disabled keep the rule that they have,
    and so does what else has a node's name on this machine.
    """
    if isinstance(seen.firewall, Unseen):
        return decision
    rows = list(nodes)
    acted_on = nodes_in(decision.actions)
    in_action = {node.name for node in rows if node.id in acted_on}
    in_action |= {action.node.name for action in decision.actions if isinstance(action, AddNode)}
    left_alone = {node.name for node in rows if node.status in LEFT_ALONE}
    ports = {node.name: node.port for node in rows}
    # A claimed id may have either of the names that an id can have.
    names = [name for claim in seen.claims for name in (node_name(claim.id), f"antnode{claim.id:03d}")]
    # Each database has its own `port_start`, so names of nodes meet and their ports do not: a rule at a port that no
    # node here has or had is that of another wnm; what it opens is open.
    own = []
    for rule in seen.firewall.own:
        name = node_in_comment(rule.comment) or ""
        node_id = id_in_name(name)
        if ports.get(name) == rule.port or (
            node_id is not None and ports_of(node_id, settings)[0] == rule.port
        ):
            own.append(rule)
    others = {rule.port for rule in seen.firewall.own} - {rule.port for rule in own}
    opened = seen.firewall.opened_by_others | others
    changes = port_changes(
        replace(seen.firewall, own=tuple(own), opened_by_others=opened),
        {name: port for name, port in ports.items() if name not in left_alone},
        in_action=in_action,
        claimed={name for name in names if name not in ports} | left_alone,
    )
    return replace(decision, ports=changes)
