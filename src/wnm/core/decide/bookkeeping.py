"""Rules 3 and 4: what became of nodes by itself. They never use up a cycle; what they conclude holds for every rule."""

from datetime import datetime

from msgspec.structs import replace

from wnm.core.action import (
    AddNode,
    DisableNode,
    NodeAction,
    RemoveNode,
    RestartNode,
    RetireNode,
    RollBackNode,
    node_of,
)
from wnm.core.decide.budget import is_resting_removal
from wnm.core.decide.releases import release_news
from wnm.core.decision import Conclusion, Held
from wnm.core.lifecycle import backs_off, conclude, delay_of, is_gone, lacks_restart, runs
from wnm.core.node import TRANSITIONS, Node, Status
from wnm.core.observation import Claim, NodeSeen, Observation
from wnm.core.release import Release, merged
from wnm.core.settings import Settings
from wnm.core.trial import Waits, judge
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
    held: tuple[Held, ...]
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
    leaving = [each.node for each in seen.nodes if each.node.id not in {one.node.id for one in staying}]
    return replace(
        seen,
        nodes=staying,
        claims=seen.claims + tuple(Claim(id=node.id, by="its removal") for node in leaving),
        bound_ports=seen.bound_ports.union(*((node.port, node.metrics_port) for node in leaving)),
    )


def conclusions(before: tuple[NodeSeen, ...], after: tuple[NodeSeen, ...]) -> tuple[Conclusion, ...]:
    """What is to be written down of the nodes: those that are no longer as they were remembered."""
    known = {each.node.id: each.node for each in before}
    return tuple(
        Conclusion(before=known[each.node.id], after=each.node)
        for each in after
        if known[each.node.id] != each.node
    )


def _to_finish(
    each: NodeSeen,
    cut_off: NodeAction | None,
    seen: Observation,
    settings: Settings,
    *,
    pid_before: int | None,
) -> NodeAction | None:
    """What makes this node's state whole: a removal that is due or was interrupted, a stop that did not happen."""
    node = each.node
    absent = each.reading.root_dir_present is False
    if isinstance(cut_off, AddNode) and absent:
        return RemoveNode(node=node.id, because="its addition was interrupted before it had a folder")
    if isinstance(cut_off, RemoveNode):
        return RemoveNode(node=node.id, because="its removal was interrupted")
    if isinstance(cut_off, DisableNode) and not is_gone(each.reading):
        return DisableNode(node=node.id, because="disabling it was interrupted")
    if node.trial_failure is not None and node.status not in LEFT_ALONE:
        return None if backs_off(node, seen.now) or absent else _roll_back(node)
    if backs_off(node, seen.now) or seen.rebooted:
        return None
    stale = lacks_restart(node, each.reading, seen.now, pid_before=pid_before, cut_off=cut_off)
    if stale and node.status in UNDER_WAY and not absent:
        because = f"its upgrade to {node.trial} was interrupted before its restart"
        return RestartNode(node=node.id, silent=False, because=because)
    if node.status is not Status.REMOVING:
        return None
    if seen.now - node.status_since >= settings.delay_remove:
        return RemoveNode(node=node.id, because=node.because)
    if runs(each.reading) and not absent:
        return RetireNode(node=node.id, because=node.because)
    return None


def _roll_back(node: Node) -> RollBackNode:
    return RollBackNode(node=node.id, because=f"failed the gate of {node.trial}: {node.trial_failure}")


def _waiting(each: NodeSeen, settings: Settings, now: datetime) -> Held:
    node = each.node
    if is_resting_removal(node, now):
        return Held(
            what=f"remove {node.name}",
            waiting_for=f"its pause after: {node.last_error}",
            until=node.retry_at,
            remedy=f"mend what keeps {node.name} from being removed: {node.last_error}",
        )
    if node.trial_failure is not None:
        return Held(
            what=f"put {node.name} back on {node.former_version}",
            waiting_for=f"its pause after: {node.last_error}"
            if backs_off(node, now)
            else "this cycle's action",
            until=node.retry_at,
        )
    if node.trial is not None and runs(each.reading):
        verdict = judge(node, each.reading, now, settings, pid_before=node.pid)
        waiting = verdict.waiting_for if isinstance(verdict, Waits) else "the next look at it"
        return Held(
            what=f"{node.name} is on trial with {node.trial}",
            waiting_for=waiting,
            until=verdict.until if isinstance(verdict, Waits) else None,
        )
    until = node.status_since + delay_of(node, settings)
    waiting_for = "its delay to run out"
    if node.status is not Status.REMOVING and not runs(each.reading):
        waiting_for = "its process to be seen"
    return Held(what=f"{node.name} is {node.status}", waiting_for=waiting_for, until=until)
