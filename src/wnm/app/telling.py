"""Logs a cycle: one line when all is well, and one more for everything that went wrong or needs somebody."""

import logging
from collections.abc import Sequence

from wnm.core.action import Result, StopNode
from wnm.core.decision import BY_HAND, Conclusion, Cycle
from wnm.core.node import Node, Status
from wnm.core.observation import FirewallReading
from wnm.core.sentences import remedy, waiting_for, what
from wnm.views.actions import cycle_line, names_of, node_name_of

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
    decision = cycle.plan.decision
    for conclusion in filter(_is_bad_news, decision.conclusions):
        node = conclusion.after
        log.warning("%s is %s: %s", node.name, node.status, node.because)
    for problem in cycle.problems:
        log.warning("%s", problem)
    names = names_of(nodes, decision)
    for outcome in cycle.outcomes:
        if outcome.result is not Result.DONE:
            name = node_name_of(outcome.action, names)
            log.error("%s: %s: %s", name, outcome.result, outcome.error)
    for held in decision.held:
        if held.remedy is not None:
            words = what(held, names), waiting_for(held, names), remedy(held, names)
            log.error("cannot %s, which waits for %s: %s", *words)
    log.info("%s", cycle_line(decision, cycle.outcomes, nodes))
    if decision.rule == BY_HAND and any(isinstance(each.action, StopNode) for each in cycle.outcomes):
        log.info(
            "a stopped node is started again when there is capacity: --force_action disable keeps it down"
        )
    for problem in unpublished:
        log.warning("%s", problem)


def _is_bad_news(conclusion: Conclusion) -> bool:
    """A node that went down by itself, or is up although it never answered."""
    before, after = conclusion.before, conclusion.after
    went_down = after.status is Status.STOPPED and after.failures > before.failures
    is_bad = went_down or after.status is Status.DEAD or after.silent_since is not None
    return is_bad and before.status is not after.status
