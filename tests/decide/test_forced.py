"""What is asked for by hand: who is chosen, what is refused, and what is done besides."""

from typing import Any

import pytest
from tests.builders import (
    HOME,
    NEWER,
    NOW,
    VERSION,
    ago,
    ahead,
    available,
    briefly,
    cases,
    choice,
    claims,
    concluded,
    disk,
    folderless,
    interrupted,
    node,
    reasons,
    seen,
    settings,
    storage,
)

from wnm.core.action import AddNode, DisableNode, RemoveNode, RestartNode, StopNode
from wnm.core.decide.forced import ForcedAction, Request, forced
from wnm.core.errors import BadInput, NeedsOperator
from wnm.core.node import NodeId, ProcessState, Status
from wnm.core.observation import NodeSeen, Observation, Unseen
from wnm.core.reasons import legacy
from wnm.core.sentences import sentence

STOPPED, DISABLED = Status.STOPPED, Status.DISABLED
FLEET = (node(1), node(2), node(3, STOPPED), node(4, STOPPED), node(5, DISABLED))
NEW = available(NEWER)


def ask(word: str, *names: str, count: int | None = None, confirmed: bool = False) -> Request:
    """A request as the command line makes it."""
    return Request(action=ForcedAction(word), names=names, count=count, confirmed=confirmed)


@cases(
    "nodes, request_, expected",
    {
        "add one": (FLEET, ask("add"), "add 6"),
        "add three": (FLEET, ask("add", count=3), "add 6, add 7, add 8"),
        "start the oldest stopped": (FLEET, ask("start"), "start 3"),
        "start more than there are": (FLEET, ask("start", count=9), "start 3, start 4"),
        "start one that pauses": ((node(1, STOPPED, retry_at=ahead(9)),), ask("start"), "start 1"),
        "stop the youngest running": (FLEET, ask("stop"), "stop 2"),
        "stop two": (FLEET, ask("stop", count=2), "stop 2, stop 1"),
        "restart the oldest running": (FLEET, ask("restart"), "restart 1"),
        "remove the youngest stopped": (FLEET, ask("remove", count=1), "retire 4"),
        "remove more: stopped, then running": (FLEET, ask("remove", count=3), "retire 4, retire 3, retire 2"),
        "remove and confirm: at once": (FLEET, ask("remove", count=1, confirmed=True), "remove 4"),
        "remove leaves those that are leaving": (
            (node(1), node(2, Status.REMOVING, status_since=NOW)),
            ask("remove", count=2),
            "retire 1",
        ),
        "disable the youngest": (FLEET, ask("disable"), "disable 4"),
        "enable the oldest disabled": (FLEET, ask("enable", count=2), "enable 5"),
        "survey": (FLEET, ask("survey"), "resurvey"),
        "teardown, disabled ones too": (
            FLEET,
            ask("teardown", confirmed=True),
            "remove 1, remove 2, remove 3, remove 4, remove 5",
        ),
        "named, in the order of the names, each once": (
            FLEET,
            ask("stop", "antnode0002", "antnode0001", "antnode0002"),
            "stop 2, stop 1",
        ),
        "a named node that is stopped may be stopped": (FLEET, ask("stop", "antnode0003"), "stop 3"),
        "a named node that runs may be started": (FLEET, ask("start", "antnode0001"), "start 1"),
        "a named restart": (FLEET, ask("restart", "antnode0002"), "restart 2"),
        "a named and confirmed removal": (FLEET, ask("remove", "antnode0001", confirmed=True), "remove 1"),
        "a named removal of a disabled node": (
            FLEET,
            ask("remove", "antnode0005", confirmed=True),
            "remove 5",
        ),
        "a named disabling": (FLEET, ask("disable", "antnode0001"), "disable 1"),
        "a named disabling of a disabled node": (FLEET, ask("disable", "antnode0005"), "disable 5"),
        "a named enabling": (FLEET, ask("enable", "antnode0005"), "enable 5"),
        "a named enabling of a node that is not disabled": (FLEET, ask("enable", "antnode0001"), ""),
        "a start of one that runs after all": (
            (node(3, STOPPED, state=ProcessState.RUNNING),),
            ask("start"),
            "",
        ),
        "nobody to stop": ((node(3, STOPPED),), ask("stop"), ""),
    },
)
def test_choice(nodes: tuple[NodeSeen, ...], request_: Request, expected: str) -> None:
    decision = forced(seen(nodes, cpu=99), settings(node_cap=9), request_)
    assert briefly(decision) == expected
    assert (decision.rule, sentence(decision.because)) == ("by hand", f"--force_action {request_.action}")
    if not expected:
        assert reasons(decision) == f"{request_.action}: waits for a node that it applies to"
    else:
        assert decision.held == ()
        assert {sentence(each.because) for each in decision.actions} == {"asked for by hand"}


@cases(
    "request_, words",
    {
        "teardown without --confirm": (
            ask("teardown"),
            "teardown removes every node with its data: add --confirm",
        ),
        "removal of named nodes without --confirm": (ask("remove", "antnode0001"), "add --confirm"),
        "add with a name": (ask("add", "antnode0001"), "add takes no --service_name"),
        "survey with a name": (ask("survey", "antnode0001"), "survey takes no --service_name"),
        "teardown with a name": (
            ask("teardown", "antnode0001", confirmed=True),
            "teardown takes no --service_name",
        ),
        "survey with a count": (ask("survey", count=1), "survey takes no --count"),
        "teardown with a count": (ask("teardown", count=1, confirmed=True), "teardown takes no --count"),
        "a name that nobody has": (
            ask("stop", "antnode0009"),
            "--service_name antnode0009: no such node; known nodes: antnode0001, antnode0002, antnode0003, "
            "antnode0004, antnode0005",
        ),
        "a disabled node's start": (
            ask("start", "antnode0005"),
            "antnode0005 is disabled: run wnm --force_action enable --service_name antnode0005 before "
            "--force_action start",
        ),
        "a disabled node's stop": (ask("stop", "antnode0001", "antnode0005"), "antnode0005 is disabled"),
        "a disabled node's restart": (ask("restart", "antnode0005"), "antnode0005 is disabled"),
        "a disabled node's upgrade": (ask("upgrade", "antnode0005"), "antnode0005 is disabled"),
        "more than the cap": (
            ask("add", count=6),
            "--count 6: node_cap 9 leaves capacity for 5; raise node_cap",
        ),
    },
)
def test_refused(request_: Request, words: str) -> None:
    with pytest.raises(BadInput) as caught:
        forced(seen(FLEET), settings(node_cap=9), request_)
    assert words in str(caught.value)


def test_nothing_is_confirmed_by_itself() -> None:
    request = Request(action=ForcedAction.REMOVE, count=1)
    assert briefly(forced(seen(FLEET), settings(), request)) == "retire 4"


def test_an_unknown_name_is_answered_with_a_few_known_ones() -> None:
    with pytest.raises(BadInput, match=r"antnode0005$"):
        forced(seen([*FLEET, node(6)]), settings(), ask("stop", "antnode0009"))


def test_refused_on_an_empty_machine() -> None:
    with pytest.raises(BadInput, match="known nodes: none"):
        forced(seen(), settings(), ask("stop", "antnode0001"))


def test_refused_beyond_the_cap_by_any_number() -> None:
    with pytest.raises(BadInput, match="leaves capacity for 0"):
        forced(seen([node(1), node(2)]), settings(node_cap=1), ask("add"))
    assert briefly(forced(seen([node(1)]), settings(node_cap=2), ask("add"))) == "add 2"


@cases(
    "view, word, words, remedy",
    {
        "no program to upgrade to": (
            seen(FLEET, available=Unseen(reason="/opt/antnode: not there")),
            "upgrade",
            "cannot hand out a node program, /opt/antnode: not there",
            "put a working node program at /opt/antnode",
        ),
        "no program to add": (
            seen(FLEET, available=Unseen(reason="/opt/antnode: not there")),
            "add",
            "cannot hand out a node program",
            "put a working node program at /opt/antnode",
        ),
        "no disk to add to": (
            seen(FLEET, disks=(disk(free_bytes=0),)),
            "add",
            "it waits for free space: every storage folder has less than crisis_bytes 2000000000 free",
            "free some space",
        ),
        "no disk that was seen": (
            seen(FLEET, storages=(storage(mount_point=None),)),
            "add",
            "it waits for the file system of /data/node to be seen",
            "free some space",
        ),
        "no id to add": (
            seen(FLEET, claims=claims(*range(6, 536))),
            "add",
            "only 0 ids have free ports",
            "change port_start",
        ),
    },
)
def test_needs_the_operator(view: Observation, word: str, words: str, remedy: str) -> None:
    with pytest.raises(NeedsOperator) as caught:
        forced(view, settings(node_cap=9, port_start=65), ask(word))
    assert words in str(caught.value)
    assert remedy in caught.value.remedy


@cases(
    "nodes, request_, changes, expected",
    {
        "the oldest that is older": (
            (node(1, version=NEWER, binary_version=NEWER), node(2), node(3)),
            ask("upgrade"),
            {},
            "upgrade 2 to 0.4.8",
        ),
        "all that are older, whatever the limits": (
            (node(1), node(2), node(3, STOPPED)),
            ask("upgrade", count=9),
            {},
            "upgrade 1 to 0.4.8, upgrade 2 to 0.4.8",
        ),
        "nobody is older": ((node(1, version=NEWER, binary_version=NEWER),), ask("upgrade"), {}, ""),
        "a named one, even down, when that is confirmed": (
            (node(1, version="0.5.0", binary_version="0.5.0"),),
            ask("upgrade", "antnode0001", confirmed=True),
            {},
            "upgrade 1 to 0.4.8",
        ),
        "as far as the pin": ((node(1),), ask("upgrade"), {"node_version": NEWER}, "upgrade 1 to 0.4.8"),
    },
)
def test_upgrade(nodes: tuple[NodeSeen, ...], request_: Request, changes: Any, expected: str) -> None:
    assert briefly(forced(seen(nodes, available=NEW), settings(**changes), request_)) == expected


def test_a_step_back_has_to_be_confirmed() -> None:
    newer = node(1, version="0.5.0", binary_version="0.5.0")
    with pytest.raises(
        BadInput, match=r"antnode0001 runs 0\.5\.0, and 0\.4\.8 would be a step back: add --confirm"
    ):
        forced(seen([newer], available=NEW), settings(), ask("upgrade", "antnode0001"))


def test_upgrade_above_the_pin_needs_the_operator() -> None:
    with pytest.raises(NeedsOperator, match=r"cannot use version 0\.4\.8, the pin node_version 0\.4\.7"):
        forced(seen([node(1)], available=NEW), settings(node_version=VERSION), ask("upgrade"))


@cases(
    "known, program, expected",
    {
        "with an old copy": (node(1, STOPPED), NEW, "start 1 with 0.4.8"),
        "with a current copy": (node(1, STOPPED), available(VERSION), "start 1"),
        "without a program": (node(1, STOPPED), Unseen(reason="-"), "start 1"),
        "already running": (node(1), NEW, "start 1"),
    },
)
def test_start_brings_the_program(known: NodeSeen, program: Any, expected: str) -> None:
    decision = forced(seen([known], available=program), settings(), ask("start", "antnode0001"))
    assert briefly(decision) == expected


def test_a_stop_by_hand_is_no_shedding_and_a_restart_no_healing() -> None:
    (stop,) = forced(seen(FLEET), settings(), ask("stop")).actions
    (restart,) = forced(seen(FLEET), settings(), ask("restart")).actions
    assert isinstance(stop, StopNode)
    assert not stop.shed
    assert isinstance(restart, RestartNode)
    assert not restart.silent


def test_an_addition_by_hand_is_complete() -> None:
    (action,) = forced(seen(FLEET), settings(node_cap=9), ask("add")).actions
    assert isinstance(action, AddNode)
    assert (action.node.root_dir, action.program) == (f"{HOME}/antnode0006", choice())


def test_conclusions_hold_by_hand_too() -> None:
    crashed = node(1, state=ProcessState.STOPPED)
    decision = forced(seen([crashed, node(2)]), settings(), ask("start"))
    assert briefly(decision) == "start 1"
    assert concluded(decision)[1].status is STOPPED


REMOVED = RemoveNode(node=NodeId(1), because=legacy("-"))
DISABLING = DisableNode(node=NodeId(1), because=legacy("-"))


def test_what_was_interrupted_is_finished_besides() -> None:
    known = node(1, DISABLED, state=ProcessState.RUNNING)
    decision = forced(seen([known, node(2)], interrupted=interrupted(DISABLING)), settings(), ask("stop"))
    assert briefly(decision) == "disable 1, stop 2"


def test_a_removal_that_is_due_is_done_besides() -> None:
    view = seen([node(1, Status.REMOVING, status_since=ago(99)), node(2)])
    assert briefly(forced(view, settings(), ask("stop"))) == "remove 1, stop 2"
    assert briefly(forced(view, settings(), ask("survey"))) == "remove 1, resurvey"
    assert briefly(forced(view, settings(), ask("add"))) == "remove 1, add 3"


def test_what_is_asked_for_comes_before_what_is_due() -> None:
    view = seen([node(1, Status.REMOVING, status_since=ago(99)), node(2)])
    assert briefly(forced(view, settings(), ask("start", "antnode0001"))) == "start 1"
    assert briefly(forced(view, settings(), ask("remove", "antnode0001", confirmed=True))) == "remove 1"


def test_with_a_disk_away_nothing_is_done_besides() -> None:
    lost = folderless(1, Status.REMOVING, status_since=ago(99))
    view = seen([lost, folderless(2)], storages=(storage(present=False),), interrupted=interrupted(REMOVED))
    request = ask("remove", "antnode0002", confirmed=True)
    assert briefly(forced(view, settings(), request)) == "remove 2"


def test_counted_additions_leave_disabled_and_leaving_nodes_out() -> None:
    nodes = [node(1), node(2, DISABLED), node(3, Status.REMOVING, status_since=NOW)]
    assert briefly(forced(seen(nodes), settings(node_cap=2), ask("add"))) == "add 4"


def test_enabling_a_node_for_which_the_cap_has_no_room_is_refused() -> None:
    nodes = [node(1), node(2, Status.DISABLED), node(3)]
    with pytest.raises(BadInput, match="raise it"):
        forced(seen(nodes), settings(node_cap=2), ask("enable", "antnode0002"))
    assert briefly(forced(seen(nodes), settings(node_cap=3), ask("enable", "antnode0002"))) == "enable 2"


def test_removing_by_hand_wants_names_or_a_number() -> None:
    with pytest.raises(BadInput, match="--count N"):
        forced(seen(FLEET), settings(), ask("remove"))


def test_only_enabling_asks_for_room() -> None:
    full = settings(node_cap=1)
    for word, expected in (("stop", "stop 2"), ("restart", "restart 1"), ("start", "start 3")):
        assert briefly(forced(seen(FLEET), full, ask(word))) == expected
    with pytest.raises(BadInput, match="too many for node_cap 4; raise it"):
        forced(seen(FLEET), settings(node_cap=4), ask("enable"))
    assert briefly(forced(seen(FLEET), settings(node_cap=5), ask("enable"))) == "enable 5"
    with pytest.raises(BadInput, match="enabling 1 would make 1 too many"):
        forced(seen(FLEET), settings(node_cap=4), ask("enable", "antnode0005"))


def test_a_teardown_is_refused_while_a_disk_is_away() -> None:
    away = (storage(HOME, present=False, empty=True, mount_point=None),)
    view = seen([folderless(1), folderless(2)], storages=away)
    with pytest.raises(NeedsOperator, match="cannot tear everything down"):
        forced(view, settings(), Request(action=ForcedAction.TEARDOWN, confirmed=True))
