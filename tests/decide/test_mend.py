"""Which rules of the firewall a cycle puts right, and which it leaves to its actions or to others."""

from typing import Any

import pytest
from tests.builders import HOME, NOW, available, claims, folderless, node, seen, settings, storage

from wnm.core.action import ClosePort, OpenPort
from wnm.core.decide.forced import ForcedAction, Request, forced
from wnm.core.decide.ladder import decide
from wnm.core.decision import Decision
from wnm.core.node import ProcessState, Status
from wnm.core.observation import FirewallReading, NodeSeen, PortRule, Unseen

ONE, TWO = (55001, "wnm antnode0001"), (55002, "wnm antnode0002")
BOTH = (node(1), node(2))


def rules(*own: tuple[int, str], **changes: Any) -> FirewallReading:
    """An active firewall with these rules of ours."""
    own_rules = tuple(PortRule(port=port, comment=comment) for port, comment in own)
    return FirewallReading(**{"active": True, "own": own_rules, **changes})


def brief(decision: Decision) -> list[str]:
    verbs = {OpenPort: "open", ClosePort: "close"}
    return [f"{verbs[type(each)]} {each.port} {each.comment}" for each in decision.ports]


def decided(nodes: tuple[NodeSeen, ...], firewall: FirewallReading | Unseen, **changes: Any) -> list[str]:
    return brief(decide(seen(nodes, firewall=firewall, **changes), settings(node_cap=len(nodes))))


@pytest.mark.parametrize("status", [Status.RUNNING, Status.STOPPED, Status.UPGRADING, Status.DISABLED])
def test_a_node_that_stays_has_its_rule_whatever_it_is_doing(status: Status) -> None:
    nodes = (node(1), node(2, status))
    assert decided(nodes, rules(ONE, TWO)) == []


def test_a_missing_rule_is_opened_and_one_without_a_node_is_closed() -> None:
    found = decided(BOTH, rules(ONE, (55009, "wnm antnode0009")))
    assert found == ["close 55009 wnm antnode0009", "open 55002 wnm antnode0002"]


def test_nothing_is_done_where_there_is_no_firewall_or_it_is_not_seen() -> None:
    assert decided(BOTH, rules(active=False)) == []
    assert decided(BOTH, Unseen(reason="ufw hangs")) == []


def test_what_an_action_is_about_is_left_to_it() -> None:
    crashed = node(2, state=ProcessState.STOPPED)
    decision = decide(seen((node(1), crashed), firewall=rules(ONE)), settings(node_cap=2))
    assert [type(action).__name__ for action in decision.actions] == ["StartNode"]
    assert brief(decision) == []


def test_a_node_that_is_added_opens_its_own() -> None:
    decision = decide(seen((node(1),), firewall=rules(ONE)), settings(node_cap=2))
    assert [type(action).__name__ for action in decision.actions] == ["AddNode"]
    assert brief(decision) == []


@pytest.mark.parametrize("firewall", [rules(ONE, TWO), rules(ONE)])
def test_a_node_that_is_leaving_keeps_what_it_has(firewall: FirewallReading) -> None:
    leaving = node(2, Status.REMOVING, state=ProcessState.STOPPED, status_since=NOW)
    assert decided((node(1), leaving), firewall) == []


def test_the_rule_of_a_dead_node_goes_with_its_removal() -> None:
    decision = decide(seen((node(1), folderless(2)), firewall=rules(ONE, TWO)), settings(node_cap=2))
    assert [type(action).__name__ for action in decision.actions] == ["RemoveNode"]
    assert brief(decision) == []


@pytest.mark.parametrize("comment", ["wnm antnode0009", "wnm antnode009"])
def test_the_rule_of_something_else_with_a_nodes_name_is_left_alone(comment: str) -> None:
    assert decided(BOTH, rules(ONE, TWO, (55009, comment)), claims=claims(9)) == []


def test_with_a_disk_away_nothing_is_changed() -> None:
    away = (storage(HOME, present=False, empty=True, mount_point=None),)
    nodes = (folderless(1), folderless(2))
    assert decided(nodes, rules((55009, "wnm antnode0009")), storages=away) == []
    torn = forced(
        seen(nodes, firewall=rules((55009, "wnm antnode0009")), storages=away, available=available()),
        settings(),
        Request(action=ForcedAction.SURVEY),
    )
    assert brief(torn) == []


def test_by_hand_puts_rules_right_too() -> None:
    decision = forced(seen(BOTH, firewall=rules(ONE)), settings(), Request(action=ForcedAction.SURVEY))
    assert brief(decision) == ["open 55002 wnm antnode0002"]
