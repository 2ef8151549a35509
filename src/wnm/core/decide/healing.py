"""Restart running nodes that have stopped answering; part of keeping nodes up, between upgrades and growth."""

from datetime import datetime, timedelta

from wnm.core.action import RestartNode
from wnm.core.backoff import backoff
from wnm.core.decide.budget import free_slots
from wnm.core.decide.pressure import must_shed
from wnm.core.decide.rank import ids_of
from wnm.core.decision import Proposal
from wnm.core.lifecycle import backs_off, runs
from wnm.core.node import Status
from wnm.core.observation import NodeSeen, Observation
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
