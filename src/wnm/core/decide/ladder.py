"""The ladder: concludes what became of nodes, then asks the rules in order; the first that acts decides the cycle."""

from collections.abc import Callable, Collection, Container, Iterable
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
    nodes_in,
)
from wnm.core.decide.firewall import LEFT_ALONE, with_ports
from wnm.core.decide.growth import grow
from wnm.core.decide.pressure import is_resting_removal, relieve_pressure
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
from wnm.core.decide.unwell import deal_with_shunned, restart_silent, start_crashed
from wnm.core.decide.upgrades import release_news, upgrade_outdated
from wnm.core.decision import Conclusion, Decision, Proposal
from wnm.core.health_gate import assess
from wnm.core.lifecycle import (
    UNDER_WAY,
    backing_off,
    backs_off,
    conclude,
    delay_of,
    during,
    is_gone,
    lacks_restart,
    runs,
)
from wnm.core.node import TRANSITIONS, NodeId, Status
from wnm.core.observation import Claim, NodeSeen, Observation
from wnm.core.reasons import Blocked, BlockKind, Reason, ReasonKind, Remedy, RemedyKind, Task, TaskKind
from wnm.core.release import Release, merged
from wnm.core.settings import Settings
from wnm.core.values import Value


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


def settle(seen: Observation, settings: Settings, held: Collection[NodeId] = ()) -> Settled:
    """Fill in what was seen, conclude delays that ran out, finish or undo what was interrupted.

    Nothing is finished or undone on the nodes that are `held`.
    """
    interrupted = {node_of(each.action): each.action for each in seen.interrupted}
    together = ended_together(seen.nodes, interrupted)
    concluded: list[NodeSeen] = []
    actions: list[NodeAction] = []
    for before in seen.nodes:
        cut_off, pid_before = interrupted.get(before.node.id), before.node.pid
        shared = before.node.id in together
        node = conclude(before, seen.now, settings, rebooted=seen.rebooted, cut_off=cut_off, together=shared)
        each = replace(before, node=node)
        concluded.append(each)
        if node.id in held:
            continue
        action = None if cut_off is None else _to_do_again(each, cut_off, seen)
        action = action or _to_finish(each, cut_off, seen, settings, pid_before=pid_before)
        actions += [] if action is None else [action]
    gone = {action.node for action in actions if isinstance(action, RemoveNode)}
    leaving = [each.node for each in seen.nodes if each.node.id in gone]
    staying = [each for each in concluded if each.node.id not in gone]
    news = release_news(seen, settings, concluded, together)
    # Until those that leave are gone their ids and ports stay theirs.
    view = replace(
        seen,
        nodes=tuple(staying),
        remembered=replace(seen.remembered, releases=merged(seen.remembered.releases, news)),
        claims=seen.claims + tuple([Claim(id=node.id, by="its removal") for node in leaving]),
        bound_ports=seen.bound_ports.union(*[(node.port, node.metrics_port) for node in leaving]),
    )
    return Settled(
        seen=view,
        nodes=tuple(concluded),
        actions=tuple(actions),
        held=tuple(
            [_waiting(each, settings, seen.now) for each in staying if each.node.status in TRANSITIONS]
        ),
        releases=news,
    )


def ended_together(nodes: Iterable[NodeSeen], interrupted: Container[NodeId]) -> frozenset[NodeId]:
    """Return the nodes whose processes ended by themselves since the last cycle, if they are of several versions.

    Whatever ended them all (the system short of memory, somebody's killall) is no fault of the version of one.
    """
    ended = [
        each.node
        for each in nodes
        if each.node.status not in (Status.STOPPED, *LEFT_ALONE)
        and is_gone(each.reading)
        and each.node.id not in interrupted
    ]
    versions = {node.gate_version or node.binary_version for node in ended}
    return frozenset(node.id for node in ended) if len(versions) > 1 else frozenset()


def conclusions(before: tuple[NodeSeen, ...], after: tuple[NodeSeen, ...]) -> tuple[Conclusion, ...]:
    """Return the rows to be written: the nodes that are no longer as they were remembered."""
    known = {each.node.id: each.node for each in before}
    pairs = [(known[each.node.id], each.node) for each in after]
    return tuple([Conclusion(before=was, after=now) for was, now in pairs if was != now])


def _to_do_again(each: NodeSeen, cut_off: NodeAction, seen: Observation) -> NodeAction | None:
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
    """Return the action that completes this node's state: a way back, a missing restart or stop, a due removal."""
    node = each.node
    rests, absent = backs_off(node, seen.now), each.reading.root_dir_present is False
    if node.gate_failure is not None and node.status not in LEFT_ALONE:
        because = Reason(kind=ReasonKind.GATE_FAILED, version=node.gate_version, text=node.gate_failure)
        return None if rests or absent else RollBackNode(node=node.id, because=because)
    if rests or seen.rebooted:
        return None
    if (
        node.gate_version is not None
        and node.status in UNDER_WAY
        and not absent
        and lacks_restart(node, each.reading, seen.now, pid_before=pid_before, cut_off=cut_off)
    ):
        because = Reason(kind=ReasonKind.UPGRADE_INTERRUPTED, version=node.gate_version)
        return RestartNode(node=node.id, silent=False, because=because)
    if node.status is not Status.REMOVING:
        return None
    because = Reason(kind=ReasonKind.AS_DECIDED, text=node.because)
    if seen.now - node.status_since >= settings.delay_remove:
        return RemoveNode(node=node.id, because=because)
    return RetireNode(node=node.id, because=because) if runs(each.reading) and not absent else None


def _waiting(each: NodeSeen, settings: Settings, now: datetime) -> Blocked:
    """Return what a node in a transition waits for."""
    node, nodes = each.node, (each.node.id,)
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
        if verdict.passed is None:
            return Blocked(kind=verdict.waits_for, action=action, than=verdict.than, until=verdict.until)
        return Blocked(kind=BlockKind.NEXT_OBSERVATION, action=action)
    unseen = node.status is not Status.REMOVING and not runs(each.reading)
    return Blocked(
        kind=BlockKind.PROCESS_UNSEEN if unseen else BlockKind.DELAY,
        action=Task(kind=TaskKind.LEAVE_TRANSITION, nodes=nodes, status=node.status),
        until=node.status_since + delay_of(node, settings),
    )


type Rule = Callable[[Observation, Settings], Proposal]


def after_reboot(seen: Observation, settings: Settings) -> Proposal:
    """The machine started again, so nothing remembered of processes holds."""
    because = Reason(kind=ReasonKind.REBOOTED)
    return Proposal(actions=(Resurvey(because=because),) if seen.rebooted else (), because=because)


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
    seen, held = without_doubtful(seen, asked), list(map(held_part, asked))
    settled = settle(seen, settings, held_nodes(asked))
    if asked and {each.path for each in seen.storages} <= {each.path for each in asked if each.closed}:
        return _stand_still(seen, settled, asked)
    view = replace(settled.seen, nodes=with_dead(settled.seen.nodes, seen.now))
    newer = {each.node.id: each for each in view.nodes}
    latest = tuple([newer.get(each.node.id, each) for each in settled.nodes])
    rule, because = IDLE, Reason(kind=ReasonKind.NOTHING_TO_DO)
    if settled.actions:
        rule, because = BOOKKEEPING, settled.actions[0].because
    chosen, actions = False, list[Action](settled.actions)
    held += settled.held
    taken = nodes_in(actions) | held_nodes(asked)  # A node has one action a cycle.
    for name, propose in LADDER:
        proposal = propose(view, settings)
        held += proposal.held
        own = [each for each in proposal.actions if isinstance(each, Resurvey) or node_of(each) not in taken]
        if not own:
            continue
        if name == CRASHED:
            # Healing is no turn of its own: what comes below it decides beside it, and counts it as started.
            actions += own
            view = _with_starting(view, own)
            if rule == IDLE:
                rule, because = name, proposal.because or because
        elif not chosen:
            chosen, rule, because = True, name, proposal.because or because
            actions += own
            taken |= nodes_in(own)
        else:
            nodes = tuple([node_of(each) for each in own if not isinstance(each, Resurvey)])
            task = Task(kind=TaskKind.RULE, rule=name, nodes=nodes, reason=proposal.because)
            held.append(Blocked(kind=BlockKind.ANOTHER_RULE, action=task, rule=rule))
    if rule == IDLE and asked:
        rule, because = MISSING_STORAGE, _standstill(asked)
    decision = Decision(
        rule=rule,
        because=Reason(kind=ReasonKind.ALL_BLOCKED) if rule == IDLE and held else because,
        conclusions=conclusions(seen.nodes, latest),
        actions=tuple(actions),
        held=tuple(held),
        releases=settled.releases,
        places=place_news(
            seen, settings, asked, [each.node for each in actions if isinstance(each, AddNode)]
        ),
    )
    return with_ports(decision, seen, settings, [each.node for each in latest])


def _with_starting(view: Observation, healing: list[Action]) -> Observation:
    """The view of the rules below: crashed nodes that are started count as starting."""
    starts = {node_of(action): action for action in healing if not isinstance(action, Resurvey)}
    nodes = [
        replace(each, node=during(starts[each.node.id], each.node, view.now))
        if each.node.id in starts
        else each
        for each in view.nodes
    ]
    return replace(view, nodes=tuple(nodes))


def _stand_still(seen: Observation, settled: Settled, asked: tuple[Question, ...]) -> Decision:
    """With every disk in question nothing is done at all: whatever seems to be missing may come back."""
    return Decision(
        rule=MISSING_STORAGE,
        because=_standstill(asked),
        conclusions=conclusions(seen.nodes, settled.nodes),
        actions=(),
        held=tuple([each.blocked for each in asked]),
        releases=settled.releases,
    )


def _standstill(asked: tuple[Question, ...]) -> Reason:
    first = asked[0].blocked
    return Reason(
        kind=ReasonKind(first.kind.value),
        path=first.path,
        other_path=first.other_path,
        than=first.than,
        count=first.count,
        nodes=first.nodes,
    )
