"""Rules for folders: which may be a node's own by its path and by what is seen of it, and which a storage folder."""

import posixpath
import re
from collections.abc import Collection, Mapping, Sequence

from wnm.core.forms.paths import expand
from wnm.core.host import Host
from wnm.core.suggest import shortened
from wnm_adopt.found import FolderFacts

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
# What nodes of both kinds keep in their folders, and what an account leaves in its home, which it may be.
_OF_A_NODE = re.compile(
    r"(record_store|historic_quoting_metrics|bootstrap|chunks|logs?|network|upgrade|wallet|node_)[\w.-]*"
    r"|[\w-]+\.mdb|\.(local|cache|config)|lost\+found"
)
_NOWHERE = Host(platform="linux", is_root=False, user="", home="/", environ={}, usable_cores=1.0)


def tidy_path(path: str) -> str:
    """The path without doubled slashes and without one at its end."""
    return re.sub("/+", "/", path).rstrip("/") or ("/" if path.startswith("/") else "")


def is_below(path: str, folder: str) -> bool:
    """Whether a tidy path is strictly inside a tidy folder."""
    return path.startswith(f"{folder.rstrip('/')}/") and path != folder


def is_general(path: str, homes: Collection[str]) -> bool:
    """Whether a tidy path is that of a folder with much in it that has nothing to do with nodes."""
    return path == "/" or _is_home(path, homes) or _is_of_the_system(path)


def path_problem(path: str, name: str, homes: Collection[str]) -> str | None:
    """Why a tidy path cannot be the root directory of the node of this name; a sentence that begins with `its`."""
    shown = f"its root directory {shortened(path)}"
    if not path.startswith("/"):
        return f"{shown} is not a full path"
    if any(part in (".", "..") for part in path.split("/")):
        return f"{shown} has . or .. in it"
    if not path.isprintable():
        return f"{shown} has characters in it that cannot be shown"
    if path == "/":
        return f"{shown} is the whole file system"
    if _is_home(path, homes):
        return f"{shown} is a home folder"
    if _is_of_the_system(path):
        return f"{shown} is a folder of the system"
    if posixpath.basename(path) != name:
        return f"{shown} is not plainly its own: its last part would have to be {name}"
    return storage_problem(posixpath.dirname(path))


def storage_problem(folder: str) -> str | None:
    """Why a folder cannot be one that holds nodes; a sentence that begins with `the`."""
    shown = f"the folder {shortened(folder)} that holds its root directory cannot be a storage folder"
    if folder == "/":
        return f"{shown}: that would be the whole file system"
    if folder in _NEVER_STORAGE:
        return f"{shown}: it is a folder of the system"
    if "," in folder or "$" in folder or folder != folder.strip():
        return f"{shown}: its name has a comma, a $ or a space at its end"
    try:
        expand(folder, _NOWHERE)
    except ValueError as error:
        return f"{shown}: {error}"
    return None


def folder_problem(facts: FolderFacts, user: str, name: str, homes: Collection[str]) -> str | None:
    """Why a folder that was seen is not the node's own; a sentence that begins with `its`.

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
    problems: dict[int, str] = {}
    for key, root in roots.items():
        holder = posixpath.dirname(root)
        if holder not in there and (other := _overlapping(holder, there)):
            problems[key] = (
                f"its folder {holder} cannot be a storage folder beside {other}: one would hold the other"
            )
    added = sorted({posixpath.dirname(roots[key]) for key in roots if key not in problems} - set(there))
    for key, root in roots.items():
        holder = posixpath.dirname(root)
        # The inner one stays: it holds nothing but nodes.
        inner = next((each for each in added if is_below(each, holder)), None)
        if key not in problems and holder not in there and inner is not None:
            problems[key] = (
                f"its folder {holder} cannot be a storage folder: it holds {inner}, which becomes one"
            )
    left = {posixpath.dirname(roots[key]) for key in roots if key not in problems} - set(there)
    return tuple(sorted(left)), problems


def _overlapping(folder: str, others: Sequence[str]) -> str | None:
    return next((each for each in others if is_below(each, folder) or is_below(folder, each)), None)
