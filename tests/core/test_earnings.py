"""What nodes earned, from counters that begin again: every attos once, none invented."""

from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace
from tests.builders import NOW, cases, node, seen

from wnm.core.earnings import (
    ATTOS_PER_ANT,
    FROM_ZERO,
    FULL_COUNTER_ATTOS,
    CounterSeen,
    ant_text,
    counters_of,
    earned,
    has_filled_up,
    to_remember,
)
from wnm.core.observation import NodePage, ProcessReading, Unseen

LAST = CounterSeen(attos=100, boot_id="boot 1", pid=7, uptime_seconds=600)


@cases(
    "before, now, gain",
    {
        "nothing new": (LAST, LAST, 0),
        "it grew": (LAST, replace(LAST, attos=130, uptime_seconds=660), 30),
        "another pid counts from zero": (LAST, replace(LAST, attos=130, pid=8, uptime_seconds=900), 130),
        "another pid with the same count": (LAST, replace(LAST, pid=8), 100),
        "another start of the machine": (LAST, replace(LAST, attos=130, boot_id="boot 2"), 130),
        "a lower counter is another process": (LAST, replace(LAST, attos=40, uptime_seconds=660), 40),
        "a lower counter of nothing": (LAST, replace(LAST, attos=0), 0),
        "the same pid again, but younger": (LAST, replace(LAST, attos=130, uptime_seconds=20), 130),
        "a pid that was not seen says nothing": (LAST, replace(LAST, attos=130, pid=None), 30),
        "an uptime that was not seen says nothing": (LAST, replace(LAST, attos=130, uptime_seconds=None), 30),
        "a pid that was not seen before": (replace(LAST, pid=None), replace(LAST, attos=130), 30),
        "never seen: a baseline": (None, LAST, 0),
        "made by wnm: from zero": (FROM_ZERO, LAST, 100),
        "full stays full": (
            replace(LAST, attos=FULL_COUNTER_ATTOS),
            replace(LAST, attos=FULL_COUNTER_ATTOS, uptime_seconds=700),
            0,
        ),
    },
)
def test_what_was_earned(before: CounterSeen | None, now: CounterSeen, gain: int) -> None:
    assert earned(before, now) == gain


LIVES = st.lists(st.lists(st.integers(0, 10**19), min_size=1, max_size=6), min_size=1, max_size=5)
"""For each process of a node, what it was credited between two looks."""


@given(lives=LIVES, first_pid=st.integers(1, 3), same_pids=st.booleans(), blind=st.sets(st.integers(0, 20)))
def test_every_attos_is_counted_once_whatever_is_seen(
    lives: list[list[int]], first_pid: int, same_pids: bool, blind: set[int]
) -> None:
    """The node is seen when each process ends, in other minutes perhaps not, and the same pid may come again."""
    remembered: CounterSeen | None = FROM_ZERO
    booked, minute = 0, 0
    for life, payments in enumerate(lives):
        count = 0
        for age, credit in enumerate(payments, 1):
            count, minute = count + credit, minute + 1
            if minute in blind and age != len(payments) and age != 1:
                continue
            pid = first_pid if same_pids else first_pid + life
            now = CounterSeen(attos=count, boot_id="b", pid=pid, uptime_seconds=60 * (age - 1) + 5)
            booked += earned(remembered, now)
            remembered = to_remember(remembered, now) or remembered
    paid = sum(map(sum, lives))
    assert booked <= paid
    if not same_pids:
        assert booked == paid


@given(st.lists(st.integers(0, 10**19), min_size=1), st.floats(-1e6, 1e6))
def test_setting_the_clock_changes_nothing(payments: list[int], shift: float) -> None:
    """A start time that is computed from the clock would look like another process."""
    remembered, booked, count = FROM_ZERO, 0, 0
    for minute, credit in enumerate(payments):
        count += credit
        page = NodePage(rewards_attos=count, uptime_seconds=60 * minute)
        when = NOW + timedelta(minutes=minute, seconds=shift * minute)
        began = when - timedelta(minutes=minute)
        each = node(1, sees={"page": page})
        each = replace(each, reading=replace(each.reading, process=_running(7, began)))
        # Some systems know no more of their start than this.
        boot_id = f"started-at-{NOW.timestamp() + shift * minute:.0f}"
        now = counters_of(seen((each,), now=when, boot_id=boot_id))[1]
        booked += earned(remembered, now)
        remembered = to_remember(remembered, now) or remembered
    assert booked == sum(payments)


def test_another_start_of_the_machine_is_told_by_its_id_unless_that_is_a_time() -> None:
    page = NodePage(rewards_attos=130, uptime_seconds=660)
    each = node(1, sees={"page": page})
    assert counters_of(seen((each,), boot_id="boot 2"))[1].boot_id == "boot 2"
    assert counters_of(seen((each,), boot_id="started-at-1772366400"))[1].boot_id is None


def _running(pid: int, began: object) -> ProcessReading:
    plain = node(1).reading.process
    assert isinstance(plain, ProcessReading)
    return replace(plain, pid=pid, started_at=began)


def test_the_page_of_a_process_that_is_just_replaced_is_not_taken_for_the_new_ones() -> None:
    """A node that upgrades itself starts its successor before it ends."""
    page = NodePage(rewards_attos=130, uptime_seconds=3600)
    each = node(1, sees={"page": page, "process": _running(8, NOW - timedelta(seconds=2))})
    now = counters_of(seen((each,)))[1]
    assert now.pid is None
    assert earned(LAST, now) == 30
    assert to_remember(LAST, now) == CounterSeen(attos=130, boot_id="boot 1", pid=7, uptime_seconds=3600)


def test_a_counter_that_was_not_seen_is_not_zero() -> None:
    silent = node(1, sees={"page": Unseen(reason="timed out")})
    without = node(2, sees={"page": NodePage(uptime_seconds=5)})
    assert counters_of(seen((silent, without))) == {}


def test_a_minute_in_which_nothing_was_earned_writes_nothing() -> None:
    written, remembered = 0, CounterSeen(attos=5, boot_id="b", pid=1, uptime_seconds=10)
    for minute in range(1, 7 * 24 * 60):
        news = to_remember(remembered, replace(remembered, uptime_seconds=10 + 60 * minute))
        written += news is not None
        remembered = news or remembered
    assert written <= 20


@cases(
    "before, now, told",
    {
        "it fills up": (LAST, replace(LAST, attos=FULL_COUNTER_ATTOS), True),
        "it is full": (
            replace(LAST, attos=FULL_COUNTER_ATTOS),
            replace(LAST, attos=FULL_COUNTER_ATTOS),
            False,
        ),
        "almost": (LAST, replace(LAST, attos=FULL_COUNTER_ATTOS - 1), False),
        "found full": (None, replace(LAST, attos=FULL_COUNTER_ATTOS), True),
        "another process fills up too": (
            replace(LAST, attos=FULL_COUNTER_ATTOS),
            replace(LAST, attos=FULL_COUNTER_ATTOS, pid=8),
            True,
        ),
    },
)
def test_a_counter_that_is_full_is_told_once(
    before: CounterSeen | None, now: CounterSeen, told: bool
) -> None:
    assert has_filled_up(before, now) is told


@cases(
    "attos, text",
    {
        "nothing": (0, "0"),
        "the least": (1, "0.000000000000000001"),
        "one payment": (15 * 10**15, "0.015"),
        "one ANT": (ATTOS_PER_ANT, "1"),
        "a hundred ANT": (100 * ATTOS_PER_ANT, "100"),
        "a full counter": (FULL_COUNTER_ATTOS, "9.223372036854775807"),
        "more than any float holds": (10**30 + 1, "1000000000000.000000000000000001"),
    },
)
def test_ant_are_exact(attos: int, text: str) -> None:
    assert ant_text(attos) == text


@given(st.integers(0, 10**40))
def test_ant_read_back_are_the_attos(attos: int) -> None:
    whole, _, rest = ant_text(attos).partition(".")
    assert int(whole) * ATTOS_PER_ANT + int(rest.ljust(18, "0") or 0) == attos
