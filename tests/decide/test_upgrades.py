"""Rule 6: who is upgraded, to what, and when nobody is."""

from datetime import timedelta
from typing import Any

from tests.builders import (
    NEWER,
    NOW,
    VERSION,
    ago,
    ahead,
    available,
    briefly,
    cases,
    disk,
    limits,
    node,
    proven,
    reasons,
    seen,
    settings,
)

from wnm.core.decide.ladder import decide
from wnm.core.node import ProcessState, Status
from wnm.core.observation import NodePage, NodeSeen, ProcessReading, ProgramReading, Unseen
from wnm.core.sentences import sentence, waiting_for, what

NEW = available(NEWER)


def at(version: str, *, binary: str | None = "same") -> dict[str, Any]:
    """What a node of this version has in its row; its page says the same."""
    return {
        "version": version,
        "binary_version": version if binary == "same" else binary,
        "binary_stamp": f"stamp of {version if binary == 'same' else binary}",
    }


@cases(
    "nodes, expected",
    {
        "the oldest running node goes first": ([node(1), node(2), node(3)], "upgrade 1 to 0.4.8"),
        "the oldest by birth, not by id": ([node(1, born=NOW), node(2), node(3)], "upgrade 2 to 0.4.8"),
        "of one age the lowest id": ([node(3, born=NOW), node(2, born=NOW)], "upgrade 2 to 0.4.8"),
        "the oldest that is older than the program": ([node(1, **at(NEWER)), node(2)], "upgrade 2 to 0.4.8"),
        "nobody is older": ([node(1, **at(NEWER)), node(2, **at(NEWER))], ""),
        "a newer node is never brought down": ([node(1, **at("0.5.0"))], ""),
        "a candidate of the version is older than it": (
            [node(1, **at("0.4.8-rc.1"))],
            "upgrade 1 to 0.4.8",
        ),
        "a nightly has no order with a release": ([node(1, **at("nightly 2026.02.23"))], ""),
        "a node whose version nobody knows is left alone": (
            [
                node(
                    1,
                    version=None,
                    binary_version=None,
                    binary_stamp=None,
                    sees={"page": NodePage(), "program": Unseen(reason="-")},
                )
            ],
            "",
        ),
        "a stopped node blocks nobody": ([node(1, Status.STOPPED), node(2)], "upgrade 2 to 0.4.8"),
        "a disabled node blocks nobody": ([node(1, Status.DISABLED), node(2)], "upgrade 2 to 0.4.8"),
        "a disabled node that runs is left alone": (
            [node(1, Status.DISABLED, state=ProcessState.RUNNING), node(2)],
            "upgrade 2 to 0.4.8",
        ),
        "a node that pauses blocks nobody": ([node(1, retry_at=ahead(1)), node(2)], "upgrade 2 to 0.4.8"),
        "a node whose pause is over is upgraded": ([node(1, retry_at=NOW), node(2)], "upgrade 1 to 0.4.8"),
        "a node whose process was not seen blocks nobody": (
            [node(1, sees={"process": Unseen(reason="-")}), node(2)],
            "upgrade 2 to 0.4.8",
        ),
        "a starting node waits until it has started": (
            [node(1, Status.RESTARTING, status_since=NOW), node(2, **at(NEWER))],
            "",
        ),
    },
)
def test_who(nodes: list[NodeSeen], expected: str) -> None:
    chosen = settings(node_cap=len(nodes), max_concurrent_operations=9)
    assert briefly(decide(seen(nodes, available=NEW, cpu=75), chosen)) == expected


@cases(
    "nodes, changes, expected",
    {
        "as many as may be upgraded": ([node(1), node(2), node(3)], limits(2), "upgrade 1, upgrade 2"),
        "those under way take slots": (
            [node(1, Status.UPGRADING, status_since=NOW), node(2), node(3)],
            limits(2),
            "upgrade 2",
        ),
        "those that start take slots of all": (
            [node(1, Status.RESTARTING, status_since=NOW), node(2), node(3)],
            {**limits(2), "max_concurrent_operations": 1},
            "",
        ),
        "those that start take no slots of upgrades": (
            [node(1, Status.RESTARTING, status_since=NOW), node(2), node(3)],
            {**limits(1), "max_concurrent_operations": 2},
            "upgrade 2",
        ),
        "four slots with two in progress make two more": (
            [
                node(1, Status.UPGRADING, status_since=NOW),
                node(2, Status.UPGRADING, status_since=NOW),
                *(node(number) for number in range(3, 9)),
            ],
            limits(4),
            "upgrade 3, upgrade 4",
        ),
        "more in progress than allowed make none": (
            [*(node(number, Status.UPGRADING, status_since=NOW) for number in (1, 2, 3)), node(4)],
            limits(2),
            "",
        ),
    },
)
def test_how_many(nodes: list[NodeSeen], changes: dict[str, int], expected: str) -> None:
    view = seen(nodes, available=NEW, remembered=proven())
    decision = decide(view, settings(node_cap=len(nodes), **changes))
    assert briefly(decision).replace(" to 0.4.8", "") == expected
    if not expected or expected.count("upgrade") < 2 or len(nodes) > 4:
        assert "waits for a free upgrade slot" in reasons(decision)


@cases(
    "program, changes, expected, words",
    {
        "a newer one": (NEW, {}, "upgrade 1 to 0.4.8", ""),
        "the same one": (available(VERSION), {}, "", ""),
        "an older one": (available("0.4.6"), {}, "", ""),
        "a candidate of the same one": (available("0.4.7-rc.2"), {}, "", ""),
        "one below the pin": (NEW, {"node_version": "0.5.0"}, "upgrade 1 to 0.4.8", ""),
        "the pinned one": (NEW, {"node_version": NEWER}, "upgrade 1 to 0.4.8", ""),
        "one above the pin": (
            NEW,
            {"node_version": "0.4.7"},
            "",
            "use version 0.4.8: waits for the pin node_version 0.4.7",
        ),
        "one that cannot be compared with the pin": (
            available("nightly 2026.02.23"),
            {"node_version": "0.4.7"},
            "",
            "",
        ),
        "one that has no order with what runs": (
            available("nightly 2026.02.23"),
            {},
            "",
            "upgrade antnode0001 to nightly 2026.02.23: waits for --force_action upgrade --service_name antnode0001",
        ),
        "none": (Unseen(reason="/opt/antnode: not there"), {}, "", ""),
        "one that does not say what it is": (available(Unseen(reason="it hangs")), {}, "", ""),
        "one of the other kind": (
            available(NEWER, kind="ant-node"),
            {},
            "",
            "is ant-node, this machine runs",
        ),
        "another kind, in an older version": (
            available("0.0.1", kind="ant-node"),
            {},
            "",
            "is ant-node, this machine runs",
        ),
        "one of a kind that nobody knows": (available(NEWER, kind=None), {}, "upgrade 1 to 0.4.8", ""),
    },
)
def test_to_what(program: Any, changes: dict[str, Any], expected: str, words: str) -> None:
    decision = decide(seen([node(1)], available=program), settings(node_cap=1, **changes))
    assert briefly(decision) == expected
    assert words in reasons(decision)


def test_a_pin_is_mentioned_only_when_a_node_waits_for_it() -> None:
    pinned = settings(node_cap=1, node_version=VERSION)
    assert reasons(decide(seen([node(1)]), pinned)) == ""
    unknown = node(1, version=None, binary_version=None, sees={"page": NodePage()})
    assert reasons(decide(seen([unknown], available=NEW), pinned)) == ""
    above = reasons(decide(seen([node(1, **at(NEWER))]), pinned))
    assert above.startswith("take antnode0001 back to the pin node_version 0.4.7: waits for ")
    assert "--force_action upgrade --service_name antnode0001 --confirm" in above
    held = decide(seen([node(1)], available=NEW), pinned).held
    assert [(waiting_for(each), each.remedy) for each in held] == [("the pin node_version 0.4.7", None)]


@cases(
    "nodes, changes, words",
    {
        "a node is leaving": (
            [node(1), node(2, Status.REMOVING, status_since=NOW)],
            {},
            "antnode0002 to be removed",
        ),
        "there are too many": (
            [node(1), node(2), node(3), node(4, retry_at=ahead(1))],
            {"node_cap": 3, "max_concurrent_removals": 1},
            "",
        ),
        "the cpu is too busy": (
            [node(1, retry_at=ahead(1)), node(2)],
            {"cpu": 90},
            "cpu to fall: it is 90.0 %",
        ),
        "a disk is too full": ([node(1)], {"disks": (disk("/b", 90),)}, "disk /b is 90.0 %"),
    },
)
def test_nothing_is_upgraded_while(nodes: list[NodeSeen], changes: dict[str, Any], words: str) -> None:
    about_settings = {name: changes.pop(name) for name in list(changes) if name.startswith(("node", "max"))}
    chosen = settings(**{"node_cap": 3, **limits(9), **about_settings})
    decision = decide(seen(nodes, available=NEW, **changes), chosen)
    assert "upgrade" not in briefly(decision)
    assert any(
        line.startswith("upgrade antnode") and f" to 0.4.8: waits for {words}" in line
        for line in reasons(decision).splitlines()
    )


def test_a_removal_that_is_due_holds_nothing_back() -> None:
    nodes = [node(1), node(2, Status.REMOVING, status_since=ago(99))]
    assert briefly(decide(seen(nodes, available=NEW), settings(node_cap=1))) == "remove 2, upgrade 1 to 0.4.8"


def test_reasons() -> None:
    decision = decide(
        seen(
            [node(1), node(2), node(4), node(3, retry_at=ahead(1), last_error="once")],
            available=NEW,
            remembered=proven(),
        ),
        settings(node_cap=4),
    )
    assert (decision.rule, sentence(decision.because)) == ("upgrades", "4 node(s) older than 0.4.8")
    assert [sentence(each.because) for each in decision.actions] == ["runs 0.4.7, available is 0.4.8"]
    resting = [line for line in reasons(decision).splitlines() if "its pause" in line]
    assert resting == ["upgrade antnode0003: waits for its pause after: once"]
    assert "upgrade antnode0002, antnode0004 to 0.4.8: waits for a free upgrade slot" in reasons(decision)


STARTED = ago(600)
TICKS = timedelta(milliseconds=100)


def copied(changed_at: Any, started_at: Any = STARTED, **changes: Any) -> NodeSeen:
    """A node that says it runs the old version and whose own copy is already the new one."""
    return node(
        1,
        binary_version=NEWER,
        binary_stamp="s",
        sees={
            "page": NodePage(version=VERSION),
            "process": ProcessReading(state=ProcessState.RUNNING, pid=1001, started_at=started_at),
            "program": ProgramReading(path="p", stamp="s", version=NEWER, changed_at=changed_at),
            **changes,
        },
    )


@cases(
    "known, expected",
    {
        "started before the copy: it needs a restart": (copied(ago(1)), "upgrade 1 to 0.4.8"),
        "started after the copy: it is believed to run it": (copied(ago(700)), ""),
        "started with the copy: it is believed to run it": (copied(STARTED), ""),
        "started as long before it as a tick may hide": (copied(STARTED + TICKS), ""),
        "started longer before it": (copied(STARTED + TICKS * 1.001), "upgrade 1 to 0.4.8"),
        "nobody knows when the copy changed": (copied(None), ""),
        "nobody knows when the process started": (copied(ago(1), None), ""),
        "the copy was not seen": (copied(ago(1), program=Unseen(reason="-")), ""),
        "the copy is older too": (
            node(1, sees={"page": NodePage(version=VERSION)}, binary_version="0.4.6", version=VERSION),
            "upgrade 1 to 0.4.8",
        ),
        "nobody knows what the copy is": (
            node(1, binary_version=None, sees={"page": NodePage(version=VERSION)}),
            "upgrade 1 to 0.4.8",
        ),
    },
)
def test_a_node_whose_own_copy_is_current(known: NodeSeen, expected: str) -> None:
    assert briefly(decide(seen([known], available=NEW), settings(node_cap=1))) == expected


def test_a_node_that_upgraded_itself_is_not_touched() -> None:
    known = node(1, version=VERSION, sees={"page": NodePage(version=NEWER)})
    assert briefly(decide(seen([known], available=NEW), settings(node_cap=1))) == ""


def test_a_removal_that_rests_after_a_failure_holds_nothing_back() -> None:
    leaving = node(1, Status.REMOVING, status_since=ago(99), retry_at=ahead(30), last_error="keys is a file")
    crashed = node(3, Status.STOPPED)
    healing = decide(seen([leaving, node(2), crashed]), settings(node_cap=3))
    assert briefly(healing) == "start 3"
    (held,) = [each for each in healing.held if what(each) == "remove antnode0001"]
    assert held.until == ahead(30)
    assert held.remedy is not None
    outdated = seen([leaving, node(2, version="0.4.6", binary_version="0.4.6")])
    assert briefly(decide(outdated, settings(node_cap=3))) == "upgrade 2 to 0.4.7"


def test_nothing_is_said_of_upgrades_that_nobody_needs() -> None:
    current = node(1, **at(NEWER))
    leaving = node(2, Status.REMOVING, status_since=NOW)
    assert "upgrade" not in reasons(decide(seen([current, leaving], available=NEW), settings(node_cap=1)))
    assert "more" not in reasons(decide(seen([node(1)], available=NEW), settings(node_cap=1)))


def test_a_pin_without_a_program_upgrades_nobody() -> None:
    pinned = settings(node_cap=1, node_version=NEWER)
    assert briefly(decide(seen([node(1)], available=Unseen(reason="not there")), pinned)) == ""
