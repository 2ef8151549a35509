"""The order of the rules: who decides the cycle, and that the others say what they wait for."""

from msgspec.structs import replace
from tests.builders import (
    NEWER,
    NOW,
    ago,
    available,
    briefly,
    cases,
    folderless,
    hung,
    limits,
    node,
    reasons,
    seen,
    settings,
    storage,
)

from wnm.core.action import Resurvey, node_of
from wnm.core.decide.ladder import LADDER, decide
from wnm.core.node import Status
from wnm.core.observation import NodeSeen, Observation
from wnm.core.sentences import sentence

DEAD = folderless(1)
OUTDATED = node(2)
SILENT = hung(3, silent_since=ago(60), version=NEWER, binary_version=NEWER)
STOPPED = node(4, Status.STOPPED, version=NEWER, binary_version=NEWER)
EVERYTHING = seen([DEAD, OUTDATED, SILENT, STOPPED], available=available(NEWER), rebooted=True)


def less(view: Observation, *gone: NodeSeen, rebooted: bool = False) -> Observation:
    """The view without some of its troubles."""
    return replace(view, rebooted=rebooted, nodes=tuple(each for each in view.nodes if each not in gone))


@cases(
    "view, cap, rule, actions",
    {
        "a reboot before all": (EVERYTHING, 1, "reboot", "resurvey"),
        "dead nodes before pressure": (less(EVERYTHING), 1, "dead nodes", "remove 1"),
        "pressure before upgrades": (less(EVERYTHING, DEAD), 2, "pressure", "retire 4"),
        "upgrades before silent nodes": (less(EVERYTHING, DEAD), 9, "upgrades", "upgrade 2 to 0.4.8"),
        "silent nodes before growth": (less(EVERYTHING, DEAD, OUTDATED), 9, "silent nodes", "restart 3"),
        "growth": (less(EVERYTHING, DEAD, OUTDATED, SILENT), 9, "growth", "start 4, add 1"),
        "nothing": (less(EVERYTHING, DEAD, OUTDATED, SILENT, STOPPED), 0, "idle", ""),
    },
)
def test_the_first_rule_that_acts_decides(view: Observation, cap: int, rule: str, actions: str) -> None:
    decision = decide(view, settings(node_cap=cap, max_concurrent_starts=2, max_concurrent_operations=2))
    assert (decision.rule, briefly(decision)) == (rule, actions)


def test_the_others_say_that_they_wait() -> None:
    decision = decide(less(EVERYTHING), settings(node_cap=9, **limits(2)))
    waiting = [line for line in reasons(decision).splitlines() if "waits for a cycle that" in line]
    assert waiting == [
        "upgrades: 1 node(s) older than 0.4.8: waits for a cycle that dead nodes does not take",
        "silent nodes: 1 node(s) do not answer: waits for a cycle that dead nodes does not take",
        "growth: the machine has capacity: waits for a cycle that dead nodes does not take",
    ]


def test_the_names_of_the_rules() -> None:
    names = [name for name, _ in LADDER]
    assert names == [
        "reboot",
        "dead nodes",
        "pressure",
        "crashed nodes",
        "upgrades",
        "silent nodes",
        "shunned nodes",
        "growth",
    ]


def test_every_node_is_in_one_action_at_most() -> None:
    leaving = node(5, Status.REMOVING, status_since=ago(99))
    view = replace(less(EVERYTHING), nodes=(*less(EVERYTHING).nodes, leaving))
    actions = decide(view, settings(node_cap=9, **limits(9))).actions
    ids = [node_of(each) for each in actions if not isinstance(each, Resurvey)]
    assert len(ids) == len(set(ids))


def test_a_missing_disk_comes_before_all() -> None:
    decision = decide(replace(EVERYTHING, storages=(storage(present=False),)), settings())
    assert (decision.rule, decision.actions) == ("missing storage", ())


def test_the_same_view_gives_the_same_decision() -> None:
    chosen = settings(node_cap=9, **limits(9))
    assert decide(EVERYTHING, chosen) == decide(EVERYTHING, chosen)


def test_the_order_of_rows_changes_nothing_but_the_order_of_words() -> None:
    view = seen([node(1, born=NOW), node(2, born=NOW), node(3, Status.STOPPED, born=NOW)])
    chosen = settings(node_cap=1, **limits(9))
    backwards = replace(view, nodes=tuple(reversed(view.nodes)))
    assert briefly(decide(view, chosen)) == briefly(decide(backwards, chosen)) == "retire 3, retire 2"


def test_an_idle_cycle_says_whether_anything_waits() -> None:
    assert sentence(decide(seen([node(1)]), settings(node_cap=1)).because) == "nothing to do"
    waiting = decide(seen([node(1)], cpu=75), settings(node_cap=2))
    assert (waiting.rule, sentence(waiting.because)) == ("idle", "all that could be done waits for something")
