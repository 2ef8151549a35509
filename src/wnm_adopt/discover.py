"""Discovers nodes that others set up on a machine: units, agents, processes and folders. Reads only."""

import os
import posixpath
import pwd
import re
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path

from wnm.core.errors import NeedsOperator, WnmError
from wnm.core.observation import Unseen
from wnm.formats.systemd_reading import UnitFound, read_unit
from wnm.node_kinds.kinds import KINDS
from wnm.sensors.patience import read_with_timeout
from wnm.system.drop_ins import all_drop_ins
from wnm.system.files import open_regular
from wnm.system.processes import Process, ProcessTable, fingerprints, holds
from wnm_adopt.found import LAUNCHD, SETSID, FolderFacts, FoundUnit
from wnm_adopt.launchd_agents import read_agent
from wnm_adopt.loaded_units import loaded_unit

LARGEST_BYTES = 4 * 1024 * 1024
DISK_PATIENCE_SECONDS = 2.0
MOST_NAMES = 50
_OF_NODES = re.compile(r"antnode|ant-node|safenode")
# What a node itself reads; all else in its environment was there for whoever started it.
_OF_A_NODE = re.compile(r"(ANT|EVM|RUST)_[A-Z0-9_]+")
_ROOT_FLAG = next(iter(KINDS.values())).fingerprint("")[0]


def units_in(
    folder: str, manager: str, elsewhere: Sequence[str] = (), *, loaded: bool = False
) -> list[FoundUnit]:
    """Everything in a folder of units that has to do with nodes, by name. NeedsOperator if it cannot be listed.

    `elsewhere` are the other folders that systemd reads, the strongest first: their drop-ins count, and units that
    are only there are named. Where the folder is one of those of the running systemd (`loaded`), that is asked what
    the units mean; their files tell it only where it does not answer.
    """
    here = [path for path in _listed(folder, inside=True) if not (path.name.endswith(".d") and path.is_dir())]
    names = {path.name for path in here}
    found = [_unit(path, manager, (folder, *elsewhere), loaded=loaded) for path in here]
    for other in elsewhere:
        for path in _listed(other):
            if path.name.endswith(".service") and path.name not in names and not path.is_symlink():
                names.add(path.name)
                found.append(
                    FoundUnit(
                        manager=manager,
                        name=path.name,
                        place=str(path),
                        problem=f"it is in {other}, where wnm writes nothing",
                        remedy=f"move it to {folder}",
                    )
                )
    return found


def unit_of(found: UnitFound, *, manager: str, file_name: str, place: str) -> FoundUnit:
    """A service unit of systemd that could be read."""
    restart = found.restart or "no"
    comes_back = () if restart == "always" or found.argv is None else (f"its unit has Restart={restart:.20}",)
    return FoundUnit(
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


def agents_in(folder: str) -> list[FoundUnit]:
    """The same for a folder of launchd's agents."""
    found = []
    for path in _listed(folder):
        try:
            found.append(read_agent(_content(path), file_name=path.name, place=str(path)))
        except OSError as error:
            problem = f"it cannot be read ({error.strerror})"
            found.append(FoundUnit(manager=LAUNCHD, name=path.name, place=str(path), problem=problem))
    return found


def running_nodes(storages: Sequence[str]) -> list[FoundUnit]:
    """The processes of nodes that no service manager looks after, and whose folders lie in a storage folder.

    Nothing else tells to which database a process belongs: one elsewhere may be another wnm's.
    """
    flags = {kind.fingerprint("")[0] for kind in KINDS.values()}
    found = {
        process.pid: process for processes in ProcessTable.read(flags).found.values() for process in processes
    }
    return [_process(process, storages) for _, process in sorted(found.items())]


def process_unit(
    pid: int, argv: tuple[str, ...], *, environment: tuple[tuple[str, str], ...] = (), user: str | None = None
) -> FoundUnit:
    """A running process that no service manager looks after; it is called like its root directory."""
    folders = [folder for _, folder in fingerprints(argv, (_ROOT_FLAG,))]
    name = posixpath.basename((folders or [""])[-1].rstrip("/")) or posixpath.basename(
        argv[0] if argv else ""
    )
    place = f"process {pid}"
    return FoundUnit(
        manager=SETSID, name=name or place, place=place, argv=argv, environment=environment, user=user
    )


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
    with suppress(OSError):
        return _OF_NODES.search(_content(path).decode(errors="replace")) is not None
    return False


def _content(path: Path) -> bytes:
    with open_regular(str(path), follow_link=False) as file:
        return file.read(LARGEST_BYTES)


def _unit(path: Path, manager: str, folders: Sequence[str], *, loaded: bool) -> FoundUnit:
    def no_unit(problem: str, remedy: str = "", *, inert: bool = False) -> FoundUnit:
        return FoundUnit(
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
        content = _content(path)
        drop_ins = all_drop_ins(path, folders)
    except (OSError, WnmError) as error:
        return no_unit(f"it cannot be read ({getattr(error, 'strerror', None) or error})")
    found = read_unit(content, drop_ins, name=path.name)
    if loaded:
        found = loaded_unit(path, found, manager) or found
    return unit_of(found, manager=manager, file_name=path.name, place=str(path))


def _process(process: Process, storages: Sequence[str]) -> FoundUnit:
    problem = _why_not_ours(process, storages)
    if problem is not None:
        # What is somebody else's takes up nothing of ours: it may even be on another machine's disk.
        place = f"process {process.pid}"
        return FoundUnit(manager=SETSID, name=place, place=place, problem=problem, inert=True)
    argv = _without_interpreter(process.argv)
    return process_unit(process.pid, argv, environment=_environment(process.pid))


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
    folders = {str(Path(folder).parent) for _, folder in fingerprints(process.argv, (_ROOT_FLAG,))}
    if folders.isdisjoint(storages):
        where = ", ".join(sorted(folders)) or "nowhere"
        return (
            f"it is in {where}, which is no storage folder: name that in --node_storage if the node is yours"
        )
    return None


def _without_interpreter(argv: tuple[str, ...]) -> tuple[str, ...]:
    """A script's command line as it was given: the kernel puts its interpreter before it."""
    for place, word in enumerate(argv[1:4], 1):
        if word.startswith("-"):
            continue
        rest = argv[place + 1 :]
        if any(holds(rest, (_ROOT_FLAG, str(folder))) for folder in Path(word).parents):
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
    """The first names of folders in it, and of what is none."""
    with os.scandir(path) as entries:
        listed = sorted((entry.name, entry.is_dir(follow_symlinks=False)) for entry in entries)
    folders = [name for name, is_folder in listed if is_folder]
    files = [name for name, is_folder in listed if not is_folder]
    return tuple(folders[:MOST_NAMES]), tuple(files[:MOST_NAMES])


def _account(user_id: int) -> str:
    try:
        return pwd.getpwuid(user_id).pw_name
    except KeyError:
        return str(user_id)
