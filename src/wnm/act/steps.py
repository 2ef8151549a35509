"""Carries out actions on nodes as jobs, each as calls of the backends.

The calls come in an order in which any interruption can be made good by a later cycle.
"""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from functools import partial

from msgspec import Struct

from wnm.act.executor import MOST_AT_ONCE, Ending, Job, Lane, Subject, TimeLimit, carry_out
from wnm.core.action import (
    AddNode,
    DisableNode,
    EnableNode,
    NodeAction,
    Outcome,
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
from wnm.core.errors import ProgramFailed, Transient, WnmError
from wnm.core.node import Node, NodeId, ProcessState
from wnm.core.observation import ProcessReading
from wnm.core.reasons import ReasonKind
from wnm.core.settings import Settings

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
    jobs = [
        _job(action, action.node if isinstance(action, AddNode) else nodes[action.node], backends, lane)
        for action in actions
    ]
    at_once = MOST_AT_ONCE + (healing if any(job.lane for job in jobs) else 0)
    endings = carry_out(jobs, clock=clock, limit=limit, pause=pause, at_once=at_once)
    return tuple(_outcome(action, ending) for action, ending in zip(actions, endings, strict=True))


def healing_slots(settings: Settings, usable_cores: float) -> int:
    """Return how many crashed nodes are started at one moment, whatever else is done."""
    return max(settings.max_concurrent_starts, int(usable_cores))


def _job(action: NodeAction, node: Node, backends: Backends, healing: Lane) -> Job[Performed]:
    def runs() -> bool | None:
        status = backends.manager.get_status(node)
        if not isinstance(status, ProcessReading) or status.state is ProcessState.UNKNOWN:
            return None
        return status.state is ProcessState.RUNNING

    subject = Subject("node", str(node_of(action)))
    is_healing = isinstance(action, StartNode) and action.because.kind is ReasonKind.CRASHED
    run = partial(perform, action, node, backends)
    return Job(subject=subject, run=run, probe=runs, lane=healing if is_healing else None)


def _outcome(action: NodeAction, ending: Ending[Performed]) -> Outcome:
    performed = ending.value or Performed()
    return Outcome(
        action=action,
        result=ending.result,
        ended_at=ending.ended_at,
        error=ending.error,
        retry=ending.retry,
        running_after=ending.running_after,
        freed_bytes=performed.freed_bytes,
        note=performed.note,
        program_failed=ending.program_failed,
    )


def perform(action: NodeAction, node: Node, backends: Backends) -> Performed:
    """Do it and return when it is so. An action that fails half-way is undone before the error goes on."""
    match action:
        case AddNode():
            return _add(action, backends)
        case StartNode():
            return _start(action, node, backends)
        case UpgradeNode():
            return _upgrade(action, node, backends)
        case RollBackNode():
            backends.manager.restore_program(node)
            return _killed(backends.manager.restart_node(node))
        case RestartNode():
            return _killed(backends.manager.restart_node(node))
        case StopNode() | RetireNode() | DisableNode():
            return _killed(backends.manager.stop_node(node))
        case RemoveNode():
            return _remove(node, backends)
        case EnableNode():
            return Performed()


def _killed(had_to_be_killed: bool) -> Performed:
    return Performed(note=KILLED if had_to_be_killed else None)


def _add(action: AddNode, backends: Backends) -> Performed:
    node = action.node
    backends.manager.create_node(node, action.program.path)
    try:
        backends.firewall.open_port(node.port, port_comment(node.name))
        backends.manager.start_node(node)
    except WnmError as error:
        try:
            _remove(node, backends)
        except WnmError as leftover:
            raise Transient(f"{error}; undoing the addition failed too: {leftover}") from error
        raise
    return Performed()


def _start(action: StartNode, node: Node, backends: Backends) -> Performed:
    if action.program is not None:
        _place(action.program, node, backends)
    backends.firewall.open_port(node.port, port_comment(node.name))
    try:
        backends.manager.start_node(node)
    except WnmError as error:
        if node.gate_version is None:
            raise
        raise _gone_back(node, backends, error) from error
    return Performed()


def _place(program: ProgramChoice, node: Node, backends: Backends) -> None:
    """Replace the node's program. The copy kept beside it is one that worked, not one that was in its gate."""
    if node.gate_version is not None and node.binary_version not in (node.former_version, program.version):
        backends.manager.restore_program(node)
    backends.manager.place_program(node, program.path)


def _check(program: ProgramChoice, node: Node, backends: Backends) -> None:
    """Try the node's new copy alone; the node itself goes on meanwhile, and keeps its old program if that fails."""
    try:
        backends.manager.check_program(node, program.version)
    except ProgramFailed as error:
        raise _gone_back(node, backends, error) from error
    except WnmError:
        backends.manager.restore_program(node)
        raise


def _upgrade(action: UpgradeNode, node: Node, backends: Backends) -> Performed:
    _place(action.program, node, backends)
    _check(action.program, node, backends)
    try:
        killed = backends.manager.stop_node(node)
    except WnmError as error:
        # Nothing is known of the new program: the node is what did not end.
        try:
            backends.manager.restore_program(node)
        except WnmError as worse:
            raise Transient(f"{error}; putting its old program back failed too: {worse}") from error
        raise
    try:
        backends.manager.start_node(node)
    except WnmError as error:
        raise _gone_back(node, backends, error) from error
    return _killed(killed)


def _gone_back(node: Node, backends: Backends, error: WnmError) -> WnmError:
    """Put the old program back and start the node on it; returns the error that tells of all this."""
    try:
        backends.manager.restore_program(node)
        backends.manager.start_node(node)
    except WnmError as worse:
        return ProgramFailed(f"{error}; going back to the old program failed too: {worse}")
    return ProgramFailed(f"{error}; it runs on its old program again")


def _remove(node: Node, backends: Backends) -> Performed:
    freed_bytes = backends.manager.remove_node(node)
    backends.firewall.close_port(node.port, port_comment(node.name))
    if node.command is not None:
        # The rule that it came with has its bare name for a comment.
        backends.firewall.close_port(node.port, node.name)
    return Performed(freed_bytes=freed_bytes)
