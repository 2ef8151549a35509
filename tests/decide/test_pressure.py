"""Rule 5: what is shed, by whom, how many, and when not."""

from typing import Any

from tests.builders import (
    GB,
    NOW,
    ago,
    ahead,
    briefly,
    cases,
    disk,
    limits,
    node,
    reading,
    reasons,
    row,
    seen,
    settings,
)

from wnm.core.action import Outcome, Result, RetireNode
from wnm.core.decide.ladder import decide
from wnm.core.lifecycle import after, during
from wnm.core.node import ProcessState, Status
from wnm.core.observation import Load, NodeSeen, Remembered, Unseen
from wnm.core.reasons import legacy
from wnm.core.sentences import sentence

CAP_2 = settings(node_cap=2)
CAP_3 = settings(node_cap=3)
BLIND = Unseen(reason="no answer")
THREE = (node(1), node(2), node(3))


@cases(
    "nodes, changes, expected",
    {
        "the youngest running node goes": ([node(1), node(2), node(3)], {}, "retire 3"),
        "the youngest by birth, not by id": ([node(1, born=ago(1)), node(2), node(3)], {}, "retire 1"),
        "of one age, the highest id": (
            [node(2, born=NOW), node(3, born=NOW), node(1, born=NOW)],
            {},
            "retire 3",
        ),
        "a stopped node before any running one": (
            [node(1, Status.STOPPED), node(2), node(3)],
            {},
            "retire 1",
        ),
        "the youngest stopped node first": (
            [node(1, Status.STOPPED), node(2, Status.STOPPED), node(3)],
            {},
            "retire 2",
        ),
        "stopped, then running, as many as are too many": (
            [node(1, Status.STOPPED), node(2), node(3), node(4, Status.STOPPED), node(5)],
            limits(9),
            "retire 4, retire 1, retire 5",
        ),
        "no more at one time than removals are allowed": (
            [*THREE, node(4), node(5)],
            {**limits(9), "max_concurrent_removals": 2},
            "retire 5, retire 4",
        ),
        "no more than operations are allowed": (
            [*THREE, node(4), node(5)],
            {**limits(9), "max_concurrent_operations": 2},
            "retire 5, retire 4",
        ),
        "those that are leaving take slots and are not counted": (
            [*THREE, node(4), node(5, Status.REMOVING, status_since=NOW)],
            limits(2),
            "retire 4",
        ),
        "a node that is upgraded takes a slot of all": (
            [*THREE, node(4, Status.UPGRADING, status_since=NOW)],
            limits(2),
            "retire 4",
        ),
        "a stopped node that was found running is running": (
            [node(1, Status.STOPPED, state=ProcessState.RUNNING), node(2), node(3)],
            {},
            "retire 3",
        ),
        "starting and upgrading nodes may leave too": (
            [
                node(1, Status.RESTARTING, status_since=NOW),
                node(2, Status.UPGRADING, status_since=NOW),
                node(3, born=ago(10**7)),
            ],
            limits(9),
            "retire 2",
        ),
        "a node that pauses is passed over": ([node(1), node(2), node(3, retry_at=ahead(1))], {}, "retire 2"),
        "a stopped one that pauses is not": (
            [node(1), node(2), node(3, Status.STOPPED, crashed=True, failures=5, retry_at=ahead(20))],
            {},
            "retire 3",
        ),
        "a node whose pause is over is not": ([node(1), node(2), node(3, retry_at=NOW)], {}, "retire 3"),
        "disabled nodes are neither counted nor removed": (
            [node(1), node(2), node(3, Status.DISABLED)],
            {},
            "",
        ),
        "dead nodes do not count": (
            [node(1), node(2), node(3, Status.DEAD, sees={"root_dir_present": BLIND})],
            {},
            "",
        ),
        "at the cap nothing happens": ([node(1), node(2)], {}, ""),
    },
)
def test_over_the_cap(nodes: list[NodeSeen], changes: dict[str, Any], expected: str) -> None:
    decision = decide(seen(nodes), settings(**{"node_cap": 2, **changes}))
    assert briefly(decision) == expected


def test_over_the_cap_says_so() -> None:
    decision = decide(seen([*THREE, node(4)]), CAP_2)
    assert (decision.rule, sentence(decision.because)) == ("pressure", "4 nodes with a cap of 2")
    assert "remove 1 more: waits for a free removal slot" in reasons(decision)
    assert "more" not in reasons(decide(seen(THREE), CAP_2))


def test_over_the_cap_without_a_slot_waits_and_starts_nothing_either() -> None:
    decision = decide(seen([*THREE, node(4, Status.REMOVING, status_since=NOW)]), CAP_2)
    assert briefly(decision) == ""
    assert "remove 1 more: waits for a free removal slot" in reasons(decision)


def test_a_cap_of_zero_removes_every_node() -> None:
    assert briefly(decide(seen(THREE), settings(node_cap=0, **limits(9)))) == "retire 3, retire 2, retire 1"


READINGS = {
    "cpu": ({"cpu": 80.1}, {"cpu": 80.0}, {}, "cpu is 80.1 % (limit 80.0 %)"),
    "memory": ({"memory": 80.1}, {"memory": 80.0}, {}, "memory is 80.1 % (limit 80.0 %)"),
    "load over 1 minute": (
        {"load": (4.1, 0, 0)},
        {"load": (4, 0, 0)},
        {},
        "load (1 min) is 4.10 (limit 4.00)",
    ),
    "load over 5 minutes": (
        {"load": (3, 4.1, 0)},
        {"load": (3, 4, 0)},
        {},
        "load (5 min) is 4.10 (limit 4.00)",
    ),
    "load over 15 minutes": (
        {"load": (3, 0, 4.1)},
        {"load": (3, 0, 4)},
        {},
        "load (15 min) is 4.10 (limit 4.00)",
    ),
    "network input": (
        {"netio_read_bytes_per_second": 2001.0},
        {"netio_read_bytes_per_second": 2000.0},
        {"netio_read_remove": 2000},
        "network read is 2,001 B/s (limit 2,000 B/s)",
    ),
    "network output": (
        {"netio_write_bytes_per_second": 2001.0},
        {"netio_write_bytes_per_second": 2000.0},
        {"netio_write_remove": 2000},
        "network write is 2,001 B/s (limit 2,000 B/s)",
    ),
    "disk reading": (
        {"hdio_read_bytes_per_second": 2001.0},
        {"hdio_read_bytes_per_second": 2000.0},
        {"hdio_read_remove": 2000},
        "disk read is 2,001 B/s (limit 2,000 B/s)",
    ),
    "disk writing": (
        {"hdio_write_bytes_per_second": 2001.0},
        {"hdio_write_bytes_per_second": 2000.0},
        {"hdio_write_remove": 2000},
        "disk write is 2,001 B/s (limit 2,000 B/s)",
    ),
}


@cases("high, not_high, limit, words", READINGS)
class TestEachReadingByItself:
    """Every reading that is not a disk, above its limit, at its limit, unseen, and with its limit off."""

    def test_above_its_limit_stops_the_youngest(
        self, high: Any, not_high: Any, limit: Any, words: str
    ) -> None:
        decision = decide(seen(THREE, **high), settings(node_cap=3, **limit))
        assert (decision.rule, briefly(decision), sentence(decision.because)) == ("pressure", "shed 3", words)

    def test_at_its_limit_stops_nothing(self, high: Any, not_high: Any, limit: Any, words: str) -> None:
        assert briefly(decide(seen(THREE, **not_high), settings(node_cap=3, **limit))) == ""

    def test_unseen_stops_nothing(self, high: Any, not_high: Any, limit: Any, words: str) -> None:
        blind = dict.fromkeys(high, BLIND)
        assert briefly(decide(seen(THREE, **blind), settings(node_cap=3, **limit))) == ""

    def test_above_its_limit_starts_nothing(self, high: Any, not_high: Any, limit: Any, words: str) -> None:
        last = Remembered(last_shed_at=ago(0.1))
        decision = decide(seen([node(1, Status.STOPPED)], **high, remembered=last), settings(**limit))
        assert briefly(decision) == ""
        waited_for = words.replace(" is ", " to fall: it is ")
        assert f"start 1 stopped node(s): waits for {waited_for}" in reasons(decision)


@cases(
    "name",
    {name: name for name in ("netio_read", "netio_write", "hdio_read", "hdio_write")},
)
def test_a_rate_whose_limit_is_0_is_off_whatever_the_others_are(name: str) -> None:
    others = {"netio_read", "netio_write", "hdio_read", "hdio_write"} - {name}
    high = seen(THREE, **{f"{name}_bytes_per_second": 1e12})
    chosen = settings(node_cap=4, **{f"{other}_remove": 10**6 for other in others})
    assert briefly(decide(high, chosen)) == "add 4"


@cases(
    "nodes, expected",
    {
        "only a node whose process runs can be stopped": (
            [node(1), node(2), node(3, Status.STOPPED)],
            "shed 2",
        ),
        "a starting node may be": ([node(1), node(2, Status.RESTARTING, status_since=NOW)], "shed 2"),
        "an upgrading node may not": ([node(1), node(2, Status.UPGRADING, status_since=NOW)], "shed 1"),
        "a leaving node may not": ([node(1), node(2, Status.REMOVING, status_since=NOW)], "shed 1"),
        "a disabled node may not, though it runs": (
            [node(1), node(2, Status.DISABLED, state=ProcessState.RUNNING)],
            "shed 1",
        ),
        "a node whose process was not seen may not": ([node(1), node(2, sees={"process": BLIND})], "shed 1"),
        "a node that pauses may not": ([node(1), node(2, retry_at=ahead(1))], "shed 1"),
        "of one age the highest id": ([node(2, born=NOW), node(1, born=NOW)], "shed 2"),
        "nobody is left": ([node(1, Status.STOPPED)], ""),
    },
)
def test_who_is_stopped(nodes: list[NodeSeen], expected: str) -> None:
    assert briefly(decide(seen(nodes, cpu=90), CAP_3)) == expected


def test_when_nobody_may_be_stopped_it_says_so() -> None:
    assert "stop a node: waits for a running node that may be stopped" in reasons(
        decide(seen([node(1, Status.UPGRADING, status_since=NOW)], cpu=90), CAP_3)
    )


def test_when_nobody_runs_there_is_nothing_to_say() -> None:
    assert "stop a node" not in reasons(decide(seen([node(1, Status.STOPPED)], cpu=90), CAP_3))


def test_one_node_is_stopped_at_a_time_whatever_the_limits() -> None:
    assert briefly(decide(seen(THREE, cpu=99, memory=99), settings(node_cap=3, **limits(9)))) == "shed 3"


@cases(
    "last_minutes, window_seconds, expected",
    {
        "one window after the last": (1, 60, ""),
        "almost two windows after the last": (1.99, 60, ""),
        "two windows after the last": (2, 60, "shed 3"),
        "short windows make for short waits": (0.1, 3, "shed 3"),
        "two of them have to pass": (0.09, 3, ""),
        "long windows wait no longer than two minutes": (2, 600, "shed 3"),
        "without a window two minutes": (1.99, None, ""),
        "without a window two minutes, then": (2, None, "shed 3"),
        "a stop in the future was before the clock was set back": (-1, 60, "shed 3"),
        "a stop just now": (0, 60, ""),
    },
)
def test_the_effect_of_a_stop_is_waited_for(
    last_minutes: float, window_seconds: float | None, expected: str
) -> None:
    last = Remembered(last_shed_at=ago(last_minutes))
    decision = decide(seen(THREE, cpu=90, window_seconds=window_seconds, remembered=last), CAP_3)
    assert briefly(decision) == expected
    if not expected:
        assert "stop a node: waits for the last stop to show in the readings" in reasons(decision)
        assert decision.held[0].until is not None
        assert decision.held[0].until > NOW


@cases(
    "load, cpu, expected",
    {
        "falling: the last minute is fine": ((2.3, 5.0, 5.0), 20.0, ""),
        "not falling: the last minute is at the wished load": ((2.4, 5.0, 5.0), 20.0, "shed 3"),
        "falling, and the cpu is high": ((2.3, 5.0, 5.0), 90.0, "shed 3"),
    },
)
def test_load(load: tuple[float, float, float], cpu: float, expected: str) -> None:
    decision = decide(seen(THREE, load=load, cpu=cpu), CAP_3)
    assert briefly(decision) == expected
    if not expected:
        assert "stop a node: waits for the longer load averages to follow the shortest" in reasons(decision)


def test_load_that_is_not_seen_is_not_falling() -> None:
    assert briefly(decide(seen(THREE, load=BLIND, cpu=90), CAP_3)) == "shed 3"
    assert isinstance(seen(load=(1, 2, 3)).machine.load, Load)


FULL = disk("/", 80.1)
SHORT = disk("/", 50, free_bytes=2 * GB - 1)


def test_a_node_that_runs_and_may_not_be_stopped_is_waited_for() -> None:
    nodes = [node(1, Status.UPGRADING, status_since=NOW), node(2, Status.STOPPED)]
    words = "stop a node: waits for a running node that may be stopped"
    assert words in reasons(decide(seen(nodes, cpu=90), CAP_3))


def test_a_stopped_node_whose_retirement_fails_is_not_retired_again_each_cycle() -> None:
    """Nor does another node go in its place: it is on its way out, and rests."""
    known = row(1, Status.STOPPED)
    retire = RetireNode(node=known.id, because=legacy("-"))
    for cycle in range(4):
        now = ahead(cycle)
        failed = Outcome(
            action=retire, result=Result.FAILED, ended_at=now, error="no answer", running_after=False
        )
        written = after(failed, during(retire, known, now), known)
        assert written is not None
        known = written
        left = NodeSeen(node=known, reading=reading(known, ProcessState.STOPPED))
        assert briefly(decide(seen([left, node(2)], now=ahead(cycle + 1)), settings(node_cap=1))) == ""


@cases(
    "seconds, expected", {"a moment": (0.4, ""), "half a second": (0.5, "shed 3"), "none": (None, "shed 3")}
)
def test_a_rate_that_was_taken_over_a_moment_stops_nothing(seconds: float | None, expected: str) -> None:
    decision = decide(seen(THREE, cpu=99.0, window_seconds=seconds), CAP_3)
    assert briefly(decision) == expected
