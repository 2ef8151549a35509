"""The earnings ledger with real processes: restarts, upgrades, removals and kills of wnm; sums equal what was paid.

The simulated nodes are ordered to show a counter, so what each of their processes paid is known exactly.
"""

import csv
import io
import json
import os
import signal
import sqlite3
import time
from contextlib import closing
from random import Random

from tests.cli.operator import NEW, OLD, Operator
from tests.waiting import eventually

KILLS = 12


def pays(operator: Operator, node_id: int, attos: int) -> None:
    """The counter of a node's process stands there from now on."""
    operator.order(node_id, rewards_attos=attos)


def earned(operator: Operator, node_id: int) -> int:
    """What the report says that a node earned."""
    nodes = operator.report("earnings")["nodes"]
    return sum(int(each["attos"]) for each in nodes if each["name"] == f"antnode{node_id:04d}")


def penniless(operator: Operator, count: int, **settings: object) -> None:
    """So many nodes that earn nothing unless they are told to."""
    operator.offer(OLD, rewards_attos=0)
    operator.bring_up(count, **settings)


def test_restarts_upgrades_and_removals_lose_nothing_that_was_seen(operator: Operator) -> None:
    penniless(operator, 2)
    pays(operator, 1, 700)
    operator.good_cycle()
    assert (earned(operator, 1), earned(operator, 2)) == (700, 0)
    pays(operator, 1, 1000)
    # What a cycle sees is booked before it acts. The next process shows the same count, as its own.
    operator.good_cycle("--force_action", "restart", "--service_name", "antnode0001")
    assert earned(operator, 1) == 1000
    eventually(lambda: operator.answers(1))
    operator.good_cycle()
    assert earned(operator, 1) == 2000
    operator.offer(NEW, rewards_attos=0)
    operator.cycles_until(lambda: operator.versions()[1] == NEW, at_most=6)
    eventually(lambda: operator.answers(1))
    operator.cycles_until(lambda: operator.running() == 2, at_most=8)
    assert earned(operator, 1) == 3000
    pays(operator, 1, 3)
    operator.kill(1)
    operator.cycles_until(lambda: len(operator.pids_of(1)) == 1, at_most=3)
    eventually(lambda: operator.answers(1))
    operator.good_cycle()
    assert earned(operator, 1) == 3003
    operator.run("--force_action", "remove", "--service_name", "antnode0001", "--confirm", "--node_cap=1")
    assert sorted(operator.statuses()) == [2]
    assert earned(operator, 1) == 3003
    shown = operator.run("--report", "earnings", "--report_format", "csv", "--service_name", "antnode0001")
    (line,) = csv.DictReader(io.StringIO(shown.out))
    assert (line["attos"], line["ant"]) == ("3003", "0.000000000000003003")
    # The next node of that id begins anew, and its earnings go to the same line.
    operator.cycles_until(lambda: operator.running() == 2, "--node_cap=2", at_most=6)
    pays(operator, 1, 97)
    operator.good_cycle()
    assert earned(operator, 1) == 3100


def killed_cycle(operator: Operator, chance: Random, before: int, number: int) -> None:
    """A cycle that is killed at any moment; every third one restarts the node and is killed when that has begun."""
    restart = ("--force_action", "restart", "--service_name", "antnode0001")
    cycle = operator.begin(*(restart if number % 3 else ()))
    if number % 3 == 1:
        eventually(lambda: operator.pids_of(1) != [before] or cycle.poll() is not None)
    else:
        time.sleep(chance.uniform(0.1, 0.7))
    if cycle.poll() is None:
        os.kill(cycle.pid, signal.SIGKILL)
    cycle.communicate(timeout=60)


def test_kills_of_wnm_book_nothing_twice_and_lose_nothing(operator: Operator) -> None:
    chance, ended, last, restarted = Random(7), 0, 0, 0
    penniless(operator, 1)
    for number in range(KILLS):
        last += chance.randrange(1, 10**15)
        pays(operator, 1, last)
        (before,) = operator.pids_of(1)
        killed_cycle(operator, chance, before, number)
        operator.cycles_until(
            lambda: len(operator.pids_of(1)) == 1 and operator.running() == 1, at_most=6, codes=(0, 1)
        )
        if operator.pids_of(1) != [before]:
            # No process is ended before what it paid is written down; the next one shows the same count.
            ended, restarted = ended + last, restarted + 1
        eventually(lambda: operator.answers(1))
        operator.good_cycle()
        assert earned(operator, 1) == ended + last
    assert restarted >= KILLS // 3


def test_nodes_that_ran_before_the_ledger_began_have_a_baseline(operator: Operator) -> None:
    """As after a takeover: a node that wnm has not made, with a counter that it brings along."""
    penniless(operator, 1)
    _forget_counters(operator)
    pays(operator, 1, 5 * 10**18)
    operator.good_cycle()
    found = operator.report("earnings")
    assert found["total"]["ant"] == "0"
    assert [(each["name"], each["ant"]) for each in found["before_wnm"]] == [("antnode0001", "5")]
    pays(operator, 1, 5 * 10**18 + 1)
    operator.good_cycle()
    assert earned(operator, 1) == 1
    assert "before wnm" in operator.run("--report", "earnings").out


def _forget_counters(operator: Operator) -> None:
    with closing(sqlite3.connect(operator.database)) as connection:
        connection.execute("DELETE FROM counter")
        connection.commit()


def test_a_report_of_nothing(settled: Operator) -> None:
    assert settled.run("--report", "earnings").out == "nothing was earned yet\n"
    assert settled.run("--report", "earnings", "--report_format", "csv").out == "day,node,wallet,attos,ant\n"
    assert json.loads(settled.run("--report", "earnings", "--json").out)["days"] == []
    refused = settled.run("--report", "earnings", "--report_format", "env")
    assert refused.code == 2
    assert "use text or json or csv" in refused.err
