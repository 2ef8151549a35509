"""Rows of an older wnm: believed only as far as services, processes and folders confirm them."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace
from tests.adopt.old_rows import BORN, PEER, SYSTEMD, WALLET, judged, left, reason, row, unit
from tests.storage.old_databases import build

from wnm.core.node import Node, Status, id_in_name
from wnm.storage.old_database import OldNode, read_old_colony
from wnm_adopt.classify import NEVER
from wnm_adopt.discover import FolderFacts, FoundUnit


def remembered(*rows: OldNode, found: FoundUnit | None = None) -> Node:
    """What is known of the only adopted unit."""
    (adopted,) = judged(rows, [found or unit()]).adopted
    return adopted.row


def memory(node: Node) -> tuple[object, ...]:
    return (node.status, node.born, node.peer_id, node.version)


def test_a_row_that_its_service_confirms() -> None:
    result = judged([row()], [unit()], machine=SYSTEMD)
    (adopted,) = result.adopted
    assert memory(adopted.row) == (Status.STOPPED, BORN, PEER, "0.4.17")
    assert adopted.row.because == "taken over from an older wnm"
    assert (result.refused, result.rows, result.notes) == ((), (), ())


@pytest.mark.parametrize(
    "word", ["RUNNING", "STOPPED", "UPGRADING", "RESTARTING", "REMOVING", "DEAD", "MIGRATING", None]
)
def test_the_row_does_not_say_whether_a_node_runs(word: str | None) -> None:
    result = judged([replace(row(), status=word)], [unit()])
    assert result.adopted[0].row.status is Status.STOPPED, "until its process is looked at"
    believed = word not in ("REMOVING", "DEAD")
    assert result.notes == (
        ()
        if believed
        else (
            f"antnode0001: the older database says {word}, which is not believed; "
            "to remove it: wnm --force_action remove --service_name antnode0001 --confirm",
        )
    )


def test_disabled_stays_disabled() -> None:
    disabled = replace(row(), status="DISABLED")
    node = remembered(disabled)
    assert (node.status, node.because) == (Status.DISABLED, "disabled in the older wnm")
    assert judged([disabled]).rows[0].status is Status.DISABLED
    other = remembered(replace(disabled, port=1, root_dir="/elsewhere"))
    assert memory(other) == (Status.DISABLED, NEVER, None, None)


def test_a_folder_that_was_cut_short_and_other_contradictions() -> None:
    there = replace(row(), name="antnode001", root_dir="/srv/u/", metrics_port=None, wallet="e")
    result = judged([there], [unit(root="/srv/u/.local/antnode0001")])
    assert result.adopted[0].row.peer_id == PEER
    assert result.notes == (
        "antnode0001: its name is antnode0001, not 'antnode001' as the older database says",
        "antnode0001: its folder is /srv/u/.local/antnode0001, not '/srv/u' as the older database says",
        f"antnode0001: its wallet is {WALLET}, not 'e' as the older database says",
    )


def test_addresses_differ_in_case_only() -> None:
    assert judged([replace(row(), wallet=WALLET.replace("a", "A"))], [unit()]).notes == ()


def test_a_row_about_an_earlier_node_of_the_same_number_is_not_remembered() -> None:
    result = judged([replace(row(), port=47001, root_dir="/old/antnode0001")], [unit()])
    assert memory(result.adopted[0].row) == (Status.STOPPED, NEVER, None, None)
    assert result.notes == (
        "antnode0001: the row of its id is about another node; only its service is believed",
    )


def test_a_service_that_the_database_does_not_know() -> None:
    result = judged([], [unit()])
    assert memory(result.adopted[0].row) == (Status.STOPPED, NEVER, None, None)
    assert result.notes == (
        "antnode0001: the older database does not know it; its service is adopted as it is",
    )


@pytest.mark.parametrize(
    ("change", "wanted"),
    [
        ({"age": 0}, (NEVER, PEER, "0.4.17")),
        ({"age": 2**62}, (NEVER, PEER, "0.4.17")),
        ({"peer_id": "<script>"}, (BORN, None, "0.4.17")),
        ({"version": "None"}, (BORN, PEER, None)),
    ],
)
def test_what_cannot_be_is_not_remembered(change: dict[str, object], wanted: tuple[object, ...]) -> None:
    assert memory(remembered(replace(row(), **change))) == (Status.STOPPED, *wanted)


def test_what_is_refused_is_not_adopted_by_its_row() -> None:
    def masked(name: str, **more: object) -> FoundUnit:
        return FoundUnit(manager="systemd", name=name, place="there", problem="it is masked", inert=True)

    assert reason(row(), masked("antnode0001.service")) == "another one has its number"
    assert reason(row(), masked("antnode001.service")) == "another one has its number"
    assert reason(row(), unit(2, port=55001, wallet="0x12")) == "another one has its port"
    assert reason(row(), unit(2, root="/data/node/antnode0001", name="antnode0002.service", port=1)) == (
        "another one has its root directory"
    )


def test_a_row_costs_no_service_its_manager() -> None:
    result = judged([row(2), replace(row(3), root_dir="/data/node/antnode0001", port=55001)], [unit(1)])
    assert [each.row.name for each in result.adopted] == ["antnode0001"]
    assert [each.name for each in result.rows] == ["antnode0002"]


def test_two_claims_to_the_same_thing() -> None:
    assert reason(row(), unit(2, metrics_port=55001, port=1)) == "another one has its port number"
    twice = judged([row(1), replace(row(2), port=55001)])
    assert twice.rows == ()
    assert len(left(twice)) == 2
    same_id = judged([row(1), replace(row(1), port=55009)])
    assert len(left(same_id)) == 2


def test_an_early_database_under_setsid(tmp_path: Path) -> None:
    rows = read_old_colony(build(tmp_path, "0.1")).nodes
    one = unit(port=47001, wallet="0x00455d78f850b0358E8cea5be24d415E01E107CF")
    gone = "/data/node/antnode0004"
    result = judged(rows, [one], folders={gone: FolderFacts(path=gone, exists=False, is_folder=False)})
    assert [each.row.name for each in result.adopted] == ["antnode0001"]
    assert [each.name for each in result.rows] == ["antnode0002", "antnode0003"]
    assert [each.status for each in result.rows] == [Status.STOPPED] * 2
    (line,) = left(result)
    assert line.startswith("antnode0004: not adopted, its folder is left alone: its root directory")
    assert any("antnode0003" in note and "REMOVING" in note for note in result.notes)


def test_one_that_came_from_anm(tmp_path: Path) -> None:
    rows = read_old_colony(build(tmp_path, "0.5")).nodes
    result = judged(rows, [unit(root="/mnt/disk-1/antnode001", wallet="0x" + "1" * 40)], machine=SYSTEMD)
    assert memory(result.adopted[0].row) == (Status.STOPPED, NEVER, None, "0.4.16")
    assert result.notes == (
        "antnode001: its folder is /mnt/disk-1/antnode001, not '/mnt/disk' as the older database says",
        "antnode0002: not adopted, its folder is left alone: it has no service and no process",
    )


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
FOUND = st.builds(unit, st.integers(1, 3), port=st.integers(55001, 55003))


@given(st.lists(ROWS, max_size=5), st.lists(FOUND, max_size=2, unique_by=lambda each: each.name))
def test_no_rows_make_anything_unsafe_be_adopted(rows: list[OldNode], found: list[FoundUnit]) -> None:
    result = judged(rows, found)
    alone = judged([], found)
    assert [each.place for each in result.adopted] == [each.place for each in alone.adopted]
    assert result.refused == alone.refused
    for each in result.rows:
        assert id_in_name(each.name) == each.id
        assert each.root_dir in (f"/data/node/{each.name}", f"/mnt/two/{each.name}")
        assert each.status in (Status.STOPPED, Status.DISABLED)
    stopped = [thing for each in result.rows for thing in (each.root_dir, each.port, each.metrics_port)]
    assert len(stopped) == len(set(stopped))
    words = {word for each in found for word in each.argv or ()}
    assert not words & {str(thing) for thing in stopped}
    assert all(line.isprintable() for line in result.notes)
    ids = {each.row.id for each in result.adopted}
    assert len(result.rows) + len(left(result)) + len([each for each in rows if each.id in ids]) == len(rows)
