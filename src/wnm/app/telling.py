"""Logs a cycle: one line when all is well, and one more for everything that went wrong or needs somebody."""

import logging
from collections.abc import Sequence

from wnm.core.action import Outcome, Result, StopNode, node_of
from wnm.core.decision import BY_HAND, Conclusion, Cycle
from wnm.core.node import Node, Status, node_name
from wnm.core.observation import FirewallReading
from wnm.core.sentences import remedy, waiting_for, what
from wnm.views.actions import cycle_line, names_of

log = logging.getLogger(__name__)


def tell(
    cycle: Cycle, nodes: Sequence[Node], unpublished: Sequence[str], *, firewall_note: str | None
) -> None:
    """Log what came of a cycle; `nodes` are the rows after it, `firewall_note` is what was said before.

    `unpublished` are lines of what could not be written for other programs.
    """
    rules = cycle.plan.seen.firewall
    if isinstance(rules, FirewallReading) and rules.note and rules.note != firewall_note:
        log.warning("%s", rules.note)
    _tell_trouble(cycle, nodes)
    decision = cycle.plan.decision
    log.info("%s", cycle_line(decision, cycle.outcomes, nodes))
    if decision.rule == BY_HAND and any(isinstance(each.action, StopNode) for each in cycle.outcomes):
        log.info(
            "a stopped node is started again when there is capacity: --force_action disable keeps it down"
        )
    for problem in unpublished:
        log.warning("%s", problem)


def _tell_trouble(cycle: Cycle, nodes: Sequence[Node]) -> None:
    decision = cycle.plan.decision
    for conclusion in decision.conclusions:
        if _is_bad_news(conclusion):
            node = conclusion.after
            log.warning("%s is %s: %s", node.name, node.status, node.because)
    for problem in cycle.problems:
        log.warning("%s", problem)
    for outcome in cycle.outcomes:
        if outcome.result is not Result.DONE:
            log.error("%s: %s: %s", _name(outcome, nodes), outcome.result, outcome.error)
    names = names_of(nodes, decision)
    for held in decision.held:
        if held.remedy is not None:
            words = what(held, names), waiting_for(held, names), remedy(held, names)
            log.error("cannot %s, which waits for %s: %s", *words)


def _is_bad_news(conclusion: Conclusion) -> bool:
    """A node that went down by itself, or is up although it never answered."""
    before, after = conclusion.before, conclusion.after
    if before.status is after.status:
        return False
    went_down = after.status in (Status.STOPPED, Status.DEAD) and after.failures > before.failures
    return went_down or after.status is Status.DEAD or after.silent_since is not None


def _name(outcome: Outcome, nodes: Sequence[Node]) -> str:
    node_id = node_of(outcome.action)
    return next((node.name for node in nodes if node.id == node_id), node_name(node_id))
