"""What happens to running nodes: they are healed, upgraded and removed, and lost folders are told from lost disks."""

import os
import shutil
import signal

from tests.cli.operator import NEW, OLD, Operator, program_bytes
from tests.cli.port_blocks import is_free
from tests.waiting import eventually

OLDER = "0.4.9"


def test_a_killed_node_is_back_within_two_cycles(three: Operator) -> None:
    others = [*three.pids_of(1), *three.pids_of(3)]
    three.kill(2)
    three.cycles_until(lambda: len(three.pids_of(2)) == 1, at_most=2)
    eventually(lambda: three.answers(2))
    three.cycles_until(lambda: three.running() == 3, at_most=2)
    assert [*three.pids_of(1), *three.pids_of(3)] == others


def test_at_the_cap_every_node_is_started_again(three: Operator) -> None:
    for node_id in (1, 2, 3):
        three.kill(node_id)
    three.cycles_until(lambda: len(three.pids()) == 3, at_most=4)
    three.cycles_until(lambda: three.running() == 3, at_most=2)


def test_a_new_version_goes_through_the_nodes_oldest_first(operator: Operator) -> None:
    operator.init(node_cap=3)
    operator.cycles_until(lambda: operator.running() == 3, at_most=6)
    first_pids = operator.pids()
    operator.offer(NEW)
    order: list[int] = []
    while len(order) < 3:
        before, pids = operator.versions(), operator.pids()
        operator.good_cycle()
        changed = [node_id for node_id, version in operator.versions().items() if version != before[node_id]]
        assert len(changed) <= 1, "more than one node was upgraded in a cycle"
        assert len(set(pids) - set(operator.pids())) <= 1
        assert len(operator.pids()) == 3
        order += changed
    assert order == [1, 2, 3]
    operator.cycles_until(
        lambda: {node.version for node in operator.remembered().values()} == {NEW}, at_most=4
    )
    operator.cycles_until(lambda: operator.running() == 3, at_most=2)
    assert not set(first_pids) & set(operator.pids())
    assert (operator.folder(1) / "antnode").read_bytes() == operator.program.read_bytes()


def test_a_lower_version_changes_nothing(three: Operator) -> None:
    pids = three.pids()
    three.offer(OLDER)
    for _ in range(3):
        assert "idle" in three.good_cycle().err
    assert three.pids() == pids
    assert set(three.versions().values()) == {OLD}


def test_a_release_candidate_is_older_than_its_release(three: Operator) -> None:
    pids = three.pids()
    three.offer(f"{OLD}-rc.2")
    three.good_cycle()
    assert three.pids() == pids


def test_a_pin_holds_a_new_version_back_until_it_is_cleared(operator: Operator) -> None:
    operator.bring_up(1, node_version=OLD)
    pids = operator.pids()
    operator.offer(NEW)
    operator.good_cycle()
    assert operator.pids() == pids
    operator.cycles_until(lambda: operator.versions() == {1: NEW}, "--node_version=", at_most=2)


def test_shrinking_the_cap_removes_the_youngest_first(operator: Operator) -> None:
    operator.init(node_cap=5)
    operator.cycles_until(lambda: operator.running() == 5, at_most=8)
    keys = {node_id: (operator.folder(node_id) / "secret-key").read_bytes() for node_id in range(1, 6)}
    staying = [*operator.pids_of(1), *operator.pids_of(2)]
    order: list[int] = []

    def two_are_left() -> bool:
        order.extend(node_id for node_id in range(5, 0, -1) if not operator.folder(node_id).exists())
        return set(operator.statuses()) == {1, 2}

    operator.cycles_until(two_are_left, "--node_cap=2", at_most=8)
    assert list(dict.fromkeys(order)) == [5, 4, 3]
    assert operator.pids() == staying
    assert operator.in_storage() == ["antnode0001", "antnode0002"]
    assert sorted(path.name for path in operator.logs.iterdir()) == ["antnode0001", "antnode0002"]
    for node_id in (3, 4, 5):
        (copy,) = operator.keys.glob(f"antnode{node_id:04d}-*/secret-key")
        assert copy.read_bytes() == keys[node_id]
        assert is_free(operator.metrics_port(node_id))
    assert "idle: 2 of 2 nodes running" in operator.good_cycle().err


def test_keys_are_not_kept_when_that_is_not_wished(operator: Operator) -> None:
    operator.bring_up(1, keep_keys="false")
    operator.cycles_until(lambda: operator.statuses() == {}, "--node_cap=0", at_most=3)
    assert not operator.keys.exists()


def test_a_node_that_ignores_term_is_killed_when_it_is_removed(operator: Operator) -> None:
    operator.bring_up(2, stop_grace=1)
    older, youngest = operator.oldest_first()
    operator.order(youngest, ignore_term=True)
    retired = operator.good_cycle("--node_cap=1")
    assert operator.pids_of(youngest) == []
    assert retired.seconds >= 1
    assert "had to be killed" in operator.run("explain").out
    operator.cycles_until(lambda: list(operator.statuses()) == [older], at_most=2)
    assert not operator.folder(youngest).exists()


def test_a_node_whose_folder_was_deleted_is_gone_after_the_next_cycle(three: Operator) -> None:
    others = [*three.pids_of(1), *three.pids_of(3)]
    shutil.rmtree(three.folder(2))
    three.good_cycle("--node_cap=2")
    assert sorted(three.statuses()) == [1, 3]
    assert three.pids() == others
    assert not (three.logs / "antnode0002").exists()


def test_a_storage_that_is_away_is_no_reason_to_remove_anything(three: Operator) -> None:
    away, rows, pids = three.home / "disk unplugged", three.statuses().keys(), three.pids()
    # Held still, the nodes do not notice, so that whatever happens to them is wnm's doing.
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    three.nodes.rename(away)
    for words in ((), ("--node_cap=1",), ("--force_action", "add")):
        refused = three.cycle("--poll_timeout=0.1", *words)
        assert refused.code in (2, 3), refused
        assert three.statuses().keys() == rows
        assert three.pids() == pids
    assert str(three.nodes) in three.cycle("--node_cap=3").err
    assert not three.keys.exists()
    away.rename(three.nodes)
    for pid in pids:
        os.kill(pid, signal.SIGCONT)
    three.cycles_until(lambda: three.running() == 3, "--poll_timeout=2", at_most=4)
    assert three.in_storage() == [
        "antnode0001",
        "antnode0002",
        "antnode0003",
    ]


def test_an_empty_storage_is_an_unmounted_disk(three: Operator) -> None:
    away = three.home / "disk"
    three.nodes.rename(away)
    three.nodes.mkdir()
    refused = three.cycle()
    assert refused.code == 3
    assert f"{three.nodes}, which is empty" in refused.err
    assert sorted(three.statuses()) == [1, 2, 3]
    assert three.in_storage() == []
    three.nodes.rmdir()
    away.rename(three.nodes)
    three.cycles_until(lambda: three.running() == 3, at_most=6)


def test_a_node_that_upgraded_itself_is_found_again(operator: Operator) -> None:
    operator.bring_up(2)
    newer = operator.program.with_name("downloaded by the node")
    newer.write_bytes(program_bytes(NEW))
    (before,) = operator.pids_of(1)
    operator.order(1, self_upgrade_to=str(newer))
    eventually(lambda: operator.pids_of(1) not in ([], [before]) and operator.answers(1))
    other, (after,) = operator.pids_of(2), operator.pids_of(1)
    for _ in range(2):
        operator.good_cycle()
        assert (operator.pids_of(1), operator.pids_of(2)) == ([after], other)
    row = operator.rows()[1]
    assert (row["pid"], row["version"], row["binary_version"], row["status"]) == (after, NEW, NEW, "RUNNING")
