"""Releases of the real ant-node rolled forth where nobody uploads anything, and releases that are really bad."""

import os
import signal
import time
from pathlib import Path

import pytest
from tests.real.conftest import NEW, OLD
from tests.real.machine import GENESIS_PORT, PORTS, Machine

COUNT = 3


def test_a_good_release_goes_to_every_node_though_nobody_uploads(machine: Machine, new: Path) -> None:
    machine.bring_up(COUNT)
    keys = [(machine.nodes / name / "node_identity.key").read_bytes() for name in sorted(machine.processes())]
    machine.offer(new)
    machine.cycles_until(
        lambda: machine.versions() == [NEW] * COUNT and machine.running() == COUNT, "the upgrade"
    )
    assert keys == [
        (machine.nodes / name / "node_identity.key").read_bytes() for name in sorted(machine.processes())
    ]
    assert [len(pids) for pids in machine.processes().values()] == [1] * COUNT
    assert "passed the gate" in machine.wnm("history").out
    assert machine.cycle().code == 0


# Another address for the first node, none of the peers that the former program had saved, and another port than they
# know of it.
LONELY = f"""\
for word; do
    case "$word" in 127.0.0.1:{GENESIS_PORT}) word=127.0.0.1:9;; {PORTS}00*) word=29999;; esac
    set -- "$@" "$word"; shift
done
rm -f "$2/routing_snapshot.json" "$2/close_group_cache.json"
exec "$real" "$@"
"""
BAD = {
    "it exits": ("exit 1", "ended"),
    "it hangs before the full start": ("sleep 1000", "not fully started"),
    "it never gets peers": (LONELY, "no peers"),
}


# A start within five seconds of the former one is told by the former's log, and then the words are others: the case
# of the release that hangs waits for that, and is played with ALL=1.
CASES = [pytest.param(how, marks=pytest.mark.every_program) if "hangs" in how else how for how in BAD]


@pytest.mark.parametrize("how", CASES)
def test_a_bad_release_is_halted_at_one_node(machine: Machine, new: Path, how: str) -> None:
    script, words = BAD[how]
    machine.bring_up(COUNT)
    if "hangs" in how:
        time.sleep(8)
    before = machine.processes()
    version = NEW if "$real" in script else "9.9.9"
    machine.offer_wrapper(version, script, new)

    def is_over() -> bool:
        return machine.versions() == [OLD] * COUNT and "is halted" in machine.wnm("explain").out

    machine.cycles_until(is_over, how, seconds=300)
    assert words in machine.wnm("explain").out
    after = machine.processes()
    assert sorted(before) == sorted(after)
    assert sum(before[name] != after[name] for name in before) == 1


def test_all_nodes_killed_while_one_is_on_trial_is_not_the_release(machine: Machine, new: Path) -> None:
    machine.bring_up(COUNT, delay_upgrade="15s")
    machine.offer(new)
    machine.cycles_until(lambda: sorted(map(str, machine.versions())) == [OLD, OLD, NEW], "a node on trial")
    for pids in machine.processes().values():
        for pid in pids:
            os.kill(pid, signal.SIGKILL)
    machine.cycles_until(
        lambda: machine.versions() == [NEW] * COUNT and machine.running() == COUNT, "the upgrade"
    )
    assert "halted" not in machine.wnm("explain").out
