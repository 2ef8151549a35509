"""Runs the live view on a terminal: looks, draws, and obeys keys."""

import asyncio
import gc
import logging
import os
import signal
import sys
from contextlib import suppress
from functools import partial
from typing import ClassVar

from rich.segment import Segment
from textual.app import App, ComposeResult
from textual.binding import Binding, BindingType
from textual.drivers.linux_driver import LinuxDriver
from textual.events import Key, Resize
from textual.strip import Strip
from textual.widget import Widget

from wnm.app.context import Context
from wnm.app.terminal import has_drawings
from wnm.core.errors import WnmError
from wnm.system.clock import SystemClock
from wnm.tui.screen import Frame, Painter
from wnm.tui.source import Found, Source
from wnm.tui.state import Show, State, pressed, with_found
from wnm.views import timeline
from wnm.views.text import Line, Tone, hanging, line, wrapped

EVERY_SECONDS = 2.0
_ENDING = {signal.SIGINT: 0, signal.SIGTERM: 128 + signal.SIGTERM, signal.SIGHUP: 128 + signal.SIGHUP}
_NAMES = {
    "pageup": "page up",
    "pagedown": "page down",
    "escape": "esc",
    "ctrl+h": "backspace",
    "ctrl+j": "enter",
}


def show(run: Context) -> int:
    """Show the live view until somebody quits it; the exit code. NeedsOperator if there is nothing to read."""
    # A view that stays open makes more garbage than a command that ends at once.
    gc.enable()
    source = Source(run, SystemClock())
    view = LiveView(run, source, source.first())
    # Textual draws on stderr; it is stdout that was found to be a terminal.
    os.dup2(sys.stdout.fileno(), 2)
    logging.disable(logging.CRITICAL)  # lines of a log would be written across the view
    try:
        view.run(mouse=False)
    finally:
        logging.disable(logging.NOTSET)
    return view.return_code or 0


class Terminal(LinuxDriver):
    """The terminal; a byte that is not UTF-8 is no key, and no reason to end."""

    def run_input_thread(self) -> None:
        """Read keys until the end."""
        while not self.exit_event.is_set():
            with suppress(UnicodeDecodeError):
                super().run_input_thread()
                return


class Canvas(Widget, can_focus=True):
    """The whole screen, as lines; every key is for it."""

    view: "LiveView"

    def render_line(self, y: int) -> Strip:
        """The line at that height."""
        lines = self.view.frame.lines
        text = lines[y] if y < len(lines) else line()
        text.end = ""
        segments: list[Segment] = list(text.render(self.app.console))
        return Strip(segments).adjust_cell_length(self.size.width)

    def on_key(self, event: Key) -> None:
        """Obey a key."""
        key = _NAMES.get(event.key) or (event.character if event.is_printable else event.key)
        event.stop()
        event.prevent_default()
        self.view.press(key or "")

    def on_resize(self, event: Resize) -> None:
        """Draw for the new size."""
        self.view.draw()


class LiveView(App[None]):
    """The view of one database."""

    ENABLE_COMMAND_PALETTE = False
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("ctrl+c", "quit", priority=True),
        Binding("ctrl+z", "suspend_process", priority=True),
    ]
    CSS = "Screen, Canvas { background: ansi_default; color: ansi_default; }"

    def __init__(self, run: Context, source: Source, found: Found) -> None:
        super().__init__(driver_class=Terminal, ansi_color=True)
        self._source = source
        self._found = found
        self._every = run.asked.view.every or EVERY_SECONDS
        self._painter = Painter(None, dots=has_drawings(sys.stdout))
        self._state = State(sort=run.asked.view.sort or "name", filter=run.asked.view.filter or "")
        self._text: tuple[object, list[Line]] = (None, [])
        self._canvas = Canvas()
        self._canvas.view = self
        self.frame = Frame(lines=[])

    def compose(self) -> ComposeResult:
        """The widget that fills the screen."""
        yield self._canvas

    def on_mount(self) -> None:
        """Look again and again, and end in good order when a signal asks for that."""
        self._canvas.focus()
        self.set_interval(self._every, self._look)
        for number, code in _ENDING.items():
            asyncio.get_running_loop().add_signal_handler(number, partial(self.exit, return_code=code))

    def press(self, key: str) -> None:
        """Obey a key by its name or the character that it writes."""
        self._state = pressed(self._state, key, self.frame.sight)
        if self._state.is_over:
            self.exit()
        self.draw()

    def draw(self) -> None:
        """Make the lines of the screen anew."""
        width, height = max(self.size.width, 20), max(self.size.height, 5)
        body, now = self._body(width), SystemClock().now()
        self.frame = self._painter.frame(self._state, self._found, body, now, width, height)
        self._canvas.refresh()

    def _look(self) -> None:
        self._found = self._source.again(self._found)
        self._state = with_found(self._state, self._found)
        self.draw()

    def _body(self, width: int) -> list[Line]:
        """The text that fills the screen, made again when something was written down or the width is another."""
        state = self._state
        if state.show not in (Show.NODE, Show.CYCLE):
            return []
        key = (state.show, state.chosen, state.cycle, self._found.number, width)
        if self._text[0] != key:
            try:
                self._text = key, self._told(width)
            except WnmError as error:
                self._text = key, hanging(line(), str(error), width, Tone.BAD)
        return self._text[1]

    def _told(self, width: int) -> list[Line]:
        if self._state.show is Show.CYCLE:
            return wrapped(self._source.cycle(self._state.cycle or 0), width)
        every = self._found.overview.every
        name = next((row.facts.name for row in every if row.facts.id == self._state.chosen), "")
        return timeline.story_lines(self._source.story(self._found, name), None, width)
