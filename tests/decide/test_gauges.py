"""A reading beside its limits: when it is looked at, and how it is told to people."""

from tests.builders import cases, machine, settings

from wnm.core.observation import Unseen
from wnm.core.readings import Gauge, gauges
from wnm.core.sentences import is_at

BLIND = Unseen(reason="no answer")


def gauge(
    value: float | Unseen, allow: float | None, remove: float | None, key: str = "cpu_percent"
) -> Gauge:
    return Gauge(key=key, value=value, allow=allow, remove=remove)


@cases(
    "allow, remove, expected",
    {
        "both limits": (70.0, 80.0, True),
        "one to grow below": (70.0, None, True),
        "one to shed above": (None, 80.0, True),
        "none": (None, None, False),
        "limits of nothing at all": (0.0, 0.0, True),
    },
)
def test_it_is_on_with(allow: float | None, remove: float | None, expected: bool) -> None:
    assert gauge(50, allow, remove).is_on is expected


@cases(
    "value, allow, remove, grows, sheds",
    {
        "below both": (69.9, 70.0, 80.0, True, False),
        "at the lower": (70.0, 70.0, 80.0, False, False),
        "between": (75.0, 70.0, 80.0, False, False),
        "at the upper": (80.0, 70.0, 80.0, False, False),
        "above both": (80.1, 70.0, 80.0, False, True),
        "not seen": (BLIND, 70.0, 80.0, False, False),
        "high, without limits": (99.0, None, None, True, False),
        "not seen, without limits": (BLIND, None, None, True, False),
    },
)
def test_limits(
    value: float | Unseen, allow: float | None, remove: float | None, grows: bool, sheds: bool
) -> None:
    found = gauge(value, allow, remove)
    assert (found.allows_growth, found.too_high) == (grows, sheds)


@cases(
    "key, expected",
    {
        "a share": ("cpu_percent", "cpu is 1234.6 % (limit 80.0 %)"),
        "a rate": ("netio_read_bytes_per_second", "network read is 1,235 B/s (limit 80 B/s)"),
        "a load": ("load_5min", "load (5 min) is 1234.57 (limit 80.00)"),
    },
)
def test_for_people(key: str, expected: str) -> None:
    assert is_at(gauge(1234.567, 70, 80, key).against(80)) == expected


def test_for_people_without_a_limit_or_a_reading() -> None:
    assert is_at(gauge(5, None, None).against(None)) == "cpu is 5.0 % (limit 0.0 %)"
    assert is_at(gauge(BLIND, None, None).against(80)) == "cpu was not seen (no answer)"


def test_all_readings_are_there_with_those_that_are_off() -> None:
    found = gauges(machine(load=(1.0, 2.0, 3.0)), settings(hdio_read_remove=5))
    assert [each.name for each in found if each.is_on] == [
        "cpu",
        "memory",
        "load (1 min)",
        "load (5 min)",
        "load (15 min)",
        "disk read",
    ]
    assert [each.value for each in found if each.is_load] == [1.0, 2.0, 3.0]
    assert len(found) == 9
