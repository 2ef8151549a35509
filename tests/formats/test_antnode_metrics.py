"""The pages of antnode, one folder of texts per case."""

import json
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import Struct
from msgspec.structs import asdict

from wnm.core.observation import NodePage, Unseen
from wnm.formats.antnode_metrics import parse_page

CASES = Path(__file__).parent / "cases" / "antnode_metrics"
WANTED = (
    "ant_node_uptime",
    "ant_node_current_reward_wallet_balance",
    "ant_networking_records_stored",
    "ant_networking_shunned_count_total",
    "ant_networking_shunned_count_across_time_frames",
    "ant_networking_process_memory_used_mb",
    "ant_networking_process_cpu_usage_percentage",
)


def _text(path: Path) -> str | None:
    return path.read_bytes().decode() if path.exists() else None


def plain(value: Struct) -> dict[str, Any]:
    """A value as dicts all the way down, without the names of its classes."""
    return {name: plain(each) if isinstance(each, Struct) else each for name, each in asdict(value).items()}


@pytest.mark.parametrize("case", sorted(CASES.iterdir()), ids=lambda case: case.name)
def test_page(case: Path) -> None:
    page = parse_page(_text(case / "metadata.txt"), _text(case / "metrics.txt"))
    expected = json.loads((case / "expected.json").read_text())
    if expected is None:
        assert isinstance(page, Unseen)
        assert page.reason
    else:
        assert isinstance(page, NodePage)
        assert plain(page) == expected


_lines = st.one_of(
    st.text(max_size=60),
    st.builds(lambda name, labels, value: f"{name}{labels} {value}",
              st.sampled_from(WANTED),
              st.sampled_from(["", "{}", '{a="b"}', "{", '{x="}', '{version="}"}', '{time_frame="LastDay"}']),
              st.one_of(st.integers().map(str), st.floats().map(repr), st.text(max_size=12))),
    st.builds(lambda text: f'ant_node_antnode_version_info{{antnode_version="{text}"}} 1', st.text(max_size=80)),
)  # fmt: skip


@settings(deadline=None)
@given(st.lists(_lines, max_size=12).map("\n".join), st.lists(_lines, max_size=12).map("\n".join))
def test_any_text_gives_a_page_with_possible_figures_or_none(metadata: str, metrics: str) -> None:
    page = parse_page(metadata, metrics)
    if isinstance(page, Unseen):
        return
    for name, value in plain(page).items():
        if name in ("version", "peer_id", "min_version"):
            assert value is None or (value.isascii() and value.isprintable() and len(value) <= 128)
        elif name == "shun_rates":
            assert value is None or all(count is None or count >= 0 for count in value.values())
        else:
            assert value is None or 0 <= value < float("inf")


HOSTILE = {
    "braces": "\nant_node_uptime{" + "}" * 1_000_000,
    "braces and spaces": "\nant_node_uptime{" + "} " * 500_000,
    "spaces": "\nant_node_uptime " + " " * 1_000_000,
    "digits": "\nant_node_uptime " + "9" * 1_000_000,
    "beginnings": "\nant_node_uptime{" * 60_000,
    "labels": "\nant_node_antnode_version_info{" + ',antnode_version="' * 50_000 + "} 1",
    "samples": "\nant_node_uptime 5" * 50_000,
}


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE.keys())
def test_hostile_text_takes_time_in_proportion_to_its_length(text: str) -> None:
    began = time.process_time()
    parse_page(None, text)
    # Quadratic time would be minutes; the bound is far from both.
    assert time.process_time() - began < 10
