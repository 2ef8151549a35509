"""The files of an ant-node, read: as a real 0.23.1 wrote them, damaged, and hostile."""

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.builders import cases

from wnm.formats.ant_node_files import (
    chunks_among,
    close_group,
    flock_holders,
    is_shard,
    migration,
    routing_snapshot,
    webrtc_port,
)

CASES = Path(__file__).parent / "cases" / "ant_node"
ID = "ab" * 32


def case(name: str) -> str:
    return (CASES / name).read_text()


def test_a_routing_table() -> None:
    found = routing_snapshot(case("routing_snapshot.json"))
    assert found is not None
    assert (found.peers, found.saved_at) == (8, datetime(2026, 12, 1, 10, 17, 22, tzinfo=UTC))
    assert found.owner == json.loads(case("routing_snapshot.json"))["owner"]


def test_neighbours() -> None:
    found = close_group(case("close_group_cache.json"))
    assert found is not None
    assert (found.peers, found.trust) == (8, 0.5)


def test_no_neighbours() -> None:
    found = close_group('{"peers": []}')
    assert found is not None
    assert (found.peers, found.trust) == (0, None)


def test_the_port_for_browsers() -> None:
    assert webrtc_port(case("webrtc-direct.multiaddr")) == 49975


@cases(
    "text",
    {
        "cut": '{"schema_version":1,"owner":"' + ID,
        "empty": "",
        "no object": "[]",
        "deep": "[" * 100_000,
        "no owner": '{"saved_at_epoch_secs": 5, "peers": []}',
        "an owner that is a path": '{"owner": "../../etc", "saved_at_epoch_secs": 5, "peers": []}',
        "a time out of the world": f'{{"owner": "{ID}", "saved_at_epoch_secs": 99999999999999, "peers": []}}',
        "a time that is none": f'{{"owner": "{ID}", "saved_at_epoch_secs": true, "peers": []}}',
        "too long": " " * 2**21 + "{}",
    },
)
def test_what_is_no_routing_table(text: str) -> None:
    assert routing_snapshot(text) is None


def test_a_peer_counts_once_and_nothing_else_is_one() -> None:
    listed = [{"peer_id": ID}, {"peer_id": ID}, {"peer_id": "x"}, {"peer_id": []}, 7, None]
    found = routing_snapshot(json.dumps({"owner": ID, "saved_at_epoch_secs": 5, "peers": listed}))
    assert found is not None
    assert found.peers == 1


def test_trust_out_of_its_range_is_left_out() -> None:
    scores = [0.25, 7, -1, "0.5", None]
    peers = [{"peer_id": f"{at:064x}", "trust": {"score": score}} for at, score in enumerate(scores)]
    found = close_group(json.dumps({"peers": peers}))
    assert found is not None
    assert (found.peers, found.trust) == (5, 0.25)


@cases(
    "phase, over",
    {"copying": ("bridging", False), "settled": ("committed", False), "done": ("files_only", True)},
)
def test_a_migration(phase: str, over: bool) -> None:
    found = migration(json.dumps({"schema": 1, "phase": phase, "shed_key_count": 3}))
    assert found is not None
    assert (found.is_over, found.left_behind) == (over, 3)


def test_an_unknown_migration() -> None:
    assert migration('{"phase": "undoing"}') is None


def test_chunks_are_told_by_their_names() -> None:
    names = ["0" * 62 + "7f", "0" * 62 + "7e", ".tmp.12.3", "0" * 61 + "g7f", "0" * 62 + "7F"]
    assert chunks_among("7f", names) == 1
    assert [name for name in ("7f", "g1", ".lock", "layout.json", "7F", "07f") if is_shard(name)] == ["7f"]


LOCKS = """\
1: FLOCK  ADVISORY  WRITE 4242 fe:00:131 0 EOF
1: -> FLOCK  ADVISORY  WRITE 4243 fe:00:131 0 EOF
2: POSIX  ADVISORY  WRITE 77 fe:00:131 0 EOF
3: FLOCK  ADVISORY  READ 0 08:11:131 0 EOF
"""


def test_who_holds_a_lock() -> None:
    assert flock_holders(LOCKS, (0xFE, 0), 131) == (4242,)
    assert flock_holders(LOCKS, (8, 0x11), 131) == (0,)
    assert flock_holders(LOCKS, (8, 0x11), 132) == ()


READERS = [routing_snapshot, close_group, migration, webrtc_port]


@pytest.mark.parametrize("read", READERS)
@given(
    st.text()
    | st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
        lambda inner: (
            st.lists(inner)
            | st.dictionaries(
                st.sampled_from(
                    ["peers", "peer_id", "owner", "trust", "score", "saved_at_epoch_secs", "phase"]
                ),
                inner,
            )
        ),
    ).map(json.dumps)
)
def test_any_text_is_safe(read: object, text: str) -> None:
    assert callable(read)
    read(text)
