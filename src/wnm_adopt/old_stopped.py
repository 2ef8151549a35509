"""Nodes of an older wnm without a process under setsid: nothing but a row and a folder tells of them."""

import re
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime

from msgspec import Struct

from wnm.core.node import Node, NodeId, Status, id_in_name
from wnm.core.suggest import shortened
from wnm_adopt.old_values import OldNode
from wnm_adopt.root_rules import folder_problem, path_problem
from wnm_adopt.services import FolderFacts

MANAGER = "setsid"

_MANAGERS_THERE = ("setsid", "setsid+user", "setsid+sudo")
_KIND = "antnode"
_NETWORKS = (None, "evm-arbitrum-one")
_WALLET = re.compile(r"0x[0-9a-fA-F]{40}")
_PORTS = range(1024, 65536)


class Surroundings(Struct, frozen=True, kw_only=True):
    """The machine that is taken over, in wnm's words.

    `account` is the one that wnm runs as, `homes` are the home folders of all, `storages` are tidy paths.
    """

    manager: str
    storages: Sequence[str]
    account: str
    homes: Collection[str]
    no_upnp: bool
    now: datetime


def folders_to_look_at(rows: Sequence[OldNode], around: Surroundings) -> tuple[str, ...]:
    """The folders that the judgement wants to know of; all of them lie in a storage folder."""
    return tuple(sorted({path for row in rows if (path := _folder_of(row, around)) is not None}))


def why_not_stopped(row: OldNode, folders: Mapping[str, FolderFacts], around: Surroundings) -> str | None:
    """Why the row cannot be adopted as a stopped node, None if it can."""
    if around.manager != MANAGER or row.manager not in _MANAGERS_THERE:
        return "it has no service and no process"
    if row.id is None or row.name is None or id_in_name(row.name) != row.id:
        return "its name and its number do not belong together"
    path = _folder_of(row, around)
    if path is None:
        return f"it is said to be at {shortened(row.root_dir or '')}, which is not its place in node_storage"
    return _why_not_there(path, row.name, folders.get(path), around) or _why_not_so(row)


def _why_not_there(path: str, name: str, seen: FolderFacts | None, around: Surroundings) -> str | None:
    if problem := path_problem(path, name, around.homes):
        return problem
    if seen is None or seen.unseen is not None:
        return f"{path} cannot be seen: {seen.unseen if seen is not None else 'nobody looked'}"
    if not seen.exists:
        return f"there is no {path}"
    if problem := folder_problem(seen, around.account, name, around.homes):
        return problem
    if seen.real != path:
        return f"{path} leads to {seen.real}"
    if _KIND not in seen.files:
        return f"there is no node program in {path}"
    return None


def _why_not_so(row: OldNode) -> str | None:
    if row.port not in _PORTS or row.metrics_port not in _PORTS or row.port == row.metrics_port:
        return f"its ports {row.port} and {row.metrics_port} cannot be"
    if not _WALLET.fullmatch(row.wallet or ""):
        return f"its wallet {shortened(row.wallet or '')} is not an address"
    if row.network not in _NETWORKS:
        return f"it is of the network {shortened(row.network or '')}"
    return None


def stopped_row(
    row: OldNode,
    around: Surroundings,
    *,
    disabled: bool,
    because: str,
    born: datetime | None,
    peer_id: str | None,
    version: str | None,
) -> Node:
    """The node of a row that `why_not_stopped` has nothing against; its log folder is where it was."""
    if (
        row.id is None
        or row.name is None
        or row.port is None
        or row.metrics_port is None
        or row.wallet is None
    ):
        raise ValueError("the row was not judged")
    path = _folder_of(row, around)
    return Node(
        id=NodeId(row.id),
        name=row.name,
        kind=_KIND,
        manager=MANAGER,
        root_dir=f"{path}",
        log_dir=f"{path}/logs",
        program=f"{path}/{_KIND}",
        port=row.port,
        metrics_port=row.metrics_port,
        wallet=row.wallet,
        born=born or around.now,
        no_upnp=around.no_upnp,
        status=Status.DISABLED if disabled else Status.STOPPED,
        status_since=around.now,
        because=because,
        version=version,
        peer_id=peer_id,
    )


def _folder_of(row: OldNode, around: Surroundings) -> str | None:
    """The row's folder if it lies directly in a storage folder and has the node's name, to the letter."""
    if row.name is None or id_in_name(row.name) is None:
        return None
    return next((path for each in around.storages if (path := f"{each}/{row.name}") == row.root_dir), None)
