"""Checks which folders may be a node's own or hold nodes, and which units cannot both be right."""

import posixpath
import re
from collections import Counter
from collections.abc import Collection, Mapping, Sequence

from wnm.core.errors import shortened
from wnm.core.forms import expand
from wnm.core.host import Host
from wnm_adopt.discover import FolderFacts, tidy_path
from wnm_adopt.understand import Understood

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
    why = None
    if folder == "/":
        why = "that would be the whole file system"
    elif folder in _NEVER_STORAGE:
        why = "it is a folder of the system"
    elif "," in folder or "$" in folder or folder != folder.strip():
        why = "its name has a comma, a $ or a space at its end"
    else:
        try:
            expand(folder, _NOWHERE)
        except ValueError as error:
            why = str(error)
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


def conflicts(
    units: Sequence[Understood],
    facts: Mapping[str, FolderFacts],
    homes: Collection[str],
    *,
    able: Collection[int],
) -> Mapping[int, str]:
    """Return why units cannot be kept beside another one, which is named, by their places; others are left out.

    Two that could both be kept (`able`) cannot have one port. A port of one that cannot be kept anyway is in nobody's
    way: an old unit that was left behind must not cost a node its manager. One that is only recorded loses every time.
    """
    found: dict[int, str] = {}
    live = {place: each for place, each in enumerate(units) if each.is_live}
    keepable = {place: each for place, each in live.items() if place in able}
    _same(live, "number", found)
    _same_or_nested(live, facts, homes, found)
    _same(keepable, "port", found)
    _same(keepable, "metrics port", found)
    claims = [_claims(each, facts) for each in units]
    counted = Counter(claim for each in claims for claim in each)
    for place, each in enumerate(units):
        shared = sorted(what for what, value in claims[place] if counted[what, value] > 1)
        if each.unit.recorded and shared:
            found[place] = f"another one has its {shared[0]}"
    return found


def _claims(each: Understood, facts: Mapping[str, FolderFacts]) -> set[tuple[str, object]]:
    """The things that no two nodes can have; a record loses to all that has one of them."""
    own: set[tuple[str, object]] = {("port", port) for port in each.ports.values()}
    own |= {("folder", path) for path in _paths(each, facts)}
    return own if each.id is None else {*own, ("number", each.id)}


def ports_of_others(units: Sequence[Understood], able: Collection[int]) -> Mapping[int, str]:
    """Which ports of those that can be kept others name too that cannot, by their places."""
    theirs: dict[tuple[str, int], Understood] = {}
    for place, each in enumerate(units):
        if each.is_live and place not in able:
            for port in each.ports.items():
                theirs.setdefault(port, each)
    return {
        place: f"its {what} {port} is also that of {theirs[what, port].unit}, which is left alone: only one of the two "
        "can run"
        for place in able
        if units[place].is_live
        for what, port in units[place].ports.items()
        if (what, port) in theirs
    }


def _same(units: Mapping[int, Understood], what: str, found: dict[int, str]) -> None:
    groups: dict[int, list[int]] = {}
    for place, each in units.items():
        value = each.id if what == "number" else each.ports.get(what)
        if value is not None:
            groups.setdefault(value, []).append(place)
    for value, places in groups.items():
        shown = what if what == "number" else f"{what} {value}"
        for place in places if len(places) > 1 else ():
            other = places[0] if place != places[0] else places[1]
            found.setdefault(place, f"its {shown} is also that of {units[other].unit}")


def _same_or_nested(
    units: Mapping[int, Understood],
    facts: Mapping[str, FolderFacts],
    homes: Collection[str],
    found: dict[int, str],
) -> None:
    """Folders that are the same, or one inside the other, as they are written or as links lead."""
    folders: dict[str, list[int]] = {}
    for place, each in units.items():
        for path in _paths(each, facts):
            folders.setdefault(path, []).append(place)

    def tell(place: int, how: str, other: int) -> None:
        found.setdefault(
            place, f"its root directory {units[place].root_dir} is {how} that of {units[other].unit}"
        )

    for path in sorted(folders):
        here = folders[path]
        for place in here if len(here) > 1 else ():
            tell(place, "also", here[0] if place != here[0] else here[1])
        outer = posixpath.dirname(path)
        while outer != "/":
            # A unit may have both folders, where a link leads from one to the other.
            others = [place for place in folders.get(outer, ()) if place not in here]
            # Half of the machine, or all nodes of a disk, are inside of a general folder, which is refused for itself.
            own = posixpath.basename(outer).startswith(_LIKE_A_NODE) and not is_general(outer, homes)
            if others and own:
                for place in here:
                    tell(place, "inside", others[0])
                for place in others:
                    tell(place, "around", here[0])
                break
            outer = posixpath.dirname(outer)


def _paths(each: Understood, facts: Mapping[str, FolderFacts]) -> set[str]:
    if each.root_dir is None or not each.root_dir.startswith("/"):
        return set()
    known = facts.get(each.root_dir)
    real = known.real if known is not None and known.unseen is None and known.real else each.root_dir
    return {posixpath.normpath(f"/{tidy_path(path).lstrip('/')}") for path in (each.root_dir, real)}
