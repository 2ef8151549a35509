"""Looks at everything once: from what is remembered and the machine as it is to an Observation."""

import os
import secrets
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from posixpath import basename, dirname

from msgspec.structs import asdict, replace

from wnm.core.contracts import Clock, Firewall, ProcessManager
from wnm.core.node import Node, ProcessState, Status, id_in_name
from wnm.core.node_log import KeptLog, evidence
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
    critical_failure,
    end_message,
    follow_log,
)
from wnm.sensors.node_http import ask_all
from wnm.sensors.places import StorageSeen, look_at, strays_in
from wnm.sensors.ports import bound_ports
from wnm.sensors.programs import read_program
from wnm.system.files import tree_bytes
from wnm.system.processes import ProcessTable

DISK_PATIENCE_SECONDS = 2.0


def read_machine(
    before: Counters | None,
    storages: Sequence[StorageSeen],
    clock: Clock,
    group: str | None = None,
    *,
    starts_here: bool = False,
) -> MachineReading:
    """The machine now, its rates since `before`: the counters at the end of the last cycle.

    Only when those cannot be compared with the present ones (none are stored, the machine was restarted, other CPUs
    may be used) a short sample is taken, which takes a quarter of a second. `group` is the cgroup that nodes are in,
    None for that of this process: its limits and usage count where they are tighter than the machine's. With
    `starts_here` new nodes come into this process's own, whose limits count too, but only for them: no node that lives
    elsewhere gives way for a limit that is not its own.
    """
    after = host.read_counters(clock, group)
    own_cpu_seconds = host.own_cpu_seconds()
    if before is None or before.boot_id != after.boot_id or before.cpus != after.cpus:
        before, after = host.short_sample(clock, group)
        own_cpu_seconds = 0.0
    memory, pids, stalls = host.read_bounds(group)
    tightest = memory if isinstance(memory, Unseen) else max(memory, key=lambda each: each.percent)
    if starts_here and group is not None and not isinstance(memory, Unseen):
        own_memory, own_pids, _ = host.read_bounds(None)
        memory = (
            memory if isinstance(own_memory, Unseen) else tuple(dict.fromkeys((*memory, *own_memory[1:])))
        )
        pids = tuple(dict.fromkeys((*pids, *own_pids[1:])))
    systems = [each.file_system for each in storages if isinstance(each.file_system, FileSystem)]
    return MachineReading(
        boot_id=after.boot_id,
        usable_cores=host.usable_cores(group),
        cores=os.cpu_count(),
        memory_percent=tightest if isinstance(tightest, Unseen) else tightest.percent,
        memory_total_bytes=0 if isinstance(tightest, Unseen) else tightest.total,
        memory=() if isinstance(memory, Unseen) else memory,
        pids=pids,
        stalls=stalls,
        load=host.read_load(),
        file_systems=tuple({each.mount_point: each for each in systems}.values()),
        **asdict(rates(before, after, own_cpu_seconds=own_cpu_seconds)),
    )


def read_storages(
    paths: Sequence[str], nodes: Iterable[Node] = (), kinds: Iterable[NodeKind] = ()
) -> tuple[StorageSeen, ...]:
    """Look at every storage folder; a disk that does not answer costs its patience and is Unseen."""
    known = frozenset(node.root_dir for node in nodes)
    key_names = {kind.name: kind.identity_file_name for kind in kinds}
    return tuple(_read_storage(path, known, key_names) for path in paths)


def _read_storage(path: str, known: frozenset[str], key_names: dict[str, str]) -> StorageSeen:
    def look() -> StorageSeen:
        seen = look_at(path)
        strays = strays_in(path, seen.names, known, key_names)
        return replace(seen, storage=replace(seen.storage, strays=strays)) if strays else seen

    seen = host.read_with_timeout(look, DISK_PATIENCE_SECONDS, what=path)
    if isinstance(seen, StorageSeen):
        return seen
    return StorageSeen(
        storage=Storage(path=path, present=seen, empty=False, mount_point=None),
        names=frozenset(),
        file_system=seen,
    )


MEASURING_SECONDS = 0.03
MEASURING_ONE_SECONDS = 0.25
MEASURED_EVERY = timedelta(minutes=30)
ASKING_PROGRAMS_SECONDS = 5.0
PROGRAM_PATIENCE = timedelta(seconds=3)
LOG_SLACK = timedelta(seconds=5)
"""The tolerance for a log that seems to begin before its process: the clock may have been set a little since."""


def read_nodes(
    nodes: Sequence[Node],
    storages: Mapping[str, StorageSeen],
    settings: Settings,
    manager: ProcessManager,
    kinds: Mapping[str, NodeKind],
    clock: Clock,
    logs: Mapping[int, KeptLog],
) -> tuple[NodeSeen, ...]:
    """Every node with its reading, in the order given; `kinds` are those that nodes may be of, by name.

    `logs` are how far their logs have been read.
    """
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
        kind, storage = kinds[node.kind], storages[dirname(node.root_dir)]
        process = processes.get(node.id, Unseen(reason="the process manager did not mention it"))
        # Programs are asked for their version only when their file changed, and for so long.
        patience = PROGRAM_PATIENCE if clock.monotonic() < ask_until else timedelta(0)
        reading = _files(node, storage, kind, process, patience)
        answer = answers.get(node.id)
        reading = replace(reading, page=_page(answer, process, kind))
        if answer is not None:
            reading = replace(reading, reachable=answer.reachable)
        if not kind.has_metrics:
            reading = _told_by_log(node, reading, kind, logs.get(node.id))
        seen.append(NodeSeen(node=node, reading=reading))
    _measure(seen, clock)
    return tuple(seen)


def _is_gone(process: ProcessReading | Unseen | None) -> bool:
    ended = (ProcessState.STOPPED, ProcessState.FAILED)
    return isinstance(process, ProcessReading) and process.state in ended


def _page(answer: Answer | None, process: ProcessReading | Unseen, kind: NodeKind) -> NodePage | Unseen:
    """Return what a node's own page says."""
    if answer is None:
        return Unseen(reason="not asked: its process does not run" if kind.has_metrics else "not asked")
    page = parse_page(answer.metadata, answer.metrics)
    return Unseen(reason=answer.error) if isinstance(page, Unseen) and answer.error else page


def _told_by_log(node: Node, reading: NodeReading, kind: NodeKind, kept: KeptLog | None) -> NodeReading:
    """The reading of a node that answers nobody, with what its log tells: of its present process, if one runs."""
    log = follow_log(kind, node, kept)
    if not isinstance(log, KeptLog):
        lacking = Unseen(reason=f"{kind.name} has no metrics and no log yet")
        return replace(reading, page=log or lacking, evidence=evidence(kind.signs, None, is_current=False))
    health, process = log.health, reading.process
    started = process.started_at if isinstance(process, ProcessReading) else None
    last = health.started_at or health.last_line_at
    # Where no start was seen in it, what a log told last is of the process that runs.
    is_current = started is None or last is None or last >= started - LOG_SLACK
    page: NodePage | Unseen = Unseen(reason="its log does not tell of its present process yet")
    if _is_gone(process):
        page = Unseen(reason="its process does not run")
    elif is_current:
        peers = health.connected_peers
        page = NodePage(version=health.version, peer_id=health.peer_id, connected_peers=peers)
    shown = evidence(kind.signs, health, is_current=is_current)
    return replace(reading, page=page, log=log, evidence=shown, stored_at=health.stored_at)


def _files(
    node: Node, storage: StorageSeen, kind: NodeKind, process: ProcessReading | Unseen, patience: timedelta
) -> NodeReading:
    """Return the reading of a node's process and folders, and what its process wrote when it ended."""
    pid = process.pid if isinstance(process, ProcessReading) else None
    # Something, such as the service manager, may have started it again.
    is_another = None not in (pid, node.pid) and pid != node.pid
    has_gone = _is_gone(process) and node.status is not Status.STOPPED
    in_gate = node.gate_version is not None
    present = storage.storage.present
    if present is True:
        present = basename(node.root_dir) in storage.names
    reading = NodeReading(
        process=process,
        reachable=None,
        page=Unseen(reason="not asked"),
        root_dir_present=present,
        program=present if isinstance(present, Unseen) else Unseen(reason=f"{node.root_dir} is not there"),
        critical_failure=critical_failure(node, kind) if in_gate else None,
        has_pages=kind.has_metrics,
        last_words=end_message(node, kind) if in_gate or is_another or has_gone else None,
    )
    if present is not True:
        return reading
    remembered, born = None, None
    if node.binary_version is not None and node.binary_stamp is not None:
        remembered = ProgramReading(path=node.program, stamp=node.binary_stamp, version=node.binary_version)
    with suppress(OSError):  # A node is as old as its key.
        born = datetime.fromtimestamp(os.stat(kind.identity_file(node.root_dir)).st_mtime, UTC)  # noqa: PTH116 - of every node in every cycle
    program = read_program(node.program, remembered, timeout=patience, user=node.user)
    return replace(reading, born=born, program=program, mount_point=storage.storage.mount_point)


def _measure(seen: list[NodeSeen], clock: Clock) -> None:
    """Measure folders: walking each every minute would cost more than all the rest, so a few at a time, in turn."""
    now, stop_at = clock.now(), clock.monotonic() + MEASURING_SECONDS
    due = []
    for index, each in enumerate(seen):
        last = each.node.disk_measured_at
        if each.reading.root_dir_present is True and (last is None or abs(now - last) >= MEASURED_EVERY):
            due.append((last or datetime.min.replace(tzinfo=UTC), index))
    for _, index in sorted(due):
        each = seen[index]
        used_bytes = tree_bytes(each.node.root_dir, seconds=MEASURING_ONE_SECONDS)
        measured = used_bytes if used_bytes is not None else Unseen(reason="measuring it took too long")
        seen[index] = replace(each, reading=replace(each.reading, disk_bytes=measured))
        if clock.monotonic() >= stop_at:
            break


def survey(
    state: LedgerState,
    settings: Settings,
    manager: ProcessManager,
    firewall: Firewall,
    kinds: Mapping[str, NodeKind],
    clock: Clock,
) -> Observation:
    """Look at the machine and all nodes. Reads only; whatever does not answer in its time is Unseen."""
    storages = read_storages(storage_folders(state.nodes, settings), state.nodes, kinds.values())
    by_path = {each.storage.path: each for each in storages}
    group = host.nodes_group(settings.process_manager)
    others = None if group else host.group_of(node.pid for node in state.nodes if node.pid is not None)
    machine = read_machine(state.counters, storages, clock, group or others, starts_here=group is None)
    logs: dict[int, KeptLog] = {kept.node: kept for kept in state.logs}
    nodes = read_nodes(state.nodes, by_path, settings, manager, kinds, clock, logs)
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
        claims=tuple(_claims(storages, manager, state.nodes, settings, kinds.values())),
        bound_ports=bound_ports(
            [
                (start * 1000 + 1, min(start * 1000 + 9999, 65535))
                for start in (settings.port_start, settings.metrics_port_start)
            ]
        ),
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


def _claims(
    storages: Iterable[StorageSeen],
    manager: ProcessManager,
    nodes: Sequence[Node],
    settings: Settings,
    kinds: Iterable[NodeKind],
) -> list[Claim]:
    """The ids that folders, units, whoever wrote them, and programs in our folders have, whether or not a row knows.

    Processes are not looked for at the cap, where no id is given away. One elsewhere on the machine may have the same
    name; it claims no more than its ports.
    """
    named = [
        (name, f"the folder {each.storage.path}/{name}") for each in storages for name in sorted(each.names)
    ]
    named += [(name, f"the unit {place}") for name, place in sorted(manager.claimed_names().items())]
    if len(nodes) < settings.node_cap:
        flags = {kind.fingerprint("")[0] for kind in kinds}
        for (_, root_dir), processes in ProcessTable.read(flags).found.items():
            if dirname(root_dir) in settings.node_storage:
                named.append((basename(root_dir), f"process {processes[0].pid}"))
    found = [(id_in_name(name), by) for name, by in named]
    return [Claim(id=node_id, by=by) for node_id, by in found if node_id is not None]
