"""However cycles, people and reboots overlap, one cycle at a time works on a database."""

import os
import signal

from tests.cli.operator import Operator
from tests.waiting import eventually

BUSY = 75
CYCLES = 12


def with_a_slow_removal(operator: Operator) -> None:
    """The next cycle with a cap of 0 takes as long as `stop_grace`."""
    operator.bring_up(1, stop_grace=20)
    operator.order(1, ignore_term=True)


def test_of_twelve_cycles_at_once_one_acts_and_the_others_say_75(operator: Operator) -> None:
    with_a_slow_removal(operator)
    started = [operator.begin("--node_cap=0") for _ in range(CYCLES)]
    ended = [(process, *process.communicate(timeout=60)) for process in started]
    codes = sorted(process.returncode for process, _, _ in ended)
    assert codes == [0] + [BUSY] * (CYCLES - 1)
    (winner,) = [process.pid for process, _, _ in ended if process.returncode == 0]
    for process, out, err in ended:
        if process.returncode == BUSY:
            assert (out, len(err.splitlines())) == ("", 1)
            assert f"process {winner} holds" in err or "another process holds" in err
    assert operator.pids() == []
    assert operator.report("decisions")["cycle"] <= len(started)


def test_twelve_quick_cycles_at_once_start_nothing_twice(operator: Operator) -> None:
    operator.init(node_cap=3)
    started = [operator.begin() for _ in range(CYCLES)]
    ended = [(*process.communicate(timeout=60), process.returncode) for process in started]
    assert {code for _, _, code in ended} <= {0, BUSY}, ended
    assert 0 in {code for _, _, code in ended}
    operator.cycles_until(lambda: operator.running() == 3, at_most=8)
    assert [process.name for process in operator.processes()] == ["antnode0001", "antnode0002", "antnode0003"]
    assert sorted(operator.statuses()) == [1, 2, 3]


def test_reading_needs_no_lock(operator: Operator) -> None:
    with_a_slow_removal(operator)
    cycle = operator.begin("--node_cap=0")
    eventually(lambda: operator.statuses() == {1: "REMOVING"})
    for words in (("status",), ("explain",), ("--report", "node-status"), ("--dry_run",)):
        assert operator.run(*words).code == 0
    assert cycle.poll() is None


def test_the_lock_is_not_freed_while_a_cycle_holds_it(operator: Operator) -> None:
    with_a_slow_removal(operator)
    cycle = operator.begin("--node_cap=0")
    eventually(lambda: operator.statuses() == {1: "REMOVING"})
    refused = operator.run("--remove_lockfile")
    assert (refused.code, refused.out, len(refused.lines)) == (BUSY, "", 1)
    assert f"process {cycle.pid} holds" in refused.err
    os.kill(cycle.pid, signal.SIGKILL)
    cycle.wait()
    freed = operator.run("--remove_lockfile")
    assert (freed.code, freed.err) == (0, "")
    assert not (operator.database.parent / "wnm_active").exists()
    again = operator.run("--remove_lockfile")
    assert again.code == 0


def test_a_dead_holder_does_not_block_the_next(operator: Operator) -> None:
    with_a_slow_removal(operator)
    cycle = operator.begin("--node_cap=0")
    eventually(lambda: operator.statuses() == {1: "REMOVING"})
    os.kill(cycle.pid, signal.SIGKILL)
    cycle.wait()
    assert (operator.database.parent / "wnm_active").exists()
    operator.cycles_until(lambda: operator.statuses() == {}, "--stop_grace=1", at_most=2)
    assert operator.pids() == []


def test_an_interrupted_cycle_says_so_in_one_line(operator: Operator) -> None:
    with_a_slow_removal(operator)
    cycle = operator.begin("--node_cap=0")
    eventually(lambda: operator.statuses() == {1: "REMOVING"})
    os.kill(cycle.pid, signal.SIGINT)
    out, err = cycle.communicate(timeout=60)
    assert cycle.returncode == 130
    assert "Traceback" not in out + err
    assert err.splitlines()[-1].startswith("wnm: interrupted")
    operator.cycles_until(lambda: operator.statuses() == {}, "--stop_grace=1", at_most=2)
