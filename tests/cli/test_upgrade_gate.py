"""A new version that does not work harms one node, for a short time, and wnm says why; real processes throughout."""

import os
import signal
import time
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from random import Random

import pytest
from tests.cli.operator import NEW, OLD, Operator
from tests.waiting import eventually

from wnm.core.node import Status

NEWEST = "0.4.19"
DELAY = "2s"
BAD: Mapping[str, tuple[dict[str, object], str]] = {
    "crashes at its start": ({"crash_loop": True}, "crashing as ordered"),
    "crashes after a while": ({"exit_after_seconds": 1.5}, "HardDiskWriteError"),
    "lies about its version": ({"metrics": "lie", "lie_version": "0.0.1"}, "it says that it is 0.0.1"),
    "refuses an old flag": ({"refuse_flags": ["--no-upnp"]}, "--no-upnp"),
    "writes a critical failure": ({"critical_failure": "UpnpGatewayNotFound"}, "UpnpGatewayNotFound"),
    "does not say what it is": ({"refuse_version": "exit"}, ""),
}
CODES = (0, 1, 3)
KILLS, ROUNDS, MOST_ROUNDS = 8, 5, 40


def keys(operator: Operator) -> dict[int, bytes]:
    """The identity of every node."""
    return {number: (operator.folder(number) / "secret-key").read_bytes() for number in operator.statuses()}


def copies(operator: Operator) -> dict[int, bytes]:
    """The program of every node, as it lies in its folder."""
    return {number: (operator.folder(number) / "antnode").read_bytes() for number in operator.statuses()}


def kept(operator: Operator) -> list[Path]:
    """The programs that nodes could go back to."""
    return sorted(operator.nodes.rglob("*.previous"))


def halted(operator: Operator) -> bool:
    """Whether the last cycle held something back until the operator acts."""
    return any(held["remedy"] for held in operator.report("decisions")["held"])


def cycles_until_halted(operator: Operator, pause_seconds: float = 0.3) -> None:
    """Cycles until a version is halted and everybody is back."""
    deadline = time.monotonic() + 150
    while not (halted(operator) and operator.running() == len(operator.statuses())):
        assert time.monotonic() < deadline, operator.run("explain").out
        assert operator.cycle().code in CODES
        time.sleep(pause_seconds)


def check_unharmed(operator: Operator, before: dict[int, bytes], program: dict[int, bytes]) -> None:
    """Every node runs the old program with its key, once."""
    assert keys(operator) == before
    assert copies(operator) == program
    assert Counter(process.name for process in operator.processes()) == {
        f"antnode{number:04d}": 1 for number in before
    }
    eventually(lambda: all(operator.answers(number) for number in before))
    assert set(operator.versions().values()) == {OLD}


@pytest.mark.slow
@pytest.mark.parametrize("kind", [each for each in BAD if each != "does not say what it is"])
def test_a_bad_version_harms_the_canary_only(operator: Operator, kind: str) -> None:
    orders, words = BAD[kind]
    operator.bring_up(3, delay_upgrade=DELAY, max_concurrent_upgrades=2, max_concurrent_operations=3)
    identities, programs, pids = keys(operator), copies(operator), operator.pids()
    canary = operator.oldest_first()[0]
    operator.offer(NEW, **orders)
    cycles_until_halted(operator)
    check_unharmed(operator, identities, programs)
    untouched = {
        number: pid for number, pid in zip(sorted(identities), pids, strict=True) if number != canary
    }
    assert {number: operator.pids_of(number) for number in untouched} == {
        number: [pid] for number, pid in untouched.items()
    }
    # Nothing more happens, and the reason is where one looks for it.
    after = operator.pids()
    result = operator.cycle()
    assert result.code == 3
    assert operator.pids() == after
    for said in (operator.ask("status").out, operator.ask("explain").out):
        flat = " ".join(said.split())
        assert f"{NEW} is halted" in flat
        assert f"antnode{canary:04d}" in flat
        assert words in flat


@pytest.mark.slow
def test_while_a_version_is_halted_new_nodes_get_what_works_and_a_good_one_lifts_the_halt(
    operator: Operator,
) -> None:
    operator.bring_up(3, delay_upgrade=DELAY, max_concurrent_upgrades=2, max_concurrent_operations=3)
    identities = keys(operator)
    operator.offer(NEW, crash_loop=True)
    cycles_until_halted(operator)
    # New nodes get what works.
    operator.cycles_until(lambda: len(operator.statuses()) == 4, "--node_cap=4", at_most=4, codes=CODES)
    operator.cycles_until(lambda: operator.running() == 4, at_most=4, codes=CODES)
    assert set(operator.versions().values()) == {OLD}
    # A version that works comes to everybody, and nothing is kept of the old ones.
    operator.offer(NEWEST)
    deadline = time.monotonic() + 120
    while {node.version for node in operator.remembered().values()} != {NEWEST} or operator.running() < 4:
        assert time.monotonic() < deadline, operator.run("explain").out
        assert operator.cycle().code in (0, 3)
        time.sleep(0.2)
    assert operator.good_cycle().code == 0
    assert {number: key for number, key in keys(operator).items() if number in identities} == identities
    eventually(lambda: operator.good_cycle().code == 0 and kept(operator) == [])


@pytest.mark.slow
def test_a_version_without_peers_is_waited_for_a_minute_and_then_taken_back(operator: Operator) -> None:
    operator.bring_up(2, delay_upgrade=DELAY)
    identities, programs = keys(operator), copies(operator)
    operator.offer(NEW, connected_peers=0)
    operator.cycle()
    assert [node.gate_version for node in operator.remembered().values()].count(NEW) == 1
    assert len(kept(operator)) == 1
    cycles_until_halted(operator, pause_seconds=2)
    check_unharmed(operator, identities, programs)
    assert "it has no peers" in " ".join(operator.ask("status").out.split())


def test_a_program_that_does_not_say_what_it_is_comes_to_nobody(three: Operator) -> None:
    pids, programs = three.pids(), copies(three)
    three.offer(NEW, refuse_version="exit")
    for _ in range(2):
        three.cycle()
    assert (three.pids(), copies(three)) == (pids, programs)
    assert "--version" in " ".join(three.run("explain").out.split())


def test_by_hand_a_halt_is_lifted_and_a_dry_run_only_says_so(operator: Operator) -> None:
    operator.bring_up(2, delay_upgrade=DELAY)
    operator.offer(NEW, crash_loop=True)
    cycles_until_halted(operator)
    pids = operator.pids()
    planned = operator.run("--force_action", "upgrade", "--dry_run")
    assert f"to {NEW}" in planned.out + planned.err
    assert operator.cycle().code == 3, "a dry run lifts nothing"
    assert operator.pids() == pids
    operator.offer(NEW)  # the same version, mended
    assert operator.cycle().code == 3, "a version is known by its text"
    assert operator.run("--force_action", "upgrade").code == 0
    operator.cycles_until(
        lambda: set(operator.versions().values()) == {NEW} and operator.running() == 2, at_most=60
    )


def test_a_step_back_by_hand_has_to_be_confirmed(operator: Operator) -> None:
    operator.bring_up(1)
    operator.offer("0.4.9")
    asked = ("--force_action", "upgrade", "--service_name", "antnode0001")
    refused = operator.run(*asked)
    assert refused.code == 2
    assert "step back" in refused.err
    assert "--confirm" in refused.err
    assert operator.run(*asked, "--confirm").code == 0
    operator.cycles_until(lambda: operator.running() == 1, at_most=4)
    assert operator.versions() == {1: "0.4.9"}


def test_a_restart_by_hand_in_the_middle_of_a_gate_fails_nobody(operator: Operator) -> None:
    operator.bring_up(1, delay_upgrade=60)
    operator.offer(NEW)
    operator.good_cycle()
    operator.good_cycle()
    pids = operator.pids()
    assert operator.run("--force_action", "restart", "--service_name", "antnode0001").code == 0
    assert operator.pids() != pids
    for _ in range(2):
        operator.good_cycle()
    (node,) = operator.remembered().values()
    assert (node.gate_version, node.gate_failure, node.status) == (NEW, None, Status.UPGRADING)


def test_a_node_that_is_killed_in_its_gate_goes_back(operator: Operator) -> None:
    operator.bring_up(1, delay_upgrade=60)
    identities, programs = keys(operator), copies(operator)
    operator.offer(NEW)
    operator.good_cycle()
    operator.kill(1)
    operator.cycle()
    operator.cycles_until(lambda: operator.running() == 1, "--delay_upgrade=0", at_most=5, codes=CODES)
    check_unharmed(operator, identities, programs)


def is_killed_after(operator: Operator, seconds: float) -> bool:
    """Begin a cycle and kill it, unless it has ended by then; no node may run twice afterwards."""
    cycle = operator.begin()
    time.sleep(seconds)
    if cycle.poll() is None:
        os.kill(cycle.pid, signal.SIGKILL)
    cycle.communicate(timeout=60)
    counts = Counter(each.name for each in operator.processes())
    assert [name for name, count in counts.items() if count > 1] == []
    return cycle.returncode == -signal.SIGKILL


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(3))
def test_kills_of_wnm_during_all_this_converge(operator: Operator, seed: int) -> None:
    """Bad versions and good ones, and wnm is killed in any moment; at the end everybody runs the last good one."""
    chance = Random(seed)
    operator.bring_up(3, delay_upgrade=DELAY, max_concurrent_upgrades=2, max_concurrent_operations=3)
    identities = keys(operator)
    bad: list[dict[str, object]] = [orders for orders, _ in BAD.values() if "refuse_version" not in orders]
    tried: dict[str, set[int]] = {}
    offered: dict[str, dict[str, object]] = {}
    idle_seconds = operator.good_cycle().seconds
    killed = 0
    for round_ in range(MOST_ROUNDS):
        if round_ >= ROUNDS and killed >= KILLS:
            break
        version = f"0.5.{round_}"
        offered[version] = chance.choice(bad)
        operator.offer(version, **offered[version])
        for _ in range(4):
            # Some end before that: the gate moves on, too. A cycle that acts takes longer than an idle one.
            killed += is_killed_after(operator, chance.uniform(0.1, 2 * idle_seconds))
            for node in operator.remembered().values():
                if version in (node.gate_version, node.failed_version, node.version, node.binary_version):
                    tried.setdefault(version, set()).add(int(node.id))
        assert keys(operator) == identities
    assert killed >= KILLS
    assert all(len(nodes) == 1 for nodes in tried.values()), (tried, offered)
    operator.offer("0.6.0")

    def good() -> bool:
        nodes = operator.remembered().values()
        well = [
            each
            for each in nodes
            if (each.status, each.version, each.gate_version) == (Status.RUNNING, "0.6.0", None)
        ]
        return len(well) == len(operator.processes()) == 3

    deadline = time.monotonic() + 150
    while not good():
        assert time.monotonic() < deadline, operator.run("explain").out
        assert operator.cycle().code in CODES
        time.sleep(0.2)
    assert keys(operator) == identities
    assert operator.good_cycle().code == 0
