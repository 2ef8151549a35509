"""Restarts silent nodes, and does what the policy says about shunned ones."""

from datetime import datetime, timedelta

from msgspec.structs import replace

from wnm.core.action import RestartNode, RetireNode
from wnm.core.decide.growth import too_high
from wnm.core.decide.pressure import free_slots, ids_of, must_shed, oldest_first
from wnm.core.decide.upgrades import program_for_new
from wnm.core.decision import Proposal
from wnm.core.errors import backoff
from wnm.core.lifecycle import backing_off, backs_off, runs
from wnm.core.node import Status
from wnm.core.observation import NodePage, NodeSeen, Observation, ShunAct, ShunRates
from wnm.core.readings import gauges
from wnm.core.reasons import Blocked, BlockKind, Reason, ReasonKind, Task, TaskKind
from wnm.core.settings import Settings

LONGEST_PATIENCE = 1024
"""A node that stays silent is restarted ever less often, but once in so many times `unresponsive_restart`."""


def restart_silent(seen: Observation, settings: Settings) -> Proposal:
    """Restart the nodes that have been silent longest; each further pause is twice the one before."""
    if settings.unresponsive_restart <= timedelta(0):
        return Proposal()
    silent = [
        (due, each)
        for each in seen.nodes
        if each.node.status is Status.RUNNING and (due := _due(each, settings)) is not None
    ]
    ready = [
        each
        for due, each in sorted(silent, key=lambda pair: (pair[0], pair[1].node.id))
        if due <= seen.now and runs(each.reading) and not backs_off(each.node, seen.now)
    ]
    held = [
        Blocked(kind=BlockKind.SILENCE, action=Task(kind=TaskKind.RESTART, nodes=(each.node.id,)), until=due)
        for due, each in silent
        if due > seen.now
    ]
    every = Task(kind=TaskKind.RESTART_SILENT, nodes=ids_of(ready), count=len(ready))
    obstacle = must_shed(every, seen, settings) if ready else None
    if obstacle is not None:
        return Proposal(held=(*held, obstacle))
    chosen = ready[: free_slots(seen.nodes, settings, seen.now).starts]
    if len(chosen) < len(ready):
        rest = ids_of(ready[len(chosen) :])
        more = Task(kind=TaskKind.RESTART_MORE, nodes=rest, count=len(rest))
        held.append(Blocked(kind=BlockKind.START_SLOT, action=more))
    actions = tuple(
        RestartNode(
            node=each.node.id,
            silent=True,
            because=Reason(kind=ReasonKind.SILENT, at=each.node.silent_since),
        )
        for each in chosen
    )
    because = Reason(kind=ReasonKind.NODES_SILENT, count=len(ready), nodes=ids_of(ready))
    return Proposal(actions=actions, held=tuple(held), because=because)


def _due(each: NodeSeen, settings: Settings) -> datetime | None:
    since = each.node.silent_since
    if since is None:
        return None
    first = settings.unresponsive_restart
    return since + backoff(each.node.silence_restarts + 1, first=first, longest=first * LONGEST_PATIENCE)


DAY = timedelta(days=1)
"""The window in which shuns are counted, the period of the budget, and the rest of a node after an action."""
REPORT, RESTART, RECYCLE = "report", "restart", "recycle"


def deal_with_shunned(seen: Observation, settings: Settings) -> Proposal:
    """Do what `shun_policy` says about the nodes that are shunned too often, oldest first.

    A node counts when its own page tells of more than `shun_limit` shuns within a day. To recycle one is to
    remove it, its key backed up, so that growth gives its place to a new identity; it is done only where growth
    would do that now.
    """
    shunned = [each for each in oldest_first(seen.nodes) if is_shunned(each, settings)]
    if not shunned:
        return Proposal()
    if settings.shun_policy == REPORT:
        task = Task(kind=TaskKind.REPORT_SHUNNED, nodes=ids_of(shunned))
        return Proposal(held=(Blocked(kind=BlockKind.SHUN_POLICY, action=task),))
    acts = _acts_of_a_day(seen)
    held, ready = _ready(shunned, acts, seen, settings)
    if not ready:
        return Proposal(held=tuple(held))
    obstacle = _obstacle(_task(ready, settings), acts, seen, settings)
    if obstacle is not None:
        return Proposal(held=(*held, obstacle))
    slots = free_slots(seen.nodes, settings, seen.now)
    free = slots.starts if settings.shun_policy == RESTART else slots.removals
    chosen = ready[: min(free, settings.shun_budget - len(acts))]
    if len(chosen) < len(ready):
        kind = BlockKind.SLOT if len(chosen) == free else BlockKind.SHUN_BUDGET_NEXT
        held.append(Blocked(kind=kind, action=_task(ready[len(chosen) :], settings)))
    actions = tuple(_action(each, settings) for each in chosen)
    because = Reason(kind=ReasonKind.NODES_SHUNNED, nodes=ids_of(shunned))
    return Proposal(actions=actions, held=tuple(held), because=because)


def _task(nodes: list[NodeSeen], settings: Settings) -> Task:
    recycle = settings.shun_policy == RECYCLE
    return Task(kind=TaskKind.RECYCLE_SHUNNED if recycle else TaskKind.RESTART_SHUNNED, nodes=ids_of(nodes))


def is_shunned(each: NodeSeen, settings: Settings) -> bool:
    """Whether a node that runs says that it was shunned more often in a day than is allowed."""
    if each.node.status is not Status.RUNNING or not runs(each.reading):
        return False
    rates = shun_rates(each)
    return rates is not None and (rates.last_day or 0) > settings.shun_limit


def shun_rates(each: NodeSeen) -> ShunRates | None:
    """Return the shun rates that the node reports; None where it reports none."""
    page = each.reading.page
    return page.shun_rates if isinstance(page, NodePage) else None


def why_shunned(each: NodeSeen, settings: Settings) -> Reason:
    """Return how often peers shun the node, against the limit."""
    rates = shun_rates(each) or ShunRates()
    return Reason(
        kind=ReasonKind.SHUNNED,
        count=rates.last_day or 0,
        recent=rates.last_hour,
        limit=settings.shun_limit,
    )


def _acts_of_a_day(seen: Observation) -> tuple[ShunAct, ...]:
    """Return the actions taken for this reason within a day, also when the clock was set back."""
    return tuple(act for act in seen.remembered.shun_acts if abs(seen.now - act.at) < DAY)


def _ready(
    shunned: list[NodeSeen], acts: tuple[ShunAct, ...], seen: Observation, settings: Settings
) -> tuple[list[Blocked], list[NodeSeen]]:
    """Return the blocks of single nodes, and the nodes that are not blocked."""
    held: list[Blocked] = []
    ready: list[NodeSeen] = []
    acted = {act.node: act.at for act in acts}
    for each in shunned:
        node, task = each.node, _task([each], settings)
        recycle = settings.shun_policy == RECYCLE
        if node.id in acted:
            until = acted[node.id] + DAY
            held.append(Blocked(kind=BlockKind.SHUN_REPEATED, action=task, until=until))
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
    """The first thing that keeps any of it back."""
    if len(acts) >= settings.shun_budget:
        until = min(act.at for act in acts) + DAY
        return Blocked(kind=BlockKind.SHUN_BUDGET, action=task, count=len(acts), until=until)
    shedding = must_shed(task, seen, settings)
    if shedding is not None:
        return shedding
    return _no_successor(task, seen, settings) if settings.shun_policy == RECYCLE else None


def _no_successor(task: Task, seen: Observation, settings: Settings) -> Blocked | None:
    """Return why growth would not put another node in the place of one that is given up."""
    if not settings.keep_keys:
        return Blocked(kind=BlockKind.KEYS_NOT_KEPT, action=task)
    program = program_for_new(seen, settings)
    if isinstance(program, Blocked):
        return replace(program, action=task, remedy=None)
    if seen.remembered.add_failures:
        return Blocked(kind=BlockKind.ADDITIONS_FAIL, action=task, text=seen.remembered.add_last_error)
    for gauge in gauges(seen.machine, settings):
        if not gauge.allows_growth:
            return too_high(task, gauge)
    return None


def _action(each: NodeSeen, settings: Settings) -> RestartNode | RetireNode:
    because = why_shunned(each, settings)
    if settings.shun_policy == RESTART:
        return RestartNode(node=each.node.id, silent=False, shunned=True, because=because)
    return RetireNode(node=each.node.id, shunned=True, because=because)
