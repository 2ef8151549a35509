"""Programs are put in place, put back and forgotten so that what is kept is always one that worked."""

from collections.abc import Callable

import pytest
from tests.act.fakes import FakeFirewall, FakeManager
from tests.act.test_reconcile import StandingClock
from tests.builders import NEWER, VERSION, row

from wnm.act.executor import TimeLimit
from wnm.act.steps import Backends, perform, reconcile
from wnm.core.action import NodeAction, ProgramChoice, RollBackNode, StartNode, UpgradeNode
from wnm.core.errors import ProgramFailed, Transient, WnmError
from wnm.core.node import Node, NodeId, Status
from wnm.core.reasons import legacy

ONE = NodeId(1)
OLD, NEW, NEWEST = "/opt/old", "/opt/new", "/opt/newest"
START = StartNode(node=ONE, program=None, because=legacy("-"))
STOPPED = row(1, Status.RESTARTING, gate_version=NEWER, former_version=VERSION, binary_version=NEWER)


def upgrade(path: str = NEW, version: str = NEWER) -> UpgradeNode:
    program = ProgramChoice(path=path, version=version, stamp="-")
    return UpgradeNode(node=ONE, program=program, because=legacy("-"))


def renew(path: str = NEW, version: str = NEWER) -> StartNode:
    return StartNode(
        node=ONE, program=ProgramChoice(path=path, version=version, stamp="-"), because=legacy("-")
    )


def trying(**changes: object) -> Node:
    """A row during an upgrade from the older version."""
    return row(1, Status.UPGRADING, **{"gate_version": NEWER, "former_version": VERSION, **changes})


def backends(program: str = OLD, kept: str | None = None) -> Backends:
    manager = FakeManager(running={1}, programs={1: program}, kept={} if kept is None else {1: kept})
    return Backends(manager=manager, firewall=FakeFirewall(log=manager.done))


def fake(of: Backends) -> FakeManager:
    assert isinstance(of.manager, FakeManager)
    return of.manager


def starts_fail(of: Backends, times: int) -> None:
    left = [Transient("it ended at once")] * times

    def trouble() -> None:
        if left:
            raise left.pop()

    fake(of).trouble["start", 1] = trouble


def verbs(of: Backends) -> list[str]:
    return [word for word in fake(of).done if not word.startswith("open")]


def test_an_upgrade() -> None:
    of = backends()
    perform(upgrade(), trying(), of)
    assert verbs(of) == ["place 1", "check 1", "stop 1", "start 1"]
    assert (fake(of).programs[1], fake(of).kept[1]) == (NEW, OLD)


def failing(of: Backends, error: WnmError) -> None:
    """The check of node 1's new program ends in this error."""

    def fail() -> None:
        raise error

    fake(of).trouble["check", 1] = fail


def test_a_program_that_does_not_run_is_found_out_before_the_node_is_stopped() -> None:
    of = backends()
    failing(of, ProgramFailed("no such interpreter"))
    with pytest.raises(ProgramFailed, match="no such interpreter; it runs on its old program again"):
        perform(upgrade(), trying(), of)
    assert "stop 1" not in verbs(of)
    assert fake(of).programs[1] == OLD


def test_a_program_that_was_changed_meanwhile_is_no_failure_of_the_version() -> None:
    of = backends()
    failing(of, Transient("it says that it is 0.4.9"))
    with pytest.raises(Transient) as caught:
        perform(upgrade(), trying(), of)
    assert not isinstance(caught.value, ProgramFailed)
    assert verbs(of) == ["place 1", "restore 1"]
    assert fake(of).programs[1] == OLD


def test_going_back() -> None:
    of = backends(NEW, OLD)
    perform(RollBackNode(node=ONE, because=legacy("-")), trying(), of)
    assert verbs(of) == ["restore 1", "stop 1", "start 1"]
    assert fake(of).programs[1] == OLD


@pytest.mark.parametrize("action", [upgrade(NEWEST, "0.4.9"), renew(NEWEST, "0.4.9")])
def test_in_the_middle_of_a_gate_it_is_the_program_from_before_it_that_is_kept(action: NodeAction) -> None:
    of = backends(NEW, OLD)
    perform(action, trying(gate_version="0.4.9", binary_version=NEWER), of)
    assert verbs(of)[:2] == ["restore 1", "place 1"]
    assert (fake(of).programs[1], fake(of).kept[1]) == (NEWEST, OLD)


@pytest.mark.parametrize(
    "known",
    [trying(), trying(binary_version=NEWER), row(1), row(1, former_version="0.4.6")],
    ids=["first", "again", "no gate", "no gate, with an older one"],
)
def test_otherwise_nothing_is_put_back_first(known: Node) -> None:
    of = backends(OLD, "/opt/older")
    perform(upgrade(), known, of)
    assert "restore 1" not in verbs(of)


@pytest.mark.parametrize(
    "make", [lambda: (upgrade(), trying()), lambda: (renew(), trying()), lambda: (START, STOPPED)]
)
def test_a_program_that_does_not_start_is_put_back(make: Callable[[], tuple[NodeAction, Node]]) -> None:
    action, known = make()
    of = backends(NEW if action is START else OLD, OLD if action is START else None)
    starts_fail(of, 1)
    with pytest.raises(ProgramFailed, match="it ended at once; it runs on its old program again"):
        perform(action, known, of)
    assert fake(of).programs[1] == OLD
    assert verbs(of)[-2:] == ["restore 1", "start 1"]


def test_when_the_old_one_does_not_start_either_both_are_said() -> None:
    of = backends()
    starts_fail(of, 2)
    with pytest.raises(
        ProgramFailed, match="ended at once; going back to the old program failed too: it ended"
    ):
        perform(upgrade(), trying(), of)
    assert fake(of).programs[1] == OLD


@pytest.mark.parametrize(
    ("action", "known"),
    [(START, row(1, Status.RESTARTING)), (renew(), row(1, Status.RESTARTING, former_version="0.4.6"))],
)
def test_without_a_gate_there_is_no_way_back(action: NodeAction, known: Node) -> None:
    of = backends(NEW, OLD)
    starts_fail(of, 1)
    with pytest.raises(Transient) as caught:
        perform(action, known, of)
    assert type(caught.value) is Transient
    assert "restore 1" not in verbs(of)


def test_a_node_that_does_not_end_keeps_its_program() -> None:
    of = backends()

    def trouble() -> None:
        raise Transient("it does not end")

    fake(of).trouble["stop", 1] = trouble
    with pytest.raises(Transient, match="it does not end") as caught:
        perform(upgrade(), trying(), of)
    assert not isinstance(caught.value, ProgramFailed)
    assert fake(of).programs[1] == OLD


def test_who_passed_loses_the_former_program_and_a_failure_to_delete_it_is_said() -> None:
    of = backends(NEW, OLD)
    limit = TimeLimit(last_start=10, end=20)
    assert reconcile((), (trying(), row(2)), of, clock=StandingClock(), limit=limit) == ()
    assert fake(of).kept == {}

    def trouble() -> None:
        raise Transient("read-only file system")

    fake(of).trouble["forget", 1] = trouble
    said = reconcile((), (trying(), row(2)), of, clock=StandingClock(), limit=limit)
    assert said == ("antnode0001: read-only file system",)
    assert verbs(of)[-1] == "forget 2"
