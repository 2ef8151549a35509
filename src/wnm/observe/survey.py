"""Looks at everything once: from what is remembered and the machine as it is to an Observation."""

import os
import secrets
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from posixpath import basename, dirname

from msgspec import Struct
from msgspec.structs import replace

from wnm.core.contracts import Clock, Firewall, ProcessManager
from wnm.core.node import Node, ProcessState, Status, id_in_name
from wnm.core.observation import (
    Answer,
    Claim,
    Counters,
    FileSystem,
    LedgerState,
    MachineReading,
    NodePage,
    NodeReading,
    NodeSeen,
    Observation,
    ProcessReading,
    ProgramReading,
    Storage,
    Target,
    Unseen,
    rates,
)
from wnm.core.settings import Settings
from wnm.formats.antnode_metrics import parse_page
from wnm.node_kinds.kind import NodeKind
from wnm.sensors import host
from wnm.sensors.node_files import (
    FilesReading,
    LogReading,
    StoreReading,
    critical_failure,
    end_message,
    read_node_files,
)
from wnm.sensors.node_http import ask_all
from wnm.sensors.ports import bound_ports
from wnm.sensors.programs import read_program
from wnm.system.files import tree_bytes
from wnm.system.processes import ProcessTable

DISK_PATIENCE_SECONDS = 2.0
UNREMARKABLE = frozenset({"lost+found"})


class StorageSeen(Struct, frozen=True, kw_only=True):
    """A storage folder, the names in it, and the file system under it."""

    storage: Storage
    names: frozenset[str]
    file_system: FileSystem | Unseen


def read_machine(before: Counters | None, storages: Sequence[StorageSeen], clock: Clock) -> MachineReading:
    """The machine now, its rates since `before`: the counters at the end of the last cycle.

    Only when those cannot be compared with the present ones (none are stored, or the machine was restarted) a
    short sample is taken, which takes a quarter of a second.
    """
    after = host.read_counters(clock)
    own_cpu_seconds = host.own_cpu_seconds()
    if before is None or before.boot_id != after.boot_id:
        before, after = host.short_sample(clock)
        own_cpu_seconds = 0.0
    rate = rates(before, after, own_cpu_seconds=own_cpu_seconds)
    memory = host.read_memory()
    systems = {
        each.file_system.mount_point: each.file_system
        for each in storages
        if isinstance(each.file_system, FileSystem)
    }
    return MachineReading(
        boot_id=after.boot_id,
        usable_cores=host.usable_cores(),
        window_seconds=rate.window_seconds,
        cpu_percent=rate.cpu_percent,
        memory_percent=memory.percent if not isinstance(memory, Unseen) else memory,
        memory_total_bytes=memory.total_bytes if not isinstance(memory, Unseen) else 0,
        load=host.read_load(),
        netio_read_bytes_per_second=rate.netio_read_bytes_per_second,
        netio_write_bytes_per_second=rate.netio_write_bytes_per_second,
        hdio_read_bytes_per_second=rate.hdio_read_bytes_per_second,
        hdio_write_bytes_per_second=rate.hdio_write_bytes_per_second,
        file_systems=tuple(systems.values()),
    )


def read_storages(paths: Sequence[str]) -> tuple[StorageSeen, ...]:
    """Look at every storage folder; a disk that does not answer costs its patience and is Unseen."""
    return tuple(_read_storage(path) for path in paths)


def _read_storage(path: str) -> StorageSeen:
    names = host.read_with_timeout(partial(_list, path), DISK_PATIENCE_SECONDS, what=path)
    if isinstance(names, Unseen):
        return StorageSeen(
            storage=Storage(path=path, present=names, empty=False, mount_point=None),
            names=frozenset(),
            file_system=names,
        )
    file_system = host.read_with_timeout(partial(host.file_system_of, path), DISK_PATIENCE_SECONDS, what=path)
    mount_point = None if isinstance(file_system, Unseen) else file_system.mount_point
    storage = Storage(
        path=path,
        present=names is not None,
        empty=not (names or frozenset()) - UNREMARKABLE,
        mount_point=mount_point,
    )
    return StorageSeen(storage=storage, names=names or frozenset(), file_system=file_system)


def _list(path: str) -> frozenset[str] | Unseen | None:
    """The names in a folder; None if there is no such folder."""
    try:
        with os.scandir(path) as entries:
            return frozenset(entry.name for entry in entries)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        return Unseen(reason=f"{path}: {error.strerror}")


MEASURING_SECONDS = 0.03
MEASURING_ONE_SECONDS = 0.25
MEASURED_EVERY = timedelta(minutes=30)
ASKING_PROGRAMS_SECONDS = 5.0
PROGRAM_PATIENCE = timedelta(seconds=3)


class NodeFiles(Struct, frozen=True, kw_only=True):
    """The content of a node's folders; programs are asked for their version only when their file changed."""

    root_dir_present: bool | Unseen
    born: datetime | None
    program: ProgramReading | Unseen
    mount_point: str | None


def read_nodes(
    nodes: Sequence[Node],
    storages: Mapping[str, StorageSeen],
    settings: Settings,
    manager: ProcessManager,
    kinds: Mapping[str, NodeKind],
    clock: Clock,
) -> tuple[NodeSeen, ...]:
    """Every node with its reading, in the order given; `kinds` are those that nodes may be of, by name."""
    processes = manager.survey_nodes(nodes)
    answers = ask_all(
        [
            Target(id=node.id, host=settings.host, port=node.metrics_port)
            for node in nodes
            if kinds[node.kind].has_metrics and not _is_gone(processes.get(node.id))
        ],
        poll_timeout=settings.poll_timeout,
        survey_delay=settings.pause_between_polls,
        clock=clock,
    )
    ask_until = clock.monotonic() + ASKING_PROGRAMS_SECONDS
    seen = []
    for node in nodes:
        kind = kinds[node.kind]
        files = _read_files(node, storages, kind, ask=clock.monotonic() < ask_until)
        process = processes.get(node.id, Unseen(reason="the process manager did not mention it"))
        seen.append(NodeSeen(node=node, reading=_reading(node, process, answers.get(node.id), files, kind)))
    return _with_disk_use(seen, clock)


def _is_gone(process: ProcessReading | Unseen | None) -> bool:
    return isinstance(process, ProcessReading) and process.state in (
        ProcessState.STOPPED,
        ProcessState.FAILED,
    )


def _has_gone(process: ProcessReading | Unseen, node: Node) -> bool:
    return _is_gone(process) and node.status is not Status.STOPPED


def _is_another(process: ProcessReading | Unseen, node: Node) -> bool:
    """Whether the process is not the one from before: something, such as the service manager, started it again."""
    return (
        isinstance(process, ProcessReading)
        and None not in (process.pid, node.pid)
        and process.pid != node.pid
    )


def _reading(
    node: Node,
    process: ProcessReading | Unseen,
    answer: Answer | None,
    files: NodeFiles,
    kind: NodeKind,
) -> NodeReading:
    page: NodePage | Unseen = Unseen(reason="not asked: its process does not run")
    stored_at = None
    if answer is not None:
        page = parse_page(answer.metadata, answer.metrics)
        if isinstance(page, Unseen) and answer.error:
            page = Unseen(reason=answer.error)
    elif not kind.has_metrics and not _is_gone(process):
        page, stored_at = _from_files(read_node_files(kind, node.root_dir, node.log_dir), kind)
    return NodeReading(
        process=process,
        reachable=None if answer is None else answer.reachable,
        page=page,
        root_dir_present=files.root_dir_present,
        born=files.born,
        program=files.program,
        mount_point=files.mount_point,
        critical_failure=critical_failure(node, kind) if node.gate_version is not None else None,
        has_pages=kind.has_metrics,
        stored_at=stored_at,
        last_words=end_message(node, kind)
        if node.gate_version is not None or _is_another(process, node) or _has_gone(process, node)
        else None,
    )


def _from_files(files: FilesReading, kind: NodeKind) -> tuple[NodePage | Unseen, datetime | None]:
    """Return the health from the log of a node that does not answer, and when its store last changed."""
    stored_at = files.store.changed_at if isinstance(files.store, StoreReading) else None
    if not isinstance(files.log, LogReading):
        reason = (
            files.log.reason
            if isinstance(files.log, Unseen)
            else f"{kind.name} has no metrics and no log yet"
        )
        return Unseen(reason=reason), stored_at
    health = files.log.health
    return NodePage(version=health.version, connected_peers=health.connected_peers), stored_at


def _read_files(node: Node, storages: Mapping[str, StorageSeen], kind: NodeKind, *, ask: bool) -> NodeFiles:
    where = storages[dirname(node.root_dir)]
    present = where.storage.present
    if present is True:
        present = basename(node.root_dir) in where.names
    if present is not True:
        reason = present if isinstance(present, Unseen) else Unseen(reason=f"{node.root_dir} is not there")
        return NodeFiles(root_dir_present=present, born=None, program=reason, mount_point=None)
    remembered = None
    if node.binary_version is not None and node.binary_stamp is not None:
        remembered = ProgramReading(path=node.program, stamp=node.binary_stamp, version=node.binary_version)
    return NodeFiles(
        root_dir_present=True,
        born=_born(kind.identity_file(node.root_dir)),
        program=read_program(
            node.program, remembered, timeout=PROGRAM_PATIENCE if ask else timedelta(0), user=node.user
        ),
        mount_point=where.storage.mount_point,
    )


def _born(identity_file: str) -> datetime | None:
    """A node is as old as its key."""
    try:
        return datetime.fromtimestamp(os.stat(identity_file).st_mtime, UTC)  # noqa: PTH116 - of every node in every cycle
    except OSError:
        return None


def _with_disk_use(seen: list[NodeSeen], clock: Clock) -> tuple[NodeSeen, ...]:
    """Walking every node's folder each minute would cost more than all the rest: a few nodes at a time, in turn."""
    now = clock.now()
    due = sorted(
        (index for index, each in enumerate(seen) if _is_due(each, now)),
        key=lambda index: seen[index].node.disk_measured_at or datetime.min.replace(tzinfo=UTC),
    )
    stop_at = clock.monotonic() + MEASURING_SECONDS
    for index in due:
        each = seen[index]
        used_bytes = tree_bytes(each.node.root_dir, seconds=MEASURING_ONE_SECONDS)
        measured = used_bytes if used_bytes is not None else Unseen(reason="measuring it took too long")
        seen[index] = replace(each, reading=replace(each.reading, disk_bytes=measured))
        if clock.monotonic() >= stop_at:
            break
    return tuple(seen)


def _is_due(each: NodeSeen, now: datetime) -> bool:
    if each.reading.root_dir_present is not True:
        return False
    last = each.node.disk_measured_at
    return last is None or abs(now - last) >= MEASURED_EVERY


def survey(
    state: LedgerState,
    settings: Settings,
    manager: ProcessManager,
    firewall: Firewall,
    kinds: Mapping[str, NodeKind],
    clock: Clock,
) -> Observation:
    """Look at the machine and all nodes. Reads only; whatever does not answer in its time is Unseen."""
    storages = read_storages(storage_folders(state.nodes, settings))
    by_path = {each.storage.path: each for each in storages}
    machine = read_machine(state.counters, storages, clock)
    nodes = read_nodes(state.nodes, by_path, settings, manager, kinds, clock)
    rules = firewall.read()
    now = clock.now()
    return Observation(
        now=now,
        seed=secrets.randbits(62),
        rebooted=state.boot_id is not None and state.boot_id != machine.boot_id,
        machine=machine,
        nodes=nodes,
        storages=tuple(each.storage for each in storages),
        available=read_program(settings.antnode_path, state.available, timeout=PROGRAM_PATIENCE),
        claims=(
            *_claimed_by_folders(storages),
            *_claimed_by_units(manager),
            *_claimed_by_processes(state.nodes, settings, kinds.values()),
        ),
        bound_ports=bound_ports(_port_ranges(settings)),
        interrupted=state.interrupted,
        remembered=state.remembered,
        firewall=rules,
        utc_offset_seconds=(now.astimezone().utcoffset() or timedelta(0)).total_seconds(),
        machine_seed=state.machine_seed,
        reservations=state.reservations,
    )


def storage_folders(nodes: Iterable[Node], settings: Settings) -> Sequence[str]:
    """Every folder that holds nodes or may: the settings', then those of nodes from elsewhere."""
    return tuple(dict.fromkeys([*settings.node_storage, *(dirname(node.root_dir) for node in nodes)]))


def _port_ranges(settings: Settings) -> tuple[tuple[int, int], ...]:
    starts = (settings.port_start * 1000, settings.metrics_port_start * 1000)
    return tuple((start + 1, min(start + 9999, 65535)) for start in starts)


def _claimed_by_folders(storages: Iterable[StorageSeen]) -> Iterable[Claim]:
    """Ids whose folder is there, whether or not a row knows of it."""
    for each in storages:
        for name in sorted(each.names):
            node_id = id_in_name(name)
            if node_id is not None:
                yield Claim(id=node_id, by=f"the folder {each.storage.path}/{name}")


def _claimed_by_units(manager: ProcessManager) -> Iterable[Claim]:
    """Ids that units on this machine have, whoever wrote them."""
    for name, place in sorted(manager.claimed_names().items()):
        node_id = id_in_name(name)
        if node_id is not None:
            yield Claim(id=node_id, by=f"the unit {place}")


def _claimed_by_processes(
    nodes: Sequence[Node], settings: Settings, kinds: Iterable[NodeKind]
) -> Iterable[Claim]:
    """Ids that programs in our folders run under. Not looked for at the cap, where no id is given away.

    A process elsewhere on the machine may have the same name; it claims no more than its ports.
    """
    if len(nodes) >= settings.node_cap:
        return
    flags = {kind.fingerprint("")[0] for kind in kinds}
    for (_, root_dir), processes in ProcessTable.read(flags).found.items():
        node_id = id_in_name(basename(root_dir))
        if node_id is not None and dirname(root_dir) in settings.node_storage:
            yield Claim(id=node_id, by=f"process {processes[0].pid}")
