"""Rules 1 and 2: reboots, nodes without their folder, and disks that are away."""

from msgspec.structs import replace
from tests.builders import (
    HOME,
    NOW,
    ago,
    ahead,
    briefly,
    cases,
    choice,
    concluded,
    disk,
    folderless,
    interrupted,
    limits,
    node,
    reasons,
    row,
    seen,
    settings,
    storage,
)

from wnm.core.action import AddNode, DisableNode, NodeAction, RemoveNode
from wnm.core.decide.ladder import decide
from wnm.core.node import NodeId, ProcessState, Status
from wnm.core.observation import NodeSeen, Observation, Storage, Unseen
from wnm.core.reasons import legacy
from wnm.core.sentences import remedy, sentence, waiting_for

GONE = storage(present=False, empty=True, mount_point=None)
EMPTY = storage(empty=True)
ELSEWHERE = storage(mount_point="/other")
UNSEEN = storage(present=Unseen(reason="hangs"), empty=False, mount_point=None)
ADDED = AddNode(node=row(1), program=choice(), because=legacy("-"))
REMOVED = RemoveNode(node=NodeId(1), because=legacy("-"))
ENDED = ProcessState.STOPPED


@cases(
    "known, status",
    {
        "a process that did not come back is a stopped node": (node(1, state=ENDED), Status.STOPPED),
        "a process that did is a running node": (node(1), Status.RUNNING),
        "a stopped node that runs is running": (
            node(1, Status.STOPPED, state=ProcessState.RUNNING),
            Status.RUNNING,
        ),
        "a starting node that runs is running": (node(1, Status.RESTARTING), Status.RUNNING),
        "a starting node that does not is stopped": (node(1, Status.RESTARTING, state=ENDED), Status.STOPPED),
        "an upgrading node that does not is stopped": (
            node(1, Status.UPGRADING, state=ENDED),
            Status.STOPPED,
        ),
        "a process that was not seen stays": (node(1, sees={"process": Unseen(reason="-")}), Status.RUNNING),
        "a node that was leaving leaves": (node(1, Status.REMOVING), Status.REMOVING),
        "a disabled node is left alone": (node(1, Status.DISABLED), Status.DISABLED),
        "a dead node whose folder is back is stopped": (node(1, Status.DEAD), Status.STOPPED),
    },
)
def test_reboot(known: NodeSeen, status: Status) -> None:
    known = replace(known, node=replace(known.node, retry_at=None))
    decision = decide(seen([known], rebooted=True), settings(node_cap=9))
    assert (decision.rule, briefly(decision)) == ("reboot", "resurvey")
    after = concluded(decision).get(1, known.node)
    assert (after.status, after.failures) == (status, 0)


@cases(
    "status, kept",
    {
        "of a node that leaves": (Status.REMOVING, False),
        "of a node whose process was not seen": (Status.RESTARTING, False),
        "of a disabled node do not": (Status.DISABLED, True),
    },
)
def test_a_reboot_starts_timers_again(status: Status, kept: bool) -> None:
    known = node(1, status, status_since=ago(600), sees={"process": Unseen(reason="-")})
    after = concluded(decide(seen([known], rebooted=True), settings())).get(1, known.node)
    assert after.status_since == (ago(600) if kept else NOW)


def test_a_reboot_forgets_pauses_and_silence() -> None:
    known = node(1, state=ENDED, retry_at=ahead(9), silent_since=ago(9), failures=3)
    after = concluded(decide(seen([known], rebooted=True), settings()))[1]
    assert (after.retry_at, after.silent_since, after.failures) == (None, None, 3)


def test_a_reboot_gives_removals_their_whole_delay_again() -> None:
    due = node(1, Status.REMOVING, status_since=ago(99))
    running = node(2, Status.REMOVING, state=ProcessState.RUNNING, status_since=ago(1))
    assert briefly(decide(seen([due, running], rebooted=True), settings())) == "resurvey"


def test_after_a_reboot_nodes_come_back_as_many_at_a_time_as_may_start() -> None:
    fleet = [node(number, Status.STOPPED) for number in range(1, 6)]
    decision = decide(seen(fleet), settings(node_cap=5, max_concurrent_starts=2, max_concurrent_operations=9))
    assert briefly(decision) == "start 1, start 2"


def test_dead_nodes_are_removed_all_at_once_beyond_any_limit() -> None:
    dead = [folderless(number) for number in range(1, 6)]
    decision = decide(
        seen([*dead, node(6), node(7, Status.REMOVING, status_since=NOW)]), settings(**limits(1))
    )
    assert (decision.rule, briefly(decision)) == (
        "dead nodes",
        "remove 1, remove 2, remove 3, remove 4, remove 5",
    )
    after = concluded(decision)[3]
    assert (after.status, after.status_since, after.because) == (Status.DEAD, NOW, "its folder is gone")
    assert sentence(decision.because) == "5 node(s) without their folder"
    assert "remove antnode" not in reasons(decision)


@cases(
    "status, expected",
    {
        "RUNNING": (Status.RUNNING, "remove 1"),
        "STOPPED": (Status.STOPPED, "remove 1"),
        "RESTARTING": (Status.RESTARTING, "remove 1"),
        "UPGRADING": (Status.UPGRADING, "remove 1"),
        "REMOVING": (Status.REMOVING, "remove 1"),
        "DEAD": (Status.DEAD, "remove 1"),
        "DISABLED is left alone": (Status.DISABLED, ""),
    },
)
def test_a_node_without_its_folder_is_dead_whatever_it_was(status: Status, expected: str) -> None:
    known = folderless(1, status, status_since=NOW)
    assert briefly(decide(seen([known, node(2)], cpu=75), settings(node_cap=2))) == expected


def test_a_folder_that_could_not_be_looked_for_is_not_gone() -> None:
    known = node(1, sees={"root_dir_present": Unseen(reason="hangs")})
    assert briefly(decide(seen([known]), settings(node_cap=1))) == ""


def test_a_removal_of_a_dead_node_that_failed_pauses_and_blocks_nothing() -> None:
    resting = folderless(1, Status.DEAD, retry_at=ahead(5), last_error="stays")
    decision = decide(seen([resting, node(2)]), settings(node_cap=2))
    assert (decision.rule, briefly(decision)) == ("growth", "add 3")
    assert "remove antnode0001: waits for its pause after: stays" in reasons(decision)
    over = folderless(1, Status.DEAD, retry_at=NOW)
    assert briefly(decide(seen([over, node(2)]), settings(node_cap=2))) == "remove 1"


def test_a_dead_node_whose_folder_is_back_is_stopped_and_started() -> None:
    decision = decide(seen([node(1, Status.DEAD)]), settings(node_cap=1))
    assert briefly(decision) == "start 1"
    assert concluded(decision)[1].because == "its folder is back"


@cases(
    "where, words",
    {
        "is not there": (GONE, "is not there"),
        "is empty": (EMPTY, "is empty"),
        "lies on another disk": (ELSEWHERE, "lies on /other, not on / as before"),
    },
)
def test_nothing_is_done_when_the_storage(where: Storage, words: str) -> None:
    nodes = [folderless(1), folderless(2, Status.STOPPED), node(3, Status.REMOVING, status_since=ago(99))]
    decision = decide(seen(nodes, storages=(where,), cpu=95), settings(node_cap=1))
    assert (decision.rule, decision.actions) == ("missing storage", ())
    (held,) = decision.held
    assert (
        waiting_for(held) == f"the storage folder {HOME}, which {words} although antnode0001 should be in it"
    )
    assert "--force_action remove --confirm --service_name antnode0001,antnode0002" in str(remedy(held))
    assert Status.DEAD not in {each.status for each in concluded(decision).values()}


@cases(
    "view, expected",
    {
        "a storage that could not be seen is not missing": (
            seen([node(1, sees={"root_dir_present": Unseen(reason="hangs")})], storages=(UNSEEN,)),
            "",
        ),
        "an empty storage without rows is a new one": (seen(storages=(EMPTY,)), "add 1"),
        "an empty storage of a disabled node asks nobody": (
            seen([folderless(1, Status.DISABLED, state=ENDED)], storages=(EMPTY,)),
            "add 2",
        ),
        "a storage of the same disk that lost one node has a dead node": (
            seen([folderless(1), node(2)]),
            "remove 1",
        ),
        "a storage whose disk was never known cannot lie on another": (
            seen([folderless(1, mount_point=None), node(2)], storages=(ELSEWHERE,)),
            "remove 1",
        ),
        "a storage that does not know its disk cannot either": (
            seen([folderless(1), node(2)], storages=(storage(mount_point=None),)),
            "remove 1",
        ),
        "a storage emptied by a removal that was cut short": (
            seen(
                [folderless(1, Status.REMOVING, status_since=NOW)],
                storages=(EMPTY,),
                interrupted=interrupted(REMOVED),
                cpu=75,
            ),
            "remove 1",
        ),
        "a storage emptied by a removal that was cut short, its operation forgotten": (
            seen([folderless(1, Status.REMOVING, status_since=NOW)], storages=(EMPTY,), cpu=75),
            "remove 1",
        ),
        "a storage that the first addition had not made yet": (
            seen(
                [folderless(1, Status.RESTARTING, state=ENDED)],
                storages=(storage(present=False, empty=True),),
                interrupted=interrupted(ADDED),
                cpu=75,
            ),
            "remove 1",
        ),
        "a storage that the first addition had left empty": (
            seen(
                [folderless(1, Status.RESTARTING, state=ENDED)],
                storages=(EMPTY,),
                interrupted=interrupted(ADDED),
                cpu=75,
            ),
            "remove 1",
        ),
    },
)
def test_what_is_no_missing_storage(view: Observation, expected: str) -> None:
    decision = decide(view, settings(node_cap=2))
    assert decision.rule != "missing storage"
    assert briefly(decision) == expected


@cases(
    "action, status, where",
    {
        "a removal on a disk that is away": (REMOVED, Status.REMOVING, GONE),
        "a removal on another disk than before": (REMOVED, Status.REMOVING, ELSEWHERE),
        "an addition on another disk than before": (ADDED, Status.RESTARTING, ELSEWHERE),
    },
)
def test_an_interrupted_action_waits_too(action: NodeAction, status: Status, where: Storage) -> None:
    known = folderless(1, status, state=ENDED, status_since=ago(99))
    decision = decide(seen([known], storages=(where,), interrupted=interrupted(action)), settings())
    assert (decision.rule, decision.actions) == ("missing storage", ())


def test_a_removal_that_is_due_waits_for_its_disk() -> None:
    due = folderless(1, Status.REMOVING, status_since=ago(99))
    decision = decide(seen([due], storages=(GONE,)), settings())
    assert (decision.rule, decision.actions) == ("missing storage", ())


def test_one_missing_disk_of_two_holds_its_own_nodes_and_the_others_go_on() -> None:
    there = node(3, root_dir="/mnt/b/antnode0003", mount_point="/mnt/b", state=ENDED, crashed=True)
    view = seen(
        [folderless(1), folderless(2), there],
        storages=(GONE, storage("/mnt/b", "/mnt/b")),
        disks=(disk("/mnt/b"),),
    )
    decision = decide(view, settings(node_cap=3))
    assert briefly(decision) == "start 3"
    (held,) = [each for each in decision.held if each.remedy is not None]
    assert held.nodes == (1, 2)


def test_a_node_in_a_storage_that_nobody_looked_at_is_judged_by_its_folder() -> None:
    stray = folderless(1, root_dir="/elsewhere/antnode0001")
    assert briefly(decide(seen([stray, node(2)]), settings(node_cap=2))) == "remove 1"


def test_a_disabled_node_is_stopped_for_good_even_when_that_was_interrupted() -> None:
    known = folderless(1, Status.DISABLED, state=ProcessState.RUNNING)
    action = DisableNode(node=NodeId(1), because=legacy("-"))
    decision = decide(seen([known, node(2)], interrupted=interrupted(action), cpu=75), settings(node_cap=2))
    assert briefly(decision) == "disable 1"
