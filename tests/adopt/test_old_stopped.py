"""Nodes that only a row and a folder tell of: adopted where both are beyond doubt, else left alone."""

import pytest
from msgspec.structs import replace
from tests.adopt.old_rows import (
    BORN,
    NOW,
    PEER,
    SETSID,
    SYSTEMD,
    WALLET,
    folder,
    judged,
    left,
    reason,
    row,
)

from wnm.core.node import Node, NodeId, Status
from wnm_adopt.discover import FolderFacts


def test_a_node_that_stands_still_under_setsid() -> None:
    result = judged([row(2, storage="/mnt/two")])
    assert left(result) == ()
    assert result.rows == (
        Node(
            id=NodeId(2),
            name="antnode0002",
            kind="antnode",
            manager="setsid",
            root_dir="/mnt/two/antnode0002",
            log_dir="/data/logs/antnode0002",
            program="/mnt/two/antnode0002/antnode",
            port=55002,
            metrics_port=13002,
            wallet=WALLET,
            born=BORN,
            no_upnp=True,
            status=Status.STOPPED,
            status_since=NOW,
            because="taken over from an older wnm",
            peer_id=PEER,
            version="0.4.17",
        ),
    )
    assert result.notes == (
        "antnode0002: it has no process and is adopted as it lies in /mnt/two/antnode0002",
    )


PATH = "/data/node/antnode0001"


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"manager": "systemd+user"}, "it has no service and no process"),
        ({"manager": None}, "it has no service and no process"),
        ({"name": "antnode0002"}, "its name and its number do not belong together"),
        ({"name": None}, "its name '' is none that wnm can keep: that would be one like antnode0001"),
        ({"name": "antnode1"}, "it is antctl's: remove it with antctl first, or keep it there"),
        ({"id": None}, "its name and its number do not belong together"),
        ({"root_dir": "/home/u/"}, "it is said to be at '/home/u/', which is not its place in node_storage"),
        ({"root_dir": "/data/node/x/antnode0001"}, "which is not its place in node_storage"),
        ({"root_dir": "/data/node/../node/antnode0001"}, "which is not its place in node_storage"),
        ({"root_dir": "~/node/antnode0001"}, "which is not its place in node_storage"),
        ({"root_dir": None}, "which is not its place in node_storage"),
        ({"port": 22}, "its ports 22 and 13001 cannot be"),
        ({"port": 70000}, "its ports 70000 and 13001 cannot be"),
        ({"metrics_port": 55001}, "its ports 55001 and 55001 cannot be"),
        ({"metrics_port": None}, "its ports 55001 and None cannot be"),
        ({"wallet": "e"}, "it has no valid rewards address: 'e'"),
        ({"wallet": None}, "it has no valid rewards address: ''"),
        ({"network": "--log-output-dest"}, "it is of the network '--log-output-dest'"),
    ],
)
def test_rows_alone_that_are_left(change: dict[str, object], why: str) -> None:
    assert reason(replace(row(), **change)).endswith(why)


@pytest.mark.parametrize(
    ("seen", "why"),
    [
        (
            FolderFacts(path=PATH, exists=False, is_folder=False),
            f"its root directory {PATH} is gone, though /data/node is there",
        ),
        (
            FolderFacts(path=PATH, unseen="the disk does not answer"),
            "cannot be seen: the disk does not answer",
        ),
        (replace(folder(PATH), is_link=True, real="/etc"), "is a symbolic link to /etc"),
        (replace(folder(PATH), real="/mnt/three/antnode0001"), f"{PATH} leads to /mnt/three/antnode0001"),
        (replace(folder(PATH), is_folder=False), "is no folder"),
        (replace(folder(PATH), owner="eve"), "belongs to eve"),
        (replace(folder(PATH), folders=("Documents",)), "holds what no node has"),
        (replace(folder(PATH), files=("secret-key",)), f"there is no node program in {PATH}"),
    ],
)
def test_folders_that_confirm_nothing(seen: FolderFacts, why: str) -> None:
    assert why in reason(row(), folders={PATH: seen})


def test_a_folder_whose_disk_is_missing_confirms_nothing() -> None:
    gone = FolderFacts(path=PATH, exists=False, is_folder=False)
    around = FolderFacts(path="/data/node", real="/data/node", owner="ada")
    assert reason(row(), folders={PATH: gone, "/data/node": around}) == f"there is no {PATH}"


def test_nothing_is_adopted_from_a_row_alone_under_another_process_manager() -> None:
    assert reason(row(), machine=SYSTEMD) == "it has no service and no process"


def test_a_home_folder_is_no_storage() -> None:
    machine = replace(SETSID, storages=("/home",))
    here = replace(row(), root_dir="/home/antnode0001")
    assert "is a home folder" in reason(here, machine=machine)
