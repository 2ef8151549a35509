"""Several managers of nodes on one machine, each with a database of its own, keep their hands off each other's."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.systemd.life import (
    Life,
    added_rules,
    as_root,
    children,
    do,
    elsewhere,
    end_lingering,
    linger,
    name,
    of_a_user,
    offer,
)


@pytest.fixture(scope="module")
def lives() -> Iterator[dict[str, Life]]:
    """Four of them, with a node each: three are root's, and all names of nodes but one's are the same."""
    folder = Path("/srv/others")
    made = {
        "systemd": as_root(),
        "setsid": elsewhere(folder / "setsid", block=56, process_manager="setsid", firewall="ufw"),
        "systemd elsewhere": elsewhere(folder / "systemd", block=57, firewall="ufw"),
        "a user's": of_a_user(),
    }
    for kind in ("setsid", "systemd"):
        (folder / kind).mkdir(parents=True)
    offer()
    do("ufw", "--force", "enable")
    linger()
    try:
        for life in made.values():
            if life.user == "operator":
                life.init(node_cap=1, port_start=58, metrics_port_start=18, keep_keys=False)
            else:
                life.init(node_cap=1, keep_keys=False)
            life.bring_up(1)
        yield made
    finally:
        for life in made.values():
            life.end()
        end_lingering()
        do("ufw", "disable")
        assert not folder.exists()


def test_each_sees_its_own_nodes_only(lives: dict[str, Life]) -> None:
    ids = {kind: list(life.rows()) for kind, life in lives.items()}
    # Services of one systemd cannot have the same name.
    assert ids == {"systemd": [1], "setsid": [1], "systemd elsewhere": [2], "a user's": [1]}
    for life in lives.values():
        assert "1 of 1 nodes running" in life.good("status").out
        assert life.disagreements() == []


def theirs(lives: dict[str, Life], of: Life) -> list[object]:
    """Processes, units, links, folders and rows of all but one, and all rules."""
    others = [life for life in lives.values() if life is not of]
    files = [
        each.read_bytes()
        for life in others
        for folder in (life.units, life.data)
        for each in sorted(folder.glob("*"))
        if each.is_file() and each.suffix in (".service", ".slice", ".db")
    ]
    places = [[*map(children, (life.units, life.links, life.nodes, life.logs))] for life in others]
    return [[life.pids() for life in others], files, places, added_rules()]


def test_none_changes_what_the_others_have(lives: dict[str, Life]) -> None:
    for life in lives.values():
        before = theirs(lives, life)
        told = life.good()
        assert told.err.count("\n") == 1, told
        assert theirs(lives, life) == before


def test_rules_of_others_stay_open(lives: dict[str, Life]) -> None:
    for life in lives.values():
        life.good()
    assert sorted(added_rules()) == [
        f"ufw allow {port}/udp comment 'wnm {node}'"
        for port, node in ((55001, name(1)), (56001, name(1)), (57002, name(2)))
    ]


def test_a_teardown_of_one_leaves_the_others_running(lives: dict[str, Life]) -> None:
    left = dict(lives)
    for kind in ("systemd", "setsid", "a user's"):
        gone = left.pop(kind)
        pids = {other: life.pids() for other, life in left.items()}
        gone.good("--force_action=teardown", "--confirm")
        assert gone.pids() == {}
        for life in left.values():
            life.good()
        assert {other: life.pids() for other, life in left.items()} == pids
        assert all(life.disagreements() == [] for life in left.values())
