"""The figures that only dashboards show, one text and what is read from it per case."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wnm.formats.antnode_metrics import FIGURES, read_figures

CASES = sorted((Path(__file__).parent / "cases" / "antnode_figures").glob("*.txt"))
LINES = st.builds(
    "{}{} {}".format,
    st.sampled_from(["ant_networking_live_time", "ant_node_put_record_ok_total", "# x", ""]),
    st.sampled_from(["", "{}", '{a="b"}', "{", "}", '{a="}']),
    st.one_of(st.integers().map(str), st.floats().map(repr), st.text(max_size=12)),
)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.stem)
def test_page(case: Path) -> None:
    expected = json.loads(case.with_suffix(".json").read_text())
    assert read_figures(case.read_bytes().decode()) == expected


@given(st.lists(st.one_of(LINES, st.text(max_size=60))).map("\n".join))
def test_any_text_gives_possible_figures(page: str) -> None:
    found = read_figures(page)
    assert set(found) <= set(FIGURES)
    assert all(0 <= count < 2**63 for count in found.values())
