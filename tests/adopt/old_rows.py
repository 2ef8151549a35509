"""Rows of an older wnm and services that confirm them, and the comparison of both."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from msgspec.structs import replace

from wnm.core.node import Node, NodeId, Status, node_name
from wnm.storage.old_database import OldNode
from wnm_adopt.classify import Refused
from wnm_adopt.discover import FolderFacts
from wnm_adopt.old_nodes import Machine, OldNodes, compare_old_nodes, folders_to_look_at

NOW = datetime(2026, 11, 21, 15, 0, tzinfo=UTC)
BORN = datetime.fromtimestamp(1760000000, tz=UTC)
WALLET = "0x" + "1a" * 20
PEER = "12D3KooWQCkBm1BYtkHpocxCwMgR8yjitEeHGx8spzcDLGt2gkBm"
SETSID = Machine(
    manager="setsid",
    storages=("/data/node", "/mnt/two"),
    account="ada",
    homes=("/home/ada",),
    no_upnp=True,
    now=NOW,
)
SYSTEMD = replace(SETSID, manager="systemd")


def adopted(**changes: Any) -> Node:
    """The row of a unit that can be adopted."""
    ordinary: dict[str, Any] = {
        "id": NodeId(1), "name": "antnode0001", "kind": "antnode", "manager": "systemd",
        "root_dir": "/data/node/antnode0001", "log_dir": "/var/log/antnode/antnode0001",
        "program": "/data/node/antnode0001/antnode", "port": 55001, "metrics_port": 13001, "wallet": WALLET,
        "born": NOW, "status": Status.STOPPED, "status_since": NOW,
    }  # fmt: skip
    return Node(**(ordinary | changes))


def row(number: int = 1, *, storage: str = "/data/node") -> OldNode:
    name = node_name(number)
    return OldNode(
        id=number,
        name=name,
        manager="setsid+user",
        root_dir=f"{storage}/{name}",
        port=55000 + number,
        metrics_port=13000 + number,
        wallet=WALLET,
        network="evm-arbitrum-one",
        version="0.4.17",
        peer_id=PEER,
        status="STOPPED",
        age=1760000000,
    )


def folder(path: str) -> FolderFacts:
    return FolderFacts(
        path=path, real=path, owner="ada", folders=("record_store",), files=("antnode", "secret-key")
    )


def judged(
    rows: Sequence[OldNode],
    found: Sequence[Node] = (),
    *,
    refused: Sequence[Refused] = (),
    running: Sequence[int] = (),
    folders: Mapping[str, FolderFacts] | None = None,
    around: Machine = SETSID,
) -> OldNodes:
    """The comparison, with an ordinary folder wherever it looks unless a test says otherwise."""
    seen = {path: folder(path) for path in folders_to_look_at(rows, around)} | dict(folders or {})
    return compare_old_nodes(rows, found, refused=refused, running=running, folders=seen, machine=around)


def reason(rows: OldNode, **more: object) -> str:
    """Why the only row is left."""
    result = judged([rows], **more)  # type: ignore[arg-type]
    assert result.stopped == ()
    [line] = result.left
    start, _, why = line.partition(": not adopted, its folder is left alone: ")
    assert start
    return why
