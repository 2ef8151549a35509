"""What is known of versions: who goes first, when the others follow, and when nobody does."""

from datetime import timedelta
from typing import Any

from tests.builders import (
    NEWER,
    NOW,
    PROGRAM,
    VERSION,
    ago,
    available,
    briefly,
    cases,
    hung,
    knowing,
    limits,
    node,
    proven,
    reasons,
    release,
    seen,
    settings,
)
from tests.decide.gates import FLEET, GONE, HALTED, NEW, NEWEST, STOPPED, tried, upgrades, urgent, went_back

from wnm.core.action import AddNode
from wnm.core.decide.ladder import decide
from wnm.core.forms import Window
from wnm.core.node import Status
from wnm.core.observation import NodePage, NodeSeen, ProgramReading, Remembered, Unseen
from wnm.core.sentences import remedy, waiting_for, what

# ---- the canary


@cases(
    "nodes, remembered, expected",
    {
        "an unknown version goes to one node": (FLEET, Remembered(), "upgrade 1 to 0.4.8"),
        "a proven one to as many as may": (
            FLEET,
            proven(),
            "upgrade 1 to 0.4.8, upgrade 2 to 0.4.8, upgrade 3 to 0.4.8",
        ),
        "another proven one is no proof": (FLEET, proven(VERSION, NEWEST), "upgrade 1 to 0.4.8"),
        "one that answers goes first": ((hung(1), node(2), node(3)), Remembered(), "upgrade 2 to 0.4.8"),
        "the oldest goes when nobody has answered for long": (
            (hung(1, silent_since=ago(14)), hung(2, silent_since=ago(15))),
            Remembered(),
            "upgrade 2 to 0.4.8",
        ),
        "one that answers goes before one that has not for long": (
            (hung(1, silent_since=ago(600)), node(2)),
            Remembered(),
            "upgrade 2 to 0.4.8",
        ),
        "nobody goes when nobody answers": ((hung(1), hung(2)), Remembered(), ""),
        "one of a kind that never answers goes": (
            (node(1, sees={"reachable": None, "page": Unseen(reason="-"), "has_pages": False}), node(2)),
            Remembered(),
            "upgrade 1 to 0.4.8",
        ),
        "silent ones go too when it is proven": (
            (hung(1), node(2)),
            proven(),
            "upgrade 1 to 0.4.8, upgrade 2 to 0.4.8",
        ),
        "while one is in the gate nobody follows": ((tried(1), node(2), node(3)), Remembered(), ""),
        "while one is in the gate after a start nobody does": (
            (tried(1, status=Status.RESTARTING), node(2)),
            Remembered(),
            "",
        ),
        "one that was stopped in its gate is waited for": (
            (tried(1, 14, status=STOPPED, state=GONE), node(2)),
            Remembered(),
            "",
        ),
        "but not for ever": (
            (tried(1, 15, status=STOPPED, state=GONE), node(2)),
            Remembered(),
            "upgrade 2 to 0.4.8",
        ),
        "a disabled one is not waited for": (
            (tried(1, status=Status.DISABLED, state=GONE), node(2)),
            Remembered(),
            "upgrade 2 to 0.4.8",
        ),
        "one in the gate of another version holds nobody back": (
            (
                tried(
                    1,
                    gate_version=VERSION,
                    former_version="0.4.6",
                    version=VERSION,
                    binary_version=VERSION,
                    sees={"page": NodePage(version=VERSION)},
                ),
                node(2),
            ),
            Remembered(),
            "upgrade 2 to 0.4.8",
        ),
        "one that runs it without having had to is a proof": (
            (node(1, version=NEWER, binary_version=NEWER), node(2), node(3)),
            Remembered(),
            "upgrade 2 to 0.4.8, upgrade 3 to 0.4.8",
        ),
        "one that is in the gate of it and was not seen is none": (
            (
                tried(
                    1,
                    status=Status.RUNNING,
                    sees={"process": Unseen(reason="-"), "page": Unseen(reason="-"), "has_pages": False},
                ),
                node(2),
            ),
            Remembered(),
            "",
        ),
        "one that runs it and does not answer is none": (
            (hung(1, version=NEWER, binary_version=NEWER), node(2), node(3)),
            Remembered(),
            "upgrade 2 to 0.4.8",
        ),
        "one that runs it because there was no way back is none": (
            (node(1, version=NEWER, binary_version=NEWER, failed_version=NEWER), node(2), node(3)),
            Remembered(),
            "upgrade 2 to 0.4.8",
        ),
    },
)
def test_the_canary(nodes: tuple[NodeSeen, ...], remembered: Remembered, expected: str) -> None:
    assert briefly(upgrades(nodes, remembered=remembered)) == expected


def test_what_the_others_wait_for() -> None:
    first = reasons(upgrades(FLEET))
    assert (
        "upgrade antnode0002, antnode0003 to 0.4.8: waits for antnode0001 to pass the gate of 0.4.8" in first
    )
    during = reasons(upgrades((tried(1), node(2))))
    assert "upgrade antnode0002 to 0.4.8: waits for antnode0001 to pass the gate of 0.4.8" in during
    silent = reasons(upgrades((hung(1),)))
    assert "waits for a free upgrade slot, or a node that answers, to go first" in silent
    many = tuple(node(number) for number in (1, 2, 3, 4, 6))
    assert "upgrade antnode0004, antnode0006 to 0.4.8: waits for a free upgrade slot" in reasons(
        upgrades(many, remembered=proven())
    )


def test_passing_and_following_are_one_cycle() -> None:
    decision = upgrades((tried(1, 5), node(2), node(3)))
    assert briefly(decision) == "upgrade 2 to 0.4.8, upgrade 3 to 0.4.8"
    assert [(each.version, each.passed) for each in decision.releases] == [(NEWER, 1)]


def test_each_of_the_others_is_in_gate_too_and_limits_hold() -> None:
    decision = upgrades((tried(1, 1), tried(2, 1), node(3), node(4)), remembered=proven())
    assert briefly(decision) == "upgrade 3 to 0.4.8"


# ---- failures and halts


@cases(
    "allowed, failed, expected",
    {
        "one is allowed and none has failed": (1, [], "upgrade 2 to 0.4.8"),
        "one is allowed and has failed": (1, [1], ""),
        "three are allowed, one has failed": (3, [1], "upgrade 2 to 0.4.8"),
        "three are allowed, two have failed": (3, [1, 7], "upgrade 2 to 0.4.8"),
        "three are allowed, three have failed": (3, [1, 7, 8], ""),
        "one node counts as often as it fails": (2, [1, 1], ""),
    },
)
def test_failures_allowed(allowed: int, failed: list[int], expected: str) -> None:
    decision = upgrades(
        (went_back(1), node(2), node(3)),
        wished={"upgrade_failures_allowed": allowed},
        remembered=knowing(release(NEWER, failed=failed)),
    )
    assert briefly(decision) == expected


def test_a_halt_says_who_failed_and_why_and_what_lifts_it() -> None:
    decision = upgrades((went_back(1), node(2)), remembered=HALTED)
    (held,) = [each for each in decision.held if each.remedy is not None]
    assert what(held) == "upgrade antnode0001, antnode0002 to 0.4.8"
    assert "0.4.8 is halted, antnode0001 failed its gate: it has no peers" in waiting_for(held)
    assert remedy(held) == (
        f"put a newer version at {PROGRAM}, or try 0.4.8 again with wnm --force_action upgrade"
    )


@cases(
    "changes",
    {
        "under pressure": ({"cpu": 95},),
        "while a node is leaving": ({"leaving": True},),
    },
)
def test_a_halt_is_said(changes: dict[str, Any]) -> None:
    nodes: tuple[NodeSeen, ...] = (went_back(1), node(2))
    if changes.pop("leaving", False):
        nodes += (node(3, Status.REMOVING, status_since=NOW),)
    decision = upgrades(nodes, remembered=HALTED, wished={"node_cap": 2}, **changes)
    assert any(each.remedy is not None and "is halted" in waiting_for(each) for each in decision.held)


def test_a_halt_that_keeps_nothing_back_is_not_said() -> None:
    current = node(1, version=NEWER, binary_version=NEWER)
    assert upgrades((current,), remembered=HALTED).held == ()


def test_a_newer_version_is_tried_again_by_those_that_went_back_too() -> None:
    decision = upgrades((went_back(1), node(2)), remembered=HALTED, available=available(NEWEST))
    assert briefly(decision) == "upgrade 1 to 0.4.9"


def test_one_that_went_back_is_not_given_that_version_again() -> None:
    view = {"remembered": knowing(release(NEWER, passed=1, failed=[1]))}
    decision = upgrades((went_back(1), node(2)), wished={"upgrade_failures_allowed": 3}, **view)
    assert briefly(decision) == "upgrade 2 to 0.4.8"
    waits = "upgrade antnode0001: waits for a newer version: it went back from 0.4.8 (it has no peers)"
    assert waits in reasons(decision)
    stopped = went_back(1, status=STOPPED)
    starting = decide(
        seen([stopped], available=NEW, **view), settings(node_cap=1, upgrade_failures_allowed=3)
    )
    assert briefly(starting) == "start 1"


def test_versions_that_come_and_go_bring_nobody_down_and_nobody_up_again() -> None:
    """0.4.8 fails and is taken away, is there again, is taken away: who went back stays where it is."""
    nodes = (went_back(1), node(2))
    for version in (VERSION, NEWER, VERSION, NEWER):
        assert briefly(upgrades(nodes, available=available(version), remembered=HALTED)) == ""
    up = (node(1, version=NEWER, binary_version=NEWER), node(2, version=NEWER, binary_version=NEWER))
    for version in (VERSION, NEWER, VERSION):
        assert briefly(upgrades(up, available=available(version), remembered=proven())) == ""


# ---- new nodes and stopped ones


def own(version: str = VERSION) -> ProgramReading:
    """A node's own copy."""
    return ProgramReading(path="/data/node/antnode0001/antnode", stamp=f"stamp of {version}", version=version)


@cases(
    "nodes, remembered, expected",
    {
        "nobody to learn from: what is there": ((), Remembered(), NEWER),
        "not proven, and an older one is at hand": ((went_back(1),), Remembered(), VERSION),
        "proven": ((node(1, failed_version=NEWER),), knowing(release(NEWER, passed=1)), NEWER),
        "halted, and an older one is at hand": ((went_back(1),), HALTED, VERSION),
        "halted though proven": ((went_back(1),), knowing(release(NEWER, passed=4, failed=[1])), VERSION),
        "halted, and the one at hand is halted too": (
            (went_back(1),),
            knowing(release(NEWER, failed=[1]), release(VERSION, failed=[1])),
            None,
        ),
        "halted, and nothing is at hand": ((node(1, version=NEWER, binary_version=NEWER),), HALTED, None),
        "halted, and who has an older one does not run": (
            (went_back(1, status=Status.DISABLED),),
            HALTED,
            None,
        ),
        "halted, and who has an older one is in the gate of it": (
            (
                tried(
                    1,
                    gate_version=VERSION,
                    former_version="0.4.6",
                    version=VERSION,
                    binary_version=VERSION,
                    sees={"page": NodePage(version=VERSION)},
                ),
            ),
            HALTED,
            None,
        ),
        "halted, and the older one is refused by the network": (
            (urgent(1, failed_version=NEWER),),
            HALTED,
            None,
        ),
        "halted, and the older program was not seen": (
            (node(1, failed_version=NEWER, sees={"program": Unseen(reason="-")}),),
            HALTED,
            None,
        ),
        "the newest of the older ones": (
            (node(1, failed_version=NEWER, version="0.4.6", binary_version="0.4.6"), went_back(2)),
            HALTED,
            VERSION,
        ),
    },
)
def test_the_program_of_a_new_node(
    nodes: tuple[NodeSeen, ...], remembered: Remembered, expected: str | None
) -> None:
    view = seen(nodes, available=NEW, remembered=remembered)
    decision = decide(
        view, settings(node_cap=len(nodes) + 1, max_concurrent_upgrades=1, max_concurrent_operations=9)
    )
    given = [each.program.version for each in decision.actions if isinstance(each, AddNode)]
    assert given == ([] if expected is None else [expected])
    if expected is None:
        assert "add a node: waits for a version that works: 0.4.8 is halted" in reasons(decision)


def outdated_and_stopped(number: int, **changes: Any) -> NodeSeen:
    return node(number, STOPPED, **changes)


@cases(
    "nodes, remembered, wished, expected",
    {
        "a proven version": (
            (outdated_and_stopped(1), outdated_and_stopped(2)),
            proven(),
            {},
            "start 1 with 0.4.8, start 2 with 0.4.8",
        ),
        "an unproven one goes to one of them": (
            (outdated_and_stopped(1), outdated_and_stopped(2)),
            Remembered(),
            {},
            "start 1 with 0.4.8, start 2",
        ),
        "and to none while a running one can go first": (
            (outdated_and_stopped(1), went_back(2)),
            Remembered(),
            {},
            "start 1",
        ),
        "nor while one is in the gate": ((outdated_and_stopped(1), tried(2)), Remembered(), {}, "start 1"),
        "a halted one to nobody": ((outdated_and_stopped(1),), HALTED, {}, "start 1"),
        "nor to one that went back": ((went_back(1, status=STOPPED),), proven(), {}, "start 1"),
        "nor above the pin": ((outdated_and_stopped(1),), proven(), {"node_version": VERSION}, "start 1"),
        "nor before this machine's turn": (
            (outdated_and_stopped(1),),
            knowing(release(NEWER, passed=1, first_seen_at=NOW)),
            {"upgrade_spread": timedelta(days=14)},
            "start 1",
        ),
        "nor outside the window": (
            (outdated_and_stopped(1),),
            proven(),
            {"upgrade_window": Window(days=(0,), start=timedelta(0), end=timedelta(hours=1))},
            "start 1",
        ),
        "one that has it already": (
            (outdated_and_stopped(1, version=NEWER, binary_version=NEWER),),
            HALTED,
            {},
            "start 1",
        ),
        "one without a program, of a halted version": (
            (outdated_and_stopped(1, sees={"program": Unseen(reason="-")}), went_back(2)),
            HALTED,
            {},
            "start 1 with 0.4.7",
        ),
        "one without a program, with nothing at hand": (
            (outdated_and_stopped(1, sees={"program": Unseen(reason="-")}),),
            HALTED,
            {},
            "",
        ),
    },
)
def test_a_stopped_node(
    nodes: tuple[NodeSeen, ...], remembered: Remembered, wished: dict[str, Any], expected: str
) -> None:
    chosen = settings(**{"node_cap": len(nodes), **limits(3), **wished})
    assert briefly(decide(seen(nodes, available=NEW, remembered=remembered), chosen)) == expected
