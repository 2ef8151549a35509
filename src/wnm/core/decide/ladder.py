"""The ladder: concludes what became of nodes, then asks the rules in order; the first that acts decides the cycle."""

from collections.abc import Callable
from datetime import datetime

from msgspec.structs import replace

from wnm.core.action import (
    Action,
    AddNode,
    DisableNode,
    NodeAction,
    RemoveNode,
    RestartNode,
    Resurvey,
    RetireNode,
    RollBackNode,
    StopNode,
    node_of,
)
from wnm.core.decide.crashed import start_crashed
from wnm.core.decide.firewall import with_ports
from wnm.core.decide.growth import grow
from wnm.core.decide.pressure import is_resting_removal, relieve_pressure
from wnm.core.decide.storage import missing_storage, remove_dead, with_dead
from wnm.core.decide.unwell import deal_with_shunned, restart_silent
from wnm.core.decide.upgrades import release_news, upgrade_outdated
from wnm.core.decision import Conclusion, Decision, Proposal
from wnm.core.health_gate import Waits, assess
from wnm.core.lifecycle import (
    backing_off,
    backs_off,
    conclude,
    delay_of,
    during,
    is_gone,
    lacks_restart,
    runs,
)
from wnm.core.node import TRANSITIONS, Node, NodeId, Status
from wnm.core.observation import Claim, NodeSeen, Observation
from wnm.core.reasons import Blocked, BlockKind, Reason, ReasonKind, Remedy, RemedyKind, Task, TaskKind
from wnm.core.release import Release, merged
from wnm.core.settings import Settings
from wnm.core.values import Value

UNDER_WAY = frozenset({Status.UPGRADING, Status.RESTARTING})
LEFT_ALONE = frozenset({Status.DISABLED, Status.REMOVING, Status.DEAD})


class Settled(Value, frozen=True, kw_only=True):
    """The observation with its nodes as concluded, and what has to be done to make the conclusions whole.

    `nodes` are all of them; `seen.nodes` leaves out those that are removed for good in this cycle. `releases` is
    what is newly known of versions; `seen` knows it too.
    """

    seen: Observation
    nodes: tuple[NodeSeen, ...]
    actions: tuple[NodeAction, ...]
    held: tuple[Blocked, ...]
    releases: tuple[Release, ...]


def settle(seen: Observation, settings: Settings) -> Settled:
    """Fill in what was seen, conclude delays that ran out, finish or undo what was interrupted."""
    interrupted = {node_of(each.action): each.action for each in seen.interrupted}
    concluded = tuple(
        replace(
            each,
            node=conclude(
                each,
                seen.now,
                settings,
                rebooted=seen.rebooted,
                cut_off=interrupted.get(each.node.id),
            ),
        )
        for each in seen.nodes
    )
    actions = []
    for before, each in zip(seen.nodes, concluded, strict=True):
        cut_off = interrupted.get(each.node.id)
        action = _to_finish(each, cut_off, seen, settings, pid_before=before.node.pid)
        if action is not None:
            actions.append(action)
    leaving = {action.node for action in actions if isinstance(action, RemoveNode)}
    staying = tuple(each for each in concluded if each.node.id not in leaving)
    news = release_news(seen, settings, concluded)
    knowing = replace(seen.remembered, releases=merged(seen.remembered.releases, news))
    return Settled(
        seen=_without(replace(seen, remembered=knowing), staying),
        nodes=concluded,
        actions=tuple(actions),
        held=tuple(_waiting(each, settings, seen.now) for each in staying if each.node.status in TRANSITIONS),
        releases=news,
    )


def _without(seen: Observation, staying: tuple[NodeSeen, ...]) -> Observation:
    """The view without those that leave; until they are gone their ids and ports stay theirs."""
    stay = {each.node.id for each in staying}
    leaving = [each.node for each in seen.nodes if each.node.id not in stay]
    return replace(
        seen,
        nodes=staying,
        claims=seen.claims + tuple(Claim(id=node.id, by="its removal") for node in leaving),
        bound_ports=seen.bound_ports.union(*((node.port, node.metrics_port) for node in leaving)),
    )


def conclusions(before: tuple[NodeSeen, ...], after: tuple[NodeSeen, ...]) -> tuple[Conclusion, ...]:
    """Return the rows to be written: the nodes that are no longer as they were remembered."""
    known = {each.node.id: each.node for each in before}
    return tuple(
        Conclusion(before=known[each.node.id], after=each.node)
        for each in after
        if known[each.node.id] != each.node
    )


def _to_do_again(each: NodeSeen, cut_off: NodeAction | None, seen: Observation) -> NodeAction | None:
    """What ends an interrupted action that did not get through: an addition is undone, the others are done again."""
    node = each.node
    match cut_off:
        case AddNode() if each.reading.root_dir_present is False:
            return RemoveNode(node=node.id, because=Reason(kind=ReasonKind.ADDITION_INTERRUPTED))
        case RemoveNode():
            return RemoveNode(node=node.id, because=Reason(kind=ReasonKind.REMOVAL_INTERRUPTED))
        case DisableNode() if not is_gone(each.reading):
            return DisableNode(node=node.id, because=Reason(kind=ReasonKind.DISABLING_INTERRUPTED))
        case StopNode() if runs(each.reading) and not seen.rebooted and node.status not in LEFT_ALONE:
            return cut_off  # Where it only takes longer than a cycle, its end would else count as a crash.
    return None


def _to_finish(
    each: NodeSeen,
    cut_off: NodeAction | None,
    seen: Observation,
    settings: Settings,
    *,
    pid_before: int | None,
) -> NodeAction | None:
    """Return the action that completes this node's state: a removal that is due or was interrupted, a missing stop."""
    node = each.node
    absent = each.reading.root_dir_present is False
    again = _to_do_again(each, cut_off, seen)
    if again is not None:
        return again
    if node.gate_failure is not None and node.status not in LEFT_ALONE:
        return None if backs_off(node, seen.now) or absent else _roll_back(node)
    if backs_off(node, seen.now) or seen.rebooted:
        return None
    stale = lacks_restart(node, each.reading, seen.now, pid_before=pid_before, cut_off=cut_off)
    if stale and node.status in UNDER_WAY and not absent:
        because = Reason(kind=ReasonKind.UPGRADE_INTERRUPTED, version=node.gate_version)
        return RestartNode(node=node.id, silent=False, because=because)
    if node.status is not Status.REMOVING:
        return None
    if seen.now - node.status_since >= settings.delay_remove:
        return RemoveNode(node=node.id, because=_as_decided(node))
    if runs(each.reading) and not absent:
        return RetireNode(node=node.id, because=_as_decided(node))
    return None


def _as_decided(node: Node) -> Reason:
    return Reason(kind=ReasonKind.AS_DECIDED, text=node.because)


def _roll_back(node: Node) -> RollBackNode:
    because = Reason(kind=ReasonKind.GATE_FAILED, version=node.gate_version, text=node.gate_failure)
    return RollBackNode(node=node.id, because=because)


def _waiting(each: NodeSeen, settings: Settings, now: datetime) -> Blocked:
    node = each.node
    nodes = (node.id,)
    if is_resting_removal(node, now):
        remedy = Remedy(kind=RemedyKind.FIX_REMOVAL, nodes=nodes, text=node.last_error)
        return replace(backing_off(node, Task(kind=TaskKind.REMOVE, nodes=nodes)), remedy=remedy)
    if node.gate_failure is not None:
        action = Task(kind=TaskKind.ROLL_BACK, nodes=nodes, version=node.former_version)
        if backs_off(node, now):
            return backing_off(node, action)
        return Blocked(kind=BlockKind.THIS_CYCLE, action=action, until=node.retry_at)
    if node.gate_version is not None and runs(each.reading):
        action = Task(kind=TaskKind.PASS_GATE, nodes=nodes, version=node.gate_version)
        verdict = assess(node, each.reading, now, settings, pid_before=node.pid)
        if isinstance(verdict, Waits):
            return Blocked(kind=verdict.kind, action=action, than=verdict.than, until=verdict.until)
        return Blocked(kind=BlockKind.NEXT_OBSERVATION, action=action)
    action = Task(kind=TaskKind.LEAVE_TRANSITION, nodes=nodes, status=node.status)
    unseen = node.status is not Status.REMOVING and not runs(each.reading)
    kind = BlockKind.PROCESS_UNSEEN if unseen else BlockKind.DELAY
    return Blocked(kind=kind, action=action, until=node.status_since + delay_of(node, settings))


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
    settled = settle(seen, settings)
    missing = missing_storage(seen, settled.seen)
    if missing:
        return _stand_still(seen, settled, missing)
    view = replace(settled.seen, nodes=with_dead(settled.seen.nodes, seen.now))
    latest = _latest(settled.nodes, view.nodes)
    rule, because = IDLE, Reason(kind=ReasonKind.NOTHING_TO_DO)
    if settled.actions:
        rule, because = BOOKKEEPING, settled.actions[0].because
    chosen: Proposal | None = None
    held: list[Blocked] = list(settled.held)
    taken = {node_of(action) for action in settled.actions}
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
    if rule == IDLE and held:
        because = Reason(kind=ReasonKind.ALL_BLOCKED)
    decision = Decision(
        rule=rule,
        because=because,
        conclusions=conclusions(seen.nodes, latest),
        actions=tuple(first),
        held=tuple(held),
        releases=settled.releases,
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


def _stand_still(seen: Observation, settled: Settled, missing: tuple[Blocked, ...]) -> Decision:
    """With a disk away nothing is done at all: whatever seems to be missing may come back."""
    return Decision(
        rule=MISSING_STORAGE,
        because=_standstill(missing[0]),
        conclusions=conclusions(seen.nodes, settled.nodes),
        actions=(),
        held=missing,
        releases=settled.releases,
    )


def _standstill(missing: Blocked) -> Reason:
    return Reason(
        kind=ReasonKind(missing.kind.value),
        path=missing.path,
        other_path=missing.other_path,
        than=missing.than,
        nodes=missing.nodes,
    )
