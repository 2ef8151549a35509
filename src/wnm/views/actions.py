"""Puts actions and how they ended into words, down to the one quiet line that a cycle ends with."""

from collections.abc import Iterable, Mapping, Sequence

from wnm.core.action import (
    Action,
    AddNode,
    AdoptNode,
    NodeAction,
    Outcome,
    Result,
    Resurvey,
    StartNode,
    UpgradeNode,
    node_of,
)
from wnm.core.decision import Decision
from wnm.core.node import Node, Status, node_name
from wnm.core.sentences import waiting_for, what
from wnm.core.timeline import OperationRecord
from wnm.views.material import CycleView, OutcomeView
from wnm.views.words import printable

type Names = Mapping[int, str]
"""The names of nodes by id."""

_VERBS = {
    "AddNode": ("add", "added"),
    "AdoptNode": ("adopt", "adopted"),
    "StartNode": ("start", "started"),
    "StopNode": ("stop", "stopped"),
    "RestartNode": ("restart", "restarted"),
    "UpgradeNode": ("upgrade", "upgraded"),
    "RollBackNode": ("roll back", "rolled back"),
    "RetireNode": ("retire", "retired"),
    "RemoveNode": ("remove", "removed"),
    "DisableNode": ("disable", "disabled"),
    "EnableNode": ("enable", "enabled"),
    "Resurvey": ("survey", "surveyed"),
}


def names_of(nodes: Iterable[Node], decision: Decision | None = None) -> Names:
    """The names of these nodes and of all that the decision concludes something about."""
    concluded = () if decision is None else decision.conclusions
    return {int(node.id): node.name for node in (*(each.before for each in concluded), *nodes)}


def names_in(cycle: CycleView | None) -> Names:
    """The names of the nodes that a cycle was about, as far as it is kept."""
    if cycle is None:
        return {}
    return names_of((each.node for each in (cycle.seen.nodes if cycle.seen else ())), cycle.decision)


def verb(kind: str) -> str:
    """The verb of an action of this class: `add` for `AddNode`."""
    return _VERBS[kind][0] if kind in _VERBS else kind


def past(kind: str) -> str:
    """The past of that verb: `added` for `AddNode`."""
    return _VERBS[kind][1] if kind in _VERBS else kind


def node_name_of(action: NodeAction, names: Names) -> str:
    """The name of the node that an action is about."""
    if isinstance(action, AddNode | AdoptNode):
        return action.node.name
    return names.get(node_of(action)) or node_name(node_of(action))


def words_of(action: Action, names: Names) -> str:
    """An action for people: `upgrade antnode0001 to 0.4.18`."""
    if isinstance(action, Resurvey):
        return "survey every node again"
    return f"{verb(type(action).__name__)} {node_name_of(action, names)}{particulars(action)}"


def particulars(action: NodeAction) -> str:
    """The rest of it: ` to 0.4.18`; nothing where the verb and the node say it all."""
    match action:
        case AddNode(node=node, program=program):
            return f" with {program.version} on port {node.port} in {node.root_dir}, paid to {node.wallet}"
        case AdoptNode(node=node):
            return f" in {node.root_dir}, paid to {node.wallet}"
        case UpgradeNode(program=program):
            return f" to {program.version}"
        case StartNode(program=program) if program is not None:
            return f" with {program.version}"
        case _:
            return ""


def outcome_view(action: NodeAction, names: Names, end: Outcome | OperationRecord | None) -> OutcomeView:
    """An action and what became of it, as reports show it."""
    return OutcomeView(
        node=node_name_of(action, names),
        kind=type(action).__name__,
        action=words_of(action, names),
        result=None if end is None or end.result is None else str(end.result),
        error=None if end is None else end.error,
        note=None if end is None else end.note,
        freed_bytes=None if end is None else end.freed_bytes,
    )


_MOST_NAMES = 4


def cycle_line(decision: Decision, outcomes: Sequence[Outcome], nodes: Sequence[Node]) -> str:
    """`growth: added antnode0002; 2 of 3 nodes running`. `nodes` are the rows after the cycle."""
    names = names_of(nodes, decision)
    ended: dict[tuple[Result, str], list[str]] = {}
    for each in outcomes:
        # What is left over is told together, whatever it was.
        kind = type(each.action).__name__ if each.result in (Result.DONE, Result.FAILED) else ""
        ended.setdefault((each.result, kind), []).append(node_name_of(each.action, names))
    parts = []
    for result, form in _ENDED.items():
        for (ends, kind), found in ended.items():
            if ends is result:
                rest = len(found) - _MOST_NAMES
                shown = ", ".join(found[:_MOST_NAMES]) + (f" and {rest} more" if rest > 0 else "")
                parts.append(f"{form.format(verb=verb(kind), past=past(kind))} {shown}")
    running = sum(node.status is Status.RUNNING for node in nodes)
    parts.append(f"{running} of {len(nodes)} nodes running")
    remedies = sum(held.remedy is not None for held in decision.held)
    if not outcomes and decision.held and not remedies:
        first = decision.held[0]
        more = f" (and {len(decision.held) - 1} more)" if len(decision.held) > 1 else ""
        parts.append(f"held back: {what(first, names)}, waits for {waiting_for(first, names)}{more}")
    if remedies:
        parts.append(f"{remedies} thing{'s need' if remedies > 1 else ' needs'} you, see wnm explain")
    return printable(f"{decision.rule}: {'; '.join(parts)}")


_ENDED = {
    Result.DONE: "{past}",
    Result.FAILED: "failed to {verb}",
    Result.UNFINISHED: "unfinished:",
    Result.DEFERRED: "left for later:",
}
