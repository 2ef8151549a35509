"""What a new node is: its id, ports, folder, disk and wallet."""

from collections import Counter
from typing import Any

from msgspec.structs import replace
from tests.builders import (
    ALICE,
    BOB,
    GB,
    HOME,
    NOW,
    PROGRAM,
    VERSION,
    ahead,
    briefly,
    cases,
    claims,
    disk,
    limits,
    node,
    reasons,
    seen,
    settings,
    storage,
)

from wnm.core.action import AddNode, ProgramChoice
from wnm.core.decide.growth import draw_wallet, free_ids
from wnm.core.decide.ladder import decide
from wnm.core.forms import FAUCET, WeightedWallet
from wnm.core.node import Node, NodeId, Status
from wnm.core.observation import NodeSeen, Observation, Unseen
from wnm.core.settings import Settings


def added(view: Observation, chosen: Settings) -> list[Node]:
    """The nodes that a cycle adds."""
    return [each.node for each in decide(view, chosen).actions if isinstance(each, AddNode)]


def test_a_new_node_is_complete() -> None:
    chosen = settings(
        port_start=56,
        metrics_port_start=14,
        environment=(("A", "1"),),
        start_args=("--x",),
        no_upnp=False,
        process_manager="setsid",
        node_kind="antnode",
    )
    view = seen([], claims=claims(1))
    assert added(view, chosen) == [
        Node(
            id=NodeId(2),
            name="antnode0002",
            kind="antnode",
            manager="setsid",
            root_dir=f"{HOME}/antnode0002",
            log_dir="/data/logs/antnode0002",
            program=f"{HOME}/antnode0002/antnode",
            port=56002,
            metrics_port=14002,
            wallet=ALICE,
            born=NOW,
            environment=(("A", "1"),),
            start_args=("--x",),
            no_upnp=False,
            status=Status.RESTARTING,
            status_since=NOW,
            mount_point="/",
        )
    ]
    (action,) = decide(view, chosen).actions
    assert isinstance(action, AddNode)
    assert action.program == ProgramChoice(path=PROGRAM, version=VERSION, stamp="new")


@cases(
    "nodes, changes, expected",
    {
        "a row": ([node(1), node(2)], {}, "add 3"),
        "a row of a node that is leaving": (
            [node(1, Status.REMOVING, status_since=NOW)],
            {},
            "add 2",
        ),
        "a disabled node's row": ([node(1, Status.DISABLED)], {}, "add 2"),
        "a folder or a process": ([], {"claims": claims(1, 2, 4)}, "add 3"),
        "a node port that is bound": ([], {"bound_ports": frozenset({55001})}, "add 2"),
        "a metrics port that is bound": ([], {"bound_ports": frozenset({13001, 55002})}, "add 3"),
        "a node port of a node from elsewhere": ([node(7, port=55001)], {}, "add 2"),
        "a metrics port of a node from elsewhere": ([node(7, metrics_port=13001)], {}, "add 2"),
        "a node port that is another's metrics port": ([node(7, metrics_port=55001)], {}, "add 2"),
        "another port is in nobody's way": ([], {"bound_ports": frozenset({55000, 13000, 8080})}, "add 1"),
    },
)
def test_an_id_is_taken_by(nodes: list[NodeSeen], changes: Any, expected: str) -> None:
    assert briefly(decide(seen(nodes, **changes), settings(max_concurrent_operations=2))) == expected


def test_ports_end_at_65535() -> None:
    chosen = settings(port_start=65, metrics_port_start=13)
    assert free_ids(seen(claims=claims(*range(1, 534))), chosen, 9) == [534, 535]
    chosen = settings(port_start=13, metrics_port_start=65)
    assert free_ids(seen(claims=claims(*range(1, 534))), chosen, 9) == [534, 535]
    decision = decide(seen(claims=claims(*range(1, 535))), settings(port_start=65, node_cap=9, **limits(3)))
    assert briefly(decision) == "add 535"
    assert "add a node: waits for an id whose ports are free" in reasons(decision)


B, C = storage("/b", "/b"), storage("/c", "/c")
TWO = settings(node_storage=("/b", "/c"), **limits(4))


@cases(
    "disks, expected",
    {
        "the disk with the most free bytes": ((disk("/b", 10), disk("/c", 20, 2000 * GB)), "/c /c /c /c"),
        "the first of two equal ones, then the other": ((disk("/b", 20), disk("/c", 20)), "/b /c /b /c"),
        "not one that would no longer be below its limit": (
            (disk("/b", 69.999, 10**13), disk("/c", 20)),
            "/c /c /c /c",
        ),
        "not one in a crisis": (
            (disk("/b", 20, free_bytes=2 * GB + 1), disk("/c", 20)),
            "/c /c /c /c",
        ),
        "not one that was not seen": ((disk("/c", 60),), "/c /c /c /c"),
        "neither of two that are full": ((disk("/b", 70), disk("/c", 75)), ""),
        "none was seen": ((disk("/elsewhere"),), ""),
    },
)
def test_disk(disks: Any, expected: str) -> None:
    view = seen([], storages=(B, C), disks=disks)
    assert " ".join(each.root_dir.partition("/antnode")[0] for each in added(view, TWO)) == expected
    assert [each.mount_point for each in added(view, TWO)] == expected.split()


@cases(
    "view, words",
    {
        "the emptiest disk's reason": (
            seen([], storages=(B, C), disks=(disk("/b", 75), disk("/c", 70))),
            "add a node: waits for capacity: with one more node disk /c is 70.0 % (limit 70.0 %)",
        ),
        "every disk in a crisis": (
            seen(
                [node(1, Status.UPGRADING, status_since=NOW, retry_at=ahead(1))],
                storages=(B, C),
                disks=(disk("/b", 5, free_bytes=0), disk("/c", 5, free_bytes=0)),
            ),
            "add up to 49 node(s): waits for 0 bytes free on /b (crisis_bytes 2000000000)",
        ),
    },
)
def test_reasons_of_disks(view: Observation, words: str) -> None:
    assert words in reasons(decide(view, TWO))


def test_a_stopped_node_on_a_full_disk_keeps_nobody_else_back() -> None:
    full = node(1, Status.STOPPED, root_dir="/b/antnode0001", mount_point="/b")
    there = node(2, Status.STOPPED, root_dir="/c/antnode0002", mount_point="/c")
    view = seen([full, there], storages=(B, C), disks=(disk("/b", 75), disk("/c", 20)))
    decision = decide(view, TWO)
    assert briefly(decision) == "start 2, add 3, add 4, add 5"
    assert "start antnode0001: waits for capacity: with one more node disk /b is 75.0 %" in reasons(decision)


@cases(
    "mount_point, expected",
    {
        "its disk is there": ("/", "start 1"),
        "its disk was not seen": ("/b", ""),
        "its disk was never known": (None, "start 1"),
    },
)
def test_a_start_looks_at_the_nodes_own_disk(mount_point: str | None, expected: str) -> None:
    known = node(1, Status.STOPPED, mount_point=mount_point)
    decision = decide(seen([known]), settings(node_cap=1))
    assert briefly(decision) == expected
    if not expected:
        assert reasons(decision) == "start antnode0001: waits for the file system at /b to be seen"


def test_a_start_costs_no_disk() -> None:
    known = node(1, Status.STOPPED)
    near = disk("/", 69.999, 10**9 * 10)
    assert briefly(decide(seen([known], disks=(near,)), settings(node_cap=1, crisis_bytes=0))) == "start 1"


def wallets(*weights: tuple[str, int]) -> Settings:
    """Settings with these wallets."""
    listed = tuple(WeightedWallet(name_or_address=name, weight=weight) for name, weight in weights)
    return settings(rewards_address=listed, donate_address=BOB)


def test_wallets_are_drawn_by_weight() -> None:
    chosen = wallets((ALICE, 70), (BOB, 30))
    drawn = Counter(draw_wallet(chosen, seed, 1) for seed in range(4000))
    assert 0.67 < drawn[ALICE] / 4000 < 0.73
    assert drawn[ALICE] + drawn[BOB] == 4000


def test_a_draw_depends_on_the_seed_and_the_id_and_on_nothing_else() -> None:
    chosen = wallets((ALICE, 1), (BOB, 1))
    first = [draw_wallet(chosen, 7, number) for number in range(100)]
    assert first == [draw_wallet(chosen, 7, number) for number in range(100)]
    assert set(first) == {ALICE, BOB}
    assert first != [draw_wallet(chosen, 8, number) for number in range(100)]


def test_the_seed_of_the_observation_is_the_seed_of_the_draw() -> None:
    chosen = replace(wallets((ALICE, 1), (BOB, 1)), **limits(40))
    fleet = added(seen([], seed=11), chosen)
    assert len(fleet) == 40
    assert [each.wallet for each in fleet] == [draw_wallet(chosen, 11, each.id) for each in fleet]


@cases(
    "name, expected",
    {"an address": (ALICE, ALICE), "donate": ("donate", BOB), "faucet": ("faucet", FAUCET)},
)
def test_what_a_wallet_stands_for(name: str, expected: str) -> None:
    assert draw_wallet(wallets((name, 5)), 1, 1) == expected


def test_a_storage_that_nobody_looked_at_takes_no_node() -> None:
    decision = decide(seen(), settings(node_storage=("/new",)))
    assert reasons(decision) == "add a node: waits for the file system of /new to be seen"


def test_a_draw_is_the_same_for_ever() -> None:
    chosen = wallets((ALICE, 1), (BOB, 1))
    drawn = "".join("ab"[draw_wallet(chosen, 7, number) == BOB] for number in range(1, 17))
    assert drawn == "babbbaabaaababaa"


def test_a_disk_that_hangs_takes_no_node() -> None:
    hanging = storage(present=Unseen(reason="hangs"), mount_point=None)
    decision = decide(seen([], storages=(hanging,)), settings())
    assert briefly(decision) == ""
    assert reasons(decision) == f"add a node: waits for the file system of {HOME} to be seen"
