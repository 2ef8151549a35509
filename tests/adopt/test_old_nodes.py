"""Rows of an older wnm: believed only as far as services, processes and folders confirm them."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace
from tests.adopt.old_rows import BORN, PEER, SYSTEMD, WALLET, adopted, judged, reason, row
from tests.storage.builders import node
from tests.storage.old_databases import build

from wnm.core.node import Node, NodeId, Status, id_in_name
from wnm.storage.old_database import OldNode, read_old_colony
from wnm_adopt.classify import Refused
from wnm_adopt.discover import FolderFacts
from wnm_adopt.old_nodes import Memory, OldNodes, remember


def test_a_row_that_its_service_confirms() -> None:
    result = judged([row()], [adopted()], running=[1], around=SYSTEMD)
    assert result == OldNodes(
        memories={1: Memory(status=Status.RUNNING, born=BORN, peer_id=PEER, version="0.4.17")},
        stopped=(),
        left=(),
        notes=(),
    )


@pytest.mark.parametrize(
    "word", ["RUNNING", "STOPPED", "UPGRADING", "RESTARTING", "REMOVING", "DEAD", "MIGRATING", None]
)
@pytest.mark.parametrize("runs", [True, False])
def test_only_the_process_says_whether_a_node_runs(word: str | None, runs: bool) -> None:
    result = judged([replace(row(), status=word)], [adopted()], running=[1] if runs else [])
    assert result.memories[1].status == (Status.RUNNING if runs else Status.STOPPED)
    believed = word not in ("REMOVING", "DEAD")
    assert result.notes == (
        ()
        if believed
        else (
            f"antnode0001: the older database says {word}, which is not believed; "
            "to remove it: wnm --force_action remove --service_name antnode0001 --confirm",
        )
    )


@pytest.mark.parametrize("running", [[1], []])
def test_disabled_stays_disabled(running: list[int]) -> None:
    disabled = replace(row(), status="DISABLED")
    assert judged([disabled], [adopted()], running=running).memories[1].status is Status.DISABLED
    assert judged([disabled]).stopped[0].status is Status.DISABLED
    other = replace(disabled, port=1, root_dir="/elsewhere")
    assert judged([other], [adopted()]).memories[1] == Memory(status=Status.DISABLED)


def test_a_folder_that_was_cut_short_and_other_contradictions() -> None:
    there = replace(row(), name="antnode001", root_dir="/home/u/", metrics_port=None, wallet="e")
    result = judged([there], [adopted(root_dir="/home/u/.local/antnode0001")])
    assert result.memories[1].peer_id == PEER
    assert result.notes == (
        "antnode0001: its name is antnode0001, not 'antnode001' as the older database says",
        "antnode0001: its folder is /home/u/.local/antnode0001, not '/home/u' as the older database says",
        f"antnode0001: its wallet is {WALLET}, not 'e' as the older database says",
    )


def test_addresses_differ_in_case_only() -> None:
    assert judged([replace(row(), wallet=WALLET.replace("a", "A"))], [adopted()]).notes == ()


def test_a_row_about_an_earlier_node_of_the_same_number_is_not_remembered() -> None:
    result = judged([replace(row(), port=47001, root_dir="/old/antnode0001")], [adopted()], running=[1])
    assert result.memories == {1: Memory(status=Status.RUNNING)}
    assert result.notes == (
        "antnode0001: the row of its id is about another node; only its service is believed",
    )


def test_a_service_that_the_database_does_not_know() -> None:
    result = judged([], [adopted()], running=[1])
    assert result.memories == {1: Memory(status=Status.RUNNING)}
    assert result.notes == (
        "antnode0001: the older database does not know it; its service is adopted as it is",
    )


@pytest.mark.parametrize(
    ("change", "wanted"),
    [
        ({"age": 0}, Memory(status=Status.STOPPED, peer_id=PEER, version="0.4.17")),
        ({"age": 2**62}, Memory(status=Status.STOPPED, peer_id=PEER, version="0.4.17")),
        ({"peer_id": "<script>"}, Memory(status=Status.STOPPED, born=BORN, version="0.4.17")),
        ({"version": "None"}, Memory(status=Status.STOPPED, born=BORN, peer_id=PEER)),
    ],
)
def test_what_cannot_be_is_not_remembered(change: dict[str, object], wanted: Memory) -> None:
    assert judged([replace(row(), **change)], [adopted()]).memories[1] == wanted


def test_what_is_refused_is_not_adopted_by_its_row() -> None:
    def refusal(name: str, **more: int) -> Refused:
        number = NodeId(more["id"]) if "id" in more else None
        return Refused(name=name, place="there", reason="it is masked", id=number, port=more.get("port"))

    assert (
        reason(row(), refused=[refusal("antnode0001.service", id=1)])
        == "its service is not adopted: it is masked"
    )
    assert (
        reason(row(), refused=[refusal("antnode001", id=1)]) == "something that is not adopted has its number"
    )
    assert reason(row(), refused=[refusal("other", port=55001)]) == "another node has its port"
    assert reason(row(), running=[1]) == "something that is not adopted has its number"


def test_two_claims_to_the_same_thing() -> None:
    assert reason(row(), found=[adopted(id=2, port=1, metrics_port=2)]) == "another node has its folder"
    assert (
        reason(row(), found=[adopted(id=2, root_dir="/x", metrics_port=55001, port=1)])
        == "another node has its port"
    )
    twice = judged([row(1), replace(row(2), port=55001)])
    assert twice.stopped == ()
    assert len(twice.left) == 2
    same_id = judged([row(1), replace(row(1), port=55009)])
    assert [line.rpartition(": ")[2] for line in same_id.left] == ["two rows say so"] * 2


def test_an_early_database_under_setsid(tmp_path: Path) -> None:
    rows = read_old_colony(build(tmp_path, "0.1")).nodes
    one = adopted(port=47001, wallet="0x00455d78f850b0358E8cea5be24d415E01E107CF")
    gone = "/data/node/antnode0004"
    result = judged(
        rows, [one], running=[1], folders={gone: FolderFacts(path=gone, exists=False, is_folder=False)}
    )
    assert result.memories[1].status is Status.RUNNING
    assert [each.name for each in result.stopped] == ["antnode0002", "antnode0003"]
    assert [each.status for each in result.stopped] == [Status.STOPPED] * 2
    assert result.left == (f"antnode0004: not adopted, its folder is left alone: there is no {gone}",)
    assert any("antnode0003" in note and "REMOVING" in note for note in result.notes)


def test_one_that_came_from_anm(tmp_path: Path) -> None:
    rows = read_old_colony(build(tmp_path, "0.5")).nodes
    one = adopted(name="antnode001", root_dir="/mnt/disk-1/antnode001", wallet="0x" + "1" * 40)
    result = judged(rows, [one], running=[1], around=SYSTEMD)
    assert result.memories == {1: Memory(status=Status.RUNNING, version="0.4.16")}
    assert result.notes == (
        "antnode001: its folder is /mnt/disk-1/antnode001, not '/mnt/disk' as the older database says",
    )
    assert result.left == (
        "antnode0002: not adopted, its folder is left alone: it has no service and no process",
    )


def test_what_is_remembered_goes_into_the_row() -> None:
    bare = replace(node(), peer_id=None, version=None, because="")
    memory = Memory(status=Status.DISABLED, born=BORN, peer_id=PEER, version="0.4.17")
    full = remember(bare, memory)
    assert full == replace(
        bare,
        status=Status.DISABLED,
        born=BORN,
        peer_id=PEER,
        version="0.4.17",
        because="disabled in the older wnm",
    )
    told = replace(bare, peer_id="seen", version="0.4.18")
    kept = remember(told, Memory(status=Status.RUNNING, peer_id=PEER, version="0.4.17"))
    assert (kept.peer_id, kept.version, kept.born) == ("seen", "0.4.18", bare.born)


NUMBERS = st.none() | st.sampled_from([1, 2, 3, 55001, 55002, 13001, 0, -1, 80, 10**30])
TEXTS = st.none() | st.text(max_size=12) | st.sampled_from(["DISABLED", "REMOVING", "0", "a\nb"])
ROWS = st.builds(
    OldNode,
    id=NUMBERS,
    name=TEXTS | st.sampled_from(["antnode0001", "antnode0002", "antnode0003", "antnode003", "antnode1"]),
    manager=TEXTS | st.sampled_from(["setsid", "setsid+user", "systemd+user"]),
    root_dir=TEXTS
    | st.sampled_from(
        [
            "/",
            "/data/node",
            "/data/node/antnode0001",
            "/data/node/antnode0002",
            "/home/ada",
            "/data/node/antnode003",
        ]
    ),
    port=NUMBERS,
    metrics_port=NUMBERS,
    wallet=TEXTS | st.just(WALLET),
    network=TEXTS | st.just("evm-arbitrum-one"),
    version=TEXTS,
    peer_id=TEXTS,
    status=TEXTS,
    age=NUMBERS | st.integers(),
)
FOUND = st.builds(adopted, id=st.integers(1, 3), port=st.integers(55001, 55003))


@given(
    st.lists(ROWS, max_size=5),
    st.lists(FOUND, max_size=2, unique_by=lambda each: each.id),
    st.lists(st.integers(1, 3)),
)
def test_no_rows_make_anything_unsafe_be_adopted(
    rows: list[OldNode], found: list[Node], running: list[int]
) -> None:
    result = judged(rows, found, running=running)
    assert set(result.memories) == {each.id for each in found}
    for each in result.stopped:
        assert id_in_name(each.name) == each.id
        assert each.root_dir in (f"/data/node/{each.name}", f"/mnt/two/{each.name}")
        assert each.status in (Status.STOPPED, Status.DISABLED)
        assert each.id not in running
    taken = [
        *((each.root_dir, each.port, each.metrics_port) for each in result.stopped),
        *((each.root_dir, each.port, each.metrics_port) for each in found),
    ]
    stopped = [name for each in taken[: len(result.stopped)] for name in each]
    assert len(stopped) == len(set(stopped))
    assert not set(stopped) & {name for each in taken[len(result.stopped) :] for name in each}
    assert all(line.isprintable() for line in (*result.left, *result.notes))
    assert len(result.stopped) + len(result.left) + len(
        [each for each in rows if each.id in result.memories]
    ) == len(rows)
