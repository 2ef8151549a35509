"""Classifies the units that were found: those that are adopted as they are, and of every other one why not."""

import posixpath
import re
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from itertools import combinations
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from wnm.core.errors import shortened
from wnm.core.forms import expand
from wnm.core.host import Host
from wnm.core.node import Node, Status
from wnm.core.release import tidy_version
from wnm.node_kinds.kinds import KINDS
from wnm_adopt.discover import SETSID, SYSTEMD, FolderFacts, FoundUnit, Surroundings, tidy_path
from wnm_adopt.understand import LARGEST_PORT, NodeArguments, Understood, is_about_a_node, understand

# Nothing below these is ever a node's, whatever it is called.
_NEVER_BELOW = (
    *("/bin", "/boot", "/dev", "/etc", "/lib", "/lib32", "/lib64", "/libx32", "/proc", "/sbin", "/sys"),
    *("/usr/bin", "/usr/include", "/usr/lib", "/usr/lib32", "/usr/lib64", "/usr/libexec", "/usr/sbin"),
    *("/usr/share", "/System", "/Applications", "/cores", "/private/etc"),
)
_FOLDERS_OF_THE_SYSTEM = frozenset(
    {"/usr", "/usr/local", "/home", "/root", "/opt", "/srv", "/mnt", "/media", "/run", "/tmp", "/var", "/var/antctl",
     "/var/lib", "/var/log", "/var/tmp", "/var/cache", "/snap", "/lost+found", "/Library", "/Users", "/Volumes",
     "/private", "/private/var", "/private/tmp", *_NEVER_BELOW}
)  # fmt: skip
_NEVER_STORAGE = frozenset({"/usr", "/run", "/snap", "/lost+found", "/Library", "/Volumes", "/private"})
_HOMES = ("/home", "/Users", "/var/home")
_HOME_OF_ROOT = frozenset({"/root", "/var/root", "/private/var/root"})
# Files that nodes of both kinds keep in their folders, and that an account leaves in its home, which it may be.
_OF_A_NODE = re.compile(
    r"(record_store|historic_quoting_metrics|bootstrap|chunks|logs?|network|upgrade|wallet|node_)[\w.-]*"
    r"|[\w-]+\.mdb|\.(local|cache|config)|lost\+found"
)
_NOWHERE = Host(platform="linux", is_root=False, user="", home="/", environ={}, usable_cores=1.0)


def is_below(path: str, folder: str) -> bool:
    """Whether a tidy path is strictly inside a tidy folder."""
    return path.startswith(f"{folder.rstrip('/')}/") and path != folder


def is_general(path: str, homes: Collection[str]) -> bool:
    """Whether a tidy path is that of a folder with much in it that has nothing to do with nodes."""
    return path == "/" or _is_home(path, homes) or _is_of_the_system(path)


def path_problem(path: str, name: str, homes: Collection[str]) -> str | None:
    """Return why a tidy path cannot be the node's root directory; a sentence that begins with `its`."""
    problems = {
        "is not a full path": not path.startswith("/"),
        "has . or .. in it": not {".", ".."}.isdisjoint(path.split("/")),
        "has characters in it that cannot be shown": not path.isprintable(),
        "is the whole file system": path == "/",
        "is a home folder": _is_home(path, homes),
        "is a folder of the system": _is_of_the_system(path),
        f"is not plainly its own: its last part would have to be {name}": posixpath.basename(path) != name,
    }
    why = next((text for text, is_so in problems.items() if is_so), None)
    if why is not None:
        return f"its root directory {shortened(path)} {why}"
    return storage_problem(posixpath.dirname(path))


def storage_problem(folder: str) -> str | None:
    """Return why a folder cannot be one that holds nodes; a sentence that begins with `the`."""
    why = "it is a folder of the system" if folder in _NEVER_STORAGE else None
    if "," in folder or "$" in folder or folder != folder.strip():
        why = "its name has a comma, a $ or a space at its end"
    try:
        expand(folder, _NOWHERE)
    except ValueError as error:
        why = why or str(error)
    if folder == "/":
        why = "that would be the whole file system"
    shown = f"the folder {shortened(folder)} that holds its root directory cannot be a storage folder"
    return None if why is None else f"{shown}: {why}"


def folder_problem(facts: FolderFacts, user: str, name: str, homes: Collection[str]) -> str | None:
    """Return why a folder that was seen is not the node's own; a sentence that begins with `its`.

    A file that no node has is no reason: what wnm deletes is decided when it deletes.
    """
    shown = f"its root directory {facts.path}"
    if facts.is_link:
        return f"{shown} is a symbolic link" + (f" to {facts.real}" if facts.real else "")
    if not facts.is_folder:
        return f"{shown} is no folder"
    if facts.real is not None and facts.real != facts.path:
        problem = path_problem(tidy_path(facts.real), name, homes)
        if problem is not None:
            return f"{shown} leads elsewhere, and {problem}"
    if facts.owner != user:
        return f"{shown} belongs to {facts.owner or 'an unknown account'}, and the node runs as {user}"
    foreign = sorted(each for each in facts.folders if not _OF_A_NODE.fullmatch(each))
    if foreign:
        return f"{shown} holds what no node has: the folder {shortened(foreign[0])}"
    return None


def _is_home(path: str, homes: Collection[str]) -> bool:
    return path in homes or path in _HOME_OF_ROOT or posixpath.dirname(path) in _HOMES


def _is_of_the_system(path: str) -> bool:
    return path in _FOLDERS_OF_THE_SYSTEM or any(is_below(path, each) for each in _NEVER_BELOW)


def fitting_storages(
    roots: Mapping[int, str], known: Sequence[str]
) -> tuple[tuple[str, ...], Mapping[int, str]]:
    """The folders to be added, sorted, and why some root directories cannot be: no storage folder may hold another.

    `roots` are root directories by any key, `known` the storage folders that there are.
    """
    there = [tidy_path(each) for each in known]
    holders = {key: posixpath.dirname(root) for key, root in roots.items()}
    new = {key: holder for key, holder in holders.items() if holder not in there}
    problems: dict[int, str] = {}
    for key, holder in new.items():
        other = next((each for each in there if is_below(each, holder) or is_below(holder, each)), None)
        if other is not None:
            why = f"its folder {holder} cannot be a storage folder beside {other}: one would hold the other"
            problems[key] = why
    added = sorted({holder for key, holder in new.items() if key not in problems})
    for key, holder in new.items():
        # The inner one stays: it holds nothing but nodes.
        inner = next((each for each in added if is_below(each, holder)), None)
        if inner is not None and key not in problems:
            why = f"its folder {holder} cannot be a storage folder: it holds {inner}, which becomes one"
            problems[key] = why
    return tuple(sorted({holder for key, holder in new.items() if key not in problems})), problems


_LIKE_A_NODE = ("antnode", "ant-node", "safenode")
_NUMBER, _FOLDER, _ANY_PORT = "number", "root directory", "port number"


def conflicts(
    units: Sequence[Understood],
    facts: Mapping[str, FolderFacts],
    homes: Collection[str],
    *,
    able: Collection[int],
) -> tuple[Mapping[int, str], Mapping[int, str]]:
    """Return why units cannot be kept beside another one, which is named, and remarks on their ports, by their places.

    Two that could both be kept (`able`) cannot have one port. A port of one that cannot be kept anyway is in nobody's
    way: an old unit that was left behind must not cost a node its manager. One that is only recorded loses every time.
    """
    found: dict[int, str] = {}
    remarks: dict[int, str] = {}
    claimed: dict[tuple[int, str, Any], list[int]] = {}
    for place, each in enumerate(units):
        for claim in _claims(each, facts):
            claimed.setdefault(claim, []).append(place)
    folders = {path: places for (_, what, path), places in claimed.items() if what == _FOLDER}
    for (_, what, value), places in sorted(claimed.items()):
        live = [place for place in places if units[place].is_live and what != _ANY_PORT]
        rivals = live if what in (_NUMBER, _FOLDER) else [place for place in live if place in able]
        for place in rivals:
            root = units[place].root_dir
            shown = f"its {what}" + {_NUMBER: "", _FOLDER: f" {root}"}.get(what, f" {value}")
            for other in [other for other in rivals if other != place][:1]:
                found.setdefault(place, f"{shown} is also that of {units[other].unit}")
            for other in [other for other in live if other not in rivals][:1]:
                left_alone = f"{units[other].unit}, which is left alone: only one of the two can run"
                remarks.setdefault(place, f"{shown} is also that of {left_alone}")
        for place in places:
            if units[place].unit.recorded and len(places) > 1:
                found.setdefault(place, f"another one has its {what}")
        if what == _FOLDER:
            _nested(value, live, folders, units, homes, found)
    return found, remarks


def _claims(each: Understood, facts: Mapping[str, FolderFacts]) -> Iterator[tuple[int, str, Any]]:
    """The things that no two nodes can have, the weightiest first; of a record any port is weighed against any."""
    if each.id is not None:
        yield 0, _NUMBER, each.id
    root = each.root_dir
    if root.startswith("/"):
        known = facts.get(root)
        real = known.real if known is not None and known.unseen is None and known.real else root
        for path in {posixpath.normpath(f"/{path.lstrip('/')}") for path in (root, tidy_path(real))}:
            yield 1, _FOLDER, path
    for rank, what in enumerate(("port", "metrics port"), 2):
        if what in each.ports:
            yield rank, what, each.ports[what]
    for port in set(each.ports.values()):
        yield 4, _ANY_PORT, port


def _nested(
    path: str,
    here: Sequence[int],
    folders: Mapping[str, Sequence[int]],
    units: Sequence[Understood],
    homes: Collection[str],
    found: dict[int, str],
) -> None:
    """Folders that are one inside the other, as they are written or as links lead."""
    outer = posixpath.dirname(path)
    while outer != "/" and here:
        # A unit may have both folders, where a link leads from one to the other.
        others = [place for place in folders.get(outer, ()) if units[place].is_live and place not in here]
        # Half of the machine, or all nodes of a disk, are inside of a general folder, which is refused for itself.
        if others and posixpath.basename(outer).startswith(_LIKE_A_NODE) and not is_general(outer, homes):
            for how, inner, around in (("inside", here, others), ("around", others, here)):
                for place in inner:
                    root, other = units[place].root_dir, units[around[0]].unit
                    found.setdefault(place, f"its {_FOLDER} {root} is {how} that of {other}")
            break
        outer = posixpath.dirname(outer)


ROOT = "root"
BECAUSE = "taken over"
NEVER = datetime.fromisoformat("1970-01-01T00:00:00+00:00")
"""Stands in a row for the time of its writing until `row_of` puts that in."""

_WALLET = re.compile(r"0x[0-9a-fA-F]{40}")
_PEER_ID = re.compile(r"[A-Za-z0-9]{10,100}")
_LAST = 10**9
_GIVEN = (("--max-log-files", "3"), ("--max-archived-log-files", "3"))
_ELSEWHERE = "move it to a folder that is not in or around another storage folder, and say so in its unit"


class Adopted(Struct, frozen=True, kw_only=True):
    """A node that goes on as it was found, as its row.

    The row's `command` are the arguments after the program exactly as they were found, and so are name, ports,
    wallet, user and environment. `network` are the words that choose the payment network. `own` if wnm wrote its unit.
    """

    row: Node
    place: str
    network: tuple[str, ...]
    own: bool
    notes: tuple[str, ...]


class Refused(Struct, frozen=True, kw_only=True):
    """A unit that is left alone. `reason` is one line, and so is `remedy`, what would make it possible if anything
    would.
    """

    name: str
    place: str
    reason: str
    remedy: str = ""


class Classified(Struct, frozen=True, kw_only=True):
    """All units that have to do with nodes, sorted by number, then name. `storages` are the folders to be added."""

    adopted: tuple[Adopted, ...]
    refused: tuple[Refused, ...]
    storages: tuple[str, ...]


def paths_of_interest(units: Sequence[FoundUnit]) -> tuple[str, ...]:
    """The paths that `classify` wants to know of, without those that it refuses by their looks alone."""
    found: set[str] = set()
    for each in map(understand, filter(is_about_a_node, units)):
        root = each.root_dir
        if path_problem(root, posixpath.basename(root), ()) is None:
            found |= {
                root,
                posixpath.dirname(root),
                *([each.program] if is_below(each.program, root) else []),
            }
    return tuple(sorted(found))


def classify(units: Sequence[FoundUnit], around: Surroundings) -> Classified:
    """Sort them into those that can be adopted and those that cannot. Units that are no nodes are left out."""
    read = [understand(each) for each in units if is_about_a_node(each)]
    # By what they are and not by the order in which they were found.
    read.sort(key=lambda each: (each.id or _LAST, each.unit.name, each.unit.place))
    able = {place for place, each in enumerate(read) if validate(each, None, around) is None}
    conflict, about_ports = conflicts(read, around.facts, around.homes, able=able)
    problems = {place: validate(each, conflict.get(place), around) for place, each in enumerate(read)}
    roots = {
        place: each.root_dir
        for place, each in enumerate(read)
        if problems[place] is None and not each.unit.recorded
    }
    storages, unfitting = fitting_storages(roots, around.storages_known)
    problems |= {place: (why, _ELSEWHERE) for place, why in unfitting.items()}
    written = [each.arguments.log_dir for each in read if each.arguments is not None and each.is_live]
    logs = Counter(tidy_path(each) for each in written if each is not None)
    adopted: list[Adopted] = []
    refused: list[Refused] = []
    for place, each in enumerate(read):
        problem, unit = problems[place], each.unit
        if problem is None:
            adopted.append(_adopted(each, around, logs, about_ports.get(place)))
        else:
            refused.append(Refused(name=unit.name, place=unit.place, reason=problem[0], remedy=problem[1]))
    return Classified(adopted=tuple(adopted), refused=tuple(refused), storages=storages)


def validate(read: Understood, conflict: str | None, around: Surroundings) -> tuple[str, str] | None:
    """Return why a unit cannot be adopted, and the remedy, which is empty where the reason says it.

    None if it can. `conflict` is why it cannot be kept beside another one.
    """
    if read.problem is not None or read.arguments is None:
        return read.problem or "", read.remedy
    found = _problems(read, read.arguments, conflict, around)
    return next(((why, remedy) for why, remedy in found if why is not None), None)


def _problems(
    read: Understood, arguments: NodeArguments, conflict: str | None, around: Surroundings
) -> Iterator[tuple[str | None, str]]:
    unit, root, wallet, where = read.unit, read.root_dir, arguments.wallet, f"in {read.unit.place}"
    own_folder = (
        f"move its data to a folder called {read.name} that holds nothing else, and name that {where}"
    )
    yield path_problem(root, read.name, around.homes), own_folder
    yield _program_problem(read, around), f"copy the program to {root}, and name that copy {where}"
    if not _WALLET.fullmatch(wallet or ""):
        shown = "none" if wallet is None else shortened(wallet)
        yield f"it has no valid rewards address: {shown}", f"give --rewards-address {where}"
    # Only the service manager of the whole system runs things as others.
    if unit.manager != SYSTEMD and unit.user not in (None, around.account):
        why = f"it runs as {unit.user}, and not as {around.account}, who could not keep it"
        yield why, f"run wnm as {unit.user}"
    yield conflict, "decide which of the two is to stay, and take the other one away"
    facts, holder = _seen(root, around), _seen(posixpath.dirname(root), around)
    # An empty folder around it, or none, is where a disk is missing; one with others in it is not.
    is_held = holder is not None and bool(holder.folders or holder.files)
    if facts is not None and not facts.exists and is_held:
        why = f"its root directory {root} is gone, though {posixpath.dirname(root)} is there: nothing is left to adopt"
        yield why, f"bring its folder back, or take {unit.place} away"
    yield _seen_problem(read, around), f"see to that folder, or take {unit.place} away"
    if arguments.metrics_port is None and _metrics_port(read, around) > LARGEST_PORT:
        yield "it has no metrics port, and its number is too large to be given one", f"give a port {where}"


def _seen(path: str, around: Surroundings) -> FolderFacts | None:
    """Return the facts of a path, None if it could not be looked at."""
    facts = around.facts.get(path)
    return facts if facts is not None and facts.unseen is None else None


def _program_problem(read: Understood, around: Surroundings) -> str | None:
    program = read.program
    shown = f"its program {shortened((read.unit.argv or ('',))[0])}"
    if not is_below(program, read.root_dir) or ".." in program.split("/"):
        return f"{shown} is not a copy of its own: wnm could not upgrade it alone"
    facts = _seen(program, around)
    if facts is None or not facts.exists:
        return None
    if facts.is_link:
        return f"{shown} is a link and not a copy of its own: wnm could not upgrade it alone"
    return f"{shown} is a folder" if facts.is_folder else None


def _runs_as(read: Understood, around: Surroundings) -> str:
    return read.unit.user or (ROOT if read.unit.manager == SYSTEMD else around.account)


def _seen_problem(read: Understood, around: Surroundings) -> str | None:
    root = read.root_dir
    facts = _seen(root, around)
    problem = None
    if facts is not None and facts.exists:
        problem = folder_problem(facts, _runs_as(read, around), read.name, around.homes)
    if problem is not None or not read.unit.recorded:
        return problem
    if facts is None:
        unseen = around.facts.get(root)
        return f"{root} cannot be seen: {unseen.unseen if unseen is not None else 'nobody looked'}"
    if not facts.exists:
        return f"there is no {root}"
    if facts.real != root:
        return f"{root} leads to {facts.real}"
    is_there = posixpath.basename(read.program) in facts.files
    return None if is_there else f"there is no node program in {root}"


def _metrics_port(read: Understood, around: Surroundings) -> int:
    """A kind that has no page still needs a number for one, and every number has one of its own."""
    return around.metrics_port_start * 1000 + (read.id or 0)


def _adopted(
    read: Understood, around: Surroundings, logs: Mapping[str, int], about_port: str | None
) -> Adopted:
    """A unit that `validate` has nothing against. `logs` says how many units write to a log folder."""
    unit, arguments, node_id = read.unit, read.arguments, read.id
    if arguments is None or node_id is None:
        raise ValueError(f"{unit} was not validated")
    peer_id, version = around.node_details.get(node_id, ("", ""))
    log_dir, about_log = _log_folder(read, logs)
    row = Node(
        id=node_id,
        name=read.name,
        kind=read.kind or "",
        manager=unit.manager,
        root_dir=read.root_dir,
        log_dir=log_dir,
        program=read.program,
        command=(unit.argv or ("",))[1:],
        port=arguments.port,
        metrics_port=arguments.metrics_port or _metrics_port(read, around),
        wallet=arguments.wallet or "",
        born=NEVER,
        environment=unit.environment,
        start_args=arguments.start_args,
        no_upnp=arguments.no_upnp,
        user=unit.user if unit.manager == SYSTEMD else None,
        status=Status.STOPPED,
        status_since=NEVER,
        because=BECAUSE,
        peer_id=peer_id if _PEER_ID.fullmatch(peer_id) else None,
        version=tidy_version(version),
    )
    about = [each for each in (read.doubt, about_log) if each is not None]
    notes = (
        *unit.notes,
        *arguments.notes,
        *about,
        *_notes(read, around),
        *([about_port] if about_port else ()),
    )
    return Adopted(row=row, place=unit.place, network=arguments.network, own=unit.own, notes=notes)


def _log_folder(read: Understood, logs: Mapping[str, int]) -> tuple[str, str | None]:
    """The node's own log folder, and what to say of it."""
    root = read.root_dir
    own = f"{root}/logs"
    named = read.arguments.log_dir if read.arguments is not None else None
    if named is None:
        return own, f"it names no log folder of its own: {own} stands for it"
    folder = tidy_path(named)
    plain = folder.startswith("/") and not {".", ".."} & set(folder.split("/")) and folder.isprintable()
    called_so = posixpath.basename(folder) == read.name and not is_general(folder, ())
    if plain and logs[folder] < 2 and folder != root and (is_below(folder, root) or called_so):
        return folder, None
    why = f"its log folder {shortened(folder)} is not its alone: wnm leaves that alone, {own} stands for it"
    return own, why


def _notes(read: Understood, around: Surroundings) -> Iterable[str]:
    """Remarks on its account, ports and folders that are worth knowing, a sentence each."""
    if _runs_as(read, around) == ROOT:
        yield "it runs as root: everything on the machine is open to it"
    usual = around.port_start * 1000 + (read.id or 0)
    port = read.arguments.port if read.arguments is not None else usual
    if usual > LARGEST_PORT:
        yield f"its number is outside the port range: wnm would have no port for it, it keeps {port}"
    elif port != usual:
        yield f"its port {port} is not the one that wnm would give it ({usual}), and stays"
    if read.arguments is not None and read.arguments.metrics_port is None:
        yield "it has no metrics port, and needs none"
    root = read.root_dir
    facts = around.facts.get(root)
    if facts is None or facts.unseen is not None:
        why = facts.unseen if facts is not None else "it was not looked at"
        yield f"its root directory cannot be seen now: {why}"
    elif not facts.exists:
        yield "its root directory is not there, and nothing around it: is its disk mounted?"
    elif facts.real not in (None, root):
        yield f"its root directory is reached through a link and is {facts.real}"
    program = _seen(read.program, around)
    if program is not None and not program.exists:
        yield f"its program {program.path} is missing"


def row_of(adopted: Adopted, *, now: datetime, born: datetime | None) -> Node:
    """The row to be written; nothing is known yet of whether it runs. `born` is the age of its key, if that
    can be seen: by that wnm knows the folder for the node's, and an older database has it in whole seconds.

    A node whose unit wnm wrote itself, and a process without a unit, which has nothing but its command line, are wnm's
    own again if wnm makes the same command line; else they stay with the one that was found.
    """
    row = adopted.row
    row = replace(row, born=born or (now if row.born == NEVER else row.born), status_since=now)
    kind = KINDS[row.kind]
    environment = tuple(pair for pair in row.environment if pair != ("HOME", row.root_dir))
    words = tuple(word for word in row.start_args if word != "--stop-on-upgrade")
    # Some of the words may be what wnm gives to every node.
    fewer = (_without(words, *each) for each in ((), *combinations(_GIVEN, 1), _GIVEN))
    for arguments in dict.fromkeys(fewer) if adopted.own or row.manager == SETSID else ():
        made = replace(row, command=None, start_args=arguments, environment=environment)
        for supervised in (False, True):
            if kind.command_line(made, supervised=supervised) == (row.program, *(row.command or ())):
                return made
    return row


def _without(words: tuple[str, ...], *pairs: tuple[str, str]) -> tuple[str, ...]:
    for pair in pairs:
        at = next((at for at in range(len(words)) if words[at : at + 2] == pair), len(words))
        words = (*words[:at], *words[at + 2 :])
    return words
