"""What is done about running nodes that their peers shun: said, or within a budget a day restarted or given up."""

from datetime import timedelta

from wnm.core.action import RestartNode, RetireNode
from wnm.core.decide.budget import free_slots
from wnm.core.decide.gauges import gauges
from wnm.core.decide.pressure import must_shed
from wnm.core.decide.rank import named, oldest_first
from wnm.core.decide.upgrades import program_for_new
from wnm.core.decision import Held, Proposal
from wnm.core.lifecycle import backs_off, runs
from wnm.core.node import Status
from wnm.core.observation import NodePage, NodeSeen, Observation, ShunAct, ShunRates
from wnm.core.settings import Settings

DAY = timedelta(days=1)
"""What a node's shuns are counted over, what the budget is for, and how long a node is left alone afterwards."""
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
        what = f"do something about {named(shunned)}, shunned too often"
        return Proposal(held=(Held(what=what, waiting_for="the operator: shun_policy is report"),))
    acts = _acts_of_a_day(seen)
    held, ready = _ready(shunned, acts, seen, settings)
    if not ready:
        return Proposal(held=tuple(held))
    what = f"{settings.shun_policy} {named(ready)}, shunned too often"
    obstacle = _obstacle(what, acts, seen, settings)
    if obstacle is not None:
        return Proposal(held=(*held, obstacle))
    slots = free_slots(seen.nodes, settings, seen.now)
    free = slots.starts if settings.shun_policy == RESTART else slots.removals
    chosen = ready[: min(free, settings.shun_budget - len(acts))]
    if len(chosen) < len(ready):
        rest = named(ready[len(chosen) :])
        waiting_for = "a free slot" if len(chosen) == free else "its turn: shun_budget is used up then"
        held.append(Held(what=f"{settings.shun_policy} {rest}, shunned too often", waiting_for=waiting_for))
    actions = tuple(_action(each, settings) for each in chosen)
    return Proposal(actions=actions, held=tuple(held), because=f"{named(shunned)} shunned too often")


def is_shunned(each: NodeSeen, settings: Settings) -> bool:
    """Whether a node that runs says that it was shunned more often in a day than is allowed."""
    if each.node.status is not Status.RUNNING or not runs(each.reading):
        return False
    rates = shun_rates(each)
    return rates is not None and (rates.last_day or 0) > settings.shun_limit


def shun_rates(each: NodeSeen) -> ShunRates | None:
    """What the node says of its shuns; None where it does not."""
    page = each.reading.page
    return page.shun_rates if isinstance(page, NodePage) else None


def shun_words(each: NodeSeen) -> str:
    """For people: `shunned 31 times within a day, 2 of them in the last hour`."""
    rates = shun_rates(each) or ShunRates()
    words = f"shunned {rates.last_day or 0} times within a day"
    return words if rates.last_hour is None else f"{words}, {rates.last_hour} of them in the last hour"


def _acts_of_a_day(seen: Observation) -> tuple[ShunAct, ...]:
    """What was done for this reason within a day. A clock that was set back must not make it twice as much."""
    return tuple(act for act in seen.remembered.shun_acts if abs(seen.now - act.at) < DAY)


def _ready(
    shunned: list[NodeSeen], acts: tuple[ShunAct, ...], seen: Observation, settings: Settings
) -> tuple[list[Held], list[NodeSeen]]:
    """What holds single nodes back, and those that nothing does."""
    held: list[Held] = []
    ready: list[NodeSeen] = []
    acted = {act.node: act.at for act in acts}
    for each in shunned:
        node, what = each.node, f"{settings.shun_policy} {each.node.name}, shunned too often"
        if node.id in acted:
            waiting_for = "a day to pass since that was done for it"
            held.append(Held(what=what, waiting_for=waiting_for, until=acted[node.id] + DAY))
        elif backs_off(node, seen.now):
            waiting_for = f"its pause after: {node.last_error}"
            held.append(Held(what=what, waiting_for=waiting_for, until=node.retry_at))
        elif settings.shun_policy == RECYCLE and node.command is not None:
            held.append(Held(what=what, waiting_for="the operator: wnm has not made it"))
        elif settings.shun_policy == RECYCLE and each.reading.born is None:
            held.append(Held(what=what, waiting_for="its key to be seen"))
        else:
            ready.append(each)
    return held, ready


def _obstacle(what: str, acts: tuple[ShunAct, ...], seen: Observation, settings: Settings) -> Held | None:
    """The first thing that keeps any of it back."""
    if len(acts) >= settings.shun_budget:
        waiting_for = f"shun_budget: {len(acts)} node(s) within a day"
        return Held(what=what, waiting_for=waiting_for, until=min(act.at for act in acts) + DAY)
    shedding = must_shed(seen, settings)
    if shedding is not None:
        return Held(what=what, waiting_for=shedding)
    return _no_successor(what, seen, settings) if settings.shun_policy == RECYCLE else None


def _no_successor(what: str, seen: Observation, settings: Settings) -> Held | None:
    """Why growth would not put another node in the place of one that is given up."""
    if not settings.keep_keys:
        return Held(what=what, waiting_for="keep_keys: no key is deleted for this without a copy")
    program = program_for_new(seen, settings)
    if isinstance(program, Held):
        return Held(what=what, waiting_for=program.waiting_for)
    if seen.remembered.add_failures:
        return Held(what=what, waiting_for=f"additions to succeed: {seen.remembered.add_last_error}")
    for gauge in gauges(seen.machine, settings):
        if not gauge.allows_growth:
            return Held(what=what, waiting_for=gauge.to_fall(gauge.allow))
    return None


def _action(each: NodeSeen, settings: Settings) -> RestartNode | RetireNode:
    because = f"{shun_words(each)} (shun_limit {settings.shun_limit})"
    if settings.shun_policy == RESTART:
        return RestartNode(node=each.node.id, silent=False, shunned=True, because=because)
    return RetireNode(node=each.node.id, shunned=True, because=because)
