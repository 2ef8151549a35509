"""Discovers nodes that others set up on a machine: units, agents, processes and folders. Reads only."""

import os
import plistlib
import posixpath
import re
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from xml.parsers.expat import ExpatError

from msgspec import Struct, field
from msgspec.structs import replace

from wnm.core.errors import NeedsOperator, WnmError, shortened
from wnm.core.observation import Unseen
from wnm.formats.launchd import OWN_KEY
from wnm.formats.systemd_reading import SHELLS, UnitFound, read_loaded, read_unit
from wnm.node_kinds.kinds import KINDS
from wnm.sensors.host import read_with_timeout
from wnm.system.accounts import name_of
from wnm.system.files import open_regular
from wnm.system.processes import Process, ProcessTable, fingerprints, holds
from wnm.system.systemd_units import all_drop_ins, loaded_properties

SYSTEMD = "systemd"
SYSTEMD_USER = "systemd+user"
LAUNCHD = "launchd"
SETSID = "setsid"


class FoundUnit(Struct, frozen=True, kw_only=True):
    """One unit of systemd, agent of launchd or running process, whoever it is from.

    `name` is what it is called there: the file name of a unit, the label of an agent, the node's name for a process;
    `place` is its file, or the process. `argv` is complete, program first. `user` is the account that it names, None
    for the one that its service manager belongs to. `problem` says why it cannot be used; it is a sentence that
    begins with `it`; `remedy` what can be done about that, empty for what can be done about any unit. `inert` if it
    surely never runs, such as a masked unit. `own` if wnm wrote it. `recorded` if it is no more than a row of a
    database: what is seen of the machine has to bear it out.
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
    recorded: bool = False

    def __str__(self) -> str:
        return f"{self.name} ({self.place})"


class FolderFacts(Struct, frozen=True, kw_only=True):
    """The facts about a path that a unit names.

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


class Surroundings(Struct, frozen=True, kw_only=True):
    """The other facts that decide whether a unit can be adopted.

    `facts` are those of the paths that units name, by path. New nodes get `port_start` and `metrics_port_start`
    thousand plus their number. `node_details` are peer id and version of nodes by number, empty if not known; nothing
    relies on them. `account` is the one that wnm runs as; `homes` are the home folders of all accounts.
    """

    facts: Mapping[str, FolderFacts]
    account: str
    port_start: int = 55
    metrics_port_start: int = 13
    node_details: Mapping[int, tuple[str, str]] = field(default_factory=dict)
    storages_known: tuple[str, ...] = ()
    homes: frozenset[str] = frozenset()


def tidy_path(path: str) -> str:
    """The path without doubled slashes and without one at its end."""
    return re.sub("/+", "/", path).rstrip("/") or ("/" if path.startswith("/") else "")


LARGEST_AGENT_BYTES = 1024 * 1024


def read_agent(content: bytes, *, file_name: str, place: str) -> FoundUnit:
    """The agent of a property list, as text or binary, whose file has to be called like its label. Never raises."""
    stem = file_name.removesuffix(".plist")
    agent = FoundUnit(manager=LAUNCHD, name=stem, place=place, inert=stem == file_name)
    found = _property_list(content)
    if isinstance(found, str):
        return replace(agent, problem=found)
    own, user = found.get(OWN_KEY), found.get("UserName")
    remarks = {
        "its property list says that it is disabled": found.get("Disabled") is True,
        "launchd does not start it again whenever it ends (KeepAlive)": found.get("KeepAlive") is not True,
        "it does not start at login (RunAtLoad)": found.get("RunAtLoad") is not True,
    }
    agent = replace(
        agent,
        user=user if isinstance(user, str) else None,
        notes=tuple(text for text, holds_here in remarks.items() if holds_here),
        own=isinstance(own, Mapping) and isinstance(own.get("working_dir"), str),
    )
    given = found.get("EnvironmentVariables")
    variables = {} if given is None else given
    if not isinstance(variables, Mapping):
        return replace(agent, problem="it has variables that are none (EnvironmentVariables)")
    if not all(isinstance(each, str) for pair in variables.items() for each in pair):
        return replace(agent, problem="it has a variable that is no text")
    agent = replace(agent, environment=tuple(variables.items()))
    argv, label = _agent_argv(found), found.get("Label")
    if isinstance(argv, str):
        return replace(agent, problem=argv)
    if not isinstance(label, str) or not label:
        return replace(agent, problem="it has no Label")
    other_name = f"it has the label {shortened(label)}, and its file another name"
    return replace(agent, argv=argv, problem=None if label == stem else other_name)


def _property_list(content: bytes) -> Mapping[object, object] | str:
    """The keys and values; or why there are none."""
    if not content.strip():
        return "it is empty"
    if len(content) > LARGEST_AGENT_BYTES:
        return "it is far too long for an agent"
    try:
        found = plistlib.loads(content)
    except (ValueError, ExpatError, AttributeError, LookupError, TypeError, RecursionError, OverflowError):
        return "it is no property list, or a damaged one"
    return found if isinstance(found, Mapping) else "it is a property list, but not of an agent"


def _agent_argv(found: Mapping[object, object]) -> tuple[str, ...] | str:
    """The command line; or why it cannot be told."""
    given, program = found.get("ProgramArguments"), found.get("Program")
    if given is None and isinstance(program, str):
        given = [program]
    if not isinstance(given, list) or not given:
        return "it has no ProgramArguments"
    if not all(isinstance(each, str) for each in given):
        return "it has an argument that is no text"
    first = given[0]
    problems = {
        "it has an argument that holds a NUL": any("\0" in each for each in given),
        "it runs another program than its arguments name (Program)": program not in (None, first),
        f"it does not name its program by the full path: {first!r:.200}": not first.startswith("/"),
        f"it runs a shell, and what that runs is not known: {first!r:.200}": posixpath.basename(first)
        in SHELLS,
        "it has its arguments expanded by launchd (EnableGlobbing)": bool(found.get("EnableGlobbing")),
        "it runs in a root of its own (RootDirectory)": bool(found.get("RootDirectory")),
    }
    return next((text for text, is_so in problems.items() if is_so), tuple(given))


LARGEST_BYTES = 4 * 1024 * 1024
DISK_PATIENCE_SECONDS = 2.0
MOST_NAMES = 50
_OF_NODES = re.compile(r"antnode|ant-node|safenode")
# Variables that a node itself reads; all else in its environment was there for whoever started it.
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
    systemd = _Systemd(manager, loaded)
    found = [_unit(path, manager, (folder, *elsewhere), systemd) for path in here]
    for other in elsewhere:
        for path in _listed(other):
            if path.name.endswith(".service") and path.name not in names and not path.is_symlink():
                names.add(path.name)
                problem, remedy = f"it is in {other}, where wnm writes nothing", f"move it to {folder}"
                found.append(_no_unit(manager, path, problem, remedy))
    return found


class _Systemd:
    """The running systemd, as long as it answers: waiting for it once is enough."""

    def __init__(self, manager: str, is_asked: bool) -> None:
        self.of_user = manager == SYSTEMD_USER
        self.answers = is_asked

    def read(self, path: Path, in_file: UnitFound) -> UnitFound:
        """The unit as systemd has loaded it, else as its file says."""
        properties = loaded_properties(path.name, of_user=self.of_user) if self.answers else None
        self.answers = properties is not None
        return (properties and read_loaded(properties, in_file, str(path))) or in_file


def _unit(path: Path, manager: str, folders: Sequence[str], systemd: _Systemd) -> FoundUnit:
    if path.is_symlink():
        target = str(path.readlink())
        if target == os.devnull:
            remedy = f"if it is to be kept: systemctl unmask {path.name}"
            return _no_unit(manager, path, "it is masked", remedy, inert=True)
        return _no_unit(manager, path, f"it is a link to {target}", "put that file itself there")
    if not path.name.endswith(".service"):
        return _no_unit(manager, path, "it is no unit: its name does not end in .service", inert=True)
    try:
        content = _content(path)
        drop_ins = all_drop_ins(path, folders)
    except (OSError, WnmError) as error:
        return _no_unit(manager, path, f"it cannot be read ({getattr(error, 'strerror', None) or error})")
    found = read_unit(content, drop_ins, name=path.name)
    if content.strip():
        found = systemd.read(path, found)
    return unit_of(found, manager=manager, file_name=path.name, place=str(path))


def _no_unit(manager: str, path: Path, problem: str, remedy: str = "", *, inert: bool = False) -> FoundUnit:
    return FoundUnit(
        manager=manager, name=path.name, place=str(path), problem=problem, remedy=remedy, inert=inert
    )


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
            found.append(_no_unit(LAUNCHD, path, f"it cannot be read ({error.strerror})"))
    return found


def _listed(folder: str, *, inside: bool = False) -> list[Path]:
    """Return the files about nodes, by their names; also units by their content, if it is asked to look `inside`."""

    def names_nodes(path: Path) -> bool:
        with suppress(OSError):
            return _OF_NODES.search(_content(path).decode(errors="replace")) is not None
        return False

    try:
        return sorted(
            path
            for path in Path(folder).iterdir()
            if _OF_NODES.search(path.name) or (inside and path.suffix == ".service" and names_nodes(path))
        )
    except (FileNotFoundError, NotADirectoryError):
        return []
    except OSError as error:
        raise NeedsOperator(
            f"cannot look into {folder} ({error.strerror})", remedy="run this as root, or see to that folder"
        ) from error


def _content(path: Path) -> bytes:
    with open_regular(str(path), follow_link=False) as file:
        return file.read(LARGEST_BYTES)


def running_nodes(storages: Sequence[str]) -> list[FoundUnit]:
    """The processes of nodes that no service manager looks after, and whose folders lie in a storage folder.

    Nothing else tells to which database a process belongs: one elsewhere may be another wnm's.
    """
    flags = {kind.fingerprint("")[0] for kind in KINDS.values()}
    table = ProcessTable.read(flags).found.values()
    found = {process.pid: process for processes in table for process in processes}
    units = []
    for pid, process in sorted(found.items()):
        problem = _why_not_ours(process, storages)
        if problem is None:
            argv = _without_interpreter(process.argv)
            units.append(process_unit(pid, argv, environment=_environment(pid)))
        else:
            # A process of somebody else takes up nothing of ours: it may even be on another machine's disk.
            place = f"process {pid}"
            units.append(FoundUnit(manager=SETSID, name=place, place=place, problem=problem, inert=True))
    return units


def process_unit(
    pid: int, argv: tuple[str, ...], *, environment: tuple[tuple[str, str], ...] = (), user: str | None = None
) -> FoundUnit:
    """A running process that no service manager looks after; it is called like its root directory."""
    folders = [folder for _, folder in fingerprints(argv, (_ROOT_FLAG,))]
    name = posixpath.basename((folders or [""])[-1].rstrip("/")) or posixpath.basename((argv or ("",))[0])
    place = f"process {pid}"
    return FoundUnit(
        manager=SETSID, name=name or place, place=place, argv=argv, environment=environment, user=user
    )


def _why_not_ours(process: Process, storages: Sequence[str]) -> str | None:
    with suppress(OSError):
        for line in Path(f"/proc/{process.pid}/cgroup").read_text(errors="replace").splitlines():
            unit = line.rpartition("/")[2]
            if unit.endswith(".service") and _OF_NODES.search(unit):
                return f"it belongs to {unit}: import that with --process_manager systemd"
    if process.user_id != os.geteuid():
        return f"it runs as {name_of(process.user_id)}: import it as that account"
    # There is no /proc on macOS, and the process may just have ended.
    with suppress(OSError):
        if Path(f"/proc/{process.pid}/ns/mnt").readlink() != Path("/proc/self/ns/mnt").readlink():
            return "it runs in a container, with a disk of its own"
    folders = {str(Path(folder).parent) for _, folder in fingerprints(process.argv, (_ROOT_FLAG,))}
    if not folders.isdisjoint(storages):
        return None
    where = ", ".join(sorted(folders)) or "nowhere"
    return f"it is in {where}, which is no storage folder: name that in --node_storage if the node is yours"


def _without_interpreter(argv: tuple[str, ...]) -> tuple[str, ...]:
    """A script's command line as it was given: the kernel puts its interpreter before it."""
    for place, word in enumerate(argv[1:4], 1):
        rest = argv[place + 1 :]
        if not word.startswith("-") and any(
            holds(rest, (_ROOT_FLAG, str(each))) for each in Path(word).parents
        ):
            return argv[place:]
    return argv


def _environment(pid: int) -> tuple[tuple[str, str], ...]:
    """The variables that are for the node, as far as they can be read."""
    found: dict[str, str] = {}
    with suppress(OSError):
        for entry in Path(f"/proc/{pid}/environ").read_bytes().split(b"\0"):
            name, equals, value = os.fsdecode(entry).partition("=")
            if equals and _OF_A_NODE.fullmatch(name):
                found[name] = value
    return tuple(found.items())


def look_at_folders(paths: Iterable[str]) -> Mapping[str, FolderFacts]:
    """Return the facts of each path; a disk that does not answer hides no other."""
    facts = {}
    for path in dict.fromkeys(paths):
        seen = read_with_timeout(partial(_facts, path), DISK_PATIENCE_SECONDS, what=path)
        facts[path] = FolderFacts(path=path, unseen=seen.reason) if isinstance(seen, Unseen) else seen
    return facts


def _facts(path: str) -> FolderFacts:
    try:
        seen = os.lstat(path)
    except (FileNotFoundError, NotADirectoryError):
        return FolderFacts(path=path, exists=False, is_folder=False)
    is_folder = os.path.isdir(path)  # noqa: PTH112 - of a text, as it was found
    listed: list[tuple[str, bool]] = []
    if is_folder:
        with os.scandir(path) as entries:
            listed = sorted((entry.name, entry.is_dir(follow_symlinks=False)) for entry in entries)
    return FolderFacts(
        path=path,
        is_folder=is_folder,
        is_link=os.path.islink(path),  # noqa: PTH114
        real=os.path.realpath(path),
        owner=name_of(seen.st_uid),
        folders=tuple(name for name, is_one in listed if is_one)[:MOST_NAMES],
        files=tuple(name for name, is_one in listed if not is_one)[:MOST_NAMES],
    )
