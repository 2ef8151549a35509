"""The ladder: the rules in order; the first that acts decides the cycle, the others say what they wait for."""

from collections.abc import Callable

from msgspec.structs import replace

from wnm.core.action import Action, AddNode, Resurvey, node_of
from wnm.core.decide.bookkeeping import Settled, conclusions, settle
from wnm.core.decide.crashed import start_crashed
from wnm.core.decide.firewall import with_ports
from wnm.core.decide.growth import grow
from wnm.core.decide.pressure import relieve_pressure
from wnm.core.decide.storage import (
    Question,
    held_nodes,
    held_part,
    place_news,
    questions,
    remove_dead,
    with_dead,
    without_doubtful,
)
from wnm.core.decide.unwell import deal_with_shunned, restart_silent
from wnm.core.decide.upgrades import upgrade_outdated
from wnm.core.decision import Decision, Proposal
from wnm.core.lifecycle import during
from wnm.core.node import NodeId
from wnm.core.observation import NodeSeen, Observation
from wnm.core.reasons import Blocked, BlockKind, Reason, ReasonKind, Task, TaskKind
from wnm.core.settings import Settings

type Rule = Callable[[Observation, Settings], Proposal]


def after_reboot(seen: Observation, settings: Settings) -> Proposal:
    """The machine started again, so nothing remembered of processes holds."""
    if not seen.rebooted:
        return Proposal()
    because = Reason(kind=ReasonKind.REBOOTED)
    return Proposal(actions=(Resurvey(because=because),), because=because)


CRASHED = "crashed nodes"
LADDER: tuple[tuple[str, Rule], ...] = (
    ("reboot", after_reboot),
    ("dead nodes", remove_dead),
    ("pressure", relieve_pressure),
    (CRASHED, start_crashed),
    ("upgrades", upgrade_outdated),
    ("silent nodes", restart_silent),
    ("shunned nodes", deal_with_shunned),
    ("growth", grow),
)
BOOKKEEPING = "bookkeeping"
IDLE = "idle"
MISSING_STORAGE = "missing storage"


def decide(seen: Observation, settings: Settings) -> Decision:
    """Decide what this cycle does and what it holds back, from the observation and the settings alone."""
    asked = questions(seen)
    seen = without_doubtful(seen, asked)
    holding = held_nodes(asked)
    settled = settle(seen, settings, holding)
    if asked and all(each.path in {one.path for one in asked if one.closed} for each in seen.storages):
        return _stand_still(seen, settled, asked)
    view = replace(settled.seen, nodes=with_dead(settled.seen.nodes, seen.now))
    latest = _latest(settled.nodes, view.nodes)
    rule, because = IDLE, Reason(kind=ReasonKind.NOTHING_TO_DO)
    if settled.actions:
        rule, because = BOOKKEEPING, settled.actions[0].because
    chosen: Proposal | None = None
    held: list[Blocked] = [*map(held_part, asked), *settled.held]
    taken = {*holding, *(node_of(action) for action in settled.actions)}
    first: list[Action] = list(settled.actions)
    for name, propose in LADDER:
        proposal = _without_taken(propose(view, settings), taken)
        held.extend(proposal.held)
        if not proposal.actions:
            continue
        if name == CRASHED:
            # Healing is no turn of its own: what comes below it decides beside it, and counts it as started.
            first.extend(proposal.actions)
            view = _with_starting(view, proposal)
            if rule == IDLE:
                rule, because = name, proposal.because or because
        elif chosen is None:
            chosen, rule, because = proposal, name, proposal.because or because
            taken |= {node_of(action) for action in proposal.actions if not isinstance(action, Resurvey)}
            first.extend(proposal.actions)
        else:
            held.append(_behind(rule, name, proposal))
    if rule == IDLE and asked:
        rule, because = MISSING_STORAGE, _standstill(asked[0].blocked)
    elif rule == IDLE and held:
        because = Reason(kind=ReasonKind.ALL_BLOCKED)
    decision = Decision(
        rule=rule,
        because=because,
        conclusions=conclusions(seen.nodes, latest),
        actions=tuple(first),
        held=tuple(held),
        releases=settled.releases,
        places=place_news(seen, settings, asked, (each.node for each in first if isinstance(each, AddNode))),
    )
    return with_ports(decision, seen, settings, (each.node for each in latest))


def _with_starting(view: Observation, healing: Proposal) -> Observation:
    """The view of the rules below: crashed nodes that are started count as starting."""
    starts = {node_of(action): action for action in healing.actions if not isinstance(action, Resurvey)}
    nodes = tuple(
        replace(each, node=during(starts[each.node.id], each.node, view.now))
        if each.node.id in starts
        else each
        for each in view.nodes
    )
    return replace(view, nodes=nodes)


def _behind(first: str, name: str, proposal: Proposal) -> Blocked:
    """Return the task of a rule as blocked by an earlier rule that takes the cycle."""
    nodes = tuple(node_of(action) for action in proposal.actions if not isinstance(action, Resurvey))
    task = Task(kind=TaskKind.RULE, rule=name, nodes=nodes, reason=proposal.because)
    return Blocked(kind=BlockKind.ANOTHER_RULE, action=task, rule=first)


def _without_taken(proposal: Proposal, taken: set[NodeId]) -> Proposal:
    """The proposal without what it would do to nodes that the bookkeeping acts on: a node has one action a cycle."""
    staying = tuple(
        action for action in proposal.actions if isinstance(action, Resurvey) or node_of(action) not in taken
    )
    return replace(proposal, actions=staying)


def _latest(nodes: tuple[NodeSeen, ...], newer: tuple[NodeSeen, ...]) -> tuple[NodeSeen, ...]:
    """All the nodes, as in `newer` where they are there too."""
    found = {each.node.id: each for each in newer}
    return tuple(found.get(each.node.id, each) for each in nodes)


def _stand_still(seen: Observation, settled: Settled, asked: tuple[Question, ...]) -> Decision:
    """With every disk in question nothing is done at all: whatever seems to be missing may come back."""
    return Decision(
        rule=MISSING_STORAGE,
        because=_standstill(asked[0].blocked),
        conclusions=conclusions(seen.nodes, settled.nodes),
        actions=(),
        held=tuple(each.blocked for each in asked),
        releases=settled.releases,
    )


def _standstill(missing: Blocked) -> Reason:
    return Reason(
        kind=ReasonKind(missing.kind.value),
        path=missing.path,
        other_path=missing.other_path,
        than=missing.than,
        count=missing.count,
        nodes=missing.nodes,
    )
