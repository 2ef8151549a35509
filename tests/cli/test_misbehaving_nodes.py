"""Nodes that hang, lie, crash or fall silent: the others go on, and nobody is punished for a reading that failed."""

import time
from itertools import pairwise

import pytest
from tests.cli.operator import NEW, Operator
from tests.waiting import eventually

POLL_SECONDS = 1.0
# A slow machine may take this much longer than a moment ago: less than the three time limits more that it would
# take to ask the silent ones in turn.
SLACK_SECONDS = 2.5
# The kernel counts the starts of processes in these.
CLOCK_TICK_SECONDS = 0.02
NODES, BAD = 20, (3, 8, 13, 20)
MODES = ("hang", "drip", "garbage", "lie", "error500", "huge", "refuse")


@pytest.mark.slow
def test_four_of_twenty_that_answer_badly(operator: Operator) -> None:
    pids = operator.bring_up(NODES, poll_timeout=POLL_SECONDS)
    usual = min(operator.good_cycle().seconds for _ in range(2))
    for mode in MODES:
        for node_id in BAD:
            operator.order(node_id, metrics=mode)
        cycles = [operator.good_cycle() for _ in range(2)]
        print(f"{mode}: {min(cycle.seconds for cycle in cycles):.2f} s, usual {usual:.2f} s")
        assert all("idle" in cycle.err for cycle in cycles), cycles
        assert operator.pids() == pids, mode
        assert set(operator.statuses().values()) == {"RUNNING"}, mode
        assert min(cycle.seconds for cycle in cycles) <= usual + POLL_SECONDS + SLACK_SECONDS, mode
    for node_id in BAD:
        operator.order(node_id, metrics="ok")
    operator.good_cycle()
    assert {row["reachable"] for row in operator.rows().values()} == {"answers"}
    assert operator.pids() == pids


def test_a_node_that_hangs_is_shown_as_running_and_timing_out(operator: Operator) -> None:
    operator.bring_up(1, poll_timeout=0.2)
    operator.order(1, metrics="hang")
    operator.good_cycle()
    row = operator.rows()[1]
    assert (row["status"], row["process"], row["reachable"]) == ("RUNNING", "running", "times out")
    assert row["records"] is None


def test_a_silent_node_is_restarted_once_and_then_with_growing_pauses(operator: Operator) -> None:
    patience_seconds = 0.6
    operator.bring_up(2, poll_timeout=0.2, unresponsive_restart=patience_seconds / 60)
    other = operator.pids_of(1)
    answered_from = time.time()
    operator.good_cycle()  # its last answer falls into this one, and patience counts from there
    silent_from = time.time()
    operator.order(2, metrics="hang")
    pids, starts = operator.pids_of(2), [answered_from]
    while len(starts) < 4:
        assert time.time() < silent_from + 120
        operator.good_cycle()
        now = [process for process in operator.processes() if process.name == "antnode0002"]
        assert len(now) == 1
        if [now[0].pid] != pids:
            pids = [now[0].pid]
            starts.append(now[0].started_at)
    pauses = [later - earlier for earlier, later in pairwise(starts)]
    for pause, doublings in zip(pauses, range(3), strict=True):
        assert pause >= patience_seconds * 2**doublings - CLOCK_TICK_SECONDS, pauses
    assert operator.pids_of(1) == other


def test_silence_is_for_ever_when_that_is_wished(operator: Operator) -> None:
    operator.bring_up(1, poll_timeout=0.1, unresponsive_restart=0)
    pids = operator.pids()
    operator.order(1, metrics="hang")
    for _ in range(3):
        operator.good_cycle()
    assert operator.pids() == pids


def test_a_node_that_crashes_at_once_rests_and_blocks_nobody(three: Operator) -> None:
    (three.folder(2) / "misbehave.json").write_text('{"crash_loop": true}')
    eventually(lambda: three.pids_of(2) == [])
    others = [*three.pids_of(1), *three.pids_of(3)]

    def rests() -> bool:
        held = three.report("decisions")["held"]
        return any(
            "antnode0002" in each["what"] and "its pause after" in each["waiting_for"] for each in held
        )

    three.cycles_until(rests, at_most=6, codes=(0, 1))
    assert "ended" in str(three.rows()[2]["last_error"])
    for _ in range(2):
        assert three.good_cycle().code == 0
        assert three.pids_of(2) == []
    assert [*three.pids_of(1), *three.pids_of(3)] == others
    three.cycles_until(lambda: len(three.pids_of(4)) == 1, "--node_cap=4", at_most=2)
    three.offer(NEW)
    three.cycles_until(lambda: three.versions()[1] == NEW, at_most=3)


def test_a_node_that_ends_itself_is_started_again_with_its_last_words_kept(operator: Operator) -> None:
    operator.bring_up(1)
    operator.order(1, exit_after_seconds=0, exit_reason="UpnpGatewayNotFound")
    eventually(lambda: operator.pids() == [])
    (operator.folder(1) / "misbehave.json").unlink()
    operator.cycles_until(lambda: len(operator.pids()) == 1, at_most=2)
    assert "UpnpGatewayNotFound" in operator.run("explain").out


def test_a_node_that_is_slow_to_answer_is_given_its_time(operator: Operator) -> None:
    operator.bring_up(1)
    (operator.folder(1) / "misbehave.json").write_text('{"slow_start_seconds": 600}')
    operator.kill(1)
    operator.cycles_until(lambda: len(operator.pids()) == 1, "--delay_start=5", at_most=2)
    pids = operator.pids()
    for _ in range(3):
        operator.good_cycle()
        assert operator.pids() == pids
        assert operator.statuses() == {1: "RESTARTING"}
