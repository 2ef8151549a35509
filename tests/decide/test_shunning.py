"""Nodes that their peers shun: who counts, whom first, how many a day, and what each policy does."""

from datetime import timedelta
from typing import Any

import pytest
from msgspec.structs import replace
from tests.builders import (
    NEWER,
    NOW,
    ago,
    ahead,
    available,
    briefly,
    cases,
    disk,
    hung,
    limits,
    node,
    reasons,
    seen,
    settings,
)

from wnm.core.action import RestartNode, RetireNode
from wnm.core.decide.ladder import decide
from wnm.core.decision import Decision
from wnm.core.node import NodeId, Status
from wnm.core.observation import NodePage, NodeSeen, Observation, Remembered, ShunAct, ShunRates, Unseen
from wnm.core.sentences import sentence, waiting_for

DAY = 24 * 60


def shunned(
    number: int,
    times: int | None = 16,
    status: Status = Status.RUNNING,
    *,
    hour: int | None = 2,
    **changes: Any,
) -> NodeSeen:
    """A node whose page tells so many shuns within a day."""
    each = node(number, status, **changes)
    page = NodePage(version=each.node.version, shun_rates=ShunRates(last_day=times, last_hour=hour))
    return replace(each, reading=replace(each.reading, page=page))


def acted(*acts: tuple[int, float]) -> Remembered:
    """What was done already: number of the node, and minutes ago."""
    return Remembered(
        shun_acts=tuple(ShunAct(node=NodeId(number), at=ago(minutes)) for number, minutes in acts)
    )


def decided(
    *nodes: NodeSeen, policy: str = "restart", remembered: Remembered | None = None, **changes: Any
) -> Decision:
    """The decision about these nodes on a machine with just room for them."""
    fields = {name: changes.pop(name) for name in list(changes) if name in ("cpu", "available", "disks")}
    view = seen(nodes, remembered=remembered or Remembered(), **fields)
    cap = sum(each.node.status is not Status.DISABLED for each in nodes)
    wished = settings(**{"node_cap": cap, "shun_policy": policy, **changes})
    return decide(view, wished)


@cases(
    "each, expected",
    {
        "as often as it may be": (shunned(1, 15), ""),
        "once more": (shunned(1, 16), "restart 1"),
        "never": (shunned(1, 0), ""),
        "its page does not say": (shunned(1, None), ""),
        "its page says nothing of shuns": (node(1), ""),
        "it does not answer": (hung(1), ""),
        "starting": (shunned(1, 99, Status.RESTARTING, status_since=NOW), ""),
        "being upgraded": (shunned(1, 99, Status.UPGRADING, status_since=NOW), ""),
        "disabled": (shunned(1, 99, Status.DISABLED), ""),
        "its process was not seen": (
            replace(
                shunned(1, 99),
                reading=replace(shunned(1, 99).reading, process=Unseen(reason="the manager did not answer")),
            ),
            "",
        ),
        "it rests after a failure": (
            shunned(1, 99, failures=3, retry_at=ahead(5), last_error="it was slow"),
            "",
        ),
    },
)
def test_who_counts(each: NodeSeen, expected: str) -> None:
    assert briefly(decided(each)) == expected


@cases(
    "policy, expected",
    {
        "it is only said": ("report", ""),
        "it is restarted": ("restart", "restart 1"),
        "it is given up": ("recycle", "retire 1"),
    },
)
def test_what_each_policy_does(policy: str, expected: str) -> None:
    decision = decided(shunned(1, 31), policy=policy)
    assert briefly(decision) == expected
    if policy == "report":
        assert decision.rule == "idle"
        assert reasons(decision) == (
            "do something about antnode0001, shunned too often: waits for the operator: shun_policy is report"
        )
        assert [held.remedy for held in decision.held] == [None], "a report is no reason for exit code 3"
    else:
        (action,) = decision.actions
        assert isinstance(action, RestartNode | RetireNode)
        assert action.shunned
        assert (
            sentence(action.because)
            == "shunned 31 times within a day, 2 of them in the last hour (shun_limit 15)"
        )


def test_the_limit_is_the_settings() -> None:
    assert briefly(decided(shunned(1, 16), shun_limit=16)) == ""
    assert briefly(decided(shunned(1, 17), shun_limit=16)) == "restart 1"


@pytest.mark.parametrize("policy", ["restart", "recycle"])
def test_the_oldest_comes_first_and_a_day_has_its_budget(policy: str) -> None:
    verb = {"restart": "restart", "recycle": "retire"}[policy]
    nodes = (shunned(1), shunned(2, born=ago(10**7)), shunned(3))
    assert briefly(decided(*nodes, policy=policy, **limits(9))) == f"{verb} 2"
    assert briefly(decided(*nodes, policy=policy, shun_budget=2, **limits(9))) == f"{verb} 2, {verb} 1"


@cases(
    "acts, expected",
    {
        "used up": ([(9, 5)], ""),
        "used up until the last minute": ([(9, DAY - 0.01)], ""),
        "a day ago": ([(9, DAY)], "restart 1"),
        "by a clock that was set back since": ([(9, -30)], ""),
        "by a clock that was wrong by years": ([(9, -DAY * 1000)], "restart 1"),
    },
)
def test_the_budget_is_of_the_last_day(acts: list[tuple[int, float]], expected: str) -> None:
    assert briefly(decided(shunned(1), remembered=acted(*acts))) == expected


def test_what_is_left_of_the_budget() -> None:
    nodes = (shunned(1), shunned(2), shunned(3))
    decision = decided(*nodes, remembered=acted((9, 60)), shun_budget=3, **limits(9))
    assert briefly(decision) == "restart 1, restart 2"
    assert "restart antnode0003, shunned too often: waits for its turn: shun_budget" in reasons(decision)
    decision = decided(*nodes, remembered=acted((8, 600), (9, 60)), shun_budget=2)
    assert briefly(decision) == ""
    (held,) = decision.held
    assert waiting_for(held) == "shun_budget: 2 node(s) within a day"
    assert held.until == ago(600) + timedelta(days=1)


def test_a_node_is_left_alone_for_a_day_after_it() -> None:
    decision = decided(shunned(1), shunned(2), remembered=acted((1, 300)), shun_budget=9)
    assert briefly(decision) == "restart 2"
    assert reasons(decision).startswith(
        "restart antnode0001, shunned too often: waits for a day to pass since that was done for it"
    )


@cases(
    "changes, reason",
    {
        "while something has to be shed": ({"cpu": 90.0}, "cpu to fall"),
        "while another node is in a transition": ({"other": Status.RESTARTING}, "a free slot"),
    },
)
@pytest.mark.parametrize("policy", ["restart", "recycle"])
def test_it_waits(changes: dict[str, Any], reason: str, policy: str) -> None:
    changes = dict(changes)
    other = changes.pop("other", Status.RUNNING)
    nodes = (shunned(1), node(2, other, status_since=ago(1)))
    decision = decided(*nodes, policy=policy, **changes)
    assert not any(getattr(action, "shunned", False) for action in decision.actions)
    assert reason in reasons(decision)


@cases(
    "changes, reason",
    {
        "without copies of keys": ({"keep_keys": False}, "keep_keys"),
        "without a program for another": ({"available": Unseen(reason="not there")}, "not there"),
        "without room for another": ({"cpu": 75.0}, "cpu to fall: it is 75.0 % (limit 70.0 %)"),
        "while additions fail": (
            {"remembered": Remembered(add_failures=1, add_last_error="no such port")},
            "additions to succeed: no such port",
        ),
    },
)
def test_a_node_is_given_up_only_where_another_takes_its_place(changes: dict[str, Any], reason: str) -> None:
    decision = decided(shunned(1), policy="recycle", **changes)
    assert briefly(decision) == ""
    assert reason in reasons(decision)
    assert briefly(decided(shunned(1), policy="restart", **changes)) == "restart 1"


@cases(
    "each, reason",
    {
        "one that wnm has not made": (shunned(1, command=("--rpc", "1")), "wnm has not made it"),
        "one whose key was not seen": (
            replace(shunned(1), reading=replace(shunned(1).reading, born=None)),
            "its key to be seen",
        ),
    },
)
def test_some_are_never_given_up(each: NodeSeen, reason: str) -> None:
    decision = decided(each, policy="recycle")
    assert briefly(decision) == ""
    assert reason in reasons(decision)
    assert briefly(decided(each, policy="restart")) == "restart 1"


def test_pressure_and_upgrades_come_before_and_growth_after() -> None:
    both = decided(shunned(1), available=available(NEWER))
    assert briefly(both) == f"upgrade 1 to {NEWER}"
    assert briefly(decided(shunned(1), disks=(disk(used=95.0),))) == "retire 1"
    roomy: Observation = seen((shunned(1),))
    assert briefly(decide(roomy, settings(node_cap=5, shun_policy="restart", **limits(5)))) == "restart 1"
    assert briefly(decide(roomy, settings(node_cap=5, shun_policy="report", **limits(1)))) == "add 2"
