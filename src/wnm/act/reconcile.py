"""Brings what is around the nodes in line after the actions: kept programs, firewall rules, the service manager."""

import logging
from collections.abc import Sequence

from wnm.act.executor import TimeLimit
from wnm.act.steps import Backends
from wnm.core.action import OpenPort, PortChange
from wnm.core.contracts import Clock
from wnm.core.errors import WnmError
from wnm.core.node import Node
from wnm.core.sentences import sentence

log = logging.getLogger(__name__)


def reconcile(
    changes: Sequence[PortChange],
    passed: Sequence[Node],
    backends: Backends,
    *,
    clock: Clock,
    limit: TimeLimit,
) -> tuple[str, ...]:
    """Carry out what changes in the firewall and let the service manager settle; returns what failed, a line each.

    `passed` are nodes that passed their gate: the program that they could have gone back to is deleted. Work without
    time left is seen again by the next cycle, or is replaced by the next upgrade.
    """
    problems = []
    for node in passed:
        try:
            backends.manager.forget_former_program(node)
        except WnmError as error:
            problems.append(f"{node.name}: {error}")
    for change in changes:
        if clock.monotonic() > limit.last_start:
            break
        try:
            _change(change, backends)
        except WnmError as error:
            problems.append(f"{change.comment}: {error}")
    try:
        backends.manager.settle()
    except WnmError as error:
        problems.append(str(error))
    return tuple(problems)


def _change(change: PortChange, backends: Backends) -> None:
    if isinstance(change, OpenPort):
        backends.firewall.open_port(change.port, change.comment)
        log.info("opened port %d for %s: %s", change.port, change.comment, sentence(change.because))
    else:
        backends.firewall.close_port(change.port, change.comment)
        log.info("closed port %d of %s: %s", change.port, change.comment, sentence(change.because))
