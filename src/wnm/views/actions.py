"""Puts actions and how they ended into words, down to the one quiet line that a cycle ends with."""

from collections.abc import Iterable, Mapping, Sequence

from wnm.core.action import Action, AddNode, AdoptNode, NodeAction, Resurvey, StartNode, UpgradeNode, node_of
from wnm.core.decision import Decision
from wnm.core.node import Node, Status, node_name
from wnm.core.outcome import Outcome, Result
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
    every = [*(each.before for each in concluded), *nodes]
    return {int(node.id): node.name for node in every}


def names_in(cycle: CycleView) -> Names:
    """The names of the nodes that a cycle was about, as far as it is kept."""
    seen = () if cycle.seen is None else cycle.seen.nodes
    return names_of((each.node for each in seen), cycle.decision)


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


def recorded_outcome(operation: OperationRecord, names: Names) -> OutcomeView:
    """An action and what is recorded of its end."""
    return outcome_view(
        operation.action,
        names,
        result=operation.result,
        error=operation.error,
        note=operation.note,
        freed_bytes=operation.freed_bytes,
    )


_MOST_NAMES = 4


def cycle_line(decision: Decision, outcomes: Sequence[Outcome], nodes: Sequence[Node]) -> str:
    """`growth: added antnode0002; 2 of 3 nodes running`. `nodes` are the rows after the cycle."""
    names = names_of(nodes, decision)
    parts = [
        *(f"{past(kind)} {_named(done)}" for kind, done in _by_kind(outcomes, Result.DONE, names).items()),
        *(
            f"failed to {verb(kind)} {_named(not_done)}"
            for kind, not_done in _by_kind(outcomes, Result.FAILED, names).items()
        ),
        *_left_over(outcomes, names),
        f"{_running(nodes)} of {len(nodes)} nodes running",
    ]
    remedies = sum(held.remedy is not None for held in decision.held)
    if not outcomes and decision.held and not remedies:
        first = decision.held[0]
        more = f" (and {len(decision.held) - 1} more)" if len(decision.held) > 1 else ""
        parts.append(f"held back: {what(first, names)}, waits for {waiting_for(first, names)}{more}")
    if remedies:
        parts.append(f"{remedies} thing{'s need' if remedies > 1 else ' needs'} you, see wnm explain")
    return printable(f"{decision.rule}: {'; '.join(parts)}")


def _by_kind(outcomes: Sequence[Outcome], result: Result, names: Names) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for outcome in outcomes:
        if outcome.result is result:
            found.setdefault(type(outcome.action).__name__, []).append(node_name_of(outcome.action, names))
    return found


def _left_over(outcomes: Sequence[Outcome], names: Names) -> list[str]:
    lines = []
    for result, words in ((Result.UNFINISHED, "unfinished"), (Result.DEFERRED, "left for later")):
        found = [node_name_of(outcome.action, names) for outcome in outcomes if outcome.result is result]
        if found:
            lines.append(f"{words}: {_named(found)}")
    return lines


def _named(names: list[str]) -> str:
    shown = ", ".join(names[:_MOST_NAMES])
    rest = len(names) - _MOST_NAMES
    return f"{shown} and {rest} more" if rest > 0 else shown


def _running(nodes: Sequence[Node]) -> int:
    return sum(node.status is Status.RUNNING for node in nodes)
