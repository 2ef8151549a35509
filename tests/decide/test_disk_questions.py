"""Disks in question: markers, file systems that changed, nodes that were moved, and what is done by hand about them."""

from typing import Any

import pytest
from msgspec.structs import replace
from tests.builders import (
    HOME,
    NOW,
    ago,
    briefly,
    cases,
    disk,
    folderless,
    node,
    seen,
    settings,
    storage,
)

from wnm.core.action import AdoptNode
from wnm.core.decide.forced import ForcedAction, Request, forced
from wnm.core.decide.ladder import decide
from wnm.core.decision import Decision
from wnm.core.errors import BadInput, NeedsOperator
from wnm.core.node import NodeId, Status
from wnm.core.observation import NodeSeen, Observation, Remembered, Storage, Unseen
from wnm.core.places import KnownPlace, Marker, Stray
from wnm.core.sentences import remedy, waiting_for

OURS, THEIRS = "our database", "another database"
HERE = Marker(database=OURS, folder="here")
KNOWN = KnownPlace(path=HOME, folder="here", file_system="f5", device="8:1")
B = "/mnt/b"
KNOWN_B = KnownPlace(path=B, folder="b", file_system="b5", device="8:2")
TWO = {"node_storage": (HOME, B)}


def marked(path: str = HOME, **changes: Any) -> Storage:
    """A storage folder that carries our marker."""
    return storage(path, **{"marker": HERE, **changes})


def look(
    nodes: list[NodeSeen], *storages: Storage, places: tuple[KnownPlace, ...] = (KNOWN,), **changes: Any
) -> Observation:
    """What a cycle sees of a database that knows itself and its places."""
    remembered = Remembered(identity=OURS, places=places)
    return seen(
        nodes,
        **{
            "storages": storages,
            "remembered": remembered,
            "disks": (disk(id="f5", device="8:1"),),
            **changes,
        },
    )


def both(here: Storage, nodes: list[NodeSeen], b: Storage | None = None, **changes: Any) -> Observation:
    """The same with a second storage folder on a disk of its own."""
    other = b or storage(B, B, marker=Marker(database=OURS, folder="b"))
    disks = (disk(id="f5", device="8:1"), disk(B, id="b5", device="8:2"))
    return look(nodes, here, other, places=(KNOWN, KNOWN_B), **{"disks": disks, **changes})


def needs(decision: Decision) -> list[str]:
    return [f"{waiting_for(each)} / {remedy(each)}" for each in decision.held if each.remedy is not None]


def on_b(number: int, **changes: Any) -> NodeSeen:
    return node(number, root_dir=f"{B}/antnode{number:04d}", mount_point=B, **changes)


@cases(
    "where, words",
    {
        "has lost its marker": (marked(marker=None), "which lacks the marker that wnm put there"),
        "is empty": (marked(marker=None, empty=True), "which is empty although antnode0001 should be in it"),
        "is not there": (
            marked(marker=None, empty=True, present=False, mount_point=None),
            "which is not there although antnode0001 should be in it",
        ),
        "is another database's": (
            marked(marker=Marker(database=THEIRS, folder="here")),
            "which carries the marker of another database",
        ),
        "is another folder of ours": (
            marked(marker=Marker(database=OURS, folder="b")),
            "which carries the marker of another storage folder of this database",
        ),
        "has a marker that says nothing": (
            marked(marker=Marker(database="", folder="")),
            "which carries the marker of another database",
        ),
    },
)
@pytest.mark.parametrize("lost", [True, False])
def test_nothing_is_removed_or_started_when_the_storage(where: Storage, words: str, lost: bool) -> None:
    make = folderless if lost or where.present is False or where.empty else node
    nodes = [make(1), make(2, Status.STOPPED), make(3, Status.REMOVING, status_since=ago(99))]
    decision = decide(look(nodes, where, cpu=95), settings(node_cap=1))
    assert (decision.rule, decision.actions, decision.places) == ("missing storage", (), ())
    (asked,) = needs(decision)
    assert words in asked
    assert (
        f"--force_action accept_disk --storage {HOME} --confirm" in asked or "mount the disk again" in asked
    )


def test_a_marker_that_cannot_be_read_holds_without_asking() -> None:
    decision = decide(look([folderless(1)], marked(marker=Unseen(reason="Input/output error"))), settings())
    assert (decision.rule, decision.actions, needs(decision)) == ("missing storage", (), [])


def test_with_the_marker_in_place_missing_folders_are_dead_nodes_however_many() -> None:
    decision = decide(look([folderless(1), folderless(2)], marked(empty=True)), settings(node_cap=2))
    assert (decision.rule, briefly(decision)) == ("dead nodes", "remove 1, remove 2")


def test_nodes_of_another_machine_are_not_started_as_ones_own() -> None:
    theirs = node(1, Status.STOPPED, sees={"born": ago(5)})
    decision = decide(look([theirs], marked(marker=Marker(database=THEIRS, folder="x"))), settings())
    assert briefly(decision) == ""
    assert [each.after.born for each in decision.conclusions if each.after.id == 1] in (
        [],
        [theirs.node.born],
    )


def test_a_disk_in_question_keeps_growth_off_it_and_its_nodes_still_count() -> None:
    view = both(marked(marker=None, empty=True), [folderless(1), folderless(2), on_b(3)])
    assert briefly(decide(view, settings(node_cap=3, **TWO))) == ""
    (new,) = decide(view, settings(node_cap=4, **TWO)).actions
    assert new.node.root_dir.startswith(B)  # type: ignore[union-attr]


def test_a_new_storage_of_another_database_takes_no_node_and_is_asked_about() -> None:
    foreign = storage(B, B, marker=Marker(database=THEIRS, folder="x"))
    view = look([], marked(), foreign, disks=(disk(id="f5", device="8:1", used=60.0), disk(B)))
    decision = decide(view, settings(node_cap=1, **TWO))
    (new,) = decision.actions
    assert new.node.root_dir.startswith(HOME)  # type: ignore[union-attr]
    assert "accept_disk --storage /mnt/b" in needs(decision)[0]


def test_a_storage_on_another_file_system_goes_on_with_what_is_there_and_removes_nothing() -> None:
    copied = (disk(id="new", device="8:9"),)
    decision = decide(
        look([folderless(1), node(2, Status.STOPPED)], marked(), disks=copied), settings(node_cap=2)
    )
    assert briefly(decision) == "start 2"
    assert decision.places == ()
    (asked,) = needs(decision)
    assert "another file system than before and lacks the folders of antnode0001" in asked


def test_a_file_system_is_remembered_once_every_node_was_seen_on_it() -> None:
    copied = (disk(id="new", device="8:9"),)
    decision = decide(look([node(1), node(2)], marked(), disks=copied), settings(node_cap=2))
    (news,) = decision.places
    assert (news.marks, news.place) == (False, replace(KNOWN, file_system="new", device="8:9"))


def test_in_an_unchanging_world_nothing_is_news_of_a_storage() -> None:
    assert decide(look([node(1)], marked()), settings(node_cap=1)).places == ()


@cases(
    "nodes, where, marked_now",
    {
        "with a node that has its own key": ([node(1), folderless(2)], storage(), True),
        "without any node": ([], storage(), True),
        "that was just made for the first node": (
            [],
            storage(present=False, empty=True),
            True,
        ),
        "that cannot be written": ([node(1)], storage(read_only=True), False),
        "whose marker is there already": ([node(1)], marked(), False),
    },
)
def test_a_storage_that_never_had_a_marker_gets_one(
    nodes: list[NodeSeen], where: Storage, marked_now: bool
) -> None:
    decision = decide(look(nodes, where, places=()), settings(node_cap=max(1, len(nodes))))
    assert [each.marks for each in decision.places] == ([marked_now] if marked_now or where.marker else [])
    assert decision.rule != "missing storage"


def test_a_folder_of_a_database_before_ours_is_ours_by_a_nodes_key() -> None:
    foreign = marked(marker=Marker(database=THEIRS, folder="x"))
    decision = decide(look([node(1), folderless(2)], foreign, places=()), settings(node_cap=2))
    assert briefly(decision) == "remove 2"
    assert [each.marks for each in decision.places] == [True]


def test_the_marker_of_a_database_that_has_nodes_there_too_stays() -> None:
    shared = marked(marker=Marker(database=THEIRS, folder="x"), strays=(_stray(HOME, 7),))
    decision = decide(look([node(1), folderless(2)], shared, places=()), settings(node_cap=2))
    assert (briefly(decision), decision.places) == ("remove 2", ())


def test_nodes_that_were_just_taken_over_may_be_remembered_by_another_time() -> None:
    taken = node(1, Status.STOPPED, sees={"born": ago(5)}, process_started_at=None)
    foreign = marked(marker=Marker(database=THEIRS, folder="x"))
    for where in (storage(), foreign):
        decision = decide(look([taken], where, places=()), settings(node_cap=1))
        assert (briefly(decision), [each.marks for each in decision.places]) == ("start 1", [True])


def test_what_is_missing_beside_a_node_with_its_own_key_is_dead() -> None:
    decision = decide(look([node(1), folderless(2)], storage(), places=()), settings(node_cap=2))
    assert briefly(decision) == "remove 2"


def test_a_storage_without_marker_and_without_any_own_key_is_asked_about() -> None:
    strangers = [folderless(1), node(2, sees={"born": ago(3)})]
    decision = decide(look(strangers, storage(), places=()), settings(node_cap=2))
    assert (decision.rule, decision.actions, decision.places) == ("missing storage", (), ())
    assert "in which no node has its own key although antnode0001 should be in it" in needs(decision)[0]


def test_a_folder_outside_of_node_storage_gets_no_marker() -> None:
    view = look([], storage("/elsewhere"), places=())
    assert decide(view, settings(node_cap=0)).places == ()


def _stray(path: str, number: int = 1, **changes: Any) -> Stray:
    born = node(number).node.born
    known = Stray(name=f"antnode{number:04d}", path=f"{path}/antnode{number:04d}", kind="antnode", born=born)
    return replace(known, **changes)


def test_a_node_that_was_moved_is_held_and_offered() -> None:
    b = storage(B, B, marker=Marker(database=OURS, folder="b"), strays=(_stray(B),))
    view = both(marked(), [folderless(1), node(2)], b)
    decision = decide(view, settings(node_cap=2, **TWO))
    assert briefly(decision) == ""
    assert needs(decision) == [
        f"antnode0001, whose folder is at {B}/antnode0001, not at {HOME}/antnode0001 / run wnm --force_action adopt "
        "--service_name antnode0001 to go on with it there, or move it back"
    ]
    (adopted,) = by_hand(view, ForcedAction.ADOPT, **TWO).actions
    assert isinstance(adopted, AdoptNode)
    assert adopted.former == view.nodes[0].node
    assert (adopted.node.root_dir, adopted.node.program) == (f"{B}/antnode0001", f"{B}/antnode0001/antnode")
    assert (adopted.node.mount_point, adopted.node.wallet) == (B, view.nodes[0].node.wallet)


def test_another_nodes_folder_of_the_same_name_is_no_move() -> None:
    b = storage(B, B, marker=Marker(database=OURS, folder="b"), strays=(_stray(B, born=ago(1)),))
    view = both(marked(), [folderless(1), node(2)], b)
    assert briefly(decide(view, settings(node_cap=2, **TWO))) == "remove 1"
    with pytest.raises(BadInput, match="another key"):
        by_hand(view, ForcedAction.ADOPT, names=("antnode0001",), **TWO)


def by_hand(
    view: Observation, action: ForcedAction, *, names: tuple[str, ...] = (), **given: Any
) -> Decision:
    request = Request(action=action, names=names, confirmed=True, storage=given.pop("storage", None))
    return forced(view, settings(**given), request)


def test_a_folder_without_a_row_is_adopted_as_the_settings_say() -> None:
    view = look([node(2)], marked(strays=(_stray(HOME), _stray(HOME, 7, born=None, kind=None))))
    (adopted,) = by_hand(view, ForcedAction.ADOPT, node_cap=2).actions
    assert isinstance(adopted, AdoptNode)
    assert (adopted.former, adopted.node.id, adopted.node.status) == (None, 1, Status.STOPPED)
    assert (adopted.node.port, adopted.node.born) == (55001, node(1).node.born)
    with pytest.raises(BadInput, match="would make 1 too many for node_cap 1"):
        by_hand(view, ForcedAction.ADOPT, node_cap=1)
    with pytest.raises(BadInput, match="antnode0007: no folder of that name"):
        by_hand(view, ForcedAction.ADOPT, names=("antnode0007",))


def test_a_folder_on_a_disk_in_question_is_not_adopted() -> None:
    view = look([], marked(marker=None, strays=(_stray(HOME),)))
    assert by_hand(view, ForcedAction.ADOPT).actions == ()


def test_an_accepted_disk_is_marked_anew() -> None:
    view = look([folderless(1)], marked(marker=None))
    decision = by_hand(view, ForcedAction.ACCEPT_DISK, storage=HOME)
    (news,) = decision.places
    assert decision.actions == ()
    assert (news.marks, news.place.file_system) == (True, "f5")
    assert news.place.folder not in (None, "here")


@cases(
    "where, given, words",
    {
        "is not in question": (marked(), HOME, "not in question"),
        "is none of ours": (marked(), "/tmp", "one of the folders of node_storage"),
        "cannot be told": (marked(marker=Unseen(reason="hangs")), HOME, "not in question"),
    },
)
def test_a_disk_is_not_accepted_that(where: Storage, given: str, words: str) -> None:
    with pytest.raises(BadInput, match=words):
        by_hand(look([folderless(1)], where), ForcedAction.ACCEPT_DISK, storage=given)


def test_another_machines_node_of_the_same_name_is_not_accepted() -> None:
    foreign = marked(marker=Marker(database=THEIRS, folder="x"))
    theirs = node(1, Status.STOPPED, sees={"born": ago(5)}, disk_measured_at=ago(9))
    with pytest.raises(NeedsOperator, match="holds another key than antnode0001 had"):
        by_hand(look([theirs], foreign), ForcedAction.ACCEPT_DISK, storage=HOME)
    assert by_hand(look([node(1)], foreign), ForcedAction.ACCEPT_DISK, storage=HOME).places


@pytest.mark.parametrize("action", [ForcedAction.START, ForcedAction.RESTART, ForcedAction.REMOVE])
def test_a_node_on_a_disk_in_question_is_not_touched_by_hand(action: ForcedAction) -> None:
    view = look([node(1)], marked(marker=Marker(database=THEIRS, folder="x")))
    with pytest.raises(NeedsOperator, match="carries the marker of another database"):
        by_hand(view, action, names=("antnode0001",))


def test_a_node_that_is_not_on_the_disk_can_be_removed_by_name() -> None:
    view = look([folderless(1)], marked(marker=None))
    assert briefly(by_hand(view, ForcedAction.REMOVE, names=("antnode0001",))) == "remove 1"
    assert view.nodes[0].node.id == NodeId(1)
    assert view.now == NOW


def test_no_teardown_with_a_disk_in_question() -> None:
    with pytest.raises(NeedsOperator, match="cannot tear everything down"):
        by_hand(look([node(1)], marked(marker=None)), ForcedAction.TEARDOWN)
