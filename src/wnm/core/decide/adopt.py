"""Plans the adoption of nodes' folders that no row names, and the acceptance of a disk as it is."""

from posixpath import basename, dirname, join

from msgspec.structs import replace

from wnm.core.action import AdoptNode
from wnm.core.decide.growth import Place, new_node
from wnm.core.decide.pressure import counted
from wnm.core.decide.storage import (
    Question,
    file_system_at,
    folder_id,
    found_elsewhere,
    has_own_key,
    known_place,
)
from wnm.core.errors import BadInput, NeedsOperator
from wnm.core.node import Node, Status, id_in_name
from wnm.core.observation import FileSystem, NodeSeen, Observation, Storage
from wnm.core.places import Marker, PlaceNews, Stray
from wnm.core.reasons import BlockKind, Reason, ReasonKind
from wnm.core.settings import Settings

BY_HAND = Reason(kind=ReasonKind.BY_HAND)


def strays_with_keys(seen: Observation, settings: Settings, asked: tuple[Question, ...] = ()) -> list[Stray]:
    """The folders of whole nodes that no row names, in the storage folders that are not in question."""
    closed = {each.path for each in asked if each.closed}
    return [
        stray
        for storage in seen.storages
        if storage.path in settings.node_storage and storage.path not in closed
        for stray in storage.strays
        if stray.born is not None
    ]


def adoptions(
    seen: Observation, settings: Settings, names: tuple[str, ...], asked: tuple[Question, ...]
) -> tuple[AdoptNode, ...]:
    """The adoption of these nodes' folders, or of all. BadInput, naming it, for one that cannot be adopted."""
    strays = strays_with_keys(seen, settings, asked)
    for name in names:
        if name not in {stray.name for stray in strays}:
            known = ", ".join(stray.name for stray in strays[:5]) or "none"
            raise BadInput(
                f"--service_name {name}: no folder of that name waits to be adopted; there is: {known}"
            )
    rows = {each.node.name: each for each in seen.nodes}
    found: dict[str, AdoptNode] = {}
    for stray in strays:
        if (names and stray.name not in names) or stray.name in found:
            continue
        row = rows.get(stray.name)
        action = _adopted(stray, seen, settings) if row is None else _moved(stray, row, seen)
        if action is None and names:
            raise BadInput(
                f"{stray.path} has the name of a node that is there already, and another key: rename the folder"
            )
        if action is not None:
            found[stray.name] = action
    new = sum(each.former is None for each in found.values())
    over = counted(seen) + new - settings.node_cap
    if new and over > 0:
        raise BadInput(
            f"adopting {new} would make {over} too many for node_cap {settings.node_cap}; raise it"
        )
    return tuple(found.values())


def _adopted(stray: Stray, seen: Observation, settings: Settings) -> AdoptNode | None:
    """A node as the settings make it now, with the key and the data that are there."""
    node_id = id_in_name(stray.name)
    system = _system_of(stray, seen)
    if node_id is None or system is None or any(each.node.id == node_id for each in seen.nodes):
        return None
    kind = stray.kind or settings.node_kind
    fresh = new_node(
        node_id, Place(path=dirname(stray.path), file_system=system), settings, seen.seed, seen.now
    )
    node = replace(
        fresh,
        name=stray.name,
        kind=kind,
        root_dir=stray.path,
        log_dir=join(settings.log_storage, stray.name),
        program=join(stray.path, kind),
        born=stray.born or seen.now,
        status=Status.STOPPED,
    )
    return AdoptNode(node=node, because=BY_HAND)


def _moved(stray: Stray, row: NodeSeen, seen: Observation) -> AdoptNode | None:
    """The node as it is known, in its new folder."""
    node = row.node
    gone = row.reading.root_dir_present is False
    if not gone or found_elsewhere(node, seen) != stray:
        return None
    system = _system_of(stray, seen)
    there = replace(
        node,
        root_dir=stray.path,
        program=join(stray.path, basename(node.program)),
        mount_point=node.mount_point if system is None else system.mount_point,
        command=None
        if node.command is None
        else tuple(_with_folder(argument, node, stray) for argument in node.command),
        status=Status.STOPPED,
        crashed=False,
        pid=None,
        process_started_at=None,
    )
    return AdoptNode(node=there, because=BY_HAND, former=node)


def _with_folder(argument: str, node: Node, stray: Stray) -> str:
    inside = argument == node.root_dir or argument.startswith(f"{node.root_dir}/")
    return stray.path + argument.removeprefix(node.root_dir) if inside else argument


def _system_of(stray: Stray, seen: Observation) -> FileSystem | None:
    storage = next(each for each in seen.storages if each.path == dirname(stray.path))
    return file_system_at(storage.mount_point, seen)


def accepted(
    seen: Observation, settings: Settings, path: str | None, asked: tuple[Question, ...]
) -> PlaceNews:
    """The storage folder as it is from now on. BadInput if it is not in question, NeedsOperator if it may not be."""
    storage = _storage_at(path, seen, settings)
    question = next(
        (each for each in asked if each.path == path and each.blocked.kind is not BlockKind.NODE_ELSEWHERE),
        None,
    )
    if question is None or question.blocked.remedy is None:
        raise BadInput(f"--storage {path}: this disk is not in question")
    marker, known = storage.marker, known_place(seen, storage.path)
    if isinstance(marker, Marker) and marker.database != seen.remembered.identity:
        _refuse_foreign_nodes(storage, seen)
    system = file_system_at(storage.mount_point, seen)
    stays = question.blocked.kind is BlockKind.STORAGE_INCOMPLETE
    place = replace(
        known,
        folder=known.folder if stays else folder_id(seen, storage.path),
        file_system=None if system is None else system.id,
        device=None if system is None else system.device,
    )
    return PlaceNews(place=place, marks=not stays)


def _storage_at(path: str | None, seen: Observation, settings: Settings) -> Storage:
    found = next((each for each in seen.storages if each.path == path), None)
    if path is None or found is None or path not in settings.node_storage:
        folders = ", ".join(settings.node_storage)
        raise BadInput(f"--storage {path or ''}: give one of the folders of node_storage: {folders}")
    return found


def _refuse_foreign_nodes(storage: Storage, seen: Observation) -> None:
    """Another machine's node that has the name of one of ours would be started as ours."""
    for each in seen.nodes:
        if dirname(each.node.root_dir) != storage.path or each.reading.root_dir_present is not True:
            continue
        if not has_own_key(each):
            raise NeedsOperator(
                f"{each.node.root_dir} is the folder of another database and holds another key than "
                f"{each.node.name} had",
                remedy="move that folder away, or mount the right disk",
            )
