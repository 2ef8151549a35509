"""The database is lost, the nodes are not: `wnm --init --import` with running processes."""

from pathlib import Path

from msgspec.structs import asdict
from tests.cli.operator import Operator
from tests.waiting import eventually

from wnm.core.node import Node

CHANGING = (
    "status_since",
    "because",
    "disk_bytes",
    "disk_measured_at",
    "process_started_at",
    "peer_id",
    "pid",
)


def lose(operator: Operator) -> None:
    """The database and all that SQLite keeps beside it."""
    for path in operator.database.parent.glob("colony.db*"):
        path.unlink()


def settled(node: Node) -> dict[str, object]:
    """A row without what every cycle may write anew."""
    return {name: value for name, value in asdict(node).items() if name not in CHANGING}


def import_again(operator: Operator, *words: object) -> str:
    """`--init --import` with what only the operator can know: where programs, logs and keys are."""
    wished = [word for word in operator.wishes() if not word.startswith(("--rewards", "--port"))]
    result = operator.run("--init", "--import", *wished, *words)
    assert result.code == 0, result
    return result.out


def test_the_same_nodes_are_known_again_and_none_was_touched(operator: Operator) -> None:
    pids = operator.bring_up(3, environment="ANT_LOG=info", start_args="--max-log-files 5")
    before = operator.remembered()
    lose(operator)
    told = import_again(operator)
    assert all(f"antnode000{number}: RUNNING" in told for number in (1, 2, 3))
    for _ in range(3):
        operator.good_cycle()
    after = operator.remembered()
    assert {number: settled(node) for number, node in after.items()} == {
        number: settled(node) for number, node in before.items()
    }, "wnm's own nodes are wnm's own again"
    assert operator.pids() == pids
    operator.good_cycle("--force_action=remove", "--service_name=antnode0002", "--confirm")
    operator.cycles_until(lambda: 2 not in operator.statuses(), "--node_cap=2", "--delay_remove=0", at_most=4)
    assert not operator.folder(2).exists()


def test_a_rehearsal_changes_nothing_and_a_second_import_is_refused(operator: Operator) -> None:
    operator.bring_up(1)
    lose(operator)
    before = sorted(str(path) for path in operator.database.parent.iterdir())
    wished = operator.wishes()
    rehearsed = operator.run("--init", "--import", "--dry_run", *wished)
    assert rehearsed.code == 0
    assert "antnode0001: port" in rehearsed.out
    assert sorted(str(path) for path in operator.database.parent.iterdir()) == before
    import_again(operator)
    again = operator.run("--init", "--import", *wished)
    assert (again.code, "is there already" in again.err) == (2, True)


def test_what_runs_elsewhere_or_twice_is_left_alone_and_named(operator: Operator, tmp_path: Path) -> None:
    operator.bring_up(2)
    lose(operator)
    # A node whose folder is not named like one.
    odd = tmp_path / "odd"
    operator.folder(2).rename(odd)
    told = import_again(operator)
    assert "antnode0001: port" in told
    assert list(operator.remembered()) == [1]
    assert "left alone" in told
    odd.rename(operator.folder(2))


def test_without_any_node_it_says_so_and_leaves_no_database(operator: Operator) -> None:
    result = operator.run("--init", "--import", *operator.wishes())
    assert result.code == 3
    assert "leave out --import" in result.err
    assert not operator.database.exists()


def test_a_stopped_node_is_found_again_by_its_folder_being_claimed(operator: Operator) -> None:
    """setsid has no unit of a node that does not run: its id is not given to another one."""
    operator.bring_up(2)
    operator.good_cycle("--force_action=stop", "--service_name=antnode0001")
    eventually(lambda: len(operator.pids()) == 1)
    lose(operator)
    import_again(operator)
    assert list(operator.remembered()) == [2]
    operator.cycles_until(lambda: len(operator.statuses()) == 2, "--node_cap=2", "--delay_start=0", at_most=6)
    assert sorted(operator.statuses()) == [2, 3], "id 1 is taken by a folder that holds a key"
