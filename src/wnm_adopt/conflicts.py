"""Finds units that cannot both be right: with the same number, folder or port, or one folder inside the other."""

import posixpath
from collections.abc import Callable, Collection, Hashable, Mapping, Sequence

from wnm_adopt.folder_rules import is_general, tidy_path
from wnm_adopt.found import FolderFacts
from wnm_adopt.understand import Understood

_LIKE_A_NODE = ("antnode", "ant-node", "safenode")


def conflicts(
    units: Sequence[Understood],
    facts: Mapping[str, FolderFacts],
    homes: Collection[str],
    *,
    able: Collection[int],
) -> Mapping[int, str]:
    """Why units cannot be kept beside another one, which is named, by their places; those without are left out.

    Two that could both be kept (`able`) cannot have one port. A port of one that cannot be kept anyway is in nobody's
    way: an old unit that was left behind must not cost a node its manager.
    """
    found: dict[int, str] = {}
    live = {place: each for place, each in enumerate(units) if each.is_live}
    keepable = {place: each for place, each in live.items() if place in able}
    _same(live, lambda each: each.id, "its number is also that of {other}", found)
    _same_or_nested(live, facts, homes, found)
    _same(keepable, lambda each: each.ports.get("port"), "its port {value} is also that of {other}", found)
    _same(
        keepable,
        lambda each: each.ports.get("metrics port"),
        "its metrics port {value} is also that of {other}",
        found,
    )
    return found


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


def _same(
    units: Mapping[int, Understood],
    of: Callable[[Understood], Hashable],
    wording: str,
    found: dict[int, str],
) -> None:
    groups: dict[Hashable, list[int]] = {}
    for place, each in units.items():
        value = of(each)
        if value is not None:
            groups.setdefault(value, []).append(place)
    for value, places in groups.items():
        for place in places if len(places) > 1 else ():
            other = places[0] if place != places[0] else places[1]
            found.setdefault(place, wording.format(value=value, other=units[other].unit))


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
