"""Turns what was asked for by hand into the function that decides in the place of the ladder."""

from collections.abc import Callable
from functools import partial

from wnm.app.invocation import Invocation
from wnm.core.decide.forced import ForcedAction, Request, forced
from wnm.core.decision import Decision
from wnm.core.observation import Observation
from wnm.core.settings import Settings


def by_hand(asked: Invocation) -> Callable[[Observation, Settings], Decision]:
    """What decides that exactly this is done."""
    request = Request(
        action=ForcedAction(asked.force_action or ""),
        names=asked.service_names,
        count=asked.count,
        confirmed=asked.confirm or asked.dry_run,
    )
    return partial(forced, request=request)
