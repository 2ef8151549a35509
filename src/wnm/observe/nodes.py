"""What is to be seen of each node: its process, its pages, its files."""

import os
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from posixpath import basename, dirname

from msgspec import Struct
from msgspec.structs import replace

from wnm.core.asking import Answer, Target
from wnm.core.contracts import Clock, ProcessManager
from wnm.core.node import Node, ProcessState, Status
from wnm.core.observation import NodePage, NodeReading, NodeSeen, ProcessReading, ProgramReading, Unseen
from wnm.core.settings import Settings
from wnm.formats.antnode_metrics import parse_page
from wnm.node_kinds.kind import NodeKind
from wnm.observe.machine import StorageSeen
from wnm.sensors.last_words import critical_failure, last_words
from wnm.sensors.node_files import FilesReading, LogReading, StoreReading, read_node_files
from wnm.sensors.node_http import ask_all
from wnm.sensors.programs import read_program
from wnm.system.files import tree_bytes

MEASURING_SECONDS = 0.03
MEASURING_ONE_SECONDS = 0.25
MEASURED_EVERY = timedelta(minutes=30)
ASKING_PROGRAMS_SECONDS = 5.0
PROGRAM_PATIENCE = timedelta(seconds=3)


class NodeFiles(Struct, frozen=True, kw_only=True):
    """What a node's folders show; programs are asked for their version only when their file changed."""

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
        critical_failure=critical_failure(node, kind) if node.trial is not None else None,
        has_pages=kind.has_metrics,
        stored_at=stored_at,
        last_words=last_words(node, kind)
        if node.trial is not None or _is_another(process, node) or _has_gone(process, node)
        else None,
    )


def _from_files(files: FilesReading, kind: NodeKind) -> tuple[NodePage | Unseen, datetime | None]:
    """What the log of a node that answers nobody tells of it, and when its store last changed."""
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
