"""Disks that are too full: one removal at a time, and none in vain."""

from typing import Any

from tests.builders import (
    GB,
    NOW,
    ago,
    ahead,
    briefly,
    cases,
    disk,
    hung,
    limits,
    node,
    reasons,
    seen,
    settings,
    storage,
)

from wnm.core.decide.ladder import decide
from wnm.core.node import Status
from wnm.core.observation import NodeSeen, Remembered
from wnm.core.sentences import remedy, sentence

CAP_3 = settings(node_cap=3)
THREE = (node(1), node(2), node(3))
FULL = disk("/", 80.1)
SHORT = disk("/", 50, free_bytes=2 * GB - 1)


@cases(
    "system, expected",
    {
        "above its limit a node goes": (FULL, "retire 3"),
        "at its limit none does": (disk("/", 80.0), ""),
        "below crisis_bytes one goes, whatever the percentage": (SHORT, "retire 3"),
        "at crisis_bytes none does": (disk("/", 50, free_bytes=2 * GB), ""),
    },
)
def test_disk(system: Any, expected: str) -> None:
    assert briefly(decide(seen(THREE, disks=(system,)), CAP_3)) == expected


@cases(
    "nodes, expected",
    {
        "one node goes, whatever the limits: what it frees is not known": (list(THREE), "retire 3"),
        "a stopped one first": ([node(1, Status.STOPPED), node(2), node(3)], "retire 1"),
        "none while another is on its way out": ([*THREE, node(4, Status.REMOVING, status_since=NOW)], ""),
        "one that pauses is passed over": ([node(1), node(2), node(3, retry_at=ahead(1))], "retire 2"),
        "a disabled one is left alone": ([node(3, Status.DISABLED)], ""),
        "a node of another disk frees nothing here": (
            [node(1), node(3, mount_point="/b"), node(2, mount_point=None)],
            "retire 1",
        ),
        "a leaving node of another disk does not count": (
            [node(1), node(3, Status.REMOVING, mount_point="/b", status_since=NOW)],
            "retire 1",
        ),
    },
)
def test_who_is_removed_for_a_disk(nodes: list[NodeSeen], expected: str) -> None:
    assert briefly(decide(seen(nodes, disks=(FULL,)), settings(node_cap=4, **limits(9)))) == expected


def test_reasons_of_a_disk() -> None:
    assert sentence(decide(seen(THREE, disks=(FULL,)), CAP_3).because) == "disk / is 80.1 % (limit 80.0 %)"
    because = sentence(decide(seen(THREE, disks=(SHORT,)), CAP_3).because)
    assert because == "1999999999 bytes free on / (crisis_bytes 2000000000)"
    leaving = decide(seen([node(1, Status.REMOVING, status_since=NOW)], disks=(FULL,)), CAP_3)
    assert "remove a node from /: waits for the removal under way there to free its space" in reasons(leaving)
    nobody = decide(seen([], disks=(FULL,)), CAP_3)
    assert "remove a node from /: waits for a node that may be removed" in reasons(nobody)
    assert remedy(nobody.held[0]) == "free space on / by hand: disk / is 80.1 % (limit 80.0 %)"


def test_each_short_disk_gives_up_one_node() -> None:
    nodes = [node(1), node(2), node(3, mount_point="/b"), node(4, mount_point="/b")]
    view = seen(nodes, disks=(disk("/", 90), disk("/b", 90), disk("/c", 90)))
    assert briefly(decide(view, settings(node_cap=9, **limits(9)))) == "retire 2, retire 4"
    assert briefly(decide(view, settings(node_cap=9))) == "retire 2"


@cases(
    "nodes, expected",
    {
        "a removal for the cap relieves its disk too": ([node(1), node(2)], "retire 2"),
        "a removal for the cap elsewhere does not": (
            [node(1), node(2, mount_point="/b")],
            "retire 2, retire 1",
        ),
    },
)
def test_cap_and_disk_together(nodes: list[NodeSeen], expected: str) -> None:
    view = seen(nodes, disks=(disk("/", 90), disk("/b")), storages=(storage(), storage("/b", "/b")))
    assert briefly(decide(view, settings(node_cap=1, **limits(9)))) == expected


def freed(amount: int, minutes: float = 60, mount_point: str = "/") -> Remembered:
    """The last removal's yield."""
    return Remembered(last_freed_bytes=amount, last_freed_at=ago(minutes), last_freed_mount_point=mount_point)


@cases(
    "last, system, expected",
    {
        "the last removal freed next to nothing of what is missing": (freed(GB - 1), disk("/", 90), ""),
        "it freed a hundredth of what is missing": (freed(GB), disk("/", 90), "retire 3"),
        "that was a day ago and more": (freed(0, 24 * 60 + 1), disk("/", 90), "retire 3"),
        "that was a day ago": (freed(0, 24 * 60), disk("/", 90), ""),
        "that was on another disk": (freed(0, mount_point="/b"), disk("/", 90), "retire 3"),
        "that was before the clock was set back": (freed(0, -1), disk("/", 90), "retire 3"),
        "that was just now": (freed(0, 0), disk("/", 90), ""),
        "nothing is known of the last removal": (Remembered(), disk("/", 90), "retire 3"),
        "nothing is known of when it was": (
            Remembered(last_freed_bytes=0, last_freed_mount_point="/"),
            disk("/", 90),
            "retire 3",
        ),
        "nothing is known of what it freed": (
            Remembered(last_freed_at=ago(1), last_freed_mount_point="/"),
            disk("/", 90),
            "retire 3",
        ),
        "in a crisis of bytes, too little": (
            freed(10**7 - 1),
            disk("/", 50, free_bytes=GB),
            "",
        ),
        "in a crisis of bytes, enough": (freed(10**7), disk("/", 50, free_bytes=GB), "retire 3"),
        "of two shortages the greater counts": (
            freed(10**9 - 1),
            disk("/", 90, free_bytes=GB),
            "",
        ),
    },
)
def test_removing_in_vain_is_not_repeated(last: Remembered, system: Any, expected: str) -> None:
    decision = decide(seen(THREE, disks=(system,), remembered=last), CAP_3)
    assert briefly(decision) == expected
    if not expected:
        assert "waits for space that nodes do not hold" in reasons(decision)
        assert str(remedy(decision.held[0])).startswith("free space on / by hand")


def test_a_node_is_stopped_although_a_disk_waits_in_vain() -> None:
    decision = decide(seen(THREE, cpu=90, disks=(disk("/", 90),), remembered=freed(0)), CAP_3)
    assert briefly(decision) == "shed 3"
    assert "space that nodes do not hold" in reasons(decision)


def test_a_removal_comes_before_a_stop() -> None:
    assert briefly(decide(seen([*THREE, node(4)], cpu=90), settings(node_cap=3, **limits(9)))) == "retire 4"


def test_twenty_hung_nodes_are_neither_stopped_nor_removed() -> None:
    fleet = [hung(number, silent_since=ago(5)) for number in range(1, 21)]
    assert briefly(decide(seen(fleet), settings(node_cap=20, **limits(20)))) == ""
