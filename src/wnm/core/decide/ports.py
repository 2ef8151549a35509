"""Which firewall rules are missing and which are left over."""

import re
from collections.abc import Collection, Iterator, Mapping

from wnm.core.action import ClosePort, OpenPort, PortChange, port_comment
from wnm.core.observation import FirewallReading, PortRule, Unseen
from wnm.core.reasons import Reason, ReasonKind

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
    """What makes the firewall fit the nodes, to be done in this order. Empty when there is nothing to see or set up.

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
        # A port has one rule: where somebody else's is, even a node's of another name, there is no room for ours.
        shared = any(rule.comment != comment for rule in rules)
        if name in in_action or port in done or shared or any(rule.whole for rule in rules):
            continue
        done.add(port)
        missing = ReasonKind.PORT_HALF_OPEN if rules else ReasonKind.PORT_CLOSED
        yield OpenPort(port=port, comment=comment, because=Reason(kind=missing))
