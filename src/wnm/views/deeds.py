"""Actions in words: what is to be done, what was done, and to which node."""

from collections.abc import Iterable, Mapping

from wnm.core.action import Action, AddNode, NodeAction, Resurvey, StartNode, UpgradeNode, node_of
from wnm.core.decision import Decision
from wnm.core.node import Node, node_name
from wnm.views.material import CycleView, OutcomeView

type Names = Mapping[int, str]
"""The names of nodes by id."""

_VERBS = {
    "AddNode": ("add", "added"),
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
    every = [*(each.before for each in concluded), *nodes]
    return {int(node.id): node.name for node in every}


def names_in(cycle: CycleView) -> Names:
    """The names of the nodes that a cycle was about, as far as it is kept."""
    seen = () if cycle.seen is None else cycle.seen.nodes
    return names_of((each.node for each in seen), cycle.decision)


def verb(kind: str) -> str:
    """What an action of this class does: `add` for `AddNode`."""
    return _VERBS[kind][0] if kind in _VERBS else kind


def past(kind: str) -> str:
    """What an action of this class has done: `added` for `AddNode`."""
    return _VERBS[kind][1] if kind in _VERBS else kind


def node_name_of(action: NodeAction, names: Names) -> str:
    """The name of the node that an action is about."""
    if isinstance(action, AddNode):
        return action.node.name
    return names.get(node_of(action)) or node_name(node_of(action))


def words_of(action: Action, names: Names) -> str:
    """An action for people: `upgrade antnode0001 to 0.4.18`."""
    if isinstance(action, Resurvey):
        return "survey every node again"
    words = f"{verb(type(action).__name__)} {node_name_of(action, names)}"
    match action:
        case AddNode(node=node, program=program):
            return f"{words} with {program.version} on port {node.port} in {node.root_dir}, paid to {node.wallet}"
        case UpgradeNode(program=program):
            return f"{words} to {program.version}"
        case StartNode(program=program) if program is not None:
            return f"{words} with {program.version}"
        case _:
            return words


def outcome_view(
    action: NodeAction,
    names: Names,
    *,
    result: str | None,
    error: str | None = None,
    note: str | None = None,
    freed_bytes: int | None = None,
) -> OutcomeView:
    """An action and what became of it, as reports show it."""
    return OutcomeView(
        action=words_of(action, names),
        node=node_name_of(action, names),
        kind=type(action).__name__,
        result=result,
        error=error,
        note=note,
        freed_bytes=freed_bytes,
    )
