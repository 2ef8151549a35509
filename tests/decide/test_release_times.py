"""When a version is taken: urgency, pins, the window and the spread; and what is written down of versions."""

from datetime import datetime, timedelta
from typing import Any

import pytest
from msgspec.structs import replace
from tests.builders import (
    NEWER,
    NOW,
    VERSION,
    ago,
    ahead,
    available,
    briefly,
    cases,
    knowing,
    limits,
    node,
    proven,
    reasons,
    release,
    row,
    seen,
    settings,
)
from tests.decide.gates import (
    HALTED,
    NEW,
    NEWEST,
    UPGRADE,
    tried,
    upgrades,
    urgent,
)

from wnm.core.action import Outcome, Result
from wnm.core.decide.ladder import decide
from wnm.core.decide.upgrades import spread_offset
from wnm.core.decision import Decision
from wnm.core.forms import Window
from wnm.core.node import Status
from wnm.core.observation import NodePage, NodeSeen, Unseen
from wnm.core.release import MOST_FAILURES, MOST_RELEASES, Release, after_outcomes, merged, release_of
from wnm.core.sentences import sentence, waiting_for

# ---- urgency


@cases(
    "nodes, changes, wished, expected",
    {
        "the window is closed and it is not this machine's turn": (
            (urgent(1),),
            {},
            {
                "upgrade_spread": timedelta(days=14),
                "upgrade_window": Window(days=(0,), start=timedelta(0), end=timedelta(hours=1)),
            },
            "upgrade 1 to 0.4.8",
        ),
        "before older ones that are not": ((node(1), urgent(2)), {}, {}, "upgrade 2 to 0.4.8"),
        "before older ones that are not, when it is proven too": (
            (node(1), urgent(2)),
            {"remembered": knowing(release(NEWER, passed=1))},
            limits(1),
            "upgrade 2 to 0.4.8",
        ),
        "as many as may, though nothing is proven": (
            (urgent(1), urgent(2), node(3), urgent(4)),
            {},
            limits(2),
            "upgrade 1 to 0.4.8, upgrade 2 to 0.4.8",
        ),
        "while another is in the gate": ((tried(1), urgent(2)), {}, {}, "upgrade 2 to 0.4.8"),
        "while a node is leaving": (
            (urgent(1), node(2), node(3, Status.REMOVING, status_since=NOW)),
            {},
            {"node_cap": 2},
            "upgrade 1 to 0.4.8",
        ),
        "not under pressure": ((urgent(1),), {"cpu": 95}, {}, "shed 1"),
        "not to a halted version": ((urgent(1), node(2)), {"remembered": HALTED}, {}, ""),
        "not back to what it failed with": ((urgent(1, failed_version=NEWER),), {}, {}, ""),
        "not when the version at hand is too old as well": (
            (node(1, sees={"page": NodePage(version=VERSION, min_version=NEWEST)}),),
            {},
            {"upgrade_spread": timedelta(days=14)},
            "",
        ),
    },
)
def test_urgent(
    nodes: tuple[NodeSeen, ...], changes: dict[str, Any], wished: dict[str, Any], expected: str
) -> None:
    known = knowing(release(NEWER, first_seen_at=NOW))
    decision = upgrades(nodes, wished=wished, **{"remembered": known, **changes})
    assert briefly(decision) == expected
    if expected.startswith("upgrade"):
        assert f"the network takes nothing below {NEWER}" in sentence(decision.actions[0].because)


def test_an_urgent_upgrade_comes_before_growth() -> None:
    decision = decide(
        seen([urgent(1)], available=NEW), settings(node_cap=5, upgrade_spread=timedelta(days=14))
    )
    assert decision.rule == "upgrades"


# ---- pins


def test_a_pin_below_what_runs_is_reported_and_nothing_is_brought_down() -> None:
    nodes = (node(1, version=NEWER, binary_version=NEWER), node(2, version=NEWER, binary_version=NEWER))
    for program in (available(VERSION), NEW):
        decision = upgrades(nodes, available=program, wished={"node_version": VERSION})
        assert briefly(decision) == ""
        assert "take antnode0001, antnode0002 back to the pin node_version 0.4.7: waits for" in reasons(
            decision
        )
        assert not any(each.remedy for each in decision.held)


def test_nodes_above_the_pin_are_told_of_beside_everything_else() -> None:
    nodes = (node(1, version=NEWER, binary_version=NEWER), node(2, version="0.4.6", binary_version="0.4.6"))
    pinned = {"node_version": VERSION}
    for changes in ({}, {"cpu": 95.0}, {"remembered": knowing(release(VERSION, failed=[2]))}):
        decision = upgrades(nodes, available=available(VERSION), wished=pinned, **changes)
        assert "take antnode0001 back to the pin" in reasons(decision), changes


# ---- window and spread

NIGHTS = Window(days=(0, 1, 2, 3, 4, 5, 6), start=timedelta(hours=23), end=timedelta(hours=4))
SUNDAYS = Window(days=(6,), start=timedelta(hours=11), end=timedelta(hours=13))


@cases(
    "window, now, offset, until",
    {
        "open": (SUNDAYS, NOW, 0, None),
        "closed, and opens in a week": (
            SUNDAYS,
            NOW + timedelta(hours=1),
            0,
            NOW + timedelta(days=7, hours=-1),
        ),
        "local time counts": (SUNDAYS, NOW, 3, NOW + timedelta(days=7, hours=-4)),
        "local time counts to the west too": (SUNDAYS, NOW + timedelta(hours=2), -2, None),
        "over midnight": (NIGHTS, NOW + timedelta(hours=15), 0, None),
        "not yet at night": (NIGHTS, NOW, 0, NOW + timedelta(hours=11)),
        "an hour earlier in summer time": (NIGHTS, NOW, 1, NOW + timedelta(hours=10)),
    },
)
def test_the_window(window: Window, now: datetime, offset: int, until: datetime | None) -> None:
    assert NOW.weekday() == 6
    decision = upgrades(
        (node(1),),
        wished={"upgrade_window": window},
        now=now,
        utc_offset_seconds=3600.0 * offset,
        remembered=proven(),
    )
    assert briefly(decision) == ("upgrade 1 to 0.4.8" if until is None else "")
    waiting = [each.until for each in decision.held if waiting_for(each) == "upgrade_window to open"]
    assert waiting == ([] if until is None else [until])


def spread_view(seed: int, first_seen_at: datetime, hours: float = 12) -> Decision:
    return upgrades(
        (node(1),),
        wished={"upgrade_spread": timedelta(hours=hours)},
        machine_seed=seed,
        remembered=knowing(release(NEWER, passed=1, first_seen_at=first_seen_at)),
    )


def test_the_spread_is_stable_even_and_never_longer_than_it_says() -> None:
    spread = timedelta(hours=12)
    offsets = [spread_offset(NEWER, seed, spread) for seed in range(2000)]
    assert offsets == [spread_offset(NEWER, seed, spread) for seed in range(2000)]
    assert all(timedelta(0) <= each < spread for each in offsets)
    per_hour = [sum(each // timedelta(hours=1) == hour for each in offsets) for hour in range(12)]
    assert min(per_hour) > 2000 / 12 * 0.7
    assert max(per_hour) < 2000 / 12 * 1.3
    assert spread_offset(NEWEST, 7, spread) != spread_offset(NEWER, 7, spread)
    assert spread_offset(NEWER, 7, timedelta(0)) == timedelta(0)


def test_a_version_is_taken_when_it_is_this_machines_turn() -> None:
    due = spread_offset(NEWER, 7, timedelta(hours=12))
    early = spread_view(7, NOW - due + timedelta(seconds=1))
    assert briefly(early) == ""
    (held,) = early.held
    assert (waiting_for(held), held.until) == (
        "this machine's turn within upgrade_spread",
        NOW + timedelta(seconds=1),
    )
    assert briefly(spread_view(7, NOW - due)) == "upgrade 1 to 0.4.8"


def test_a_version_that_was_first_seen_in_the_future_counts_from_now() -> None:
    """The clock was set back."""
    decision = spread_view(7, ahead(60 * 24 * 365))
    (record,) = decision.releases
    assert (record.first_seen_at, record.passed) == (NOW, 1)
    assert spread_view(7, NOW).releases == ()


# ---- records


def test_a_version_is_written_down_when_it_is_first_seen() -> None:
    decision = upgrades((node(1, version=NEWER, binary_version=NEWER),))
    assert decision.releases == (Release(version=NEWER, first_seen_at=NOW),)
    assert upgrades((), remembered=knowing(release())).releases == ()
    assert upgrades((), available=Unseen(reason="-")).releases == ()
    assert upgrades((), available=available(Unseen(reason="-"))).releases == ()


def test_the_oldest_records_and_failures_are_forgotten() -> None:
    many = [release(f"0.4.{number}", first_seen_at=ago(1000 - number)) for number in range(MOST_RELEASES + 5)]
    kept = merged(many, [])
    assert [each.version for each in kept] == [f"0.4.{number}" for number in range(5, MOST_RELEASES + 5)]
    failing = release()
    for number in range(MOST_FAILURES + 5):
        failing = failing.failed(f"antnode{number}", NOW, "-")
    assert len(failing.failures) == MOST_FAILURES
    assert failing.failures[-1].node == f"antnode{MOST_FAILURES + 4}"
    assert failing.lifted() == replace(failing, failures=())


def test_a_newer_record_replaces_the_one_of_its_version() -> None:
    assert merged([release(passed=1)], [release(passed=2)]) == (release(passed=2),)
    assert release_of([release()], NEWER, NOW) == release()
    assert release_of([], NEWER, NOW) == Release(version=NEWER, first_seen_at=NOW)


@pytest.mark.parametrize("known", [(), (release(failed=[9]),)])
def test_a_program_that_could_not_be_started_counts(known: tuple[Release, ...]) -> None:
    def ended(**changes: Any) -> Outcome:
        return Outcome(
            action=UPGRADE, ended_at=NOW, **{"result": Result.FAILED, "error": "it ended at once", **changes}
        )

    trying = row(1, gate_version=NEWER)
    (record,) = after_outcomes(
        known,
        [(trying, ended(program_failed=True)), (row(2, gate_version=NEWER), ended(program_failed=True))],
    )
    assert [each.node for each in record.failures][-2:] == ["antnode0001", "antnode0002"]
    assert len(record.failures) == len(known) + 2
    assert record.failures[-1].reason == "it ended at once"
    for outcome in (ended(), ended(result=Result.DONE)):
        assert after_outcomes(known, [(trying, outcome)]) == ()
    assert after_outcomes(known, [(row(1), ended(program_failed=True))]) == ()
