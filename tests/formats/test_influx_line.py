"""Points in line protocol: as the specification has them, and whole whatever is in them."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.builders import cases
from tests.formats.influx_reader import read_point

from wnm.core.errors import Bug
from wnm.formats.influx_line import Value, point

AT = 1_772_366_400_000_000_000
NAMES = st.text('ab ,=#"ü', min_size=1)
VALUES = st.one_of(st.booleans(), st.integers(), st.floats(), st.text())


@cases(
    "value, written",
    {
        "an integer": (3600, "3600i"),
        "a negative one": (-1, "-1i"),
        "the largest": (2**63 - 1, "9223372036854775807i"),
        "a float": (0.25, "0.25"),
        "a whole float stays one": (90.0, "90.0"),
        "a very small float": (1e-18, "1e-18"),
        "true": (True, "true"),
        "false": (False, "false"),
        "a text": ("Running", '"Running"'),
        "an empty text": ("", '""'),
        "quotes and backslashes": ('a "b" \\', r'"a \"b\" \\"'),
        "commas, blanks and equals signs": ("a, b=c", '"a, b=c"'),
        "a line break": ("one\ntwo", '"one two"'),
    },
)
def test_values(value: Value, written: str) -> None:
    assert point("nodes", {"id": "0001"}, {"x": value}, AT) == f"nodes,id=0001 x={written} {AT}"


@cases(
    "value",
    {
        "nothing": None,
        "no number": math.nan,
        "endless": math.inf,
        "too large": 2**63,
        "too small": -(2**63) - 1,
    },
)
def test_what_cannot_be_a_field_is_left_out(value: Value | None) -> None:
    assert point("nodes", {}, {"x": value, "y": 1}, AT) == f"nodes y=1i {AT}"
    with pytest.raises(Bug, match="no field"):
        point("nodes", {}, {"x": value}, AT)


@cases(
    "text, written",
    {
        "blanks": ("a b", r"a\ b"),
        "commas": ("a,b", r"a\,b"),
        "equals signs": ("a=b", r"a\=b"),
        "a backslash at the end would eat what follows": ("a\\", "a/"),
        "a line break": ("a\nb", r"a\ b"),
    },
)
def test_tags_are_escaped(text: str, written: str) -> None:
    assert point("nodes", {"id": text}, {"x": 1}, AT) == f"nodes,id={written} x=1i {AT}"


def test_a_tag_without_text_is_none() -> None:
    assert point("nodes", {"id": ""}, {"x": 1}, AT) == f"nodes x=1i {AT}"


def test_a_measurement_is_no_comment() -> None:
    assert read_point(point("# nodes", {}, {"x": 1}, AT)).measurement == "_ nodes"


@given(st.text(), st.dictionaries(NAMES, VALUES))
def test_nothing_breaks_the_line(text: str, fields: dict[str, Value]) -> None:
    line = point("nodes", {"id": text}, {**fields, "sure": 1}, AT)
    read = read_point(line)
    assert "\n" not in line
    assert read.measurement == "nodes"
    assert set(read.tags) <= {"id"}
    assert read.at_ns == AT
    assert read.fields["sure"] == 1
    for name, value in fields.items():
        _same(value, read.fields.get(name))


def _same(value: Value, read: Value | None) -> None:
    """What was read is what was given, of the same type."""
    if isinstance(value, str):
        assert isinstance(read, str)
        assert len(read) == len(value)
        assert not value.isprintable() or read == value
    elif read is not None:
        assert (type(read), read) == (type(value), value)
