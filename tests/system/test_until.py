"""Waiting ends when the condition holds or the time is up, on any clock."""

from datetime import UTC, datetime, timedelta

from wnm.system.clock import LONGEST_PAUSE_SECONDS, SystemClock, until


class StandingClock:
    """A clock that moves only while somebody sleeps."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self.pauses: list[float] = []

    def now(self) -> datetime:
        return datetime(2026, 1, 1, tzinfo=UTC) + timedelta(seconds=self.seconds)

    def monotonic(self) -> float:
        return self.seconds

    def sleep(self, seconds: float) -> None:
        self.pauses.append(seconds)
        self.seconds += seconds


def test_what_holds_already_takes_no_time() -> None:
    clock = StandingClock()
    assert until(lambda: True, timedelta(0), clock)
    assert clock.pauses == []


def test_pauses_grow_to_a_bound_and_end_exactly_in_time() -> None:
    clock = StandingClock()
    assert not until(lambda: False, timedelta(seconds=2), clock)
    assert abs(clock.seconds - 2) < 1e-9
    growing = clock.pauses[:-1]
    assert growing == sorted(growing)
    assert growing[0] < 0.01
    assert growing[-1] == LONGEST_PAUSE_SECONDS


def test_it_is_asked_a_last_time_at_the_end() -> None:
    clock = StandingClock()
    assert until(lambda: clock.seconds >= 1, timedelta(seconds=1), clock)


def test_the_real_clock_is_aware_and_moves() -> None:
    clock = SystemClock()
    assert clock.now().tzinfo is UTC
    begun = clock.monotonic()
    clock.sleep(0.01)
    assert clock.monotonic() - begun >= 0.01
