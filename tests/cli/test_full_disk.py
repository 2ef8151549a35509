"""When nothing can be written: one line, no traceback, and everything goes on once there is room again."""

import pytest
from tests.cli.operator import Operator

# A limit on the size of any file, in blocks of 512 bytes: the kernel refuses to write beyond it. Byte code that Python
# cuts off there would be taken for whole by every later run.
SMALL = ("sh", "-c", 'export PYTHONDONTWRITEBYTECODE=1; ulimit -f "$0" && exec "$@"')


@pytest.mark.parametrize("blocks", ["0", "8"])
def test_a_cycle_that_cannot_write_its_database(operator: Operator, blocks: str) -> None:
    operator.bring_up(1)
    pids = operator.pids()
    failed = operator.run(before=(*SMALL, blocks))
    assert failed.code == 3, failed
    assert (failed.out, len(failed.err.splitlines())) == ("", 1), failed
    assert str(operator.database.parent) in failed.err
    assert operator.pids() == pids
    assert "idle: 1 of 1 nodes running" in operator.good_cycle().err


@pytest.mark.parametrize("blocks", ["0", "8"])
def test_a_cycle_that_cannot_write_down_what_it_intends_does_nothing(operator: Operator, blocks: str) -> None:
    operator.init(node_cap=1)
    failed = operator.run(before=(*SMALL, blocks))
    assert (failed.code, failed.out, len(failed.err.splitlines())) == (3, "", 1), failed
    assert operator.pids() == []
    assert operator.in_storage() == []
    operator.cycles_until(lambda: len(operator.pids()) == 1, at_most=1)


@pytest.mark.parametrize("blocks", ["0", "8"])
def test_an_init_that_cannot_write_leaves_nothing(operator: Operator, blocks: str) -> None:
    failed = operator.run("--init", *operator.wishes(), before=(*SMALL, blocks))
    assert (failed.code, failed.out, len(failed.err.splitlines())) == (3, "", 1), failed
    assert not operator.database.parent.exists()
    operator.init()


def test_reading_needs_no_room(operator: Operator) -> None:
    operator.bring_up(1)
    for words in (("status",), ("explain",), ("--report", "node-status"), ("--dry_run",)):
        assert operator.run(*words, before=(*SMALL, "0")).code == 0


def test_a_node_for_which_there_is_no_room_leaves_nothing(operator: Operator) -> None:
    """The database fits, the program does not."""
    operator.init(node_cap=1)
    launcher, archive = operator.program.read_bytes().split(b"PK", maxsplit=1)
    operator.program.write_bytes(launcher + bytes(2_000_000) + b"PK" + archive)
    failed = operator.unhurried_cycle(before=(*SMALL, "2000"))
    assert failed.code == 1, failed
    assert operator.rows() == {}
    assert operator.in_storage() == []
    assert operator.pids() == []
    assert "Traceback" not in failed.err
    operator.cycles_until(lambda: len(operator.pids()) == 1, at_most=1)
