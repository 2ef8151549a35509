"""Why a service cannot be adopted: everything that one service tells of itself, and what is seen of its folders."""

import posixpath
import re
from collections.abc import Mapping

from msgspec import Struct

from wnm.core.suggest import shortened
from wnm.node_kinds.found import LARGEST_PORT, NodeArguments
from wnm_adopt.naming import ANTCTL
from wnm_adopt.root_rules import folder_problem, is_below, path_problem, tidy_path
from wnm_adopt.services import SETSID, SYSTEMD, Circumstances, FolderFacts, FoundService
from wnm_adopt.understanding import Understood

ROOT = "root"
_WALLET = re.compile(r"0x[0-9a-fA-F]{40}")


class Objection(Struct, frozen=True, kw_only=True):
    """Why a service cannot be adopted, and what would make it possible; `remedy` is empty where `reason` says it."""

    reason: str
    remedy: str = ""


def objection(read: Understood, meets: str | None, around: Circumstances) -> Objection | None:
    """Why a service cannot be adopted, None if it can; `meets` is how it meets another one."""
    arguments = read.arguments
    if read.named.problem is not None:
        return Objection(reason=read.named.problem, remedy=read.named.remedy)
    if read.claimed.by_antctl:
        return Objection(reason=f"{ANTCTL} (it has --rpc)")
    if read.problem is not None or arguments is None:
        mend = "" if read.service.manager == SETSID else "mend that file, or take it away"
        return Objection(
            reason=read.problem or "its command line is not known", remedy=read.service.remedy or mend
        )
    root, name = read.root_dir or "", read.named.name
    where = f"in {read.service.place}"
    own_folder = f"move its data to a folder called {name} that holds nothing else, and name that {where}"
    found = (
        (path_problem(root, name, around.homes), own_folder),
        (_program_problem(read, around.facts), f"copy the program to {root}, and name that copy {where}"),
        (_wallet_problem(arguments), f"give --rewards-address {where}"),
        (_account_problem(read.service, around), f"run wnm as {read.service.user}"),
        (meets, "decide which of the two is to stay, and take the other one away"),
        (_gone(read, around), f"bring its folder back, or take {read.service.place} away"),
        (_seen_problem(read, around), f"see to that folder, or take {read.service.place} away"),
        (_own_port_problem(read, around), f"give a port {where}"),
    )
    return next((Objection(reason=why, remedy=remedy) for why, remedy in found if why is not None), None)


def _program_problem(read: Understood, facts: Mapping[str, FolderFacts]) -> str | None:
    written = (read.service.argv or ("",))[0]
    program = tidy_path(written)
    shown = f"its program {shortened(written)}"
    if not is_below(program, read.root_dir or "") or ".." in program.split("/"):
        return f"{shown} is not a copy of its own: wnm could not upgrade it alone"
    seen = facts.get(program)
    if seen is None or seen.unseen is not None or not seen.exists:
        return None
    if seen.is_link:
        return f"{shown} is a link and not a copy of its own: wnm could not upgrade it alone"
    return f"{shown} is a folder" if seen.is_folder else None


def _wallet_problem(arguments: NodeArguments) -> str | None:
    if arguments.wallet is not None and _WALLET.fullmatch(arguments.wallet):
        return None
    shown = "none" if arguments.wallet is None else shortened(arguments.wallet)
    return f"it has no valid rewards address: {shown}"


def _account_problem(service: FoundService, around: Circumstances) -> str | None:
    """Only the service manager of the whole system runs things as others."""
    if service.manager == SYSTEMD or service.user in (None, around.account):
        return None
    return f"it runs as {service.user}, and not as {around.account}, who could not keep it"


def runs_as(service: FoundService, around: Circumstances) -> str:
    """The account that the service's process has."""
    return service.user or (ROOT if service.manager == SYSTEMD else around.account)


def _gone(read: Understood, around: Circumstances) -> str | None:
    root = read.root_dir or ""
    seen = around.facts.get(root)
    if seen is None or seen.unseen is not None or seen.exists:
        return None
    return _gone_problem(root, around.facts.get(posixpath.dirname(root)))


def _seen_problem(read: Understood, around: Circumstances) -> str | None:
    seen = around.facts.get(read.root_dir or "")
    if seen is None or seen.unseen is not None or not seen.exists:
        return None
    storages = around.storages_known
    elsewhere = bool(storages) and posixpath.dirname(read.root_dir or "") not in map(tidy_path, storages)
    return folder_problem(
        seen, runs_as(read.service, around), read.named.name, around.homes, elsewhere=elsewhere
    )


def _gone_problem(root: str, holder: FolderFacts | None) -> str | None:
    """An empty folder, or none, is where a disk is missing; one with others in it is not."""
    if holder is None or holder.unseen is not None or not holder.exists:
        return None
    if not holder.folders and not holder.files:
        return None
    return f"its root directory {root} is gone, though {holder.path} is there: nothing is left to adopt"


def _own_port_problem(read: Understood, around: Circumstances) -> str | None:
    """A kind that has no page still needs a number for one, and every number has one of its own."""
    if read.arguments is None or read.arguments.metrics_port is not None:
        return None
    if around.metrics_port_start * 1000 + (read.named.id or 0) <= LARGEST_PORT:
        return None
    return "it has no metrics port, and its number is too large to be given one"
