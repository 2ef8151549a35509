"""Judges which of the services that were found can be adopted as they are, and says of every other one why not."""

import posixpath
import re
from collections.abc import Sequence

from msgspec import Struct

from wnm.core.node import NodeId
from wnm.core.version import tidy_version
from wnm.node_kinds.found import NodeArguments
from wnm_adopt.claims import conflicts, ports_of_others
from wnm_adopt.naming import is_about_a_node
from wnm_adopt.objections import Objection, objection
from wnm_adopt.remarks import log_folder, notes_on, shared_logs
from wnm_adopt.root_rules import is_below, path_problem, tidy_path
from wnm_adopt.services import SYSTEMD, Circumstances, FoundService, NodeMemory
from wnm_adopt.storages import fitting_storages
from wnm_adopt.understanding import Understood, claim_of, understand

_PEER_ID = re.compile(r"[A-Za-z0-9]{10,100}")
_LAST = 10**9


class Adoption(Struct, frozen=True, kw_only=True):
    """A node that goes on as it was found: everything that its row needs.

    `command` are the arguments after the program exactly as they were found, and so are name, ports, wallet, user
    and environment. `start_args` are those without a meaning of their own to wnm, `network` those that choose the
    payment network. `peer_id`, `version` and `old_status` are what the old manager remembered. `own` if wnm itself
    wrote its unit.
    """

    id: NodeId
    name: str
    kind: str
    manager: str
    place: str
    root_dir: str
    log_dir: str
    program: str
    command: tuple[str, ...]
    port: int
    metrics_port: int
    wallet: str
    environment: tuple[tuple[str, str], ...]
    user: str | None
    no_upnp: bool
    start_args: tuple[str, ...]
    network: tuple[str, ...]
    peer_id: str | None
    version: str | None
    old_status: str | None
    own: bool
    notes: tuple[str, ...]


class Refusal(Struct, frozen=True, kw_only=True):
    """A service that is left alone. `reason` is one line, and so is `remedy`, what would make it possible if anything
    would. The id and ports that it claims cannot be given again.
    """

    name: str
    place: str
    reason: str
    remedy: str = ""
    id: NodeId | None = None
    port: int | None = None
    metrics_port: int | None = None


class Judgement(Struct, frozen=True, kw_only=True):
    """What becomes of all services that have to do with nodes. `storages` are the folders to be added."""

    adopted: tuple[Adoption, ...]
    refused: tuple[Refusal, ...]
    storages: tuple[str, ...]


def paths_of_interest(services: Sequence[FoundService]) -> tuple[str, ...]:
    """The paths that `judge` wants to know of, without those that it refuses by their looks alone."""
    found: set[str] = set()
    for each in map(understand, filter(is_about_a_node, services)):
        root = each.root_dir
        if root is None or path_problem(root, posixpath.basename(root), ()) is not None:
            continue
        found |= {root, posixpath.dirname(root)}
        if each.service.argv and is_below(tidy_path(each.service.argv[0]), root):
            found.add(tidy_path(each.service.argv[0]))
    return tuple(sorted(found))


def judge(services: Sequence[FoundService], around: Circumstances) -> Judgement:
    """What can be adopted and what cannot, sorted by number, then name. Services that are no nodes are left out."""
    read = [understand(each) for each in services if is_about_a_node(each)]
    # By what they are and not by the order in which they were found.
    read.sort(key=lambda each: (each.named.id or _LAST, each.service.name, each.service.place))
    claims = {place: claim for place, each in enumerate(read) if (claim := claim_of(each)) is not None}
    able = {place for place, each in enumerate(read) if objection(each, None, around) is None}
    meeting = conflicts(claims, around.facts, around.homes, able=able)
    taken = ports_of_others(claims, able)
    reasons = {place: objection(each, meeting.get(place), around) for place, each in enumerate(read)}
    roots = {place: read[place].root_dir or "" for place, reason in reasons.items() if reason is None}
    storages, unfitting = fitting_storages(roots, around.storages_known)
    elsewhere = "move it to a folder that is not in or around another storage folder, and say so in its unit"
    reasons |= {place: Objection(reason=why, remedy=elsewhere) for place, why in unfitting.items()}
    shared = shared_logs(read)
    adopted: list[Adoption] = []
    refused: list[Refusal] = []
    for place, each in enumerate(read):
        reason = reasons[place]
        if reason is not None:
            refused.append(_refusal(each, reason))
        elif (arguments := each.arguments) is not None and (node_id := each.named.id) is not None:
            log_dir, about_log = log_folder(each, arguments, shared)
            notes = (*notes_on(each, arguments, around, about_log), *filter(None, [taken.get(place)]))
            adopted.append(_adoption(each, arguments, node_id, around, log_dir=log_dir, notes=notes))
    return Judgement(adopted=tuple(adopted), refused=tuple(refused), storages=storages)


def _adoption(
    read: Understood,
    arguments: NodeArguments,
    node_id: NodeId,
    around: Circumstances,
    *,
    log_dir: str,
    notes: tuple[str, ...],
) -> Adoption:
    service = read.service
    argv = service.argv or ("",)
    memory = around.node_details.get(node_id, NodeMemory())
    return Adoption(
        id=node_id,
        name=read.named.name,
        kind=read.kind or "",
        manager=service.manager,
        place=service.place,
        root_dir=read.root_dir or "",
        log_dir=log_dir,
        program=tidy_path(argv[0]),
        command=argv[1:],
        port=arguments.port,
        metrics_port=arguments.metrics_port or around.metrics_port_start * 1000 + node_id,
        wallet=arguments.wallet or "",
        environment=service.environment,
        user=service.user if service.manager == SYSTEMD else None,
        no_upnp=arguments.no_upnp,
        start_args=arguments.start_args,
        network=arguments.network,
        peer_id=memory.peer_id if _PEER_ID.fullmatch(memory.peer_id or "") else None,
        version=tidy_version(memory.version) if memory.version else None,
        old_status=memory.status,
        own=service.own,
        notes=notes,
    )


def _refusal(read: Understood, why: Objection) -> Refusal:
    return Refusal(
        name=read.service.name,
        place=read.service.place,
        reason=why.reason,
        remedy=why.remedy,
        id=read.named.id,
        port=read.claimed.port,
        metrics_port=read.claimed.metrics_port,
    )
