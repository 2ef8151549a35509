"""The one quiet line that a cycle ends with."""

from collections.abc import Sequence

from wnm.core.decision import Decision
from wnm.core.node import Node, Status
from wnm.core.outcome import Outcome, Result
from wnm.core.sentences import waiting_for, what
from wnm.views.deeds import Names, names_of, node_name_of, past, verb
from wnm.views.words import printable

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
