"""The live view for tests that drive it without a terminal."""

import asyncio
from collections.abc import Coroutine, Sequence
from datetime import datetime
from typing import Any

from tests.builders import NOW

from wnm.cli.parse import parse
from wnm.system.clock import SystemClock
from wnm.tui.app import LiveView
from wnm.tui.source import Source
from wnm.wiring import context_of


class StandingClock(SystemClock):
    """It is always the same moment."""

    def __init__(self, moment: datetime) -> None:
        self._moment = moment

    def now(self) -> datetime:
        return self._moment


def live_view(path: str, now: datetime = NOW, *words: str) -> LiveView:
    """The view of a database, looked at in that moment."""
    run = context_of(parse(["watch", "--dbpath", path, *words]))
    return LiveView(run, Source(run, StandingClock(now)), StandingClock(now))


def in_a_loop[T](work: Coroutine[Any, Any, T]) -> T:
    """What the coroutine returns; the browser of other tests keeps a loop in this thread, which rests meanwhile."""
    resting = asyncio._get_running_loop()
    asyncio._set_running_loop(None)
    try:
        return asyncio.run(work)
    finally:
        asyncio._set_running_loop(resting)


def screen(view: LiveView, keys: Sequence[str] = (), *, width: int = 80, height: int = 24) -> list[str]:
    """The lines of the screen after these keys."""

    async def look() -> list[str]:
        async with view.run_test(size=(width, height)) as pilot:
            await pilot.pause()
            await pilot.press(*keys)
            await pilot.pause()
            strips = view.screen._compositor.render_strips()
            return ["".join(segment.text for segment in strip) for strip in strips]

    return in_a_loop(look())
