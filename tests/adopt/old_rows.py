"""Rows of an older wnm and services that confirm them, and the comparison of both."""

import posixpath
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from msgspec.structs import replace

from wnm.core.node import id_in_name, node_name
from wnm.storage.old_database import OldNode
from wnm_adopt.classify import classify, paths_of_interest
from wnm_adopt.discover import FolderFacts, FoundUnit, Surroundings
from wnm_adopt.old_wnm import Machine, compare, records_of
from wnm_adopt.plan import TakeoverPlan

NOW = datetime(2026, 11, 21, 15, 0, tzinfo=UTC)
BORN = datetime.fromtimestamp(1760000000, tz=UTC)
WALLET = "0x" + "1a" * 20
PEER = "12D3KooWQCkBm1BYtkHpocxCwMgR8yjitEeHGx8spzcDLGt2gkBm"
SETSID = Machine(
    manager="setsid", storages=("/data/node", "/mnt/two"), logs="/data/logs", no_upnp=True, now=NOW
)
SYSTEMD = replace(SETSID, manager="systemd")


def unit(
    number: int = 1,
    *,
    root: str | None = None,
    port: int | None = None,
    metrics_port: int | None = None,
    wallet: str = WALLET,
    **changes: Any,
) -> FoundUnit:
    """A unit that can be adopted."""
    root = root or f"/data/node/{node_name(number)}"
    name = posixpath.basename(root)
    argv = (
        f"{root}/antnode --root-dir {root} --port {port or 55000 + number} "
        f"--metrics-server-port {metrics_port or 13000 + number} "
        f"--log-output-dest /var/log/antnode/{name} --rewards-address {wallet} evm-arbitrum-one"
    ).split()
    ordinary: dict[str, Any] = {
        "manager": "systemd", "name": f"{name}.service", "place": f"/units/{name}.service", "argv": tuple(argv),
        "user": "ada",
    }  # fmt: skip
    return FoundUnit(**(ordinary | changes))


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
    """The folder of a node, a program in one, or the storage folder around one."""
    if posixpath.basename(path) == "antnode":
        return FolderFacts(path=path, real=path, is_folder=False, owner="ada")
    if id_in_name(posixpath.basename(path)) is None:
        return FolderFacts(path=path, real=path, owner="ada", folders=("antnode0001",))
    return FolderFacts(
        path=path, real=path, owner="ada", folders=("record_store",), files=("antnode", "secret-key")
    )


def judged(
    rows: Sequence[OldNode],
    units: Sequence[FoundUnit] = (),
    *,
    folders: Mapping[str, FolderFacts] | None = None,
    machine: Machine = SETSID,
    homes: Sequence[str] = ("/home/ada",),
) -> TakeoverPlan:
    """The comparison, with an ordinary folder wherever it looks unless a test says otherwise."""

    def around(every: Sequence[FoundUnit]) -> Surroundings:
        facts = {path: folder(path) for path in paths_of_interest(every)} | dict(folders or {})
        return Surroundings(facts=facts, account="ada", homes=frozenset(homes))

    records = records_of(rows, classify(units, around(units)).adopted, machine)
    every = [*units, *(each.unit for each in records)]
    return compare(rows, classify(every, around(every)), records, NOW)


def left(plan: TakeoverPlan) -> tuple[str, ...]:
    """The lines on rows that nothing confirms."""
    return tuple(note for note in plan.notes if ": not adopted, its folder is left alone: " in note)


def reason(rows: OldNode, *units: FoundUnit, **more: Any) -> str:
    """Why the only row is left."""
    result = judged([rows], units, **more)
    assert result.rows == ()
    [line] = left(result)
    start, _, why = line.partition(": not adopted, its folder is left alone: ")
    assert start
    return why
