"""The end of a log, read."""

import json
from pathlib import Path
from time import perf_counter

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wnm.core.node_log import LogHealth
from wnm.node_kinds.kinds import KINDS
from wnm.node_kinds.log_health import LONGEST_QUOTE

CASES = Path(__file__).parent / "cases" / "log"
PIECES = ("2026-08-21T06:50:40Z", " INFO ", "ant_node: ", "ant-node starting", "version=", "Error:", "[", "] ",
          "connected peers=", "9" * 40, '{"timestamp":"', "}", "CRITICAL: ", "Node terminated due to: ")  # fmt: skip


@pytest.mark.parametrize("case", sorted(CASES.iterdir()), ids=lambda case: case.name)
def test_log(case: Path) -> None:
    expected = json.loads((case / "expected.json").read_text())
    read = KINDS[expected.pop("kind")].log_words.read
    health = read((case / "log.txt").read_bytes().decode(errors="replace").split("\n"))
    assert health == msgspec.convert({"is": "LogHealth", **expected}, LogHealth)


@settings(deadline=None)
@given(
    st.sampled_from(sorted(KINDS)),
    st.lists(st.lists(st.sampled_from(PIECES) | st.text(max_size=9)).map("".join)),
)
def test_any_text_is_safe(kind: str, lines: list[str]) -> None:
    health = KINDS[kind].log_words.read(lines)
    assert health.fatal is None or (health.fatal.isprintable() and len(health.fatal) <= LONGEST_QUOTE)
    assert health.connected_peers is None or health.connected_peers < 10**9
    assert health.last_line_at is None or health.last_line_at.tzinfo is not None


@pytest.mark.parametrize("piece", PIECES)
@pytest.mark.parametrize("kind", KINDS)
def test_a_hostile_tail_costs_little(kind: str, piece: str) -> None:
    lines = [(piece * 70_000)[:65536]] + [piece * 3] * 200
    began = perf_counter()
    KINDS[kind].log_words.read(lines)
    assert perf_counter() - began < 1.0
