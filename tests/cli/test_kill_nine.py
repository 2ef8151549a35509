"""`kill -9` of wnm at any moment: what follows converges, with nothing twice and nothing left over."""

import os
import signal
import time
from collections import Counter
from random import Random

import pytest
from tests.cli.operator import Operator

from wnm.core.node import Status

KILLS = 40
VERSIONS = [f"0.4.{patch}" for patch in range(17, 17 + KILLS // 5)]
# The longest of a cycle's life; a kill after its end hits nothing, and that is one of the moments too.
LONGEST_SECONDS = 0.75


def kill_at_a_random_moment(operator: Operator, chance: Random, *words: object) -> int:
    """Start a cycle and kill it; returns how it ended."""
    cycle = operator.begin(*words)
    time.sleep(chance.uniform(0.02, LONGEST_SECONDS))
    if cycle.poll() is None:
        os.kill(cycle.pid, signal.SIGKILL)
    cycle.communicate(timeout=60)
    return cycle.returncode


def check_nothing_twice(operator: Operator) -> None:
    """At any time: no two processes of a node."""
    twice = [name for name, count in Counter(each.name for each in operator.processes()).items() if count > 1]
    assert twice == []


def check_whole(operator: Operator, cap: int) -> None:
    """Rows, processes, folders and log folders are the same nodes; ids and ports are unique."""
    rows = operator.rows()
    names = sorted(row["name"] for row in rows.values())
    assert len(names) == cap
    assert [process.name for process in operator.processes()] == names
    assert operator.in_storage() == names
    assert sorted(path.name for path in operator.logs.iterdir()) == names
    ports = [row[key] for row in rows.values() for key in ("port", "metrics_port")]
    assert len(set(ports)) == 2 * cap
    assert {row["status"] for row in rows.values()} == {"RUNNING"}
    leftovers = [str(path) for path in operator.home.rglob("*") if path.name.endswith((".new", ".migrating"))]
    assert leftovers == []


@pytest.mark.slow
def test_forty_kills_in_a_row_with_changing_caps_and_versions(operator: Operator) -> None:
    chance = Random(20)
    operator.init(node_cap=3, max_concurrent_operations=3, max_concurrent_starts=2, max_concurrent_removals=2)
    operator.bring_up(3)
    pending, endings = list(VERSIONS), Counter[int]()
    for number in range(KILLS):
        if number % 5 == 4:
            operator.offer(pending.pop(0))
        cap = chance.randint(1, 6)
        endings[kill_at_a_random_moment(operator, chance, f"--node_cap={cap}")] += 1
        check_nothing_twice(operator)
    assert endings[-signal.SIGKILL] >= KILLS // 4, endings

    def settled() -> bool:
        nodes = operator.remembered().values()
        same = [node for node in nodes if (node.status, node.version) == (Status.RUNNING, VERSIONS[-1])]
        return len(nodes) == len(same) == len(operator.processes()) == 4

    operator.cycles_until(settled, "--node_cap=4", at_most=40, codes=(0, 1))
    check_whole(operator, cap=4)
    assert "idle" in operator.good_cycle().err


@pytest.mark.slow
@pytest.mark.parametrize("deed", ["add", "upgrade", "remove"])
def test_a_kill_in_the_middle_of_a_deed_is_made_good(operator: Operator, deed: str) -> None:
    """The same deed killed a little later each time, from before it is written down until after it is done."""
    chance, cap = Random(5), 2
    operator.bring_up(2)
    for moment in range(6):
        match deed:
            case "add":
                cap = len(operator.statuses()) + 1
            case "upgrade":
                operator.offer(f"0.5.{moment}")
            case _:
                operator.cycles_until(
                    lambda: operator.running() == 2, "--node_cap=2", at_most=6, codes=(0, 1)
                )
                cap = 1
        cycle = operator.begin(f"--node_cap={cap}")
        time.sleep(0.15 + 0.08 * moment + chance.uniform(0, 0.05))
        if cycle.poll() is None:
            os.kill(cycle.pid, signal.SIGKILL)
        cycle.communicate(timeout=60)
        check_nothing_twice(operator)
    wanted = f"--node_cap={cap}"

    def settled() -> bool:
        versions = {node.version for node in operator.remembered().values()}
        up = operator.running() == cap == len(operator.pids())
        return up and (deed != "upgrade" or versions == {"0.5.5"})

    operator.cycles_until(settled, wanted, at_most=20, codes=(0, 1))
    operator.good_cycle()
    check_whole(operator, cap)
