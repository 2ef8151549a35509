"""Heals nodes: starts crashed ones again, restarts silent ones, and does what the policy says about shunned ones."""

import re
from datetime import datetime, timedelta

from msgspec.structs import replace

from wnm.core.action import RestartNode, RetireNode, StartNode
from wnm.core.decide.pressure import (
    cap_removes,
    free_slots,
    high_reading,
    ids_of,
    is_healing,
    is_stopped,
    must_shed,
    oldest_first,
    over_cap,
    short,
    short_file_systems,
    too_high_to_grow,
)
from wnm.core.decide.upgrades import program_for_new, program_for_start, target
from wnm.core.decision import Proposal
from wnm.core.errors import backoff
from wnm.core.lifecycle import backing_off, backs_off, is_well, runs
from wnm.core.node import NodeId, Status
from wnm.core.observation import NodePage, NodeSeen, Observation, ShunAct, ShunRates, Unseen
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
    crashed = [each for each in oldest_first(seen.nodes) if each.node.crashed and is_stopped(each)]
    if seen.rebooted or not crashed:
        return Proposal()
    program, fallback = target(seen, settings), program_for_new(seen, settings)
    high, removed = high_reading(STARTING, seen, settings), cap_removes(seen, settings)
    full = {each.mount_point: short(STARTING, each, settings) for each in short_file_systems(seen, settings)}
    cause = shared_cause(seen, settings)
    actions: list[StartNode] = []
    held: dict[Blocked, list[NodeId]] = {}
    trying = False
    for each in crashed:
        node = each.node
        own_cause = cause if cause is not None and node.id in cause.nodes else None
        obstacle = high or full.get(node.mount_point or "") or _own_obstacle(each, own_cause, seen.now)
        if node.id in removed:
            obstacle = over_cap(STARTING, seen, settings)
        if obstacle is None and isinstance(fallback, Blocked) and isinstance(each.reading.program, Unseen):
            obstacle = replace(fallback, action=STARTING)
        if obstacle is not None:
            held.setdefault(obstacle, []).append(node.id)
            continue
        renewed = program_for_start(each, program, fallback, seen, settings, trying=trying)
        trying = trying or renewed is program
        because = Reason(kind=ReasonKind.CRASHED, text=node.because or None)
        actions.append(StartNode(node=node.id, program=renewed, because=because))
    together = [replace(why, action=replace(STARTING, nodes=tuple(nodes))) for why, nodes in held.items()]
    because = Reason(kind=ReasonKind.NODES_CRASHED, count=len(crashed), nodes=ids_of(crashed))
    return Proposal(actions=tuple(actions), held=tuple(together), because=because)


class SharedCause(Value, frozen=True, kw_only=True):
    """The shared reason why several nodes cannot be started: one of them is tried, `tried`, the others wait for it.

    `text` is what that one last failed with. It is `over` when a node was seen to start since: the others follow.
    """

    over: bool
    nodes: tuple[NodeId, ...]
    tried: NodeId
    text: str | None

    def block(self, task: Task, until: datetime | None = None) -> Blocked:
        """Return the task as blocked by this cause, with the remedy for the operator."""
        count = len(self.nodes)
        return Blocked(
            kind=BlockKind.STARTS_FAIL,
            action=task,
            waits_on=(self.tried,),
            count=count,
            text=self.text,
            until=until,
            remedy=Remedy(kind=RemedyKind.FIX_START, count=count, text=self.text),
        )


def shared_cause(seen: Observation, settings: Settings) -> SharedCause | None:
    """Find what keeps several nodes, or all of two, from starting alike, None if nothing does."""
    # Alike are those that last failed with the same words, but for their names and words with numbers.
    groups: dict[str, list[NodeSeen]] = {}
    for each in oldest_first(seen.nodes):
        node, error = each.node, each.node.last_error or ""
        cannot_start = node.crashed and node.failures >= FAILURES_OF_A_START
        if cannot_start and node.status in (Status.STOPPED, Status.RESTARTING):
            # What comes before the colon says when it ended: at once, or a little later.
            words = (error.partition(": ")[2] or error).replace(node.name, "")
            groups.setdefault(" ".join(_WITH_NUMBER.sub("", words).split()), []).append(each)
    failing = max(groups.values(), key=len, default=[])
    managed = [each for each in seen.nodes if each.node.status is not Status.DISABLED]
    if len(failing) < SEVERAL and not 1 < len(failing) == len(managed):
        return None
    latest = max([each.node.status_since for each in failing])
    well = [each for each in seen.nodes if each.node.status is Status.RUNNING and runs(each.reading)]
    started = [each.node.process_started_at or latest for each in well if is_well(each.reading)]
    # One that is being started is the one that is tried, else the one that may be first.
    busy = [each for each in failing if is_healing(each.node)]
    able = _may_be_tried(failing, seen, settings) or failing
    first = busy[0] if busy else min(able, key=lambda each: each.node.retry_at or seen.now)
    return SharedCause(
        over=max(started, default=latest) > latest,
        nodes=ids_of(failing),
        tried=first.node.id,
        text=first.node.last_error,
    )


def _may_be_tried(nodes: list[NodeSeen], seen: Observation, settings: Settings) -> list[NodeSeen]:
    """Those that nothing but the cause keeps down: one that cannot be tried is nothing to wait for."""
    full = [each.mount_point for each in short_file_systems(seen, settings)]
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


def _own_obstacle(each: NodeSeen, cause: SharedCause | None, now: datetime) -> Blocked | None:
    """The first thing, machine apart, that keeps a crashed node down; `cause` is what it shares with others."""
    node = each.node
    rests, holds = backs_off(node, now), cause is not None and not cause.over
    if cause is not None and holds and (rests or node.id != cause.tried):
        return cause.block(STARTING, node.retry_at if node.id == cause.tried else None)
    if rests and cause is None:
        return backing_off(node, STARTING)
    if each.reading.root_dir_present is not True:
        return Blocked(kind=BlockKind.FOLDER_UNSEEN, action=STARTING)
    return None


LONGEST_PATIENCE = 1024
"""A node that stays silent is restarted ever less often, but once in so many times `unresponsive_restart`."""


def restart_silent(seen: Observation, settings: Settings) -> Proposal:
    """Restart the nodes that have been silent longest; each further pause is twice the one before."""
    first = settings.unresponsive_restart
    if first <= timedelta(0):
        return Proposal()
    silent: list[tuple[datetime, NodeSeen]] = []
    for each in seen.nodes:
        node = each.node
        if node.status is Status.RUNNING and node.silent_since is not None:
            pause = backoff(node.silence_restarts + 1, first=first, longest=first * LONGEST_PATIENCE)
            silent.append((node.silent_since + pause, each))
    if not silent:
        return Proposal()
    held = [
        Blocked(kind=BlockKind.SILENCE, action=Task(kind=TaskKind.RESTART, nodes=(each.node.id,)), until=due)
        for due, each in silent
        if due > seen.now
    ]
    ready = [
        each
        for due, each in sorted(silent, key=lambda pair: (pair[0], pair[1].node.id))
        if due <= seen.now and runs(each.reading) and not backs_off(each.node, seen.now)
    ]
    every = Task(kind=TaskKind.RESTART_SILENT, nodes=ids_of(ready), count=len(ready))
    obstacle = must_shed(every, seen, settings) if ready else None
    if obstacle is not None:
        return Proposal(held=(*held, obstacle))
    free = free_slots(seen, settings, Status.RESTARTING)
    if rest := ids_of(ready[free:]):
        more = Task(kind=TaskKind.RESTART_MORE, nodes=rest, count=len(rest))
        held.append(Blocked(kind=BlockKind.START_SLOT, action=more))
    actions = []
    for each in ready[:free]:
        why = Reason(kind=ReasonKind.SILENT, at=each.node.silent_since)
        actions.append(RestartNode(node=each.node.id, silent=True, because=why))
    because = Reason(kind=ReasonKind.NODES_SILENT, count=len(ready), nodes=ids_of(ready))
    return Proposal(actions=tuple(actions), held=tuple(held), because=because)


DAY = timedelta(days=1)
"""The window in which shuns are counted, the period of the budget, and the rest of a node after an action."""
REPORT, RESTART, RECYCLE = "report", "restart", "recycle"


def deal_with_shunned(seen: Observation, settings: Settings) -> Proposal:
    """Do what `shun_policy` says about the nodes that are shunned too often, oldest first.

    A node counts when its own page tells of more than `shun_limit` shuns within a day. To recycle one is to
    remove it, its key backed up, so that growth gives its place to a new identity; it is done only where growth
    would do that now.
    """
    shunned = oldest_first([each for each in seen.nodes if is_shunned(each, settings)])
    if not shunned:
        return Proposal()
    if settings.shun_policy == REPORT:
        task = Task(kind=TaskKind.REPORT_SHUNNED, nodes=ids_of(shunned))
        return Proposal(held=(Blocked(kind=BlockKind.SHUN_POLICY, action=task),))
    # The actions taken for this reason within a day, also when the clock was set back.
    acts = tuple([act for act in seen.remembered.shun_acts if abs(seen.now - act.at) < DAY])
    held, ready = _ready(shunned, acts, seen, settings)
    obstacle = _obstacle(_task(ready, settings), acts, seen, settings) if ready else None
    if obstacle is not None or not ready:
        return Proposal(held=tuple(held) if obstacle is None else (*held, obstacle))
    restart = settings.shun_policy == RESTART
    free = free_slots(seen, settings, Status.RESTARTING if restart else Status.REMOVING)
    chosen = ready[: min(free, settings.shun_budget - len(acts))]
    if len(chosen) < len(ready):
        kind = BlockKind.SLOT if len(chosen) == free else BlockKind.SHUN_BUDGET_NEXT
        held.append(Blocked(kind=kind, action=_task(ready[len(chosen) :], settings)))
    actions: list[RestartNode | RetireNode] = []
    for each in chosen:
        node, why = each.node.id, why_shunned(each, settings)
        if restart:
            actions.append(RestartNode(node=node, silent=False, shunned=True, because=why))
        else:
            actions.append(RetireNode(node=node, shunned=True, because=why))
    because = Reason(kind=ReasonKind.NODES_SHUNNED, nodes=ids_of(shunned))
    return Proposal(actions=tuple(actions), held=tuple(held), because=because)


def _task(nodes: list[NodeSeen], settings: Settings) -> Task:
    recycle = settings.shun_policy == RECYCLE
    return Task(kind=TaskKind.RECYCLE_SHUNNED if recycle else TaskKind.RESTART_SHUNNED, nodes=ids_of(nodes))


def _shun_rates(each: NodeSeen) -> ShunRates:
    """Return the shun rates that the node reports; empty ones where it reports none."""
    page = each.reading.page
    return (page.shun_rates if isinstance(page, NodePage) else None) or ShunRates()


def is_shunned(each: NodeSeen, settings: Settings) -> bool:
    """Whether a node that runs says that it was shunned more often in a day than is allowed."""
    if each.node.status is not Status.RUNNING or not runs(each.reading):
        return False
    return (_shun_rates(each).last_day or 0) > settings.shun_limit


def why_shunned(each: NodeSeen, settings: Settings) -> Reason:
    """Return how often peers shun the node, against the limit."""
    rates, limit = _shun_rates(each), settings.shun_limit
    return Reason(kind=ReasonKind.SHUNNED, count=rates.last_day or 0, recent=rates.last_hour, limit=limit)


def _ready(
    shunned: list[NodeSeen], acts: tuple[ShunAct, ...], seen: Observation, settings: Settings
) -> tuple[list[Blocked], list[NodeSeen]]:
    """Return the blocks of single nodes, and the nodes that are not blocked."""
    held: list[Blocked] = []
    ready: list[NodeSeen] = []
    acted = {act.node: act.at for act in acts}
    recycle = settings.shun_policy == RECYCLE
    for each in shunned:
        node, task = each.node, _task([each], settings)
        if node.id in acted:
            held.append(Blocked(kind=BlockKind.SHUN_REPEATED, action=task, until=acted[node.id] + DAY))
        elif backs_off(node, seen.now):
            held.append(backing_off(node, task))
        elif recycle and node.command is not None:
            held.append(Blocked(kind=BlockKind.NOT_MADE_HERE, action=task))
        elif recycle and each.reading.born is None:
            held.append(Blocked(kind=BlockKind.KEY_UNSEEN, action=task))
        else:
            ready.append(each)
    return held, ready


def _obstacle(task: Task, acts: tuple[ShunAct, ...], seen: Observation, settings: Settings) -> Blocked | None:
    """The first thing that keeps any of it back; recycled is only where growth would add another."""
    if len(acts) >= settings.shun_budget:
        until = min([act.at for act in acts]) + DAY
        return Blocked(kind=BlockKind.SHUN_BUDGET, action=task, count=len(acts), until=until)
    shedding = must_shed(task, seen, settings)
    if shedding is not None or settings.shun_policy != RECYCLE:
        return shedding
    if not settings.keep_keys:
        return Blocked(kind=BlockKind.KEYS_NOT_KEPT, action=task)
    program = program_for_new(seen, settings)
    if isinstance(program, Blocked):
        return replace(program, action=task, remedy=None)
    if seen.remembered.add_failures:
        return Blocked(kind=BlockKind.ADDITIONS_FAIL, action=task, text=seen.remembered.add_last_error)
    return too_high_to_grow(task, seen.machine, settings)
