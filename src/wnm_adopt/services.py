"""What is found on a machine that may be a node: units, agents, processes, and the folders that they name."""

import posixpath
from collections.abc import Mapping

from msgspec import Struct, field

from wnm.core.suggest import shortened
from wnm.formats.launchd_reading import AgentFound
from wnm.formats.systemd_reading import UnitFound

SYSTEMD = "systemd"
SYSTEMD_USER = "systemd+user"
LAUNCHD = "launchd"
SETSID = "setsid"


class FoundService(Struct, frozen=True, kw_only=True):
    """One unit, agent or process, whoever it is from.

    `name` is what it is called there: the file name of a unit, the label of an agent, the node's name for a process;
    `place` is its file, or the process. `argv` is complete, program first. `user` is the account that it names, None
    for the one that its service manager belongs to. `problem` says why it cannot be used; it is a sentence that
    begins with `it`; `remedy` what can be done about that, empty for what can be done about any unit. `inert` if it
    surely never runs, such as a masked unit. `own` if wnm wrote it.
    """

    manager: str
    name: str
    place: str
    argv: tuple[str, ...] | None = None
    environment: tuple[tuple[str, str], ...] = ()
    user: str | None = None
    notes: tuple[str, ...] = ()
    problem: str | None = None
    remedy: str = ""
    inert: bool = False
    own: bool = False


class FolderFacts(Struct, frozen=True, kw_only=True):
    """What is known of a path that a service names.

    `unseen` says why it cannot be looked at, such as a disk that does not answer; then nothing else counts. `exists`
    is also true for a link that leads nowhere. `real` is where the path leads when all links are followed, None if
    that is not known. `owner` is the account that it belongs to. `folders` and `files` are the first names in it.
    """

    path: str
    exists: bool = True
    is_folder: bool = True
    is_link: bool = False
    real: str | None = None
    owner: str | None = None
    folders: tuple[str, ...] = ()
    files: tuple[str, ...] = ()
    unseen: str | None = None


class NodeMemory(Struct, frozen=True, kw_only=True):
    """What the old manager remembered of a node; nothing of it is relied on."""

    peer_id: str | None = None
    version: str | None = None
    status: str | None = None


class Circumstances(Struct, frozen=True, kw_only=True):
    """What a judgement depends on besides the services.

    `facts` are those of the paths of interest, by path. New nodes get `port_start` and `metrics_port_start`
    thousand plus their number. `account` is the one that wnm runs as; `homes` are the home folders of all accounts.
    """

    facts: Mapping[str, FolderFacts]
    account: str
    port_start: int = 55
    metrics_port_start: int = 13
    node_details: Mapping[int, NodeMemory] = field(default_factory=dict)
    storages_known: tuple[str, ...] = ()
    homes: frozenset[str] = frozenset()


def of_unit(found: UnitFound, *, manager: str, file_name: str, place: str) -> FoundService:
    """A service unit that could be read."""
    restart = found.restart or "no"
    comes_back = () if restart == "always" or found.argv is None else (f"its unit has Restart={restart:.20}",)
    return FoundService(
        manager=manager,
        name=file_name,
        place=place,
        argv=found.argv,
        environment=found.environment,
        user=found.user,
        notes=(*found.notes, *comes_back),
        problem=found.problem,
        inert=found.masked,
        own=found.owner is not None,
    )


def of_agent(found: AgentFound, *, file_name: str, place: str) -> FoundService:
    """An agent of launchd whose property list could be read. Its file has to be called as it is."""
    stem = file_name.removesuffix(".plist")
    problem = found.problem
    if problem is None and found.label != stem:
        problem = f"it has the label {shortened(found.label or '')}, and its file another name"
    return FoundService(
        manager=LAUNCHD,
        name=file_name if stem == file_name else stem,
        place=place,
        argv=found.argv,
        environment=found.environment,
        user=found.user,
        notes=found.notes,
        problem=problem,
        inert=stem == file_name,
        own=found.owner is not None,
    )


def of_process(
    pid: int, argv: tuple[str, ...], *, environment: tuple[tuple[str, str], ...] = (), user: str | None = None
) -> FoundService:
    """A running process that no service manager looks after; it is called like its root directory."""
    folder = ""
    for position, word in enumerate(argv):
        if word == "--root-dir" and position + 1 < len(argv):
            folder = argv[position + 1]
        elif word.startswith("--root-dir="):
            folder = word.removeprefix("--root-dir=")
    name = posixpath.basename(folder.rstrip("/")) or posixpath.basename(argv[0] if argv else "")
    return FoundService(
        manager=SETSID,
        name=name or f"process {pid}",
        place=f"process {pid}",
        argv=argv,
        environment=environment,
        user=user,
    )


def unusable(
    *, manager: str, name: str, place: str, problem: str, remedy: str = "", inert: bool = False
) -> FoundService:
    """A unit or agent that cannot be read or is no plain file; `problem` is a sentence that begins with `it`."""
    return FoundService(manager=manager, name=name, place=place, problem=problem, remedy=remedy, inert=inert)
