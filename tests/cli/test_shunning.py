"""Shunned nodes with real processes: they are said, restarted or given up, within the budget of a day."""

from tests.cli.operator import Operator
from tests.waiting import eventually


def shun(operator: Operator, *numbers: int) -> None:
    """Peers shun these nodes; their pages tell of it when they have been up for a moment."""
    for number in numbers:
        operator.order(number, shunned_per_hour=360_000)


def shunned_twenty_times(operator: Operator, *numbers: int) -> bool:
    """Whether a cycle saw it of all of them."""
    operator.good_cycle("--shun_policy=report")
    names = [f"antnode{number:04d}" for number in numbers]
    said = operator.run("doctor").out
    return all(
        any(name in line and "WARNING: shunned" in line for line in said.splitlines()) for name in names
    )


def test_by_default_they_are_only_said(operator: Operator) -> None:
    operator.bring_up(2)
    pids = operator.pids()
    shun(operator, 2)
    eventually(lambda: shunned_twenty_times(operator, 2))
    assert operator.pids() == pids
    assert "do something about antnode0002, shunned too often" in operator.run("explain").out
    assert operator.cycle().code == 0


def test_restarts_keep_to_the_budget(operator: Operator) -> None:
    operator.bring_up(3)
    before = {number: operator.pids_of(number) for number in (1, 2, 3)}
    shun(operator, 1, 2, 3)
    eventually(lambda: shunned_twenty_times(operator, 1, 2, 3))
    oldest = operator.oldest_first()[0]
    words = ("--shun_policy=restart", "--max_concurrent_operations=3", "--max_concurrent_starts=3")
    for _ in range(4):
        operator.good_cycle(*words)
    after = {number: operator.pids_of(number) for number in (1, 2, 3)}
    assert [number for number in after if after[number] != before[number]] == [oldest]
    assert "shun_budget: 1 node(s) within a day" in operator.run("explain").out


def test_recycling_keeps_the_key_and_makes_room_for_another_identity(operator: Operator) -> None:
    operator.bring_up(2)
    other = operator.pids_of(2)
    key = (operator.folder(1) / "secret-key").read_bytes()
    shun(operator, 1)
    eventually(lambda: shunned_twenty_times(operator, 1))

    def identities() -> list[bytes]:
        return [found.read_bytes() for found in operator.nodes.glob("*/secret-key")]

    def is_replaced() -> bool:
        return operator.running() == len(identities()) == 2 and key not in identities()

    operator.cycles_until(is_replaced, "--shun_policy=recycle", at_most=8)
    (copy,) = operator.keys.glob("antnode*/secret-key")
    assert copy.read_bytes() == key
    assert operator.pids_of(2) == other
    # Shunned again, the next one has to wait for its day.
    shun(operator, 2)
    eventually(lambda: shunned_twenty_times(operator, 2))
    operator.good_cycle("--shun_policy=recycle")
    assert operator.pids_of(2) == other
    assert "shun_budget: 1 node(s) within a day" in operator.run("explain").out
