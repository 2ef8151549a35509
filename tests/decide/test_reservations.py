"""Capacity that somebody else reserved is not grown into."""

from typing import Any

from tests.builders import GB, ago, ahead, briefly, cases, disk, node, reasons, seen, settings

from wnm.core.decide.ladder import decide
from wnm.core.observation import Reservation

HOUR = 60


def reserved(**changes: Any) -> Reservation:
    """Half of the four cores."""
    return Reservation(**{"owner": "fleet", "cores": 2.0, **changes})


@cases(
    "reservation, added",
    {
        "nothing is reserved": (None, True),
        "half of the cores": (reserved(), False),
        "half of the cores until an hour ago": (reserved(until=ago(HOUR)), True),
        "half of the cores for an hour": (reserved(until=ahead(HOUR)), False),
        "a little of a core": (reserved(cores=0.5), True),
        "most of the memory": (reserved(cores=0.0, memory_bytes=8 * GB), False),
        "most of the disk": (
            reserved(cores=0.0, disk_bytes={"/data/fleet": 600 * GB}), False,
        ),
        "most of another disk": (
            reserved(cores=0.0, disk_bytes={"/mnt/other/fleet": 600 * GB}), True,
        ),
    },
)  # fmt: skip
def test_growth_leaves_what_is_reserved(reservation: Reservation | None, added: bool) -> None:
    every = () if reservation is None else (reservation,)
    view = seen([node(1)], disks=(disk("/"), disk("/mnt/other")), reservations=every)
    decision = decide(view, settings(node_cap=2))
    assert (briefly(decision) == "add 2") is added, reasons(decision)
    assert added or "waits for capacity: with one more node" in reasons(decision)


def test_what_runs_is_never_stopped_for_a_reservation() -> None:
    decision = decide(seen([node(1)], reservations=(reserved(cores=4.0),)), settings(node_cap=1))
    assert briefly(decision) == ""
