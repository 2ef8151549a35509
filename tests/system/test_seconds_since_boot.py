"""A clock that only goes forward."""

from wnm.system.clock import seconds_since_boot


def test_it_goes_forward() -> None:
    first = seconds_since_boot()
    assert seconds_since_boot() >= first > 0
