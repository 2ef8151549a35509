"""What an action that was begun and never concluded leaves to the next cycle."""

from tests.builders import (
    NOW,
    ago,
    ahead,
    briefly,
    cases,
    choice,
    concluded,
    folderless,
    interrupted,
    node,
    row,
    seen,
    settings,
)

from wnm.core.action import (
    AddNode,
    DisableNode,
    EnableNode,
    NodeAction,
    RemoveNode,
    RestartNode,
    RetireNode,
    StartNode,
    StopNode,
    UpgradeNode,
)
from wnm.core.decide.ladder import decide
from wnm.core.node import NodeId, ProcessState, Status
from wnm.core.observation import NodeSeen, Unseen
from wnm.core.reasons import legacy
from wnm.core.sentences import sentence

ONE = NodeId(1)
ADD = AddNode(node=row(1), program=choice(), because=legacy("-"))
START = StartNode(node=ONE, program=None, because=legacy("-"))
STOP = StopNode(node=ONE, shed=True, because=legacy("-"))
RESTART = RestartNode(node=ONE, silent=True, because=legacy("-"))
UPGRADE = UpgradeNode(node=ONE, program=choice(), because=legacy("-"))
RETIRE = RetireNode(node=ONE, because=legacy("-"))
REMOVE = RemoveNode(node=ONE, because=legacy("-"))
DISABLE = DisableNode(node=ONE, because=legacy("-"))
ENABLE = EnableNode(node=ONE, because=legacy("-"))
RUNS, ENDED = ProcessState.RUNNING, ProcessState.STOPPED
JUST = ago(1)
BLIND = {"process": Unseen(reason="no answer"), "reachable": None, "page": Unseen(reason="not asked")}
# Nothing else happens in these cycles: the machine is too busy to grow, and not enough to shed.
QUIET = 75.0


@cases(
    "action, known, actions, status",
    {
        "an addition that made no folder is undone": (
            ADD,
            folderless(1, Status.RESTARTING, state=ENDED, status_since=JUST),
            "remove 1",
            Status.STOPPED,
        ),
        "an addition that got to its folder is a stopped node": (
            ADD,
            node(1, Status.RESTARTING, state=ENDED, status_since=JUST),
            "",
            Status.STOPPED,
        ),
        "an addition that got to its process is a starting node": (
            ADD,
            node(1, Status.RESTARTING, status_since=JUST),
            "",
            Status.RESTARTING,
        ),
        "a start that did not get to its process is undone": (
            START,
            node(1, Status.RESTARTING, state=ENDED, status_since=JUST),
            "",
            Status.STOPPED,
        ),
        "a start that did goes on": (
            START,
            node(1, Status.RESTARTING, status_since=JUST),
            "",
            Status.RESTARTING,
        ),
        "a stop that got through is a stopped node": (STOP, node(1, state=ENDED), "", Status.STOPPED),
        "a stop that did not is done again": (STOP, node(1), "shed 1", Status.RUNNING),
        "a stop of one that was disabled since is not": (
            STOP,
            node(1, Status.DISABLED, state=RUNS),
            "",
            Status.DISABLED,
        ),
        "a restart between its halves is a crashed node": (
            RESTART,
            node(1, Status.RESTARTING, state=ENDED, restarted=True, status_since=JUST),
            "start 1",
            Status.STOPPED,
        ),
        "an upgrade between its halves is a crashed node": (
            UPGRADE,
            node(1, Status.UPGRADING, state=ENDED, status_since=JUST),
            "start 1",
            Status.STOPPED,
        ),
        "an upgrade whose process runs goes on": (
            UPGRADE,
            node(1, Status.UPGRADING, status_since=JUST),
            "",
            Status.UPGRADING,
        ),
        "a retirement that did not end the process does it again": (
            RETIRE,
            node(1, Status.REMOVING, state=RUNS, status_since=JUST),
            "retire 1",
            Status.REMOVING,
        ),
        "a retirement that did waits for its delay": (
            RETIRE,
            node(1, Status.REMOVING, status_since=JUST),
            "",
            Status.REMOVING,
        ),
        "a removal is done again at once, its delay over or not": (
            REMOVE,
            node(1, Status.REMOVING, status_since=NOW),
            "remove 1",
            Status.REMOVING,
        ),
        "a removal is done again whatever is left of it": (
            REMOVE,
            folderless(1, Status.REMOVING, status_since=NOW),
            "remove 1",
            Status.REMOVING,
        ),
        "a removal is done again although the node pauses": (
            REMOVE,
            node(1, Status.REMOVING, retry_at=ahead(5)),
            "remove 1",
            Status.REMOVING,
        ),
        "disabling is done again while the process runs": (
            DISABLE,
            node(1, Status.DISABLED, state=RUNS),
            "disable 1",
            Status.DISABLED,
        ),
        "disabling is done again while the process is not seen": (
            DISABLE,
            node(1, Status.DISABLED, sees=BLIND),
            "disable 1",
            Status.DISABLED,
        ),
        "disabling that ended the process is done": (
            DISABLE,
            node(1, Status.DISABLED, state=ENDED),
            "",
            Status.DISABLED,
        ),
        "enabling that was not written down did not happen": (
            ENABLE,
            node(1, Status.DISABLED),
            "",
            Status.DISABLED,
        ),
    },
)
def test_resolution(action: NodeAction, known: NodeSeen, actions: str, status: Status) -> None:
    decision = decide(
        seen([known, node(2)], interrupted=interrupted(action), cpu=QUIET), settings(node_cap=2)
    )
    assert briefly(decision) == actions
    assert concluded(decision).get(1, known.node).status is status


@cases("action", {type(each).__name__: each for each in (ADD, START, STOP, RESTART, UPGRADE)})
def test_an_interruption_is_nobodys_failure(action: NodeAction) -> None:
    while_in: dict[NodeAction, Status] = {STOP: Status.RUNNING, UPGRADE: Status.UPGRADING}
    status = while_in.get(action, Status.RESTARTING)
    known = node(1, status, state=ENDED, status_since=JUST)
    decision = decide(seen([known], interrupted=interrupted(action)), settings(node_cap=1))
    after = concluded(decision)[1]
    assert (after.failures, after.retry_at, after.last_error) == (0, None, None)
    assert briefly(decision) == "start 1"


def test_only_the_interrupted_node_is_excused() -> None:
    crashed = node(2, state=ENDED)
    decision = decide(seen([crashed], interrupted=interrupted(START), cpu=QUIET), settings(node_cap=1))
    assert concluded(decision)[2].failures == 1


def test_after_a_reboot_an_interrupted_removal_is_done_again_too() -> None:
    known = node(1, Status.REMOVING, status_since=NOW)
    decision = decide(seen([known], interrupted=interrupted(REMOVE), rebooted=True), settings())
    assert briefly(decision) == "remove 1, resurvey"


def test_an_interrupted_addition_without_a_folder_leaves_its_id_alone_until_it_is_gone() -> None:
    known = folderless(1, Status.RESTARTING, state=ENDED)
    decision = decide(seen([known, node(2)], interrupted=interrupted(ADD)), settings(node_cap=2))
    assert briefly(decision) == "remove 1, add 3"


def test_after_an_interrupted_shed_its_effect_is_waited_for() -> None:
    high = seen([node(1, state=ENDED), node(2)], interrupted=interrupted(STOP), cpu=90)
    assert briefly(decide(high, settings(node_cap=2))) == ""
    by_hand = StopNode(node=ONE, shed=False, because=legacy("-"))
    high = seen([node(1, state=ENDED), node(2)], interrupted=interrupted(by_hand), cpu=90)
    assert briefly(decide(high, settings(node_cap=2))) == "shed 2"


def test_reasons_of_what_is_finished() -> None:
    def because(action: NodeAction, known: NodeSeen) -> str:
        decision = decide(seen([known, node(2)], interrupted=interrupted(action), cpu=QUIET), settings())
        assert decision.rule == "bookkeeping"
        return sentence(decision.because)

    assert "before it had a folder" in because(ADD, folderless(1, Status.RESTARTING, state=ENDED))
    assert because(REMOVE, node(1, Status.REMOVING)) == "its removal was interrupted"
    assert because(DISABLE, node(1, Status.DISABLED, state=RUNS)) == "disabling it was interrupted"
