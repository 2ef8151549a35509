"""The sentence at the top of the page."""

import pytest
from msgspec.structs import replace
from tests.builders import NOW, folderless, hung, node
from tests.page.history import past, subject
from tests.views.builders import colony, failing, material, stopped

from wnm.core.alerts import Episode, Severity
from wnm.core.node import Status
from wnm.core.observation import NodeSeen
from wnm.views.html.page import render
from wnm.views.html.verdict import State, Subject, Verdict, verdict


def of(*nodes: NodeSeen) -> Subject:
    """The page of a machine with these nodes."""
    return Subject(machine_name="m", version="0", material=material(nodes), past=past(len(nodes)))


@pytest.mark.parametrize(
    ("nodes", "state", "sentence"),
    [
        ((), State.FINE, "All is well; there are no nodes yet"),
        (colony(1), State.FINE, "The node is fine"),
        (colony(42), State.FINE, "All 42 nodes are fine"),
        (colony(1200), State.FINE, "All 1,200 nodes are fine"),
        ((*colony(2), node(3, Status.DISABLED)), State.FINE, "All is well: 2 of 3 nodes run, 1 DISABLED"),
        ((*colony(2), stopped(3)), State.NOTE, "2 of 3 nodes run, 1 wants a look"),
        ((*colony(2), hung(3), hung(4)), State.NOTE, "4 of 4 nodes run, 2 want a look"),
    ],
)
def test_nobody_is_needed(nodes: tuple[NodeSeen, ...], state: State, sentence: str) -> None:
    found = verdict(of(*nodes))
    assert (found.state, found.sentence, found.more) == (state, sentence, None)


def test_a_node_that_keeps_failing_needs_somebody() -> None:
    found = verdict(of(*colony(2), failing(3), failing(4)))
    assert found.state is State.BAD
    assert found.sentence.startswith("antnode0003: failed 3 times in a row: its process ended unexpectedly")
    assert found.more == "1 more thing needs you"


def alert(severity: Severity, subject: str = "/mnt/a") -> Episode:
    return Episode(
        key="disk_full",
        subject=subject,
        severity=severity,
        text="full within 3 days",
        remedy="free it",
        since=NOW,
        started_at=NOW,
    )


def test_an_open_alert_is_not_fine() -> None:
    warned = verdict(replace(of(*colony(2)), alerts=(alert(Severity.WARNING),)))
    assert warned == Verdict(state=State.NOTE, sentence="/mnt/a: full within 3 days")
    several = (alert(Severity.WARNING), alert(Severity.CRITICAL, ""), alert(Severity.WARNING))
    worst = verdict(replace(of(*colony(2)), alerts=several))
    assert (worst.state, worst.sentence) == (State.BAD, "full within 3 days")
    assert worst.more == "2 more alerts are open"
    page = render(replace(of(*colony(2)), alerts=several))
    assert "Nothing needs you" not in page
    assert "Nothing needs you" in render(of(*colony(2)))


def test_a_dead_node_needs_somebody() -> None:
    found = verdict(of(*colony(2), folderless(3, Status.DEAD)))
    assert (found.state, found.sentence[:6]) == (State.BAD, "Nodes:")


def test_what_the_cycle_gave_up_on_comes_first() -> None:
    found = verdict(subject(42, halted=True))
    assert found.state is State.BAD
    assert found.sentence.startswith("Upgrade antnode0001 and 3 more to 0.4.8 waits for a version that works")
    assert found.more is not None


def test_before_the_first_cycle() -> None:
    made = of(*colony(2))
    found = verdict(replace(made, material=replace(made.material, cycle=None)))
    assert (found.state, found.sentence) == (State.BAD, "No cycle has run yet")
