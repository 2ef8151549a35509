"""The parts of an adopted node that need a word: its log folder, and what is worth knowing of it."""

import posixpath
from collections.abc import Collection, Iterable, Mapping

from wnm.core.suggest import shortened
from wnm.node_kinds.found import LARGEST_PORT, NodeArguments
from wnm_adopt.objections import ROOT, runs_as
from wnm_adopt.root_rules import is_below, is_general, tidy_path
from wnm_adopt.services import Circumstances, FolderFacts
from wnm_adopt.understanding import Understood, claim_of

_NOT_LOOKED_AT = "it was not looked at"


def shared_logs(read: Iterable[Understood]) -> Collection[str]:
    """Log folders that several services write to."""
    seen: set[str] = set()
    shared: set[str] = set()
    for each in read:
        if each.arguments is not None and each.arguments.log_dir is not None and claim_of(each) is not None:
            folder = tidy_path(each.arguments.log_dir)
            (shared if folder in seen else seen).add(folder)
    return shared


def log_folder(read: Understood, arguments: NodeArguments, shared: Collection[str]) -> tuple[str, str | None]:
    """The node's own log folder, and what to say of it."""
    root = read.root_dir or ""
    own = f"{root}/logs"
    if arguments.log_dir is None:
        return own, f"it names no log folder of its own: {own} stands for it"
    folder = tidy_path(arguments.log_dir)
    plain = folder.startswith("/") and not {".", ".."} & set(folder.split("/")) and folder.isprintable()
    named = posixpath.basename(folder) == read.named.name and not is_general(folder, ())
    if plain and folder not in shared and folder != root and (is_below(folder, root) or named):
        return folder, None
    return (
        own,
        f"its log folder {shortened(folder)} is not its alone: wnm leaves that alone, {own} stands for it",
    )


def notes_on(
    read: Understood, arguments: NodeArguments, around: Circumstances, about_log: str | None
) -> Iterable[str]:
    """What is worth knowing of a node that is adopted, a sentence each; `about_log` is one of them."""
    yield from read.service.notes
    yield from arguments.notes
    yield from (text for text in (read.doubt, about_log) if text)
    if runs_as(read.service, around) == ROOT:
        yield "it runs as root: everything on the machine is open to it"
    usual = around.port_start * 1000 + (read.named.id or 0)
    if usual > LARGEST_PORT:
        yield f"its number is outside the port range: wnm would have no port for it, it keeps {arguments.port}"
    elif arguments.port != usual:
        yield f"its port {arguments.port} is not the one that wnm would give it ({usual}), and stays"
    if arguments.metrics_port is None:
        yield "it has no metrics port, and needs none"
    yield from _about_folder(read.root_dir or "", around.facts)
    program = around.facts.get(tidy_path((read.service.argv or ("",))[0]))
    if program is not None and program.unseen is None and not program.exists:
        yield f"its program {program.path} is missing"


def _about_folder(root: str, facts: Mapping[str, FolderFacts]) -> Iterable[str]:
    seen = facts.get(root)
    if seen is None or seen.unseen is not None:
        yield f"its root directory cannot be seen now: {seen.unseen if seen else _NOT_LOOKED_AT}"
    elif not seen.exists:
        yield "its root directory is not there, and nothing around it: is its disk mounted?"
    elif seen.real not in (None, root):
        yield f"its root directory is reached through a link and is {seen.real}"
