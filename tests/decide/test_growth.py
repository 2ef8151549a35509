"""Rule 7: starts before additions, how many, and what keeps both back."""

from dataclasses import asdict, replace
from typing import Any

import pytest
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
    folderless,
    limits,
    node,
    reasons,
    seen,
    settings,
)

from wnm.core.decide.growth import NodeCost, node_cost, one_more
from wnm.core.decide.ladder import decide
from wnm.core.node import ProcessState, Status
from wnm.core.observation import NodeSeen, Observation, ProcessReading, ProgramReading, Unseen

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
    assert (decision.rule, decision.because) == ("growth", "the machine has room")
    becauses = [getattr(each, "because", "") for each in decision.actions]
    assert becauses == ["stopped: its ordinary life", "stopped", *["the machine has room"] * 2]
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


def costly(number: int, *, cpu: float | None = 5.0, minutes: float = 60, **changes: Any) -> NodeSeen:
    """A running node that takes `cpu` percent of the machine and a GB of memory and of disk."""
    known = node(number, disk_bytes=10**9)
    process = ProcessReading(
        state=ProcessState.RUNNING, pid=1, started_at=ago(minutes), cpu_percent=cpu, memory_bytes=10**9
    )
    reading = replace(known.reading, process=replace(process, **changes))
    return replace(known, reading=reading)


@cases(
    "nodes, readings, changes, expected",
    {
        "one more fits below the limit": ([costly(1)], {"cpu": 64.9}, {}, "add 2"),
        "one more would reach it": ([costly(1)], {"cpu": 65.0}, {}, ""),
        "only as many as fit": ([costly(1)], {"cpu": 59.0}, limits(9), "add 2, add 3"),
        "a start counts like an addition": (
            [costly(1), node(2, STOPPED)],
            {"cpu": 59.0},
            limits(9),
            "start 2, add 3",
        ),
        "no start that does not fit, and then no addition": (
            [costly(1), node(2, STOPPED)],
            {"cpu": 66.0},
            limits(9),
            "",
        ),
        "those that still start count as if they had": (
            [costly(1), node(2, Status.RESTARTING, **STARTING)],
            {"cpu": 62.0},
            limits(9),
            "",
        ),
        "those that are upgraded too": (
            [costly(1), node(2, Status.UPGRADING, **STARTING)],
            {"cpu": 62.0},
            limits(9),
            "",
        ),
        "with those that start one fits": (
            [costly(1), node(2, Status.RESTARTING, **STARTING)],
            {"cpu": 59.0},
            limits(9),
            "add 3",
        ),
        "those that stopped do not count": (
            [costly(1), node(2, Status.DISABLED)],
            {"cpu": 64.9},
            {},
            "add 3",
        ),
        "memory: a GB of 16 fits": ([costly(1)], {"memory": 63.7}, {}, "add 2"),
        "memory: a GB of 16 does not fit": ([costly(1)], {"memory": 63.8}, {}, ""),
        "load: a fifth of a core fits": ([costly(1)], {"load": (2.19, 1, 1)}, {}, "add 2"),
        "load: a fifth of a core does not fit": ([costly(1)], {"load": (2.2, 1, 1)}, {}, ""),
        "load: older averages do not rise at once": ([costly(1)], {"load": (1, 2.39, 2.39)}, {}, "add 2"),
        "disk: a GB fits": ([costly(1)], {"disks": (disk("/", 69, 200 * 10**9),)}, {}, "add 2"),
        "disk: a GB does not fit": ([costly(1)], {"disks": (disk("/", 69.5, 200 * 10**9),)}, {}, ""),
        "disk: only as many as fit": (
            [costly(1)],
            {"disks": (disk("/", 68.9, 200 * 10**9),)},
            limits(9),
            "add 2, add 3",
        ),
        "disk: not within a node of crisis_bytes": (
            [costly(1)],
            {"disks": (disk("/", 50, free_bytes=4 * 10**9 - 1),)},
            {},
            "",
        ),
        "disk: as far as a node away from crisis_bytes": (
            [costly(1)],
            {"disks": (disk("/", 50, free_bytes=4 * 10**9),)},
            {},
            "add 2",
        ),
    },
)
def test_prediction(nodes: list[NodeSeen], readings: Any, changes: Any, expected: str) -> None:
    decision = decide(seen(nodes, **readings), settings(**{"node_cap": len(nodes) + 2, **changes}))
    assert briefly(decision) == expected
    if not expected:
        assert "waits for room: " in reasons(decision)


def test_reasons_of_a_prediction() -> None:
    full = decide(seen([costly(1)], cpu=66), settings())
    assert "add a node: waits for room: with one more node cpu is 71.0 % (limit 70.0 %)" in reasons(full)
    stopped = decide(seen([costly(1), node(2, STOPPED)], cpu=66), settings(node_cap=2))
    assert "start antnode0002: waits for room: with one more node cpu is 71.0 %" in reasons(stopped)
    waiting = decide(seen([costly(1), node(2, STOPPED)], cpu=66), settings(node_cap=9))
    assert "add" not in reasons(waiting)
    short = decide(seen([costly(1)], disks=(disk("/", 50, free_bytes=25 * 10**8),)), settings())
    assert "room: / would have 1500000000 bytes free, fewer than crisis_bytes" in reasons(short)
    near = decide(seen([costly(1)], disks=(disk("/", 50, free_bytes=35 * 10**8),)), settings())
    assert "room: / would be less than a node away from crisis_bytes" in reasons(near)
    part = decide(seen([costly(1)], cpu=59), settings(node_cap=9, **limits(9)))
    assert "add a node: waits for room: with one more node cpu is 74.0 %" in reasons(part)


@cases(
    "view, expected",
    {
        "no node to learn from": (seen(), NodeCost(cores=0.02, memory_bytes=150e6, disk_bytes=200e6)),
        "the mean of all": (
            seen([costly(1), costly(2, cpu=10.0, memory_bytes=3 * 10**9)]),
            NodeCost(cores=0.3, memory_bytes=2e9, disk_bytes=1e9),
        ),
        "those that have run for less than a minute are not typical": (
            seen([costly(1), costly(2, cpu=90.0, minutes=0.99)]),
            NodeCost(cores=0.2, memory_bytes=1e9, disk_bytes=1e9),
        ),
        "those that have run for a minute are": (
            seen([costly(1), costly(2, cpu=15.0, minutes=1)]),
            NodeCost(cores=0.4, memory_bytes=1e9, disk_bytes=1e9),
        ),
        "those that do not say when they started are not": (
            seen([costly(1), costly(2, cpu=90.0, started_at=None)]),
            NodeCost(cores=0.2, memory_bytes=1e9, disk_bytes=1e9),
        ),
        "each reading by itself": (
            seen([costly(1, cpu=None), costly(2, cpu=10.0, memory_bytes=None)]),
            NodeCost(cores=0.4, memory_bytes=1e9, disk_bytes=1e9),
        ),
        "a process that was not seen costs nobody knows what": (
            seen([node(1, sees={"process": BLIND}), costly(2)]),
            NodeCost(cores=0.2, memory_bytes=1e9, disk_bytes=1e9),
        ),
    },
)
def test_cost_of_a_node(view: Observation, expected: NodeCost) -> None:
    assert asdict(node_cost(view)) == pytest.approx(asdict(expected))


def test_the_cost_of_the_first_node_is_guessed() -> None:
    assert node_cost(seen()) == NodeCost(cores=0.02, memory_bytes=150_000_000, disk_bytes=200_000_000)


def test_what_was_not_seen_stays_unseen_with_one_more_node() -> None:
    cost = NodeCost(cores=1, memory_bytes=10**9, disk_bytes=10**9)
    after = one_more(seen(cpu=BLIND, memory=BLIND, load=BLIND).machine, cost, "/")
    assert (after.cpu_percent, after.memory_percent, after.load) == (BLIND, BLIND, BLIND)


def test_a_machine_without_size_does_not_divide_by_it() -> None:
    cost = NodeCost(cores=1, memory_bytes=10**9, disk_bytes=10**9)
    empty = seen(usable_cores=0.0, memory_total_bytes=0, disks=(disk("/", 0, 0),)).machine
    after = one_more(empty, cost, "/")
    assert after.cpu_percent == 20 + 100 / 0.01
    assert after.memory_percent == 20 + 1e11
    assert after.file_systems[0].used_percent == 1e11


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
