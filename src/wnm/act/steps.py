"""Carries out actions on nodes as jobs, each as calls of the backends, then what is around the nodes.

The calls come in an order in which any interruption can be made good by a later cycle.
"""

import logging
import os
from collections.abc import Mapping, Sequence
from datetime import timedelta
from functools import partial

from msgspec import Struct

from wnm.act.executor import MOST_AT_ONCE, Job, Lane, Subject, TimeLimit, carry_out
from wnm.core.action import (
    AddNode,
    AdoptNode,
    DisableNode,
    EnableNode,
    NodeAction,
    OpenPort,
    Outcome,
    PortChange,
    ProgramChoice,
    RemoveNode,
    RestartNode,
    RetireNode,
    RollBackNode,
    StartNode,
    StopNode,
    UpgradeNode,
    node_of,
    port_comment,
)
from wnm.core.contracts import Clock, Firewall, ProcessManager
from wnm.core.errors import LeftOver, ProgramFailed, Transient, WnmError
from wnm.core.node import Node, NodeId, ProcessState
from wnm.core.observation import ProcessReading
from wnm.core.reasons import ReasonKind
from wnm.core.sentences import sentence
from wnm.core.settings import Settings

log = logging.getLogger(__name__)

KILLED = "it ignored TERM and had to be killed"


class Backends(Struct, frozen=True, kw_only=True):
    """The process manager and the firewall: all that changes the machine."""

    manager: ProcessManager
    firewall: Firewall


class Performed(Struct, frozen=True, kw_only=True):
    """Details that carrying out an action brought to light."""

    freed_bytes: int | None = None
    note: str | None = None


def carry_out_actions(
    actions: Sequence[NodeAction],
    nodes: Mapping[NodeId, Node],
    backends: Backends,
    *,
    clock: Clock,
    limit: TimeLimit,
    pause: timedelta,
    healing: int = 1,
) -> tuple[Outcome, ...]:
    """The outcomes in the order of `actions`, always one for each; `nodes` are their rows. See `carry_out`.

    At most `healing` crashed nodes are being started at one moment; these slots are beside those of other actions.
    """
    lane = Lane("healing", healing)
    jobs = []
    for action in actions:
        node = action.node if isinstance(action, AddNode | AdoptNode) else nodes[action.node]
        is_healing = isinstance(action, StartNode) and action.because.kind is ReasonKind.CRASHED
        jobs.append(
            Job(
                subject=Subject("node", str(node_of(action))),
                run=partial(perform, action, node, backends),
                probe=partial(_runs, node, backends),
                lane=lane if is_healing else None,
            )
        )
    at_once = MOST_AT_ONCE + (healing if [job for job in jobs if job.lane] else 0)
    endings = carry_out(jobs, clock=clock, limit=limit, pause=pause, at_once=at_once)
    outcomes = [
        Outcome(
            action=action,
            result=ending.result,
            ended_at=ending.ended_at,
            error=ending.error,
            retry=ending.retry,
            running_after=ending.running_after,
            freed_bytes=ending.value.freed_bytes if ending.value else None,
            note=ending.value.note if ending.value else None,
            program_failed=ending.program_failed,
            left_over=ending.left_over,
        )
        for action, ending in zip(actions, endings, strict=True)
    ]
    return tuple(outcomes)


def healing_slots(settings: Settings, usable_cores: float) -> int:
    """Return how many crashed nodes are started at one moment, whatever else is done."""
    return max(settings.max_concurrent_starts, int(usable_cores))


def _runs(node: Node, backends: Backends) -> bool | None:
    status = backends.manager.get_status(node)
    if not isinstance(status, ProcessReading) or status.state is ProcessState.UNKNOWN:
        return None
    return status.state is ProcessState.RUNNING


def perform(action: NodeAction, node: Node, backends: Backends) -> Performed:
    """Do it and return when it is so. An action that fails half-way is undone before the error goes on."""
    manager = backends.manager
    killed, freed_bytes = False, None
    match action:
        case AddNode():
            _add(action, backends)
        case AdoptNode(former=former):
            # What it needs besides its folder, such as its unit, is made when it is started.
            killed = former is not None and manager.stop_node(former)
        case StartNode():
            _start(action, node, backends)
        case UpgradeNode():
            killed = _upgrade(action, node, manager)
        case RollBackNode():
            manager.restore_program(node)
            killed = manager.restart_node(node)
        case RestartNode():
            killed = manager.restart_node(node)
        case StopNode() | RetireNode() | DisableNode():
            killed = manager.stop_node(node)
        case RemoveNode():
            freed_bytes = _remove(node, backends)
        case EnableNode():
            pass
    return Performed(freed_bytes=freed_bytes, note=KILLED if killed else None)


def _add(action: AddNode, backends: Backends) -> None:
    node = action.node
    try:
        backends.manager.create_node(node, action.program.path)
    except Transient as error:
        if os.path.lexists(node.root_dir):
            raise LeftOver(f"{error}; {node.root_dir} could not be taken away again") from error
        raise
    try:
        backends.firewall.open_port(node.port, port_comment(node.name))
        backends.manager.start_node(node)
    except WnmError as error:
        try:
            _remove(node, backends)
        except WnmError as leftover:
            raise LeftOver(f"{error}; undoing the addition failed too: {leftover}") from error
        raise


def _start(action: StartNode, node: Node, backends: Backends) -> None:
    if action.program is not None:
        _place(action.program, node, backends.manager)
    backends.firewall.open_port(node.port, port_comment(node.name))
    try:
        backends.manager.start_node(node)
    except WnmError as error:
        if node.gate_version is None:
            raise
        raise _gone_back(node, backends.manager, error) from error


def _place(program: ProgramChoice, node: Node, manager: ProcessManager) -> None:
    """Replace the node's program. The copy kept beside it is one that worked, not one that was in its gate."""
    if node.gate_version is not None and node.binary_version not in (node.former_version, program.version):
        manager.restore_program(node)
    manager.place_program(node, program.path)


def _upgrade(action: UpgradeNode, node: Node, manager: ProcessManager) -> bool:
    _place(action.program, node, manager)
    try:
        # Its new copy is tried alone; the node itself goes on meanwhile, and keeps its old program if that fails.
        manager.check_program(node, action.program.version)
    except ProgramFailed as error:
        raise _gone_back(node, manager, error) from error
    except WnmError:
        manager.restore_program(node)
        raise
    try:
        killed = manager.stop_node(node)
    except WnmError as error:
        # Nothing is known of the new program: the node is what did not end.
        try:
            manager.restore_program(node)
        except WnmError as worse:
            raise Transient(f"{error}; putting its old program back failed too: {worse}") from error
        raise
    try:
        manager.start_node(node)
    except WnmError as error:
        raise _gone_back(node, manager, error) from error
    return killed


def _gone_back(node: Node, manager: ProcessManager, error: WnmError) -> WnmError:
    """Put the old program back and start the node on it; returns the error that tells of all this."""
    try:
        manager.restore_program(node)
        manager.start_node(node)
    except WnmError as worse:
        return ProgramFailed(f"{error}; going back to the old program failed too: {worse}")
    return ProgramFailed(f"{error}; it runs on its old program again")


def _remove(node: Node, backends: Backends) -> int:
    freed_bytes = backends.manager.remove_node(node)
    backends.firewall.close_port(node.port, port_comment(node.name))
    if node.command is not None:
        # The rule that it came with has its bare name for a comment.
        backends.firewall.close_port(node.port, node.name)
    return freed_bytes


def reconcile(
    changes: Sequence[PortChange],
    passed: Sequence[Node],
    backends: Backends,
    *,
    clock: Clock,
    limit: TimeLimit,
) -> tuple[str, ...]:
    """Carry out what changes in the firewall and let the service manager settle; returns what failed, a line each.

    `passed` are nodes that passed their gate: the program that they could have gone back to is deleted. Work without
    time left is seen again by the next cycle, or is replaced by the next upgrade.
    """
    problems = []
    for node in passed:
        try:
            backends.manager.forget_former_program(node)
        except WnmError as error:
            problems.append(f"{node.name}: {error}")
    for change in changes:
        if clock.monotonic() > limit.last_start:
            break
        opens = isinstance(change, OpenPort)
        try:
            (backends.firewall.open_port if opens else backends.firewall.close_port)(
                change.port, change.comment
            )
            words = ("opened", "for") if opens else ("closed", "of")
            because = sentence(change.because)
            log.info("%s port %d %s %s: %s", words[0], change.port, words[1], change.comment, because)
        except WnmError as error:
            problems.append(f"{change.comment}: {error}")
    try:
        backends.manager.settle()
    except WnmError as error:
        problems.append(str(error))
    return tuple(problems)
