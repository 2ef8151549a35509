"""A version whose nodes end soon after they passed its gate: it is halted, and they come back to what works."""

from datetime import timedelta
from typing import Any

import pytest
from msgspec.structs import replace
from tests.builders import (
    NEWER,
    VERSION,
    ago,
    briefly,
    cases,
    interrupted,
    knowing,
    node,
    release,
    seen,
    settings,
)
from tests.decide.gates import GONE, NEW, QUIET, RUNS, UPGRADE, process_of, shown

from wnm.core.action import StartNode, StopNode
from wnm.core.decide.forced import ForcedAction, Request, forced
from wnm.core.decide.ladder import decide
from wnm.core.decision import Decision
from wnm.core.node import NodeId, Status
from wnm.core.observation import NodeSeen
from wnm.core.reasons import legacy

PROVEN = knowing(release(NEWER, passed=1))
HALTED = knowing(replace(release(NEWER, failed=[1]), passed=1))
BEHIND = node(2, version=VERSION, binary_version=VERSION)


def passed(minutes: float = 5, *, sees: dict[str, Any] | None = None, **changes: Any) -> NodeSeen:
    """A node that passed the gate of the newer version so many minutes ago."""
    fields: dict[str, Any] = {
        "status_since": ago(minutes),
        "version": NEWER,
        "binary_version": NEWER,
        "pid": 1001,
        **changes,
    }
    return node(1, sees=sees, **fields)


def look(*nodes: NodeSeen, **changes: Any) -> Decision:
    """The decision about these nodes, on a machine with a delay of five minutes."""
    chosen = settings(node_cap=2, delay_upgrade=timedelta(minutes=5))
    return decide(
        seen(list(nodes), **{"available": NEW, "remembered": PROVEN, "cpu": QUIET, **changes}), chosen
    )


def halting(decision: Decision) -> list[str]:
    """Why the newer version is halted, in as many words as there are failures."""
    return [
        failure.reason for each in decision.releases if each.version == NEWER for failure in each.failures
    ]


@cases(
    "known, words",
    {
        "its process is gone": (passed(state=GONE, sees={"last_words": "boom"}), "unexpectedly: boom"),
        "its service manager started it again": (
            passed(sees={"process": process_of(pid=77), "last_words": "boom"}),
            "started again: boom",
        ),
    },
)
def test_a_version_is_halted_by_what_shows_soon_after_its_gate(known: NodeSeen, words: str) -> None:
    decision = look(known, BEHIND)
    (reason,) = halting(decision)
    assert reason.startswith("soon after it had passed, ")
    assert words in reason
    assert not [each for each in decision.actions if "upgrade 2" in briefly(decision)]


@cases(
    "known, changes",
    {
        "long after it": (passed(minutes=16, state=GONE), {}),
        "a version that nobody had to pass the gate of": (passed(state=GONE), {"remembered": knowing()}),
        "after a reboot": (passed(state=GONE), {"rebooted": True}),
        "the same process": (passed(sees={"process": process_of(pid=1001)}), {}),
        "one whose process was not known": (passed(pid=None), {}),
        "one that wnm was at work on": (
            passed(sees={"process": process_of(pid=77)}),
            {"interrupted": interrupted(UPGRADE)},
        ),
        "one that wnm was stopping": (
            passed(state=GONE),
            {"interrupted": interrupted(StopNode(node=NodeId(1), shed=True, because=legacy("-")))},
        ),
        "one that had replaced its own program when it ended": (
            passed(state=GONE, sees={"program": shown("0.4.9")}),
            {},
        ),
        "one that ran another version than its own until now": (
            passed(version=VERSION, sees={"process": process_of(pid=77)}),
            {},
        ),
    },
)
def test_what_says_nothing_of_the_version(known: NodeSeen, changes: dict[str, Any]) -> None:
    assert halting(look(known, BEHIND, **changes)) == []


def test_when_everybody_has_the_version_nobody_is_kept_from_it() -> None:
    other = node(2, version=NEWER, binary_version=NEWER)
    assert halting(look(passed(state=GONE), other)) == []
    of_another_kind = node(2, version=VERSION, binary_version=VERSION, kind="ant-node")
    assert halting(look(passed(state=GONE), of_another_kind)) == []


@pytest.mark.parametrize("by_hand", [False, True])
def test_a_node_that_it_harmed_is_started_on_an_older_program_of_another(by_hand: bool) -> None:
    down = passed(status=Status.STOPPED, state=GONE, failures=1)
    view = seen([down, BEHIND], available=NEW, remembered=HALTED)
    chosen = settings(node_cap=2)
    request = Request(action=ForcedAction.START, names=("antnode0001",))
    decision = forced(view, chosen, request) if by_hand else decide(view, chosen)
    (action,) = [each for each in decision.actions if isinstance(each, StartNode)]
    assert action.program is not None
    assert action.program.version == VERSION


@cases(
    "known, changes, expected",
    {
        "one that it harmed": (passed(), {}, f"upgrade 1 to {VERSION}"),
        "one that it did not harm": (
            passed(),
            {"remembered": knowing(replace(release(NEWER, failed=[2]), passed=1))},
            "",
        ),
        "while the machine is under pressure": (passed(), {"cpu": 99.0}, None),
        "one whose last attempt failed": (passed(retry_at=ago(-9), last_error="disk full"), {}, ""),
        "one that is in the gate of it": (
            passed(gate_version=NEWER, former_version=VERSION, status=Status.UPGRADING, state=RUNS),
            {},
            "",
        ),
    },
)
def test_a_running_node_that_it_harmed_comes_back(
    known: NodeSeen, changes: dict[str, Any], expected: str | None
) -> None:
    decision = look(known, BEHIND, **{"remembered": HALTED, **changes})
    if expected is None:
        assert f"to {VERSION}" not in briefly(decision)
    else:
        assert briefly(decision) == expected


def test_without_an_older_program_at_hand_it_stays() -> None:
    other = node(2, version=NEWER, binary_version=NEWER)
    assert "to " not in briefly(look(passed(), other, remembered=HALTED))
