"""Disks on a bad day: another one at the right place, read-only, noexec, without inodes, without quota; nodes moved."""

import json
import shutil
import sqlite3
from contextlib import closing, suppress
from pathlib import Path

import pytest
from tests.cli.disks import Disks, disks
from tests.cli.operator import NEW, OLD, Operator

from wnm.core.places import MARKER_NAME

__all__ = ["disks"]


def needs(operator: Operator) -> str:
    """A cycle that must end with exit code 3, and what it says; it has to leave every row and process alone."""
    rows, pids = operator.statuses(), operator.pids()
    refused = operator.unhurried_cycle()
    assert refused.code == 3, refused
    assert (operator.statuses().keys(), operator.pids()) == (rows.keys(), pids)
    return refused.err


def with_two(operator: Operator, disks: Disks, **settings: object) -> tuple[Path, Path]:
    """Two disks of the machine's own; the first one is larger."""
    a = disks.memory(operator.home / "a", "size=1g")
    b = disks.memory(operator.home / "b", "size=900m")
    operator.init(node_storage=f"{a},{b}", **settings)
    return a, b


def holders(operator: Operator) -> list[str]:
    """The folder that each node's process runs in, by node."""
    return [Path(each.root_dir).parent.name for each in operator.processes()]


def test_each_storage_folder_is_marked_at_init(operator: Operator) -> None:
    b = operator.home / "second disk"
    operator.init(node_storage=f"{operator.nodes},{b}")
    markers = [json.loads((each / MARKER_NAME).read_text()) for each in (operator.nodes, b)]
    assert markers[0]["database"] == markers[1]["database"]
    assert markers[0]["folder"] != markers[1]["folder"]


def test_a_storage_that_a_killed_init_left_unmarked_is_marked_by_the_first_cycle(operator: Operator) -> None:
    operator.init()
    (operator.nodes / MARKER_NAME).unlink()
    assert operator.run().code == 0
    assert (operator.nodes / MARKER_NAME).exists()


def test_an_empty_storage_of_a_database_that_is_gone_is_the_new_ones(operator: Operator) -> None:
    operator.init()
    for file in operator.database.parent.glob("colony.db*"):
        file.unlink()
    operator.init(node_cap=1)
    operator.cycles_until(lambda: operator.running() == 1, at_most=3)


def test_a_storage_that_cannot_be_made_is_refused_at_init(operator: Operator) -> None:
    (operator.home / "file").write_text("in the way")
    refused = operator.ask(
        "--init", *operator.wishes(node_storage=f"{operator.nodes},{operator.home}/file/nodes")
    )
    assert refused.code == 3, refused
    assert "node_storage" in refused.err
    assert not operator.database.exists()
    assert not operator.nodes.exists()


@pytest.mark.parametrize("stranger", [".Trash-1000", "antnode0001", MARKER_NAME])
def test_another_disk_at_the_right_place_is_asked_about(operator: Operator, stranger: str) -> None:
    operator.bring_up(2)
    operator.nodes.rename(operator.home / "right disk")
    operator.nodes.mkdir()
    if stranger == MARKER_NAME:
        (operator.nodes / stranger).write_text('{"database": "another", "folder": "one"}')
    else:
        (operator.nodes / stranger).mkdir()
    for _ in range(2):
        said = needs(operator)
        assert str(operator.nodes) in said
    assert "accept_disk" in operator.ask("status").out.replace("\n", " ")
    assert "accept_disk" in operator.ask("doctor").out
    shutil.rmtree(operator.nodes)
    (operator.home / "right disk").rename(operator.nodes)
    operator.good_cycle()
    assert operator.running() == 2


def test_a_disk_that_is_away_below_a_folder_that_stays(operator: Operator, disks: Disks) -> None:
    disks.memory(operator.nodes)
    operator.bring_up(2)
    disks.unmount(operator.nodes)
    (operator.nodes / "NOT_MOUNTED").touch()
    assert "lacks the marker" in needs(operator)


def test_another_machines_nodes_are_not_started_as_ones_own(operator: Operator, disks: Disks) -> None:
    image, other = operator.home / "disk.img", operator.home / "other.img"
    disks.image(operator.nodes, image)
    operator.bring_up(1)
    operator.run("--force_action", "stop", "--service_name", "antnode0001")
    keys = (operator.folder(1) / "secret-key").read_bytes()
    # The disk of another machine, with a node of the same name.
    disks.unmount(operator.nodes)
    theirs = disks.image(operator.nodes, other)
    (theirs / "antnode0001").mkdir()
    (theirs / "antnode0001" / "secret-key").write_bytes(b"another key of 32 bytes, not ours")
    (theirs / MARKER_NAME).write_text('{"database": "theirs", "folder": "theirs"}')
    assert "marker of another database" in needs(operator)
    assert operator.pids() == []
    started = operator.run("--force_action", "start", "--service_name", "antnode0001")
    removed = operator.run("--force_action", "remove", "--confirm", "--service_name", "antnode0001")
    accepted = operator.run("--force_action", "accept_disk", "--storage", operator.nodes, "--confirm")
    assert [each.code for each in (started, removed, accepted)] == [3, 3, 3]
    assert "another key" in accepted.err
    disks.unmount(operator.nodes)
    disks.image(operator.nodes, image)
    operator.cycles_until(lambda: operator.running() == 1, at_most=4)
    assert (operator.folder(1) / "secret-key").read_bytes() == keys


def test_a_copied_disk_goes_on_and_loses_nothing(operator: Operator, disks: Disks) -> None:
    first, second = operator.home / "disk.img", operator.home / "larger.img"
    disks.image(operator.nodes, first)
    operator.bring_up(2)
    copy = disks.image(operator.home / "copy", second)
    for name in (MARKER_NAME, "antnode0001"):
        source = operator.nodes / name
        (shutil.copytree if source.is_dir() else shutil.copy2)(source, copy / name)
    disks.unmount(operator.nodes)
    disks.unmount(copy)
    disks.image(operator.nodes, second)
    said = needs(operator)
    assert "another file system than before and lacks the folders of antnode0002" in said
    gave_up = operator.run("--force_action", "accept_disk", "--storage", operator.nodes, "--confirm")
    assert gave_up.code == 0, gave_up
    operator.cycles_until(lambda: 2 not in operator.remembered() or operator.running() == 2, at_most=4)


def test_a_disk_accepted_as_it_is_loses_its_missing_nodes_and_keeps_the_others(operator: Operator) -> None:
    operator.bring_up(2)
    shutil.rmtree(operator.folder(2))
    (operator.nodes / MARKER_NAME).unlink()
    assert "lacks the marker" in needs(operator)
    (before,) = operator.pids_of(1)
    accepted = operator.run("--force_action", "accept_disk", "--storage", operator.nodes, "--confirm")
    assert accepted.code == 0, accepted
    operator.good_cycle("--node_cap=1")
    assert operator.statuses().keys() == {1}
    assert operator.pids_of(1) == [before]


def test_the_fleet_of_an_older_database_is_marked_in_its_next_cycle(operator: Operator) -> None:
    operator.bring_up(2)
    change(operator, "DELETE FROM place")  # as a database from before markers
    (operator.nodes / MARKER_NAME).unlink()
    operator.good_cycle()
    assert (operator.nodes / MARKER_NAME).exists()
    shutil.rmtree(operator.folder(2))
    assert "dead nodes: removed antnode0002" in operator.good_cycle("--node_cap=1").err


def change(operator: Operator, statement: str) -> None:
    """Change the database behind wnm's back."""
    with closing(sqlite3.connect(operator.database)) as connection:
        connection.execute(statement)
        connection.commit()


def test_a_moved_node_goes_on_in_its_new_folder_with_one_command(operator: Operator, disks: Disks) -> None:
    a, b = with_two(operator, disks, node_cap=1)
    operator.bring_up(1)
    key = (a / "antnode0001" / "secret-key").read_bytes()
    shutil.move(a / "antnode0001", b / "antnode0001")
    said = needs(operator)
    assert f"whose folder is at {b}/antnode0001" in said
    assert "wnm --force_action adopt --service_name antnode0001" in said
    adopted = operator.run("--force_action", "adopt", "--service_name", "antnode0001")
    assert adopted.code == 0, adopted
    operator.cycles_until(lambda: operator.running() == 1, at_most=4)
    assert holders(operator) == ["b"]
    assert (b / "antnode0001" / "secret-key").read_bytes() == key


def test_folders_without_a_row_are_named_and_adopted(operator: Operator) -> None:
    """As after an older copy of the database was put back."""
    operator.bring_up(2)
    key = (operator.folder(2) / "secret-key").read_bytes()
    change(operator, "DELETE FROM node WHERE id = 2")
    operator.good_cycle("--node_cap=1")
    for words in ("status", "doctor"):
        told = " ".join(operator.ask(words).out.split())
        assert "1 node folder without a row: antnode0002" in told, told
        assert "wnm --force_action adopt" in told
    too_many = operator.run("--force_action", "adopt")
    assert (too_many.code, "node_cap 1" in too_many.err) == (2, True), too_many
    assert operator.run("--force_action", "adopt", "--node_cap=2").code == 0
    operator.cycles_until(lambda: operator.running() == 2, at_most=4)
    assert len(operator.pids()) == 2
    assert (operator.folder(2) / "secret-key").read_bytes() == key
    assert "without a row" not in operator.ask("status").out


@pytest.mark.parametrize("how", ["ro", "noexec"])
def test_a_disk_that_cannot_be_used_is_left_for_the_other(operator: Operator, disks: Disks, how: str) -> None:
    a, _ = with_two(operator, disks, node_cap=1)
    disks.remount(a, how)
    operator.cycles_until(lambda: operator.running() == 1, at_most=3)
    assert holders(operator) == ["b"]
    told = " ".join(operator.ask("doctor").out.split())
    assert ("is read-only" if how == "ro" else "noexec") in told


@pytest.mark.parametrize(("how", "words"), [("ro", "is read-only"), ("noexec", "is mounted noexec")])
def test_without_another_disk_it_says_what_to_mend(
    operator: Operator, disks: Disks, how: str, words: str
) -> None:
    disks.memory(operator.nodes)
    operator.init(node_cap=1)
    disks.remount(operator.nodes, how)
    assert words in needs(operator)
    assert operator.pids() == []
    disks.remount(operator.nodes, "rw,exec")
    operator.cycles_until(lambda: operator.running() == 1, at_most=3)


def test_a_disk_without_inodes_takes_no_node_and_says_inodes(operator: Operator, disks: Disks) -> None:
    small = disks.memory(operator.nodes, "size=1g,nr_inodes=64")
    operator.init(node_cap=1)
    for number in range(61):
        (small / f"file {number}").touch()
    operator.cycles_until(lambda: "inodes" in operator.ask("explain").out, at_most=2, codes=(0, 3))
    assert operator.pids() == []
    assert "inodes" in operator.ask("status").out
    assert "inodes" in operator.ask("doctor").out
    for number in range(50):
        (small / f"file {number}").unlink()
    operator.cycles_until(lambda: operator.running() == 1, at_most=3)


def test_a_disk_where_an_addition_failed_is_not_tried_again_before_the_other(
    operator: Operator, disks: Disks
) -> None:
    """A disk that counts free bytes and has none, as below a used-up quota or thin volume, and is the emptier one."""
    pool = disks.memory(operator.home / "pool", "size=16m")
    a = disks.image(operator.home / "a", pool / "a.img", "-O", "^has_journal")
    disks.memory(operator.home / "b", "size=700m")
    operator.init(node_storage=f"{a},{operator.home / 'b'}", node_cap=1)
    with suppress(OSError), (pool / "full").open("wb", buffering=0) as full:
        while full.write(bytes(65536)):
            pass
    failed = operator.unhurried_cycle()
    assert (failed.code, operator.pids()) == (1, []), failed
    operator.cycles_until(lambda: operator.running() == 1, at_most=2)
    assert "the last addition there failed" in " ".join(operator.ask("doctor").out.split())
    assert holders(operator) == ["b"]


def test_a_disk_that_became_noexec_is_not_put_down_to_the_new_version(
    operator: Operator, disks: Disks
) -> None:
    disks.memory(operator.nodes)
    operator.bring_up(2, delay_upgrade="1s", delay_restart="1s")
    pids = operator.pids()
    disks.remount(operator.nodes, "noexec")
    operator.offer(NEW)
    for _ in range(4):
        operator.cycle()
    assert operator.pids() == pids
    assert "halted" not in operator.run("explain").out
    assert set(operator.versions().values()) == {OLD}
    disks.remount(operator.nodes, "exec")
    assert operator.run("--force_action", "upgrade").code == 0
    assert NEW in operator.versions().values()


def test_a_teardown_takes_the_marker_of_a_folder_that_was_taken_off_the_list(operator: Operator) -> None:
    b = operator.home / "b"
    operator.init(node_storage=f"{operator.nodes},{b}", node_cap=0)
    operator.good_cycle()
    assert operator.ask("--force_action", "update_config", "--node_storage", operator.nodes).code == 0
    assert (b / MARKER_NAME).exists()
    assert operator.run("--force_action", "teardown", "--confirm").code == 0
    assert not (b / MARKER_NAME).exists()
