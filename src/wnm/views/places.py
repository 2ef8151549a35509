"""Shows what bounds this machine: its storage folders with the command that mends them, and limits below its size."""

from collections.abc import Iterator
from datetime import datetime

from msgspec import Struct

from wnm.core.decide.adopt import strays_with_keys
from wnm.core.decide.storage import file_system_at, known_place, marker_state, place_problem
from wnm.core.observation import MachineReading, Observation, Storage
from wnm.core.readings import inode_gauge
from wnm.core.reasons import BlockKind
from wnm.core.settings import Settings
from wnm.views.payload import Payload, moment, picked
from wnm.views.words import printable, relative, size

_PROBLEMS = {
    BlockKind.PLACE_READ_ONLY: ("its file system is read-only", "mount it so that it can be written"),
    BlockKind.PLACE_NOEXEC: ("its file system is mounted noexec", "mount it so that programs may run"),
    BlockKind.PLACE_UNWRITABLE: ("this account may not write there", "let this account write there"),
}
_MOST_NAMES = 5


class PlaceNote(Struct, frozen=True):
    """Something to know of a storage folder; `bad` where no node can be put or managed there."""

    path: str
    words: str
    remedy: str | None
    bad: bool


def place_notes(seen: Observation, settings: Settings, now: datetime) -> Iterator[PlaceNote]:
    """Everything that is out of the ordinary, folder by folder, then the nodes' folders without a row."""
    for storage in seen.storages:
        path = printable(storage.path)
        problem = _PROBLEMS.get(place_problem(storage.path, seen) or BlockKind.LEGACY)
        if problem is not None and storage.path in settings.node_storage:
            yield PlaceNote(path, problem[0], problem[1], True)
        system = file_system_at(storage.mount_point, seen)
        inodes = None if system is None else inode_gauge(system, settings)
        if inodes is not None and not inodes.allows_growth and system is not None:
            words = f"{inodes.shown(system.inodes_used_percent or 0)} of its inodes are used, {system.free_inodes} free"
            remedy = f"delete files there: no node is added above {settings.hd_less_than:g} %"
            yield PlaceNote(path, words, remedy, False)
        known = known_place(seen, storage.path)
        if known.failed_at is not None:
            when = relative(known.failed_at, now)
            words = f"the last addition there failed {when}: {printable(known.failure or '')}"
            yield PlaceNote(
                path, words, "the other storage folders come first until one succeeds there", False
            )
    rows = {each.node.name for each in seen.nodes}
    strays = [each for each in strays_with_keys(seen, settings) if each.name not in rows]
    if strays:
        names = ", ".join(each.name for each in strays[:_MOST_NAMES])
        more = f" and {len(strays) - _MOST_NAMES} more" if len(strays) > _MOST_NAMES else ""
        many = "node folder" if len(strays) == 1 else "node folders"
        where = ", ".join(dict.fromkeys(each.path.rpartition("/")[0] for each in strays))
        words = f"{len(strays)} {many} without a row: {names}{more}"
        yield PlaceNote(printable(where), words, "wnm --force_action adopt", False)


STALL_WORTH_A_LINE_PERCENT = 1.0


def limit_notes(machine: MachineReading) -> Iterator[str]:
    """What nodes may use where that is less than the machine has, and what work waits for."""
    if machine.memory:
        whole = machine.memory[0]
        for each in machine.memory[1:]:
            yield (
                f"memory is limited to {size(each.total)} of {size(whole.total)} by the cgroup "
                f"{printable(each.where)}, {each.percent:.1f} % of it in use"
            )
    if machine.cores is not None and machine.usable_cores < machine.cores:
        yield f"{machine.usable_cores:g} of {machine.cores} cores may be used"
    for each in machine.pids[1:]:
        yield (
            f"processes and threads are limited to {each.total:,} by the cgroup {printable(each.where)}, "
            f"{each.used:,} are there"
        )
    for stall in machine.stalls:
        if stall.some_percent >= STALL_WORTH_A_LINE_PERCENT:
            every = f", all of it in {stall.full_percent:g} %" if stall.full_percent else ""
            yield f"work waited for {stall.resource} in {stall.some_percent:g} % of the last minute{every}"


def bounds_payload(machine: MachineReading | None) -> Payload:
    """The same for programs, the machine's own bounds first."""
    if machine is None:
        return {"cores": None, "memory_bounds": [], "process_bounds": [], "stalls": []}
    return {
        "cores": machine.cores,
        "memory_bounds": [picked(each, ("where", "total", "used")) for each in machine.memory],
        "process_bounds": [picked(each, ("where", "total", "used")) for each in machine.pids],
        "stalls": [picked(each, ("resource", "some_percent", "full_percent")) for each in machine.stalls],
    }


def places_payload(seen: Observation | None, settings: Settings) -> list[Payload]:
    """Every storage folder for programs."""
    if seen is None:
        return []
    return [_place(storage, seen, settings) for storage in seen.storages]


def _place(storage: Storage, seen: Observation, settings: Settings) -> Payload:
    known, system = known_place(seen, storage.path), file_system_at(storage.mount_point, seen)
    problem = place_problem(storage.path, seen)
    return {
        **picked(storage, ("path", "mount_point", "read_only", "noexec", "writable")),
        "present": storage.present if isinstance(storage.present, bool) else None,
        "marker": marker_state(storage, seen),
        "problem": None if problem is None else problem.value,
        "file_system": None if system is None else system.id,
        "device": None if system is None else system.device,
        "free_inodes": None if system is None else system.free_inodes,
        "last_failure": known.failure,
        "last_failure_at": None if known.failed_at is None else moment(known.failed_at),
        "takes_new_nodes": storage.path in settings.node_storage,
        "folders_without_row": len(storage.strays),
    }
