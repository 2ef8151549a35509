"""Which firewall rules are opened and closed beside the actions."""

from collections.abc import Collection, Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from wnm.core.action import ClosePort, OpenPort, PortChange, port_comment
from wnm.core.decide.firewall import node_in_comment, port_changes
from wnm.core.observation import FirewallReading, PortRule, Unseen
from wnm.core.reasons import legacy
from wnm.core.sentences import sentence

ONE, TWO, THREE = "antnode0001", "antnode0002", "antnode0003"


def rule(port: int, name: str, *, whole: bool = True) -> PortRule:
    """A rule of the node of this name."""
    return PortRule(port=port, comment=f"wnm {name}", whole=whole)


def seen(*own: PortRule, others: Collection[int] = ()) -> FirewallReading:
    """What an active firewall shows."""
    return FirewallReading(active=True, own=own, opened_by_others=frozenset(others))


def brief(changes: Collection[PortChange]) -> list[tuple[str, int, str]]:
    """Changes without their reasons."""
    return [("open" if isinstance(each, OpenPort) else "close", each.port, each.comment) for each in changes]


CASES: Mapping[str, tuple[FirewallReading | Unseen, dict[str, int], set[str], set[str], list[str]]] = {
    # what was seen, wanted, in an action, claimed, expected
    "all is well": (seen(rule(1, ONE), rule(2, TWO)), {ONE: 1, TWO: 2}, set(), set(), []),
    "nothing wanted, nothing there": (seen(), {}, set(), set(), []),
    "missing": (seen(rule(2, TWO)), {ONE: 1, TWO: 2}, set(), set(), [f"open 1 {ONE}"]),
    "several missing": (seen(), {TWO: 2, ONE: 1}, set(), set(), [f"open 1 {ONE}", f"open 2 {TWO}"]),
    "half": (seen(rule(1, ONE, whole=False)), {ONE: 1}, set(), set(), [f"open 1 {ONE}"]),
    "half, of a node in an action": (seen(rule(1, ONE, whole=False)), {ONE: 1}, {ONE}, set(), []),
    "missing, of a node in an action": (seen(), {ONE: 1}, {ONE}, set(), []),
    "missing, of a node whose name is claimed": (seen(), {ONE: 1}, set(), {ONE}, [f"open 1 {ONE}"]),
    "open by somebody else's rule": (seen(others={1}), {ONE: 1}, set(), set(), []),
    "half, the other half somebody else's": (
        seen(rule(1, ONE, whole=False), others={1}), {ONE: 1}, set(), set(), [],
    ),
    "left over": (seen(rule(1, ONE)), {}, set(), set(), [f"close 1 {ONE}"]),
    "half left over": (seen(rule(1, ONE, whole=False)), {}, set(), set(), [f"close 1 {ONE}"]),
    "left over beside somebody else's": (seen(rule(1, ONE), others={1}), {}, set(), set(), [f"close 1 {ONE}"]),
    "left over, but in an action": (seen(rule(1, ONE)), {}, {ONE}, set(), []),
    "left over, but claimed": (seen(rule(1, ONE)), {}, set(), {ONE}, []),
    "left over twice": (seen(rule(1, ONE), rule(1, ONE, whole=False)), {}, set(), set(), [f"close 1 {ONE}"]),
    "on another port": (seen(rule(7, ONE)), {ONE: 1}, set(), set(), [f"close 7 {ONE}", f"open 1 {ONE}"]),
    "on two ports": (seen(rule(7, ONE), rule(1, ONE)), {ONE: 1}, set(), set(), [f"close 7 {ONE}"]),
    "on another port, and claimed": (seen(rule(7, ONE)), {ONE: 1}, set(), {ONE}, [f"open 1 {ONE}"]),
    "on another port, and in an action": (seen(rule(7, ONE)), {ONE: 1}, {ONE}, set(), []),
    "the port of a node that is gone": (
        seen(rule(1, ONE)), {TWO: 1}, set(), set(), [f"close 1 {ONE}", f"open 1 {TWO}"],
    ),
    "the port of a name that is claimed": (seen(rule(1, ONE)), {TWO: 1}, set(), {ONE}, []),
    "half of a port each": (
        seen(rule(1, ONE, whole=False), rule(1, TWO, whole=False)), {TWO: 1}, set(), set(),
        [f"close 1 {ONE}", f"open 1 {TWO}"],
    ),
    "half of a port each, one claimed": (
        seen(rule(1, ONE, whole=False), rule(1, TWO, whole=False)), {TWO: 1}, set(), {ONE}, [],
    ),
    "two nodes with one port": (seen(), {ONE: 1, TWO: 1}, set(), set(), [f"open 1 {ONE}"]),
    "two nodes with one port, open for the second": (
        seen(rule(1, TWO)), {ONE: 1, TWO: 1}, set(), set(), [],
    ),
    "two nodes exchanged ports": (
        seen(rule(1, TWO), rule(2, ONE)), {ONE: 1, TWO: 2}, set(), set(),
        [f"close 1 {TWO}", f"close 2 {ONE}", f"open 1 {ONE}", f"open 2 {TWO}"],
    ),
    "a comment that is not ours": (
        seen(PortRule(port=1, comment="wnm"), PortRule(port=2, comment="the wnm x")), {}, set(), set(), [],
    ),
    "switched off": (FirewallReading(active=False, note="off"), {ONE: 1}, set(), set(), []),
    "switched off, and yet rules": (replace(seen(rule(1, ONE)), active=False), {TWO: 2}, set(), set(), []),
    "not seen": (Unseen(reason="it hangs"), {ONE: 1}, set(), set(), []),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
def test_drift_is_repaired(
    case: tuple[FirewallReading | Unseen, dict[str, int], set[str], set[str], list[str]],
) -> None:
    reading, wanted, in_action, claimed, expected = case
    changes = port_changes(reading, wanted, in_action=in_action, claimed=claimed)
    assert [f"{what} {port} {node_in_comment(comment)}" for what, port, comment in brief(changes)] == expected


def test_reasons_are_for_people() -> None:
    reading = seen(rule(1, ONE, whole=False), rule(7, TWO), rule(9, "gone"))
    changes = port_changes(reading, {ONE: 1, TWO: 2})
    assert [replace(each, because=legacy(sentence(each.because))) for each in changes] == [
        ClosePort(port=7, comment="wnm antnode0002", because=legacy("antnode0002 uses port 2")),
        ClosePort(port=9, comment="wnm gone", because=legacy("there is no node gone")),
        OpenPort(port=1, comment="wnm antnode0001", because=legacy("its rule lacks IPv4 or IPv6")),
        OpenPort(port=2, comment="wnm antnode0002", because=legacy("its rule is missing")),
    ]


@pytest.mark.parametrize(
    "comment",
    ["", "wnm", "wnm ", "wnm  antnode0001", " wnm antnode0001", "wnm antnode0001 ", "wnm antnode0001\n",
     "Wnm antnode0001", "wnm ant node", "wnm größe", "wnm a'b", "wnm ١", "wnm " + "a" * 101],
)  # fmt: skip
def test_comments_of_others(comment: str) -> None:
    assert node_in_comment(comment) is None


@pytest.mark.parametrize("name", [ONE, "a", "A-b_9", "a" * 100])
def test_our_comments_name_the_node(name: str) -> None:
    assert node_in_comment(port_comment(name)) == name


_ports = st.integers(1, 6)
_names = st.sampled_from([ONE, TWO, THREE, "other", "node-4"])
_rules = st.builds(rule, _ports, _names, whole=st.booleans())
_readings = st.builds(
    lambda own, others: seen(*own, others=others), st.lists(_rules, max_size=8), st.sets(_ports, max_size=3)
)


def applied(reading: FirewallReading, changes: Collection[PortChange]) -> FirewallReading:
    """What is there after the changes, made as a firewall keeps its promises."""
    own = list(reading.own)
    for change in changes:
        same = [each for each in own if (each.port, each.comment) == (change.port, change.comment)]
        others = change.port in reading.opened_by_others or any(
            each.port == change.port and each not in same for each in own
        )
        if isinstance(change, ClosePort):
            own = [each for each in own if each not in same]
        elif not others:
            own = [each for each in own if each not in same]
            own.append(PortRule(port=change.port, comment=change.comment))
    return replace(reading, own=tuple(own))


@given(_readings, st.dictionaries(_names, _ports), st.sets(_names, max_size=2), st.sets(_names, max_size=2))
def test_only_own_rules_are_closed_and_once_is_enough(
    reading: FirewallReading, wanted: dict[str, int], in_action: set[str], claimed: set[str]
) -> None:
    changes = port_changes(reading, wanted, in_action=in_action, claimed=claimed)
    own = {(each.port, each.comment) for each in reading.own}
    assert len({(type(each), each.port, each.comment) for each in changes}) == len(changes)
    for change in changes:
        name = node_in_comment(change.comment)
        assert name is not None
        assert name not in in_action
        if isinstance(change, ClosePort):
            assert (change.port, change.comment) in own
            assert name not in claimed
            assert wanted.get(name) != change.port
        else:
            assert wanted[name] == change.port
            assert change.port not in reading.opened_by_others
    after = applied(reading, changes)
    assert port_changes(after, wanted, in_action=in_action, claimed=claimed) == ()
    open_now = after.opened_by_others | {each.port for each in after.own}
    assert open_now >= {port for name, port in wanted.items() if name not in in_action}


@given(_readings, st.dictionaries(_names, _ports))
def test_the_order_of_what_was_seen_does_not_matter(reading: FirewallReading, wanted: dict[str, int]) -> None:
    turned = replace(reading, own=tuple(reversed(reading.own)))
    turned_wanted = dict(reversed(wanted.items()))
    assert port_changes(turned, turned_wanted) == port_changes(reading, wanted)
