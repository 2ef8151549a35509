"""An alert starts once and ends once, whatever comes and goes and however the clock is set."""

from collections.abc import Sequence
from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace
from tests.builders import NOW, cases

from wnm.core.alerts import (
    QUIET,
    Condition,
    Episode,
    Event,
    Findings,
    Rule,
    Severity,
    advance,
    in_words,
    message_of,
)

MINUTE = timedelta(minutes=1)
RULES = {
    "at-once": Rule(hold=timedelta(0), release=timedelta(0)),
    "patient": Rule(hold=10 * MINUTE, release=5 * MINUTE),
    "few": Rule(hold=timedelta(0), release=2 * MINUTE, most=2),
}


def condition(key: str, subject: str = "it", text: str = "wrong") -> Condition:
    return Condition(key=key, subject=subject, severity=Severity.WARNING, text=text, remedy="mend it")


class Machine:
    """What is remembered from cycle to cycle, and everything that was said."""

    def __init__(self) -> None:
        self.now = NOW
        self.episodes: dict[int, Episode] = {}
        self.said: list[tuple[Event, str, str]] = []

    def cycle(self, *wrong: str, minutes: float = 1, blind: Sequence[str] = ()) -> list[str]:
        """A cycle so many minutes later that sees `key` or `key/subject`; what it says, as `start key/subject`."""
        self.now += timedelta(minutes=minutes)
        conditions = []
        for each in wrong:
            key, _, subject = each.partition("/")
            conditions.append(condition(key, subject or "it"))
        findings = Findings(conditions=tuple(conditions), blind=frozenset(blind))
        moved = advance(self.episodes.values(), findings, self.now, RULES)
        for episode in moved.dropped:
            del self.episodes[episode.id]
        for episode in moved.changed:
            number = episode.id or max(self.episodes, default=0) + 1
            self.episodes[number] = replace(episode, id=number)
        told = [(Event.END, each) for each in moved.ended] + [(Event.START, each) for each in moved.started]
        self.said.extend((event, each.key, each.subject) for event, each in told)
        return [f"{event} {each.key}/{each.subject}" for event, each in told]

    def cycles(self, count: int, *wrong: str, minutes: float = 1) -> list[str]:
        return [said for _ in range(count) for said in self.cycle(*wrong, minutes=minutes)]


def test_a_rule_without_patience_tells_at_once() -> None:
    machine = Machine()
    assert machine.cycle("at-once") == ["start at-once/it"]
    assert machine.cycles(60, "at-once") == []
    assert machine.cycle() == ["end at-once/it"]
    assert machine.cycles(60) == []


def test_a_patient_rule_waits_for_its_time() -> None:
    machine = Machine()
    assert machine.cycles(10, "patient") == []
    assert machine.cycle("patient") == ["start patient/it"]
    assert machine.cycles(5) == []
    assert machine.cycle() == ["end patient/it"]


def test_what_passes_while_it_waits_is_never_told() -> None:
    machine = Machine()
    for _ in range(20):
        assert machine.cycles(9, "patient") == []
        assert machine.cycle() == []
    assert machine.episodes == {}


def test_what_comes_back_while_it_is_hardly_gone_is_still_the_same() -> None:
    machine = Machine()
    machine.cycles(11, "patient")
    for _ in range(20):
        assert machine.cycles(4) == []
        assert machine.cycles(4, "patient") == []


def test_time_alone_proves_nothing_to_a_machine_that_was_asleep() -> None:
    machine = Machine()
    assert machine.cycle("patient") == []
    assert machine.cycle("patient", minutes=600) == []
    assert machine.cycle("patient") == ["start patient/it"]


def test_the_same_alert_does_not_start_again_within_an_hour() -> None:
    machine = Machine()
    machine.cycle("at-once")
    assert machine.cycle() == ["end at-once/it"]
    assert machine.cycles(59, "at-once") == []
    assert machine.cycle("at-once") == ["start at-once/it"]


def test_another_subject_is_another_alert() -> None:
    machine = Machine()
    assert machine.cycle("at-once/a") == ["start at-once/a"]
    assert machine.cycle("at-once/b") == ["end at-once/a", "start at-once/b"]


def test_what_could_not_be_seen_stays_as_it_was() -> None:
    machine = Machine()
    machine.cycle("at-once")
    machine.cycles(5, "patient", "at-once")
    for _ in range(30):
        assert machine.cycle(blind=["at-once", "patient"]) == []
    assert machine.cycle("patient", "at-once") == ["start patient/it"]


def test_no_more_than_so_many_are_open_at_one_time() -> None:
    machine = Machine()
    assert machine.cycle("few/a", "few/b", "few/c") == ["start few/a", "start few/b"]
    assert machine.cycles(3, "few/b", "few/c", "few/a") == []
    assert machine.cycles(2, "few/b", "few/c") == []
    assert machine.cycle("few/b", "few/c") == ["end few/a", "start few/c"]


def test_a_rule_that_there_is_no_more_ends_what_it_began() -> None:
    left = Episode(
        id=1,
        key="older",
        subject="it",
        severity=Severity.WARNING,
        text="",
        remedy="",
        since=NOW,
        started_at=NOW,
    )
    moved = advance([left], Findings(conditions=(condition("older"),)), NOW, RULES)
    assert [each.key for each in moved.ended] == ["older"]


SUBJECTS = st.lists(
    st.sampled_from(["at-once", "patient/a", "patient/b", "few/a", "few/b", "few/c"]), unique=True
)
STEPS = st.sampled_from([0.1, 1, 1, 1, 7, 90, 3000, -1, -45, -5000])


@given(st.lists(st.tuples(SUBJECTS, STEPS, st.booleans()), max_size=80))
def test_there_are_never_two_starts_without_an_end_nor_an_end_without_a_start(
    life: list[tuple[list[str], float, bool]],
) -> None:
    machine = Machine()
    open_ones: set[str] = set()
    for wrong, minutes, is_blind in life:
        for said in machine.cycle(*wrong, minutes=minutes, blind=["few"] if is_blind else []):
            event, _, what = said.partition(" ")
            if event == "start":
                assert what not in open_ones
                assert what in [each if "/" in each else f"{each}/it" for each in wrong]
                open_ones.add(what)
            else:
                open_ones.remove(what)
        assert sum(each.startswith("few/") for each in open_ones) <= 2
        assert {
            f"{each.key}/{each.subject}" for each in machine.episodes.values() if each.is_open
        } == open_ones


@given(st.lists(st.tuples(SUBJECTS, st.sampled_from([0.1, 1, 5, 30, 59])), max_size=80))
def test_a_clock_that_only_goes_forward_tells_of_one_thing_once_an_hour(
    life: list[tuple[list[str], float]],
) -> None:
    machine = Machine()
    ended: dict[str, object] = {}
    for wrong, minutes in life:
        for said in machine.cycle(*wrong, minutes=minutes):
            event, _, what = said.partition(" ")
            if event == "start" and what in ended:
                assert machine.now - QUIET >= ended[what]  # type: ignore[operator]
            if event == "end":
                ended[what] = machine.now


@given(st.integers(min_value=1, max_value=40), st.sampled_from(["at-once", "patient", "few"]))
def test_what_lasts_is_told_of_and_what_is_over_too_whatever_the_clock_did_before(
    back: int, key: str
) -> None:
    machine = Machine()
    machine.cycles(3, key)
    machine.cycle(key, minutes=-60 * back)
    machine.cycles(60, key)
    assert [event for event, *_ in machine.said] == [Event.START]
    machine.cycles(60)
    assert [event for event, *_ in machine.said] == [Event.START, Event.END]


@cases(
    "minutes, words",
    {
        "less than none": (-5, "0 s"),
        "seconds": (0.75, "45 s"),
        "minutes": (12.5, "12 min"),
        "hours": (125, "2 h 5 min"),
        "whole hours": (120, "2 h"),
        "a day": (24 * 60, "1 day"),
        "days": (3 * 24 * 60 + 240, "3 days 4 h"),
    },
)
def test_lengths_in_words(minutes: float, words: str) -> None:
    assert in_words(timedelta(minutes=minutes)) == words


def test_messages_of_one_episode() -> None:
    machine = Machine()
    machine.cycles(11, "patient")
    machine.cycles(6)
    (ended,) = machine.episodes.values()
    start, end = (message_of(ended, event, 7) for event in (Event.START, Event.END))
    assert (start.text, start.remedy) == ("wrong", "mend it")
    assert (end.text, end.remedy) == ("over after 6 min: wrong", None)
    assert start.id != end.id
    assert message_of(ended, Event.START, 7) == start
    assert message_of(ended, Event.START, 8).id != start.id
