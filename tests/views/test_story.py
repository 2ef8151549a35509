"""The story of a node: why it was last stopped is answered in the first screen, and nothing is left out."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace
from tests.builders import NOW
from tests.views.past import CRASHED, FAILED, NIGHT, SHED, Past, remember
from tests.views.terminal_texts import BERLIN, LOOKED_AT, looked_at
from tests.views.test_formats import HOSTILE

from wnm.app.read import node_known, story_of
from wnm.core.action import DisableNode, RemoveNode, Result, StopNode
from wnm.core.decision import BY_HAND
from wnm.core.errors import BadInput
from wnm.core.node import NodeId, Status, node_name
from wnm.core.reasons import Blocked, BlockKind, Task, TaskKind, legacy
from wnm.storage.database import open_for_reading, open_for_writing
from wnm.storage.ledger import Ledger
from wnm.views import timeline
from wnm.views.text import Tone, plain
from wnm.views.timeline import Event, Story, story_payload, tone_of

LATER = NOW + timedelta(minutes=20)


@pytest.fixture(scope="module")
def past(tmp_path_factory: pytest.TempPathFactory) -> Past:
    return remember(tmp_path_factory.mktemp("past") / "colony.db", NOW)


@pytest.fixture
def small(tmp_path: Path) -> Past:
    """A machine whose past a test goes on with."""
    made = Past(tmp_path / "colony.db", NOW, 3)
    with open_for_writing(made.path) as database:
        made.begin(Ledger(database), NOW)
    return made


def told(past: Past, wanted: str | int, now: datetime = LOOKED_AT) -> Story:
    name = node_name(wanted) if isinstance(wanted, int) else wanted
    with open_for_reading(past.path) as database:
        return story_of(database, looked_at(database, now), name)


def text(of: Story, width: int = 80) -> str:
    return plain(timeline.story_lines(of, UTC, width))


def go_on(past: Past, work: Callable[[Ledger], Any]) -> None:
    with open_for_writing(past.path) as database:
        work(Ledger(database))


def test_why_node_17_was_stopped_last_night_is_answered_in_the_first_screen(past: Past) -> None:
    screen = text(told(past, SHED)).splitlines()[:24]
    assert screen[0] == "antnode0017 is STOPPED"
    answer = screen[screen.index("why it was last stopped") :]
    assert answer[1:5] == [
        "  when        2026-02-28 23:07:02 UTC, 13 h ago",
        "  what        stopped",
        "  because     cpu is 83.1 % (limit 80.0 %)",
        "  wanted by   wnm, by its rule pressure, in cycle 150",
    ]
    assert any(
        line.split() == ["cpu", "83.1", "%", "70.0", "%", "80.0", "%", "too", "high"] for line in answer
    )


def test_every_moment_has_the_local_time_and_utc(past: Past) -> None:
    lines = plain(timeline.story_lines(told(past, SHED), BERLIN, 80))
    assert "when        2026-03-01 00:07:02 CET (2026-02-28 23:07:02 UTC), 13 h ago" in lines


def test_a_node_that_ended_by_itself_says_its_last_words_and_since_when_it_runs_again(past: Past) -> None:
    lines = text(told(past, CRASHED))
    assert "because     its process ended unexpectedly: Error: out of memory" in lines
    assert "wanted by   nobody: wnm found it so, in cycle" in lines
    assert "until       2026-03-01 02:08:02 UTC, after 62 s: started," in lines


def test_what_it_waits_for_is_what_the_latest_cycle_held_back_of_it(past: Past) -> None:
    whole = " ".join(text(told(past, SHED)).split())
    assert "held back start antnode0017: waits for cpu to fall: it is 74.2 % (limit 70.0 %)" in whole
    assert "waits       for nothing" in text(told(past, 5))


def test_a_failure_is_told_with_its_error(past: Past) -> None:
    lines = " ".join(text(told(past, FAILED)).split())
    assert (
        "upgrade: failed: it did not start: Illegal instruction, because: 0.4.8 is newer than 0.4.7" in lines
    )
    assert "it was never stopped" in lines


def test_a_node_at_rest_of_unknown_cause_was_not_never_stopped(small: Past) -> None:
    """Such as one that was taken over while it did not run."""
    of = told(small, 2)
    assert of.seen is not None
    resting = replace(of.seen, node=replace(of.seen.node, status=Status.STOPPED))
    lines = text(replace(of, seen=resting))
    assert "how it was stopped is not remembered" in lines
    assert "never" not in lines


def test_without_the_recording_the_sample_of_that_cycle_serves(past: Past, tmp_path: Path) -> None:
    other = remember(tmp_path / "colony.db", NOW)
    stop = told(other, SHED).stop
    assert stop is not None
    with open_for_writing(other.path) as database:
        database.write(
            lambda connection: connection.execute(
                "UPDATE cycle SET recording = NULL WHERE id = ?", (stop.cycle,)
            )
        )
    lines = " ".join(text(told(other, SHED)).split())
    assert "machine cpu 83.1 %, memory 20.0 %, load 3.32 2.97 2.77, fullest disk 61.0 %" in lines
    assert "because cpu is 83.1 % (limit 80.0 %)" in lines


def test_what_was_done_by_hand_says_so(small: Past) -> None:
    by_hand = StopNode(node=NodeId(2), shed=False, because=legacy("asked for by hand"))
    go_on(small, lambda ledger: small.act(ledger, NOW, 30.0, BY_HAND, by_hand, Result.DONE))
    lines = text(told(small, 2, LATER))
    assert "wanted by   somebody, by hand, in cycle 2" in lines
    assert "youngest" not in lines


def test_a_node_that_is_gone_still_has_its_story(small: Past) -> None:
    gone = RemoveNode(node=NodeId(2), because=legacy("its folder is gone"))
    go_on(
        small, lambda ledger: small.act(ledger, NOW, 30.0, "dead nodes", gone, Result.DONE, freed_bytes=10**9)
    )
    found = told(small, 2, LATER)
    assert found.seen is None
    lines = text(found)
    assert lines.startswith("antnode0002 is no node any more")
    assert "what        removed: freed 1.0 GB" in lines
    assert "until       it is gone" in lines


def test_a_stop_that_failed_was_none(small: Past) -> None:
    stop = DisableNode(node=NodeId(2), because=legacy("asked for by hand"))
    go_on(small, lambda ledger: small.act(ledger, NOW, 30.0, BY_HAND, stop, Result.FAILED, error="it hangs"))
    found = told(small, 2, LATER)
    assert found.stop is None
    assert tone_of(found.happened[-1]) is Tone.BAD


def test_the_newest_comes_first_and_what_is_left_out_is_counted(past: Past) -> None:
    found = told(past, CRASHED)
    entries = [line for line in text(found).partition("its story")[2].splitlines() if line.startswith("  0")]
    assert [entry.split()[1] for entry in entries] == ["#165", "#164", "#163"]
    assert "  and 7 earlier: give a larger --limit" in text(replace(found, earlier=7))


def test_a_hostile_text_is_not_obeyed(small: Past) -> None:
    stop = StopNode(node=NodeId(2), shed=False, because=legacy(f"[bold red]{HOSTILE}\x1b[2J\n"))
    go_on(
        small, lambda ledger: small.act(ledger, NOW, 30.0, f"rule {HOSTILE}", stop, Result.DONE, note=HOSTILE)
    )
    lines = text(told(small, 2, LATER)).splitlines()
    assert all(line.isprintable() for line in lines)
    assert any("[bold red]" in line for line in lines)


@pytest.mark.parametrize("width", [60, 80, 200])
@pytest.mark.parametrize("number", [SHED, CRASHED, FAILED, 5])
def test_no_line_is_wider_than_it_may_be(past: Past, width: int, number: int) -> None:
    lines = [line for line in text(told(past, number), width).splitlines() if "sheds" not in line]
    longest = max(len(line) for line in lines if not line.startswith("    "))
    assert longest <= width


@pytest.mark.parametrize(
    ("wanted", "found"), [("antnode0017", 17), ("17", 17), ("antnode017", 17), ("0017", 17)]
)
def test_a_node_may_be_named_in_several_ways(past: Past, wanted: str, found: int) -> None:
    assert node_known(past.rows.values(), wanted) == found


def test_a_node_of_which_nothing_is_known(past: Past) -> None:
    with pytest.raises(BadInput, match="nothing is known of a node 'antnode0099': did you mean"):
        told(past, 99)


def test_the_story_for_programs(past: Past) -> None:
    payload = timeline.story_payload(told(past, SHED))
    assert payload["node"]["status"] == "STOPPED"
    assert payload["waits_for"][0]["what"] == "start antnode0017"
    stop = payload["last_stop"]
    assert (stop["action"], stop["rule"], stop["because"]) == (
        "StopNode",
        "pressure",
        "cpu is 83.1 % (limit 80.0 %)",
    )
    assert stop["readings"]["cpu"] == {
        "unit": "%",
        "value": 83.1,
        "less_than": 70.0,
        "remove": 80.0,
        "too_high": True,
    }
    assert stop["sample"]["nodes_total"] == 20
    assert [each["kind"] for each in timeline.story_payload(told(past, CRASHED))["events"]] == [
        "change",
        "action",
        "change",
    ]
    quiet = timeline.story_payload(told(past, 5))
    assert (quiet["last_stop"], quiet["events"], quiet["waits_for"]) == (None, [], [])


def test_the_last_stop_is_at_least_as_long_ago_as_the_night(past: Past) -> None:
    stop = told(past, SHED).stop
    assert isinstance(stop, Event)
    assert abs(LOOKED_AT - stop.at - NIGHT) < timedelta(minutes=10)


def test_only_the_reading_that_was_too_high_is_marked(past: Past) -> None:
    bad = [
        each
        for each in timeline.story_lines(told(past, SHED), UTC, 80)
        if any(one.style is Tone.BAD for one in each.spans)
    ]
    assert [each.plain.split()[0] for each in bad] == ["cpu"]


def test_a_node_within_a_range_waits_too(small: Past) -> None:
    """What is told of antnode0001 to antnode0003 is told of the one between them."""
    of = told(small, 2)
    queue = Blocked(
        kind=BlockKind.CANARY,
        action=Task(kind=TaskKind.UPGRADE, nodes=tuple(map(NodeId, (1, 2, 3))), version="0.4.8"),
        version="0.4.8",
        waits_on=(NodeId(4),),
    )
    assert of.material.cycle is not None
    cycle = replace(of.material.cycle, held=(queue,))
    found = story_payload(replace(of, material=replace(of.material, cycle=cycle)))["waits_for"]
    assert [(each["kind"], each["nodes"], each["waits_on"]) for each in found] == [
        ("canary", ["antnode0001", "antnode0002", "antnode0003"], ["antnode0004"])
    ]
