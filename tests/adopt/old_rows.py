"""Rows of an older wnm and services that confirm them, and the judgement of both."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from msgspec.structs import replace

from wnm.core.node import node_name
from wnm_adopt.judge import Refusal
from wnm_adopt.old_nodes import OldNodes, Service, judge_old_nodes
from wnm_adopt.old_stopped import Surroundings, folders_to_look_at
from wnm_adopt.old_values import OldNode
from wnm_adopt.services import FolderFacts

NOW = datetime(2026, 11, 21, 15, 0, tzinfo=UTC)
BORN = datetime.fromtimestamp(1760000000, tz=UTC)
WALLET = "0x" + "1a" * 20
PEER = "12D3KooWQCkBm1BYtkHpocxCwMgR8yjitEeHGx8spzcDLGt2gkBm"
SETSID = Surroundings(
    manager="setsid",
    storages=("/data/node", "/mnt/two"),
    account="ada",
    homes=("/home/ada",),
    no_upnp=True,
    now=NOW,
)
SYSTEMD = replace(SETSID, manager="systemd")


@dataclass(frozen=True, kw_only=True)
class Found:
    """As much of an adoption as the judgement asks for."""

    id: int = 1
    name: str = "antnode0001"
    root_dir: str = "/data/node/antnode0001"
    port: int = 55001
    metrics_port: int = 13001
    wallet: str = WALLET


def row(number: int = 1, *, storage: str = "/data/node") -> OldNode:
    name = node_name(number)
    return OldNode(
        id=number,
        name=name,
        service=f"{name}.service",
        manager="setsid+user",
        root_dir=f"{storage}/{name}",
        port=55000 + number,
        metrics_port=13000 + number,
        wallet=WALLET,
        network="evm-arbitrum-one",
        version="0.4.17",
        peer_id=PEER,
        status="STOPPED",
        seen_at=1795000000,
        age=1760000000,
    )


def folder(path: str) -> FolderFacts:
    return FolderFacts(
        path=path, real=path, owner="ada", folders=("record_store",), files=("antnode", "secret-key")
    )


def judged(
    rows: Sequence[OldNode],
    found: Sequence[Service] = (),
    *,
    refused: Sequence[Refusal] = (),
    running: Sequence[int] = (),
    folders: Mapping[str, FolderFacts] | None = None,
    around: Surroundings = SETSID,
) -> OldNodes:
    """The judgement, with an ordinary folder wherever it looks unless a test says otherwise."""
    seen = {path: folder(path) for path in folders_to_look_at(rows, around)} | dict(folders or {})
    return judge_old_nodes(rows, found, refused=refused, running=running, folders=seen, around=around)


def reason(rows: OldNode, **more: object) -> str:
    """Why the only row is left."""
    result = judged([rows], **more)  # type: ignore[arg-type]
    assert result.stopped == ()
    [line] = result.left
    start, _, why = line.partition(": not adopted, its folder is left alone: ")
    assert start
    return why
