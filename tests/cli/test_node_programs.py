"""A node program that is missing, hangs or is something else: nodes go on, and the operator is told when it matters."""

from collections.abc import Callable
from pathlib import Path

import pytest
from tests.cli.operator import NEW, OLD, Operator

from wnm.core.places import MARKER_NAME


def missing(program: Path) -> None:
    program.unlink()


def hanging(program: Path) -> None:
    replace(program, "#!/bin/sh\nsleep 30\n")


def garbage(program: Path) -> None:
    replace(program, "#!/bin/sh\nhead -c 100000 /dev/urandom\n")


def failing(program: Path) -> None:
    replace(program, "#!/bin/sh\necho no such option >&2\nexit 2\n")


def half_written(program: Path) -> None:
    replace(program, "")


def not_executable(program: Path) -> None:
    program.chmod(0o644)


def a_folder(program: Path) -> None:
    program.unlink()
    program.mkdir()


def replace(program: Path, text: str) -> None:
    """Another file takes the name."""
    other = program.with_name("other")
    other.write_text(text)
    other.chmod(0o755)
    other.replace(program)


@pytest.mark.parametrize(
    "spoil",
    [missing, hanging, garbage, failing, half_written, not_executable, a_folder],
    ids=lambda f: f.__name__,
)
def test_nodes_go_on_and_growth_asks_for_the_remedy(
    operator: Operator, spoil: Callable[[Path], None]
) -> None:
    operator.bring_up(1)
    pids = operator.pids()
    spoil(operator.program)
    assert operator.good_cycle().err.count("\n") == 1
    wanting = operator.unhurried_cycle("--node_cap=2")
    assert wanting.code == 3, wanting
    assert str(operator.program) in wanting.err
    assert "put a working node program" in wanting.err
    assert "Traceback" not in wanting.err
    assert operator.pids() == pids


def test_nodes_are_healed_without_it(operator: Operator) -> None:
    operator.bring_up(1)
    missing(operator.program)
    operator.kill(1)
    operator.cycles_until(lambda: len(operator.pids_of(1)) == 1, at_most=2)


def test_it_goes_on_by_itself_when_the_program_is_back(operator: Operator) -> None:
    operator.bring_up(1)
    missing(operator.program)
    assert operator.unhurried_cycle("--node_cap=2").code == 3
    operator.offer(OLD)
    operator.cycles_until(lambda: len(operator.pids()) == 2, at_most=1)


def test_a_stopped_node_gets_the_current_program_when_it_is_started(operator: Operator) -> None:
    operator.bring_up(1)
    operator.good_cycle("--force_action", "stop", "--count", 1)
    operator.offer(NEW)
    operator.cycles_until(lambda: operator.statuses() == {1: "RUNNING"}, at_most=3)
    assert operator.rows()[1]["version"] == NEW


def test_a_program_that_cannot_run_costs_one_failed_addition_at_a_time(operator: Operator) -> None:
    """It says a version, but every start fails: nothing is left of the attempts, and they become rarer."""
    operator.init(node_cap=2)
    replace(operator.program, f"#!/bin/sh\necho 'Autonomi Node v{OLD}'\n[ \"$1\" = --version ] || exit 1\n")
    ended = [operator.unhurried_cycle() for _ in range(5)]
    assert {cycle.code for cycle in ended} == {0, 1}
    assert ended[-1].code == 0
    assert operator.rows() == {}
    assert operator.pids() == []
    left = [path.name for folder in (operator.nodes, operator.logs) for path in folder.iterdir()]
    assert left == [MARKER_NAME]
    assert "the pause after" in operator.run("explain").out
