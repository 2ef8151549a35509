"""Metrics as text: what an independent reader makes of them is what was meant, whatever is in the labels."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client.parser import text_string_to_metric_families

from wnm.formats.exposition_text import Family, render


def family(*samples: tuple[dict[str, str], float], name: str = "wnm_x") -> Family:
    """A family of these series."""
    series = tuple((tuple(labels.items()), value) for labels, value in samples)
    return Family(name=name, help="What it is.", samples=series)


def read(text: str) -> list[tuple[str, dict[str, str], float]]:
    """Every sample as the reader of Prometheus' own client library has it."""
    families = text_string_to_metric_families(text)
    return [(each.name, each.labels, each.value) for found in families for each in found.samples]


def test_one_series_after_another_under_its_help_and_type() -> None:
    text = render((family(({"node": "a"}, 1), ({"node": "b"}, 0.5)), family(({}, 2), name="wnm_y_total")))
    assert text == (
        "# HELP wnm_x What it is.\n# TYPE wnm_x gauge\n"
        'wnm_x{node="a"} 1\nwnm_x{node="b"} 0.5\n'
        "# HELP wnm_y_total What it is.\n# TYPE wnm_y_total counter\nwnm_y_total 2\n"
    )


def test_a_family_without_a_series_is_left_out() -> None:
    assert render((family(),)) == ""


def test_of_equal_series_the_first_counts() -> None:
    """node_exporter refuses a whole file for a series that comes twice."""
    text = render((family(({"disk": "/a"}, 1), ({"disk": "/a"}, 2), ({"disk": "/b"}, 3)),))
    assert read(text) == [("wnm_x", {"disk": "/a"}, 1), ("wnm_x", {"disk": "/b"}, 3)]


@pytest.mark.parametrize(
    ("value", "written"),
    [
        (True, "1"),
        (2**63, "9223372036854775808"),
        (1e-18, "1e-18"),
        (math.nan, "NaN"),
        (math.inf, "+Inf"),
        (-math.inf, "-Inf"),
    ],
)
def test_numbers(value: float, written: str) -> None:
    assert render((family(({}, value)),)).splitlines()[-1] == f"wnm_x {written}"


@pytest.mark.parametrize("name", ["", "1x", "a-b", "a b", "ä", "x\n"])
def test_a_name_that_cannot_be_one_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="cannot be the name"):
        render((family(({}, 1), name=name),))
    with pytest.raises(ValueError, match="cannot be the name"):
        render((family(({name: "text"}, 1)),))


@given(st.lists(st.tuples(st.text(), st.floats(allow_nan=False)), unique_by=lambda pair: shown(pair[0])))
def test_any_text_may_be_in_a_label(pairs: list[tuple[str, float]]) -> None:
    text = render((family(*(({"a": label, "b": "x"}, value) for label, value in pairs)),))
    expected = [
        ("wnm_x", {**({"a": shown(label)} if label else {}), "b": "x"}, value) for label, value in pairs
    ]
    assert read(text) == expected


def shown(label: str) -> str:
    """A label as it can be read again: line breaks stay, other things that cannot be printed are marked."""
    return "".join(char if char.isprintable() or char == "\n" else "?" for char in label)
