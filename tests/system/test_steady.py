"""A clock that only goes forward."""

from wnm.system.steady import seconds_since_boot


def test_it_goes_forward() -> None:
    first = seconds_since_boot()
    assert seconds_since_boot() >= first > 0
