"""The loop of the live view: look, draw, wait for a key or for the time to look again."""

import gc
import logging
import os
import signal
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

from wnm.app.paint import has_drawings, is_terminal
from wnm.app.run import Run
from wnm.core.errors import BadInput, WnmError
from wnm.system.clock import SystemClock
from wnm.tui.screen import Painter, with_found
from wnm.tui.source import Found, Source
from wnm.tui.state import Show, Sight, State, pressed
from wnm.views import story
from wnm.views.tones import Line, Tone, hanging, line, wrapped

if TYPE_CHECKING:
    from wnm.tui.terminal import Terminal

EVERY_SECONDS = 2.0


@dataclass(kw_only=True)
class _Text:
    """The text of the node or cycle that is shown, and what it was made for."""

    key: object = None
    lines: list[Line] | None = None


def watch(run: Run) -> int:
    """Show the live view until somebody quits it. BadInput where there is no terminal for it."""
    if not (is_terminal(sys.stdin) and is_terminal(sys.stdout)) or os.environ.get("TERM", "dumb") in (
        "dumb",
        "unknown",
    ):
        raise BadInput("watch needs a terminal that can be drawn on: use wnm status, or wnm status --json")
    # A view that stays open makes more garbage than a command that ends at once.
    gc.enable()
    clock = SystemClock()
    source = Source(run, clock)
    found = source.first()
    from wnm.tui.terminal import Terminal

    logging.disable(logging.CRITICAL)  # lines of a log would be written across the view
    try:
        with Terminal() as terminal:
            _go_on(run, source, found, terminal)
            ended_by = terminal.ended_by
    finally:
        logging.disable(logging.NOTSET)
    return 0 if ended_by in (None, signal.SIGINT) else 128 + ended_by


def _go_on(run: Run, source: Source, found: Found, terminal: "Terminal") -> None:
    clock, every = SystemClock(), run.asked.view.every or EVERY_SECONDS
    painter, text = Painter(None, dots=has_drawings(sys.stdout)), _Text()
    state = State(sort=run.asked.view.sort or "name", filter=run.asked.view.filter or "")
    looked_at = clock.monotonic()
    while not state.is_over:
        columns, rows = terminal.size()
        body = _body(state, source, found, text, columns)
        frame = painter.frame(state, found, body, clock.now(), columns, rows)
        terminal.draw(frame.lines)
        keys = terminal.keys(looked_at + every - clock.monotonic())
        if keys is None:
            return
        state = _after(state, keys, frame.sight)
        if clock.monotonic() - looked_at >= every:
            looked_at = clock.monotonic()
            found = source.again(found)
            state = with_found(state, found)


def _after(state: State, keys: list[str], sight: Sight) -> State:
    """The state after keys that came together; those after one that shows something else are for another sight."""
    for key in keys:
        before = state.show
        state = pressed(state, key, sight)
        if state.show is not before or state.is_over:
            break
    return state


def _body(state: State, source: Source, found: Found, text: _Text, columns: int) -> list[Line]:
    """The text that fills the screen, made again when something was written down or the width is another."""
    if state.show not in (Show.NODE, Show.CYCLE):
        return []
    key = (state.show, state.chosen, state.cycle, found.number, columns)
    if text.lines is None or text.key != key:
        text.key = key
        try:
            text.lines = _made(state, source, found, columns)
        except WnmError as error:
            text.lines = hanging(line(), str(error), columns, Tone.BAD)
    return text.lines


def _made(state: State, source: Source, found: Found, columns: int) -> list[Line]:
    if state.show is Show.CYCLE:
        return wrapped(source.cycle(state.cycle or 0), columns)
    name = next((row.facts.name for row in found.overview.every if row.facts.id == state.chosen), "")
    return story.text(source.story(found, name), None, columns)
