"""Starts crashed nodes again, at once: nodes that ran and whose process ended, though nobody stopped them."""

import re
from collections.abc import Iterable
from datetime import datetime

from msgspec.structs import replace

from wnm.core.action import StartNode
from wnm.core.decide.pressure import (
    cap_removes,
    counted,
    has_crashed,
    high_reading,
    ids_of,
    is_healing,
    oldest_first,
    short,
    short_file_systems,
)
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
_WITH_NUMBER = re.compile(r"\S*\d\S*")
"""A moment, a port, a peer, a path of one node: what differs between errors of one kind."""
STARTING = Task(kind=TaskKind.START_CRASHED)


def start_crashed(seen: Observation, settings: Settings) -> Proposal:
    """Start every crashed node that may come back, oldest first, with its own program unless that is gone or halted.

    Only a reading above its removal limit, the node's own backoff, or a cause that several nodes share holds one
    back; neither upgrades nor the limits of growth do. The cycle after a reboot only looks at what came up by itself.
    """
    if seen.rebooted:
        return Proposal()
    crashed = [each for each in oldest_first(seen.nodes) if has_crashed(each)]
    stops = _stops(seen, settings)
    program, fallback = target(seen, settings), program_for_new(seen, settings)
    actions: list[StartNode] = []
    held: dict[Blocked, list[NodeId]] = {}
    trying = False
    for each in crashed:
        obstacle = _obstacle(each, stops, seen)
        if obstacle is None and isinstance(fallback, Blocked) and isinstance(each.reading.program, Unseen):
            obstacle = replace(fallback, action=STARTING)
        if obstacle is not None:
            held.setdefault(obstacle, []).append(each.node.id)
            continue
        renewed = program_for_start(each, program, fallback, seen, settings, trying=trying)
        trying = trying or renewed is program
        because = Reason(kind=ReasonKind.CRASHED, text=each.node.because or None)
        actions.append(StartNode(node=each.node.id, program=renewed, because=because))
    because = Reason(kind=ReasonKind.NODES_CRASHED, count=len(crashed), nodes=ids_of(crashed))
    together = tuple(
        replace(obstacle, action=replace(STARTING, nodes=tuple(nodes))) for obstacle, nodes in held.items()
    )
    return Proposal(actions=tuple(actions), held=together, because=because)


class SharedCause(Value, frozen=True, kw_only=True):
    """The shared reason why several nodes cannot be started: one of them is tried, `tried`, the others wait for it.

    `text` is what that one last failed with. It is `over` when a node was seen to start since: the others follow.
    """

    over: bool
    nodes: tuple[NodeId, ...]
    tried: NodeId
    text: str | None

    def block(self, task: Task) -> Blocked:
        """Return the task as blocked by this cause, with the remedy for the operator."""
        count = len(self.nodes)
        remedy = Remedy(kind=RemedyKind.FIX_START, count=count, text=self.text)
        return Blocked(
            kind=BlockKind.STARTS_FAIL,
            action=task,
            waits_on=(self.tried,),
            count=count,
            text=self.text,
            remedy=remedy,
        )


def shared_cause(seen: Observation, settings: Settings) -> SharedCause | None:
    """Find what keeps several nodes, or all of two, from starting alike, None if nothing does."""
    failing = _alike(
        each
        for each in oldest_first(seen.nodes)
        if each.node.crashed and each.node.failures >= FAILURES_OF_A_START
        if each.node.status in (Status.STOPPED, Status.RESTARTING)
    )
    managed = [each for each in seen.nodes if each.node.status is not Status.DISABLED]
    if len(failing) < SEVERAL and not 1 < len(failing) == len(managed):
        return None
    latest = max(each.node.status_since for each in failing)
    over = any(_started_well(each, latest) for each in seen.nodes)
    # One that is being started is the one that is tried, else the one that may be first.
    busy = [each for each in failing if is_healing(each.node)]
    able = _may_be_tried(failing, seen, settings) or failing
    first = busy[0] if busy else min(able, key=lambda each: (each.node.retry_at or seen.now, each.node.id))
    return SharedCause(over=over, nodes=ids_of(failing), tried=first.node.id, text=first.node.last_error)


def _alike(failing: Iterable[NodeSeen]) -> list[NodeSeen]:
    """The most of them that last failed with the same words, but for their names and words with numbers."""
    groups: dict[str, list[NodeSeen]] = {}
    for each in failing:
        error = each.node.last_error or ""
        # What comes before the colon says when it ended: at once, or a little later.
        words = (error.partition(": ")[2] or error).replace(each.node.name, "")
        groups.setdefault(" ".join(_WITH_NUMBER.sub("", words).split()), []).append(each)
    return max(groups.values(), key=len, default=[])


def _may_be_tried(nodes: list[NodeSeen], seen: Observation, settings: Settings) -> list[NodeSeen]:
    """Those that nothing but the cause keeps down: one that cannot be tried is nothing to wait for."""
    full = {each.mount_point for each in short_file_systems(seen, settings)}
    removed = cap_removes(seen, settings)
    without = isinstance(program_for_new(seen, settings), Blocked)
    return [
        each
        for each in nodes
        if each.reading.root_dir_present is True
        and each.node.mount_point not in full
        and each.node.id not in removed
        and not (without and isinstance(each.reading.program, Unseen))
    ]


def _started_well(each: NodeSeen, since: datetime) -> bool:
    started = each.node.process_started_at
    if each.node.status is not Status.RUNNING or started is None or started <= since:
        return False
    return runs(each.reading) and is_well(each.reading)


class _Stops(Value, frozen=True, kw_only=True):
    """The obstacles of crashed nodes: removals for the cap, readings of the machine and of disks, a shared cause."""

    removed: frozenset[NodeId]
    over_cap: Blocked
    high: Blocked | None
    disks: dict[str, Blocked]
    cause: SharedCause | None
    failing: frozenset[NodeId]


def _stops(seen: Observation, settings: Settings) -> _Stops:
    cause = shared_cause(seen, settings)
    return _Stops(
        removed=cap_removes(seen, settings),
        over_cap=Blocked(
            kind=BlockKind.OVER_CAP, action=STARTING, count=counted(seen), limit=settings.node_cap
        ),
        high=high_reading(STARTING, seen, settings),
        disks={
            each.mount_point: short(STARTING, each, settings) for each in short_file_systems(seen, settings)
        },
        cause=cause,
        failing=frozenset(() if cause is None else cause.nodes),
    )


def _obstacle(each: NodeSeen, stops: _Stops, seen: Observation) -> Blocked | None:
    """The first thing that keeps a crashed node down."""
    node = each.node
    if node.id in stops.removed:
        return stops.over_cap
    high = stops.high or stops.disks.get(node.mount_point or "")
    if high is not None:
        return high
    cause = stops.cause if node.id in stops.failing else None
    if cause is not None and not cause.over and node.id != cause.tried:
        return cause.block(STARTING)
    if backs_off(node, seen.now) and cause is None:
        return backing_off(node, STARTING)
    if backs_off(node, seen.now) and cause is not None and not cause.over:
        return replace(cause.block(STARTING), until=node.retry_at)
    if each.reading.root_dir_present is not True:
        return Blocked(kind=BlockKind.FOLDER_UNSEEN, action=STARTING)
    return None
