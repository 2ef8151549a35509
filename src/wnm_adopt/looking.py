"""Looks at a machine for nodes that others set up: units, agents, processes and folders. Reads only."""

import os
import pwd
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path

from wnm.core.errors import NeedsOperator, WnmError
from wnm.core.observation import Unseen
from wnm.formats.launchd_reading import read_agent
from wnm.formats.systemd_reading import read_unit
from wnm.node_kinds.kinds import KINDS
from wnm.sensors.patience import read_with_timeout
from wnm.system.drop_ins import all_drop_ins
from wnm.system.files import open_regular
from wnm.system.processes import Process, ProcessTable, fingerprints, holds
from wnm_adopt.services import FolderFacts, FoundService, of_agent, of_process, of_unit, unusable

LARGEST_BYTES = 4 * 1024 * 1024
DISK_PATIENCE_SECONDS = 2.0
MOST_NAMES = 50
_OF_NODES = re.compile(r"antnode|ant-node|safenode")
# What a node itself reads; all else in its environment was there for whoever started it.
_OF_A_NODE = re.compile(r"(ANT|EVM|RUST)_[A-Z0-9_]+")


def units_in(folder: str, manager: str, elsewhere: Sequence[str] = ()) -> list[FoundService]:
    """Everything in a folder of units that has to do with nodes, by name. NeedsOperator if it cannot be listed.

    `elsewhere` are the other folders that systemd reads, the strongest first: their drop-ins count, and units that
    are only there are named.
    """
    here = [path for path in _listed(folder, inside=True) if not (path.name.endswith(".d") and path.is_dir())]
    names = {path.name for path in here}
    found = [_unit(path, manager, (folder, *elsewhere)) for path in here]
    for other in elsewhere:
        for path in _listed(other):
            if path.name.endswith(".service") and path.name not in names and not path.is_symlink():
                names.add(path.name)
                found.append(
                    unusable(
                        manager=manager,
                        name=path.name,
                        place=str(path),
                        problem=f"it is in {other}, where wnm writes nothing",
                        remedy=f"move it to {folder}",
                    )
                )
    return found


def agents_in(folder: str) -> list[FoundService]:
    """The same for a folder of launchd's agents."""
    return [_agent(path) for path in _listed(folder)]


def running_nodes(storages: Sequence[str]) -> list[FoundService]:
    """The processes of nodes that no service manager looks after, and whose folders lie in a storage folder.

    Nothing else tells to which database a process belongs: one elsewhere may be another wnm's.
    """
    flags = {kind.fingerprint("")[0] for kind in KINDS.values()}
    found = {
        process.pid: process for processes in ProcessTable.read(flags).found.values() for process in processes
    }
    return [_process(process, storages) for _, process in sorted(found.items())]


def look_at_folders(paths: Iterable[str]) -> Mapping[str, FolderFacts]:
    """What is there at each path; a disk that does not answer hides no other."""
    facts = {}
    for path in dict.fromkeys(paths):
        seen = read_with_timeout(partial(_facts, path), DISK_PATIENCE_SECONDS, what=path)
        facts[path] = FolderFacts(path=path, unseen=seen.reason) if isinstance(seen, Unseen) else seen
    return facts


def _listed(folder: str, *, inside: bool = False) -> list[Path]:
    """What has to do with nodes, by its name; or by what it holds too, if it is asked to look `inside` of units."""
    try:
        return sorted(
            path
            for path in Path(folder).iterdir()
            if _OF_NODES.search(path.name) or (inside and path.suffix == ".service" and _names_nodes(path))
        )
    except (FileNotFoundError, NotADirectoryError):
        return []
    except OSError as error:
        raise NeedsOperator(
            f"cannot look into {folder} ({error.strerror})", remedy="run this as root, or see to that folder"
        ) from error


def _names_nodes(path: Path) -> bool:
    with suppress(OSError), open_regular(str(path), follow_link=False) as file:
        return _OF_NODES.search(file.read(LARGEST_BYTES).decode(errors="replace")) is not None
    return False


def _unit(path: Path, manager: str, folders: Sequence[str]) -> FoundService:
    def no_unit(problem: str, remedy: str = "", *, inert: bool = False) -> FoundService:
        return unusable(
            manager=manager, name=path.name, place=str(path), problem=problem, remedy=remedy, inert=inert
        )

    if path.is_symlink():
        target = str(path.readlink())
        if target == os.devnull:
            return no_unit("it is masked", f"if it is to be kept: systemctl unmask {path.name}", inert=True)
        return no_unit(f"it is a link to {target}", "put that file itself there")
    if not path.name.endswith(".service"):
        return no_unit("it is no unit: its name does not end in .service", inert=True)
    try:
        with open_regular(str(path), follow_link=False) as file:
            content = file.read(LARGEST_BYTES)
        drop_ins = all_drop_ins(path, folders)
    except (OSError, WnmError) as error:
        return no_unit(f"it cannot be read ({getattr(error, 'strerror', None) or error})")
    found = read_unit(content, drop_ins, name=path.name)
    return of_unit(found, manager=manager, file_name=path.name, place=str(path))


def _agent(path: Path) -> FoundService:
    try:
        with open_regular(str(path), follow_link=False) as file:
            content = file.read(LARGEST_BYTES)
    except OSError as error:
        problem = f"it cannot be read ({error.strerror})"
        return unusable(manager="launchd", name=path.name, place=str(path), problem=problem)
    return of_agent(read_agent(content), file_name=path.name, place=str(path))


def _process(process: Process, storages: Sequence[str]) -> FoundService:
    problem = _why_not_ours(process, storages)
    if problem is not None:
        # What is somebody else's claims nothing of ours: it may even be on another machine's disk.
        place = f"process {process.pid}"
        return unusable(manager="setsid", name=place, place=place, problem=problem, inert=True)
    argv = _without_interpreter(process.argv)
    return of_process(process.pid, argv, environment=_environment(process.pid))


def _why_not_ours(process: Process, storages: Sequence[str]) -> str | None:
    service = _service_of(process.pid)
    if service is not None:
        return f"it belongs to {service}: import that with --process_manager systemd"
    if process.user_id != os.geteuid():
        return f"it runs as {_account(process.user_id)}: import it as that account"
    # There is no /proc on macOS, and the process may just have ended.
    with suppress(OSError):
        if Path(f"/proc/{process.pid}/ns/mnt").readlink() != Path("/proc/self/ns/mnt").readlink():
            return "it runs in a container, with a disk of its own"
    flag = next(iter(KINDS.values())).fingerprint("")[0]
    folders = {str(Path(folder).parent) for _, folder in fingerprints(process.argv, (flag,))}
    if folders.isdisjoint(storages):
        where = ", ".join(sorted(folders)) or "nowhere"
        return (
            f"it is in {where}, which is no storage folder: name that in --node_storage if the node is yours"
        )
    return None


def _without_interpreter(argv: tuple[str, ...]) -> tuple[str, ...]:
    """A script's command line as it was given: the kernel puts its interpreter before it."""
    flag = next(iter(KINDS.values())).fingerprint("")[0]
    for place, word in enumerate(argv[1:4], 1):
        if word.startswith("-"):
            continue
        rest = argv[place + 1 :]
        if any(holds(rest, (flag, str(folder))) for folder in Path(word).parents):
            return argv[place:]
    return argv


def _service_of(pid: int) -> str | None:
    """The unit of systemd that a process belongs to, if it is one of a node."""
    with suppress(OSError):
        for line in Path(f"/proc/{pid}/cgroup").read_text(errors="replace").splitlines():
            name = line.rpartition("/")[2]
            if name.endswith(".service") and _OF_NODES.search(name):
                return name
    return None


def _environment(pid: int) -> tuple[tuple[str, str], ...]:
    """The variables that are for the node, as far as they can be read."""
    found: dict[str, str] = {}
    with suppress(OSError):
        for entry in Path(f"/proc/{pid}/environ").read_bytes().split(b"\0"):
            name, equals, value = os.fsdecode(entry).partition("=")
            if equals and _OF_A_NODE.fullmatch(name):
                found[name] = value
    return tuple(found.items())


def _facts(path: str) -> FolderFacts:
    try:
        seen = os.lstat(path)
    except (FileNotFoundError, NotADirectoryError):
        return FolderFacts(path=path, exists=False, is_folder=False)
    folders, files = _names(path) if os.path.isdir(path) else ((), ())  # noqa: PTH112 - of a text, as it was found
    return FolderFacts(
        path=path,
        is_folder=os.path.isdir(path),  # noqa: PTH112
        is_link=os.path.islink(path),  # noqa: PTH114
        real=os.path.realpath(path),
        owner=_account(seen.st_uid),
        folders=folders,
        files=files,
    )


def _names(path: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    def first(of: Iterator[str]) -> tuple[str, ...]:
        return tuple(name for _, name in zip(range(MOST_NAMES), of, strict=False))

    with os.scandir(path) as entries:
        listed: Sequence[tuple[str, bool]] = sorted(
            (entry.name, entry.is_dir(follow_symlinks=False)) for entry in entries
        )
    return first(name for name, is_dir in listed if is_dir), first(
        name for name, is_dir in listed if not is_dir
    )


def _account(user_id: int) -> str:
    try:
        return pwd.getpwuid(user_id).pw_name
    except KeyError:
        return str(user_id)
