"""What services lay claim to, and which of them cannot both be right."""

import posixpath
from collections.abc import Callable, Collection, Hashable, Mapping, Sequence

from msgspec import Struct

from wnm.core.node import NodeId
from wnm_adopt.root_rules import is_general, tidy_path
from wnm_adopt.services import FolderFacts, FoundService

type Parts = tuple[str, ...]

_LIKE_A_NODE = ("antnode", "ant-node", "safenode")


class Claim(Struct, frozen=True, kw_only=True):
    """What one service that may run needs for itself: a number, a folder, ports. None where it names none."""

    service: FoundService
    id: NodeId | None
    root_dir: str | None
    port: int | None
    metrics_port: int | None


def conflicts(
    claims: Mapping[int, Claim],
    facts: Mapping[str, FolderFacts],
    homes: Collection[str],
    *,
    able: Collection[int],
) -> Mapping[int, str]:
    """How claims meet, by the keys of the claims, naming the other one of each; those that meet none are left out.

    Two that could both be kept (`able`) cannot have one port. A port of one that cannot be kept anyway is in nobody's
    way: an old unit that was left behind must not cost a node its manager.
    """
    found: dict[int, str] = {}
    keepable = {place: claim for place, claim in claims.items() if place in able}
    _same(claims, lambda claim: claim.id, "its number is also that of {other}", found)
    _nested(claims, facts, homes, found)
    _same(keepable, lambda claim: claim.port, "its port {value} is also that of {other}", found)
    _same(
        keepable, lambda claim: claim.metrics_port, "its metrics port {value} is also that of {other}", found
    )
    return found


def ports_of_others(claims: Mapping[int, Claim], able: Collection[int]) -> Mapping[int, str]:
    """Which ports of those that can be kept others name too that cannot, by the keys of the claims."""
    theirs: dict[tuple[str, int], FoundService] = {}
    for place, claim in claims.items():
        if place not in able:
            for key in _ports(claim):
                theirs.setdefault(key, claim.service)
    found: dict[int, str] = {}
    for place in able:
        for key in _ports(claims[place]) if place in claims else ():
            if key in theirs:
                found[place] = (
                    f"its {key[0]} {key[1]} is also that of {told(theirs[key])}, which is left alone: only one of "
                    "the two can run"
                )
    return found


def _ports(claim: Claim) -> list[tuple[str, int]]:
    ports = (("metrics port", claim.metrics_port), ("port", claim.port))
    return [(what, port) for what, port in ports if port is not None]


def told(service: FoundService) -> str:
    """A service as people find it again."""
    return f"{service.name} ({service.place})"


def _same(
    claims: Mapping[int, Claim], of: Callable[[Claim], Hashable], wording: str, found: dict[int, str]
) -> None:
    groups: dict[Hashable, list[int]] = {}
    for place, claim in claims.items():
        value = of(claim)
        if value is not None:
            groups.setdefault(value, []).append(place)
    for value, places in groups.items():
        for place in places if len(places) > 1 else ():
            other = places[0] if place != places[0] else places[1]
            found.setdefault(place, wording.format(value=value, other=told(claims[other].service)))


def _nested(
    claims: Mapping[int, Claim],
    facts: Mapping[str, FolderFacts],
    homes: Collection[str],
    found: dict[int, str],
) -> None:
    """Folders that are the same, or one inside the other, as they are written or as links lead."""
    groups: dict[Parts, list[int]] = {}
    for place, claim in claims.items():
        for parts in _paths(claim, facts):
            groups.setdefault(parts, []).append(place)
    around: list[Parts] = []
    for parts in sorted(groups):
        here = groups[parts]
        for place in here if len(here) > 1 else ():
            _tell(found, claims, place, here[0] if place != here[0] else here[1], "also that of")
        while around and parts[: len(around[-1])] != around[-1]:
            around.pop()
        _tell_outer(found, claims, here, [groups[outer] for outer in reversed(around)])
        # Half of the machine, or all nodes of a disk, are inside of such a folder, which is refused for itself.
        if not is_general("/" + "/".join(parts), homes) and parts[-1].startswith(_LIKE_A_NODE):
            around.append(parts)


def _tell_outer(
    found: dict[int, str], claims: Mapping[int, Claim], here: Sequence[int], outers: Sequence[Sequence[int]]
) -> None:
    """Say it of those that are here and of the nearest others around them."""
    for outer in outers:
        # A claim may have both folders, where a link leads from one to the other.
        others = [place for place in outer if place not in here]
        if others:
            for place in here:
                _tell(found, claims, place, others[0], "inside that of")
            for place in others:
                _tell(found, claims, place, here[0], "around that of")
            return


def _tell(found: dict[int, str], claims: Mapping[int, Claim], place: int, other: int, how: str) -> None:
    found.setdefault(
        place, f"its root directory {claims[place].root_dir} is {how} {told(claims[other].service)}"
    )


def _paths(claim: Claim, facts: Mapping[str, FolderFacts]) -> set[Parts]:
    if claim.root_dir is None or not claim.root_dir.startswith("/"):
        return set()
    known = facts.get(claim.root_dir)
    real = known.real if known is not None and known.unseen is None and known.real else claim.root_dir
    return {
        tuple(part for part in posixpath.normpath(tidy_path(path)).split("/") if part)
        for path in (claim.root_dir, real)
    }
