"""Starts crashed nodes again, at once: nodes that ran and whose process ended, though nobody stopped them."""

from datetime import datetime

from msgspec.structs import replace

from wnm.core.action import StartNode
from wnm.core.decide.budget import is_healing
from wnm.core.decide.pressure import cap_removes, counted, stopping_reading
from wnm.core.decide.rank import has_crashed, ids_of, oldest_first
from wnm.core.decide.upgrades import program_for_new, program_for_start, target
from wnm.core.decision import Proposal
from wnm.core.lifecycle import backing_off, backs_off, is_well, runs
from wnm.core.node import NodeId, Status
from wnm.core.observation import NodeSeen, Observation, Unseen
from wnm.core.reasons import Blocked, BlockKind, Reason, ReasonKind, Remedy, RemedyKind, Task, TaskKind
from wnm.core.settings import Settings
from wnm.core.values import Value

FAILURES_OF_A_START = 2
"""A crash counts as one failure; another one means that the node could not be started again."""
SEVERAL = 3


def start_crashed(seen: Observation, settings: Settings) -> Proposal:
    """Start every crashed node that may come back, oldest first, with its own program unless that is gone or halted.

    Only a reading above its removal limit, the node's own backoff, or a cause that several nodes share holds one
    back; neither upgrades nor the limits of growth do. The cycle after a reboot only looks at what came up by itself.
    """
    if seen.rebooted:
        return Proposal()
    crashed = [each for each in oldest_first(seen.nodes) if has_crashed(each)]
    cause = shared_cause(seen)
    program, fallback = target(seen, settings), program_for_new(seen, settings)
    actions: list[StartNode] = []
    held: list[Blocked] = []
    trying = False
    for each in crashed:
        task = Task(kind=TaskKind.START, nodes=(each.node.id,))
        obstacle = _obstacle(task, each, cause, seen, settings)
        if obstacle is None and isinstance(fallback, Blocked) and isinstance(each.reading.program, Unseen):
            obstacle = replace(fallback, action=task)
        if obstacle is not None:
            held.append(obstacle)
            continue
        renewed = program_for_start(each, program, fallback, seen, settings, trying=trying)
        trying = trying or renewed is program
        because = Reason(kind=ReasonKind.CRASHED, text=each.node.because or None)
        actions.append(StartNode(node=each.node.id, program=renewed, because=because))
    because = Reason(kind=ReasonKind.NODES_CRASHED, count=len(crashed), nodes=ids_of(crashed))
    return Proposal(actions=tuple(actions), held=tuple(held), because=because)


def slots(seen: Observation, settings: Settings) -> int:
    """How many crashed nodes may be in the middle of their start at one moment."""
    return max(settings.max_concurrent_starts, int(seen.machine.usable_cores))


class SharedCause(Value, frozen=True, kw_only=True):
    """Why several nodes cannot be started: one of them is tried, `tried`, and the others wait for it.

    `text` is what that one last failed with. It is `over` when a node was seen to start since: the others follow.
    """

    over: bool
    nodes: tuple[NodeId, ...]
    tried: NodeId
    text: str | None

    def block(self, task: Task) -> Blocked:
        """What is not done because of it, with what somebody has to do."""
        count = len(self.nodes)
        remedy = Remedy(kind=RemedyKind.FIX_START, nodes=self.nodes, count=count, text=self.text)
        return Blocked(
            kind=BlockKind.STARTS_FAIL,
            action=task,
            waits_on=(self.tried,),
            count=count,
            text=self.text,
            remedy=remedy,
        )


def shared_cause(seen: Observation) -> SharedCause | None:
    """What keeps several nodes, or all of two, from starting; None if nothing does, or some node started since."""
    failing = [
        each
        for each in oldest_first(seen.nodes)
        if each.node.crashed and each.node.failures >= FAILURES_OF_A_START
        if each.node.status in (Status.STOPPED, Status.RESTARTING)
    ]
    managed = [each for each in seen.nodes if each.node.status is not Status.DISABLED]
    if len(failing) < SEVERAL and not 1 < len(failing) == len(managed):
        return None
    latest = max(each.node.status_since for each in failing)
    over = any(_started_well(each, latest) for each in seen.nodes)
    # One that is being started is the one that is tried, else the one that may be first.
    busy = [each for each in failing if is_healing(each.node)]
    first = busy[0] if busy else min(failing, key=lambda each: (each.node.retry_at or seen.now, each.node.id))
    return SharedCause(over=over, nodes=ids_of(failing), tried=first.node.id, text=first.node.last_error)


def _started_well(each: NodeSeen, since: datetime) -> bool:
    started = each.node.process_started_at
    if each.node.status is not Status.RUNNING or started is None or started <= since:
        return False
    return runs(each.reading) and is_well(each.reading)


def _obstacle(
    task: Task, each: NodeSeen, cause: SharedCause | None, seen: Observation, settings: Settings
) -> Blocked | None:
    """The first thing that keeps a crashed node down."""
    node = each.node
    if node.id in cap_removes(seen, settings):
        count, cap = counted(seen), settings.node_cap
        return Blocked(kind=BlockKind.OVER_CAP, action=task, count=count, limit=cap)
    high = stopping_reading(task, node.mount_point, seen, settings)
    if high is not None:
        return high
    shares = cause is not None and node.id in cause.nodes
    if cause is not None and shares and not cause.over and node.id != cause.tried:
        return cause.block(task)
    if backs_off(node, seen.now) and not (cause is not None and shares and cause.over):
        waiting = backing_off(node, task)
        return waiting if cause is None or not shares else replace(cause.block(task), until=waiting.until)
    if each.reading.root_dir_present is not True:
        return Blocked(kind=BlockKind.FOLDER_UNSEEN, action=task)
    return None
