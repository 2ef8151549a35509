"""Which conditions each rule sees, and which it does not."""

from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace
from tests.builders import (
    GB,
    NEWER,
    NOW,
    ago,
    ahead,
    available,
    cases,
    disk,
    knowing,
    node,
    release,
    row,
    seen,
    settings,
    storage,
)

from wnm.core.alert_rules import DiskLevel, Look, days_left, find, is_level_due
from wnm.core.decide.ladder import decide
from wnm.core.node import Status
from wnm.core.observation import Observation, Remembered, Unseen
from wnm.core.settings import Settings

MINUTELY = tuple(ago(minutes) for minutes in range(1, 13))


def looked(view: Observation, wishes: Settings, **changes: Any) -> Look:
    look = Look(
        seen=view,
        decision=decide(view, wishes),
        nodes=tuple(each.node for each in view.nodes),
        did=False,
        starts=MINUTELY,
    )
    return replace(look, **changes)


def found(view: Observation, wishes: Settings | None = None, **changes: Any) -> list[tuple[str, str]]:
    """Key and subject of all that is wrong."""
    wishes = settings(node_cap=len(view.nodes)) if wishes is None else wishes
    return [(each.key, each.subject) for each in find(looked(view, wishes, **changes), wishes).conditions]


def test_a_calm_machine_at_its_cap_has_nothing_wrong() -> None:
    assert found(seen([node(1), node(2)])) == []


HALTED = knowing(release(NEWER, failed=[1]))


@cases(
    "view",
    {
        "a version that waits and is halted": seen([node(1)], available=available(NEWER), remembered=HALTED),
    },
)
def test_a_halted_version(view: Observation) -> None:
    assert found(view) == [("upgrade-halted", NEWER)]


@cases(
    "view",
    {
        "a halted version that a newer one has replaced": seen(
            [node(1)], available=available("0.4.9"), remembered=HALTED
        ),
        "a version that may fail once more": seen([node(1)], available=available(NEWER)),
    },
)
def test_no_halted_version(view: Observation) -> None:
    assert [key for key, _ in found(view) if key == "upgrade-halted"] == []


def test_an_unreadable_program_leaves_a_halted_version_as_it_was() -> None:
    view = seen([node(1)], available=Unseen(reason="not there"), remembered=HALTED)
    findings = find(looked(view, settings(node_cap=1)), settings(node_cap=1))
    assert "upgrade-halted" in findings.blind


@cases(
    "view, blind",
    {
        "everything was seen": (seen([node(1)]), set()),
        "a reading was not": (seen([node(1)], cpu=Unseen(reason="?")), {"pressure", "no-growth"}),
        "one that no limit is set for": (
            seen([node(1)], netio_read_bytes_per_second=Unseen(reason="?")),
            set(),
        ),
        "a disk is in crisis": (seen([node(1)], disks=[disk(free_bytes=GB)]), {"disk-full-soon"}),
        "a disk was not": (
            seen([node(1)], storages=(storage(present=Unseen(reason="?")),)),
            {"pressure", "no-growth", "disk-crisis", "disk-full-soon"},
        ),
    },
)
def test_what_was_not_seen_ends_nothing(view: Observation, blind: set[str]) -> None:
    wishes = settings()
    assert find(looked(view, wishes), wishes).blind == blind


@cases(
    "view, expected",
    {
        "cpu above its limit": (seen([node(1)], cpu=99.0), [("pressure", "machine")]),
        "several readings are one condition": (
            seen([node(1)], cpu=99.0, memory=99.0, load=99.0),
            [("pressure", "machine")],
        ),
        "a full disk is its own": (
            seen([node(1)], disks=[disk(used=90.0), disk("/b", used=10.0)]),
            [("pressure", "/")],
        ),
        "a disk in a crisis is no mere pressure": (
            seen([node(1)], disks=[disk(used=20.0, free_bytes=GB)]),
            [("disk-crisis", "/")],
        ),
        "a reading that was not seen is none": (seen([node(1)], cpu=Unseen(reason="?")), []),
    },
)
def test_pressure_and_crises(view: Observation, expected: list[tuple[str, str]]) -> None:
    assert found(view) == expected


def test_nodes_that_fail_repeatedly() -> None:
    nodes = [row(1, failures=3), row(2, failures=2), row(3, Status.DISABLED, failures=9)]
    assert found(seen([node(1)]), nodes=tuple(nodes)) == [("node-failing", "antnode0001")]


def test_many_failing_nodes_are_told_of_together_too() -> None:
    nodes = tuple(row(number, failures=4, last_error="no key") for number in range(1, 8))
    keys = [key for key, _ in found(seen([node(1)]), nodes=nodes)]
    assert keys == ["node-failing"] * 7 + ["many-nodes-failing"]


def levels(
    bytes_per_hour: float, hours: float = 24, every: float = 0.5, noise: int = 0
) -> tuple[DiskLevel, ...]:
    """Levels up to NOW that end at 100 GB."""
    count = int(hours / every)
    return tuple(
        DiskLevel(
            mount_point="/",
            at=NOW - timedelta(hours=every * back),
            free_bytes=int(100 * GB + bytes_per_hour * every * back) + (noise if back % 3 == 0 else -noise),
        )
        for back in range(count + 1)
    )


@cases(
    "points, days",
    {
        "a gigabyte an hour": (levels(GB), 100 / 24),
        "the same with noise": (levels(GB, noise=GB // 4), 100 / 24),
        "it gets emptier": (levels(-GB), None),
        "it stays": (levels(0), None),
        "too few points": (levels(GB, hours=3), None),
        "many points of too short a time": (levels(GB, hours=5, every=0.1), None),
        "points from before the clock was set back": (
            tuple(replace(each, at=each.at + timedelta(days=3)) for each in levels(GB)),
            None,
        ),
    },
)
def test_days_until_a_disk_is_full(points: tuple[DiskLevel, ...], days: float | None) -> None:
    left = days_left(points, NOW, floor_bytes=0)
    assert left == (None if days is None else pytest.approx(days, rel=0.1))


@given(count=st.integers(8, 49), place=st.integers(0, 49), size=st.integers(1, 90))
def test_one_large_download_is_no_trend(count: int, place: int, size: int) -> None:
    times = [ago(24 * 60 * (count - 1 - number) / (count - 1)) for number in range(count)]
    jumped = [
        DiskLevel(mount_point="/", at=at, free_bytes=(100 if number < place else 100 - size) * GB)
        for number, at in enumerate(times)
    ]
    assert days_left(jumped, NOW, floor_bytes=0) is None


@pytest.mark.parametrize(("days", "tells"), [(3.0, False), (5.0, True), (0.0, False)])
def test_a_disk_that_will_be_full_soon(days: float, tells: bool) -> None:
    wishes = settings(node_cap=1, alert_disk_days=days, crisis_bytes=2 * GB)
    view = seen([node(1)], disks=[disk(total=1000 * GB, used=50.0, free_bytes=100 * GB)])
    expected = [("disk-full-soon", "/")] if tells else []
    assert found(view, wishes, levels=levels(GB)) == expected


@pytest.mark.parametrize(("latest", "due"), [(None, True), (29, False), (30, True), (-5, True)])
def test_levels_are_noted_every_half_hour(latest: float | None, due: bool) -> None:
    known = () if latest is None else (DiskLevel(mount_point="/", at=ago(latest), free_bytes=1),)
    assert is_level_due(known, NOW) is due


ROOMY = settings(node_cap=5)


@cases(
    "view, wishes, changes, tells",
    {
        "room below the cap, and nothing happens": (seen([node(1)]), ROOMY, {}, True),
        "a stopped node, and nothing happens": (
            seen([node(1), node(2, Status.STOPPED)]),
            settings(node_cap=2),
            {},
            True,
        ),
        "something was done": (seen([node(1)]), ROOMY, {"did": True}, False),
        "at the cap": (seen([node(1)]), settings(node_cap=1), {}, False),
        "a node is still starting": (seen([node(1, Status.RESTARTING)]), ROOMY, {}, False),
        "cpu does not allow it": (seen([node(1)], cpu=75.0), ROOMY, {}, False),
        "the next node would be too many": (seen([node(1)], memory=69.9), ROOMY, {}, False),
        "a reading was not seen": (seen([node(1)], load=Unseen(reason="?")), ROOMY, {}, False),
        "the disk is too full": (seen([node(1)], disks=[disk(used=71.0)]), ROOMY, {}, False),
        "one of two disks has room": (
            seen(
                [node(1)],
                disks=[disk(used=71.0), disk("/b")],
                storages=(storage(), storage("/b/nodes", "/b")),
            ),
            settings(node_cap=5, node_storage=("/data/node", "/b/nodes")),
            {},
            True,
        ),
        "one of two disks has room, which holds no nodes": (
            seen([node(1)], disks=[disk(used=71.0), disk("/b")]),
            ROOMY,
            {},
            False,
        ),
    },
)
def test_no_growth_although_there_is_room(
    view: Observation, wishes: Settings, changes: dict[str, Any], tells: bool
) -> None:
    assert [key for key, _ in found(view, wishes, **changes)] == ["no-growth"] * tells


def test_a_disk_that_nodes_are_removed_from_keeps_the_others_from_growing_too() -> None:
    view = seen(
        [node(1)],
        disks=[disk(used=90.0), disk("/b")],
        storages=(storage(), storage("/b/nodes", "/b")),
    )
    wishes = settings(node_cap=5, node_storage=("/data/node", "/b/nodes"))
    assert found(view, wishes) == [("pressure", "/")]


def test_no_growth_says_why_as_far_as_that_is_known() -> None:
    view = seen([node(1)], remembered=Remembered(add_failures=2, add_last_error="no account ant"))
    (condition,) = find(looked(view, ROOMY), ROOMY).conditions
    assert "no account ant" in condition.text


def test_missing_storage_is_one_condition() -> None:
    gone = node(1, sees={"root_dir_present": False})
    view = seen([gone], storages=(storage(present=False),))
    assert found(view) == [("missing-storage", "machine")]


@cases(
    "starts, changes, tells",
    {
        "a cycle a minute": (MINUTELY, {}, False),
        "the first cycle of all": ((), {}, False),
        "the second one, an hour later": ((ago(60),), {}, True),
        "a quarter of an hour": (tuple(ago(each) for each in (15, 16, 17)), {}, True),
        "a little less": (tuple(ago(each) for each in (14.9, 16, 17)), {}, False),
        "hourly cycles": (tuple(ago(each) for each in (60, 120, 180)), {}, False),
        "hourly cycles, and half a day without": (tuple(ago(each) for each in (720, 780, 840)), {}, True),
        "the clock was set forward by an hour": (
            tuple(ago(each) for each in (61, 62, 63)),
            {"clock_jump": timedelta(hours=1)},
            False,
        ),
    },
)
def test_a_gap_between_cycles(starts: tuple[datetime, ...], changes: dict[str, Any], tells: bool) -> None:
    keys = [key for key, _ in found(seen([node(1)]), starts=starts, **changes)]
    assert ("cycle-gap" in keys) is tells


@cases(
    "starts, jump, words",
    {
        "all is well": (MINUTELY, timedelta(0), None),
        "a little": (MINUTELY, timedelta(seconds=119), None),
        "set forward": (MINUTELY, timedelta(minutes=3), "forward by 3 min"),
        "set back": (MINUTELY, -timedelta(hours=2), "back by 2 h"),
        "the last cycle lies ahead": ((ahead(60),), timedelta(0), "back by 1 h"),
    },
)
def test_the_clock(starts: tuple[datetime, ...], jump: timedelta, words: str | None) -> None:
    wishes = settings(node_cap=1)
    look = looked(seen([node(1)]), wishes, starts=starts, clock_jump=jump)
    texts = [each.text for each in find(look, wishes).conditions if each.key == "clock"]
    assert texts == [] if words is None else words in texts[0]
