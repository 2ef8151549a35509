"""Rule 7: starts before additions, how many, and what keeps both back."""

from typing import Any

from tests.builders import (
    NEWER,
    NOW,
    VERSION,
    ahead,
    available,
    briefly,
    cases,
    folderless,
    limits,
    node,
    reasons,
    seen,
    settings,
)

from wnm.core.decide.ladder import decide
from wnm.core.node import Status
from wnm.core.observation import NodeSeen, ProgramReading, Unseen
from wnm.core.sentences import sentence

BLIND = Unseen(reason="no answer")
STOPPED = Status.STOPPED
STARTING: dict[str, Any] = {"status_since": NOW}


@cases(
    "nodes, changes, expected",
    {
        "an empty machine gets its first node": ([], {}, "add 1"),
        "the lowest free id": ([node(1), node(3)], {}, "add 2"),
        "as many as may start": ([], limits(3), "add 1, add 2, add 3"),
        "no more than the cap": ([node(1)], {**limits(9), "node_cap": 3}, "add 2, add 3"),
        "limit 4 with 2 in progress adds 2 more": (
            [node(1, Status.RESTARTING, **STARTING), node(2, Status.RESTARTING, **STARTING)],
            limits(4),
            "add 3, add 4",
        ),
        "limit 4 with 2 upgrading adds 2 more, for the total": (
            [node(1, Status.UPGRADING, **STARTING), node(2, Status.UPGRADING, **STARTING)],
            limits(4),
            "add 3, add 4",
        ),
        "2 stopped nodes and 4 slots are 2 starts and 2 additions": (
            [node(1, STOPPED), node(2, STOPPED)],
            limits(4),
            "start 1, start 2, add 3, add 4",
        ),
        "the oldest stopped node first": ([node(1, STOPPED, born=NOW), node(2, STOPPED)], {}, "start 2"),
        "of one age the lowest id": ([node(3, STOPPED, born=NOW), node(2, STOPPED, born=NOW)], {}, "start 2"),
        "no slot, no growth": ([node(1, Status.RESTARTING, **STARTING), node(2, STOPPED)], {}, ""),
        "no slot, no addition": ([node(1, Status.RESTARTING, **STARTING)], {}, ""),
        "at the cap stopped nodes are still started": (
            [node(1), node(2, STOPPED)],
            {"node_cap": 2},
            "start 2",
        ),
        "a cap below what there is starts nobody": (
            [node(1), node(2, STOPPED), node(3, Status.UPGRADING, **STARTING)],
            {"node_cap": 1},
            "",
        ),
        "a disabled node is not started": ([node(1, Status.DISABLED)], {"node_cap": 1}, "add 2"),
        "a leaving node is not started, and its place is free": (
            [node(1, Status.REMOVING, **STARTING)],
            {"node_cap": 1, **limits(2)},
            "add 2",
        ),
        "a stopped node that pauses blocks nobody": (
            [node(1, STOPPED, retry_at=ahead(1)), node(2, STOPPED)],
            {},
            "start 2",
        ),
        "a stopped node that pauses does not keep additions back": (
            [node(1, STOPPED, retry_at=ahead(1))],
            {},
            "add 2",
        ),
        "a pause that is over is over": ([node(1, STOPPED, retry_at=NOW)], {}, "start 1"),
        "a stopped node whose process was not seen is started": (
            [node(1, STOPPED, sees={"process": BLIND})],
            {},
            "start 1",
        ),
        "a stopped node whose folder was not seen is not started, and blocks nobody": (
            [node(1, STOPPED, sees={"root_dir_present": BLIND}), node(2, STOPPED)],
            {},
            "start 2",
        ),
        "a dead node whose removal pauses is not started": (
            [folderless(1, Status.DEAD, retry_at=ahead(1)), node(2)],
            {"node_cap": 1},
            "",
        ),
    },
)
def test_who_and_how_many(nodes: list[NodeSeen], changes: dict[str, Any], expected: str) -> None:
    assert briefly(decide(seen(nodes), settings(**{"node_cap": 9, **changes}))) == expected


def test_reasons() -> None:
    decision = decide(
        seen([node(1, STOPPED), node(2, STOPPED, because="")]), settings(node_cap=9, **limits(4))
    )
    assert (decision.rule, sentence(decision.because)) == ("growth", "the machine has capacity")
    becauses = [sentence(each.because) for each in decision.actions]
    assert becauses == ["stopped: its ordinary life", "stopped", *["the machine has capacity"] * 2]
    assert "add 5 more: waits for a free start slot" in reasons(decision)
    pausing = node(1, STOPPED, retry_at=ahead(1), last_error="once")
    busy = decide(seen([pausing, node(2, Status.RESTARTING, **STARTING)]), settings(node_cap=9))
    assert "start antnode0001: waits for its pause after: once" in reasons(busy)
    assert "add a node: waits for a free start slot" in reasons(busy)
    waiting = decide(seen([node(1, STOPPED), node(2, Status.RESTARTING, **STARTING)]), settings(node_cap=9))
    assert "start antnode0001: waits for a free start slot" in reasons(waiting)
    assert "add a node" not in reasons(waiting)
    for at_the_cap in (seen([node(1)]), seen([node(1)], cpu=75), seen([node(1)], available=BLIND)):
        assert reasons(decide(at_the_cap, settings(node_cap=1))) == ""
    started = decide(seen([node(1, STOPPED)], available=BLIND), settings(node_cap=1, **limits(9)))
    assert (briefly(started), reasons(started)) == ("start 1", "")
    full = decide(seen(), settings(node_cap=1))
    assert (briefly(full), reasons(full)) == ("add 1", "")


READINGS = {
    "cpu": ({"cpu": 70.0}, {"cpu": 69.0}, {}, "cpu to fall: it is 70.0 % (limit 70.0 %)"),
    "memory": ({"memory": 70.0}, {"memory": 69.0}, {}, "memory to fall: it is 70.0 % (limit 70.0 %)"),
    "load over 1 minute": (
        {"load": (2.4, 0, 0)},
        {"load": (2.3, 0, 0)},
        {},
        "load (1 min) to fall: it is 2.40 (limit 2.40)",
    ),
    "load over 5 minutes": (
        {"load": (0, 2.4, 0)},
        {"load": (0, 2.39, 0)},
        {},
        "load (5 min) to fall: it is 2.40 (limit 2.40)",
    ),
    "load over 15 minutes": (
        {"load": (0, 0, 2.4)},
        {"load": (0, 0, 2.39)},
        {},
        "load (15 min) to fall: it is 2.40 (limit 2.40)",
    ),
    "network input": (
        {"netio_read_bytes_per_second": 2000.0},
        {"netio_read_bytes_per_second": 1999.0},
        {"netio_read_less_than": 2000},
        "network read to fall: it is 2,000 B/s (limit 2,000 B/s)",
    ),
    "network output": (
        {"netio_write_bytes_per_second": 2000.0},
        {"netio_write_bytes_per_second": 1999.0},
        {"netio_write_less_than": 2000},
        "network write to fall: it is 2,000 B/s (limit 2,000 B/s)",
    ),
    "disk reading": (
        {"hdio_read_bytes_per_second": 2000.0},
        {"hdio_read_bytes_per_second": 1999.0},
        {"hdio_read_less_than": 2000},
        "disk read to fall: it is 2,000 B/s (limit 2,000 B/s)",
    ),
    "disk writing": (
        {"hdio_write_bytes_per_second": 2000.0},
        {"hdio_write_bytes_per_second": 1999.0},
        {"hdio_write_less_than": 2000},
        "disk write to fall: it is 2,000 B/s (limit 2,000 B/s)",
    ),
}


@cases("high, low, limit, words", READINGS)
class TestEachReadingByItself:
    """Every reading that is not a disk, at its limit, below it, unseen; for starts and for additions."""

    def test_at_its_limit_nothing_grows(self, high: Any, low: Any, limit: Any, words: str) -> None:
        decision = decide(seen([], **high), settings(node_cap=4, **limit))
        assert briefly(decision) == ""
        assert reasons(decision) == f"add up to 4 node(s): waits for {words}"

    def test_at_its_limit_nothing_starts(self, high: Any, low: Any, limit: Any, words: str) -> None:
        decision = decide(seen([node(1, STOPPED)], **high), settings(node_cap=1, **limit))
        assert briefly(decision) == ""
        assert reasons(decision) == f"start 1 stopped node(s): waits for {words}"

    def test_below_its_limit_it_does(self, high: Any, low: Any, limit: Any, words: str) -> None:
        assert briefly(decide(seen([], **low), settings(**limit))) == "add 1"

    def test_unseen_it_does_not(self, high: Any, low: Any, limit: Any, words: str) -> None:
        decision = decide(seen([], **dict.fromkeys(high, BLIND)), settings(**limit))
        assert briefly(decision) == ""
        assert "to be seen (no answer)" in reasons(decision)


def test_rates_that_are_off_are_not_looked_at() -> None:
    names = ("netio_read", "netio_write", "hdio_read", "hdio_write")
    high: dict[str, Any] = {f"{name}_bytes_per_second": 1e15 for name in names[:2]}
    high |= {f"{name}_bytes_per_second": BLIND for name in names[2:]}
    assert briefly(decide(seen([], **high), settings())) == "add 1"


NEW = available(NEWER)


@cases(
    "known, program, changes, expected",
    {
        "an older copy is replaced on the way": (node(1, STOPPED), NEW, {}, "start 1 with 0.4.8"),
        "a current copy is kept": (node(1, STOPPED), available(VERSION), {}, "start 1"),
        "a newer copy is kept": (node(1, STOPPED, binary_version="0.5.0"), NEW, {}, "start 1"),
        "a copy that is not there is replaced": (
            node(1, STOPPED, binary_version="0.5.0", sees={"program": Unseen(reason="not there")}),
            NEW,
            {},
            "start 1 with 0.4.8",
        ),
        "a copy of a version that nobody knows is replaced": (
            node(
                1,
                STOPPED,
                binary_version=None,
                sees={"program": ProgramReading(path="p", stamp="s", version=BLIND)},
            ),
            NEW,
            {},
            "start 1 with 0.4.8",
        ),
        "without a program it is started as it is": (node(1, STOPPED), BLIND, {}, "start 1"),
        "without a program and without a copy it waits": (
            node(1, STOPPED, sees={"program": Unseen(reason="not there")}),
            BLIND,
            {},
            "",
        ),
        "above the pin it is started as it is": (node(1, STOPPED), NEW, {"node_version": VERSION}, "start 1"),
    },
)
def test_program_of_a_stopped_node(known: NodeSeen, program: Any, changes: Any, expected: str) -> None:
    assert briefly(decide(seen([known], available=program), settings(node_cap=1, **changes))) == expected
