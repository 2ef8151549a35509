"""Growth predicts: what one more node would take, and that the machine stays below its limits with it."""

from typing import Any

import pytest
from msgspec.structs import asdict, replace
from tests.builders import (
    NOW,
    ago,
    briefly,
    cases,
    disk,
    limits,
    node,
    reasons,
    seen,
    settings,
)

from wnm.core.decide.growth import NodeCost, node_cost, one_more
from wnm.core.decide.ladder import decide
from wnm.core.node import ProcessState, Status
from wnm.core.observation import NodeSeen, Observation, ProcessReading, Unseen

BLIND = Unseen(reason="no answer")
STOPPED = Status.STOPPED
STARTING: dict[str, Any] = {"status_since": NOW}


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
        assert "waits for capacity: " in reasons(decision)


def test_reasons_of_a_prediction() -> None:
    full = decide(seen([costly(1)], cpu=66), settings())
    assert "add a node: waits for capacity: with one more node cpu is 71.0 % (limit 70.0 %)" in reasons(full)
    stopped = decide(seen([costly(1), node(2, STOPPED)], cpu=66), settings(node_cap=2))
    assert "start antnode0002: waits for capacity: with one more node cpu is 71.0 %" in reasons(stopped)
    waiting = decide(seen([costly(1), node(2, STOPPED)], cpu=66), settings(node_cap=9))
    assert "add" not in reasons(waiting)
    short = decide(seen([costly(1)], disks=(disk("/", 50, free_bytes=25 * 10**8),)), settings())
    assert "capacity: / would have 1500000000 bytes free, fewer than crisis_bytes" in reasons(short)
    near = decide(seen([costly(1)], disks=(disk("/", 50, free_bytes=35 * 10**8),)), settings())
    assert "capacity: / would be less than a node away from crisis_bytes" in reasons(near)
    part = decide(seen([costly(1)], cpu=59), settings(node_cap=9, **limits(9)))
    assert "add a node: waits for capacity: with one more node cpu is 74.0 %" in reasons(part)


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
