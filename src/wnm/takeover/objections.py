"""Why a service cannot be adopted: everything that one service tells of itself, and what is seen of its folders."""

import posixpath
import re
from collections.abc import Mapping

from wnm.core.suggest import shortened
from wnm.node_kinds.found import LARGEST_PORT, NodeArguments
from wnm.takeover.naming import ANTCTL
from wnm.takeover.root_rules import folder_problem, is_below, path_problem, tidy_path
from wnm.takeover.services import SYSTEMD, Circumstances, FolderFacts, FoundService
from wnm.takeover.understanding import Understood

ROOT = "root"
_WALLET = re.compile(r"0x[0-9a-fA-F]{40}")


def objection(read: Understood, meets: str | None, around: Circumstances) -> str | None:
    """Why a service cannot be adopted, None if it can; `meets` is how it meets another one."""
    arguments = read.arguments
    if read.named.problem is not None:
        return read.named.problem
    if read.claimed.by_antctl:
        return f"{ANTCTL} (it has --rpc)"
    if read.problem is not None or arguments is None:
        return read.problem or "its command line is not known"
    root = read.root_dir or ""
    return (
        path_problem(root, read.named.name, around.homes)
        or _program_problem(read, around.facts)
        or _wallet_problem(arguments)
        or _account_problem(read.service, around)
        or meets
        or _seen_problem(read, around)
        or _own_port_problem(read, around)
    )


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


def _seen_problem(read: Understood, around: Circumstances) -> str | None:
    root = read.root_dir or ""
    seen = around.facts.get(root)
    if seen is None or seen.unseen is not None:
        return None
    if not seen.exists:
        return _gone_problem(root, around.facts.get(posixpath.dirname(root)))
    return folder_problem(seen, runs_as(read.service, around), read.named.name, around.homes)


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
