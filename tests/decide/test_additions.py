"""What keeps new nodes from being added while old ones may start."""

from typing import Any

from tests.builders import (
    NEWER,
    VERSION,
    ahead,
    available,
    briefly,
    cases,
    limits,
    node,
    reasons,
    seen,
    settings,
)

from wnm.core.decide.ladder import decide
from wnm.core.node import Status
from wnm.core.observation import Remembered, Unseen

BLIND = Unseen(reason="no answer")
STOPPED = Status.STOPPED
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
NEW = available(NEWER)


@cases(
    "program, changes, words",
    {
        "there is none": (Unseen(reason="/opt/antnode: not there"), {}, "/opt/antnode: not there"),
        "it does not say what it is": (available(Unseen(reason="it hangs")), {}, "it hangs"),
        "it is above the pin": (NEW, {"node_version": VERSION}, "the pin node_version 0.4.7"),
        "it is of the other kind": (
            available(kind="ant-node"),
            {},
            "/opt/antnode is ant-node, this machine runs antnode",
        ),
    },
)
def test_nothing_is_added_when_the_program_is_not_usable(program: Any, changes: Any, words: str) -> None:
    decision = decide(seen([], available=program), settings(**changes))
    assert briefly(decision) == ""
    (held,) = decision.held
    assert (held.what, held.waiting_for) == ("add a node", words)
    assert held.remedy is not None


@cases(
    "minutes, expected",
    {
        "an addition that failed pauses": (1, ""),
        "a pause that is over is over": (0, "add 1"),
        "the longest pause is kept": (60, ""),
        "a longer one was before the clock was set back": (60.1, "add 1"),
    },
)
def test_pause_of_additions(minutes: float, expected: str) -> None:
    last = Remembered(add_failures=3, add_retry_at=ahead(minutes), add_last_error="no port")
    decision = decide(seen([], remembered=last), settings())
    assert briefly(decision) == expected
    if not expected:
        assert reasons(decision) == "add a node: waits for the pause after: no port"
        assert decision.held[0].until == ahead(minutes)


def test_a_pause_of_additions_keeps_no_start_back() -> None:
    last = Remembered(add_failures=3, add_retry_at=ahead(5), add_last_error="no port")
    decision = decide(seen([node(1, STOPPED)], remembered=last), settings(**limits(9)))
    assert briefly(decision) == "start 1"
