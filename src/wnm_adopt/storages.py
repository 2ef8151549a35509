"""Which folders have to become storage folders so that adopted nodes lie in one, and which cannot."""

import posixpath
from collections.abc import Mapping, Sequence

from wnm_adopt.root_rules import is_below, tidy_path


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
