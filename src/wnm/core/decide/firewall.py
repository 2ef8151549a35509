"""Finds the firewall rules that are missing and those that are left over."""

import re
from collections.abc import Collection, Iterable, Iterator, Mapping

from msgspec.structs import replace

from wnm.core.action import AddNode, ClosePort, OpenPort, PortChange, Resurvey, node_of, port_comment
from wnm.core.decide.growth import ports_of
from wnm.core.decision import Decision
from wnm.core.node import Node, Status, id_in_name, node_name
from wnm.core.observation import FirewallReading, Observation, PortRule, Unseen
from wnm.core.reasons import Reason, ReasonKind
from wnm.core.settings import Settings

_COMMENT = re.compile(r"wnm ([A-Za-z0-9_-]{1,100})")


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
    closing = tuple(_to_close(seen.own, wanted, {*in_action, *claimed}))
    leaving = {(change.port, change.comment) for change in closing}
    staying = [rule for rule in seen.own if (rule.port, rule.comment) not in leaving]
    return (*closing, *_to_open(staying, seen.opened_by_others, wanted, in_action))


def _to_close(
    own: Collection[PortRule], wanted: Mapping[str, int], left_alone: Collection[str]
) -> Iterator[ClosePort]:
    for port, comment in sorted({(rule.port, rule.comment) for rule in own}):
        name = node_in_comment(comment)
        if name is None or name in left_alone or wanted.get(name) == port:
            continue
        because = Reason(kind=ReasonKind.PORT_WITHOUT_NODE, name=name)
        if name in wanted:
            because = Reason(kind=ReasonKind.PORT_CHANGED, name=name, count=wanted[name])
        yield ClosePort(port=port, comment=comment, because=because)


def _to_open(
    staying: Collection[PortRule],
    opened_by_others: Collection[int],
    wanted: Mapping[str, int],
    in_action: Collection[str],
) -> Iterator[OpenPort]:
    done = set(opened_by_others)
    for name, port in sorted(wanted.items()):
        comment = port_comment(name)
        rules = [rule for rule in staying if rule.port == port]
        # A port has one rule: where somebody else's is, even a node's of another name, ours cannot be added.
        shared = any(rule.comment != comment for rule in rules)
        if name in in_action or port in done or shared or any(rule.whole for rule in rules):
            continue
        done.add(port)
        missing = ReasonKind.PORT_HALF_OPEN if rules else ReasonKind.PORT_CLOSED
        yield OpenPort(port=port, comment=comment, because=Reason(kind=missing))


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
