"""Runs the live view on a terminal: looks, draws, and obeys keys."""

import asyncio
import gc
import logging
import os
import signal
import sys
from collections.abc import Iterable
from contextlib import suppress
from functools import partial
from typing import ClassVar

from rich.text import Text
from textual.app import App, ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical, VerticalScroll
from textual.drivers.linux_driver import LinuxDriver
from textual.events import Key, Resize
from textual.widgets import OptionList, Static
from textual.widgets.option_list import Option

from wnm.app.context import Context
from wnm.app.terminal import has_drawings
from wnm.core.contracts import Clock
from wnm.core.errors import WnmError
from wnm.system.clock import SystemClock
from wnm.tui.screen import Show, cycle_line, foot, head, help_lines, with_right
from wnm.tui.source import Source
from wnm.views import timeline
from wnm.views.status import COLUMNS, layout, matching, ordered, table
from wnm.views.text import Line, Tone, cut, hanging, line, part, wrapped

EVERY_SECONDS = 2.0
_LONGEST_FILTER = 60
_FAR = 10**9
_ENDING = {signal.SIGINT: 0, signal.SIGTERM: 128 + signal.SIGTERM, signal.SIGHUP: 128 + signal.SIGHUP}
_SAME_KEY = {
    "k": "up",
    "j": "down",
    "space": "pagedown",
    "g": "home",
    "G": "end",
    "ctrl+j": "enter",
    "ctrl+h": "backspace",
}


def show(run: Context) -> int:
    """Show the live view until somebody quits it; the exit code. NeedsOperator if there is nothing to read."""
    # A view that stays open makes more garbage than a command that ends at once.
    gc.enable()
    view = LiveView(run, Source(run, SystemClock()))
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


class Board(Vertical, can_focus=True):
    """Everything that is on the screen; every key is for it."""

    def on_key(self, event: Key) -> None:
        """Obey a key."""
        event.stop()
        event.prevent_default()
        view = self.app
        assert isinstance(view, LiveView)
        view.press(event.key, event.character if event.is_printable else None)

    def on_resize(self, event: Resize) -> None:
        """Draw for the new size."""
        view = self.app
        assert isinstance(view, LiveView)
        view.draw()


class LiveView(App[None]):
    """The view of one database; `chosen` is the id of the selected node and the number of the selected cycle."""

    ENABLE_COMMAND_PALETTE = False
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("ctrl+c", "quit", priority=True),
        Binding("ctrl+z", "suspend_process", priority=True),
    ]
    CSS = """
    * { background: ansi_default; color: ansi_default; text-wrap: nowrap; scrollbar-size: 0 0; }
    OptionList, OptionList:focus { border: none; padding: 0; height: 1fr; background: ansi_default; }
    OptionList > .option-list--option { padding: 0; }
    OptionList > .option-list--option-highlighted { background: ansi_default; color: ansi_default; }
    VerticalScroll { height: 1fr; }
    """

    def __init__(self, run: Context, source: Source, clock: Clock | None = None) -> None:
        super().__init__(driver_class=Terminal, ansi_color=True)
        self._source, self._clock = source, clock or SystemClock()
        self._found = source.first()
        self._every = run.asked.view.every or EVERY_SECONDS
        self._dots = has_drawings(sys.stdout)
        self.showing = Show.NODES
        self.chosen: dict[Show, int | None] = {Show.NODES: None, Show.CYCLES: None}
        self.sort, self.reverse = run.asked.view.sort or "name", False
        self.filter, self.typing = run.asked.view.filter or "", False
        self._ids: list[int] = []
        self._drawn: object = None
        self._heading: list[Line] = []
        self._lines: list[Line] = []
        self._head, self._foot, self._text = Static(), Static(), Static()
        self._list, self._scroll = OptionList(markup=False), VerticalScroll(self._text, can_focus=False)
        self._list.can_focus = False

    def compose(self) -> ComposeResult:
        """The head, a list or a text, and the foot."""
        yield Board(self._head, self._list, self._scroll, self._foot)

    def on_mount(self) -> None:
        """Look again and again, and end in good order when a signal asks for that."""
        self.query_one(Board).focus()
        self.set_interval(self._every, self.look)
        for number, code in _ENDING.items():
            asyncio.get_running_loop().add_signal_handler(number, partial(self.exit, return_code=code))

    def press(self, name: str, character: str | None) -> None:
        """Obey a key by its name and the character that it writes."""
        key = name if self.typing else _SAME_KEY.get(name, name)
        if self.typing:
            self._type(key, character)
        elif key == "q":
            self.exit()
        elif character == "?":
            self._turn_to(Show.NODES if self.showing is Show.HELP else Show.HELP)
        elif key == "c":
            self._turn_to(Show.NODES if self.showing is Show.CYCLES else Show.CYCLES)
        elif key in ("escape", "backspace"):
            self.filter = "" if self.showing is Show.NODES else self.filter
            self._turn_to(Show.CYCLES if self.showing is Show.CYCLE else Show.NODES)
        elif key == "enter" and self.showing in self.chosen:
            if self._ids:
                self.chosen[self.showing] = self._ids[self._place()]
                self._turn_to(Show.NODE if self.showing is Show.NODES else Show.CYCLE)
        elif self.showing is Show.NODES and (key in ("s", "r") or character == "/"):
            self._arrange(key)
        else:
            self._move(key)
        self.draw()

    def _type(self, key: str, character: str | None) -> None:
        if key in ("enter", "escape"):
            self.typing = False
            self.filter = self.filter if key == "enter" else ""
        elif key in ("backspace", "ctrl+h"):
            self.filter = self.filter[:-1]
        elif character and len(self.filter) < _LONGEST_FILTER:
            self.filter += character

    def _turn_to(self, showing: Show) -> None:
        self.showing = showing
        self._scroll.scroll_home(animate=False)

    def _arrange(self, key: str) -> None:
        names = tuple(COLUMNS)
        if key == "r":
            self.reverse = not self.reverse
        elif key == "s":
            self.sort, self.reverse = names[(names.index(self.sort) + 1) % len(names)], False
        else:
            self.typing = True

    def _move(self, key: str) -> None:
        page = self._list.size.height if self.showing in self.chosen else self._scroll.size.height
        steps = {"up": -1, "down": 1, "pageup": -page, "pagedown": page, "home": -_FAR, "end": _FAR}
        step = steps.get(key, 0)
        if self.showing not in self.chosen:
            self._scroll.scroll_to(y=self._scroll.scroll_y + step, animate=False)
        elif step and self._ids:
            place = max(0, min(len(self._ids) - 1, self._place() + step))
            self.chosen[self.showing] = self._ids[place]

    def _place(self) -> int:
        """Return the place of the selected one in the list; the first place if it is not there any more."""
        chosen = self.chosen.get(self.showing)
        return self._ids.index(chosen) if chosen in self._ids else 0

    def look(self) -> None:
        """See what cycles have written meanwhile."""
        self._found = self._source.again(self._found)
        known = {row.facts.id for row in self._found.overview.every}
        if self.showing is Show.NODE and self.chosen[Show.NODES] not in known:
            self._turn_to(Show.NODES)
        self.draw()

    def draw(self) -> None:
        """Bring the screen up to date; what costs much is only made when it is another than before."""
        width, height = max(self.size.width, 20), max(self.size.height, 5)
        is_list = self.showing in self.chosen
        self._list.display, self._scroll.display = is_list, not is_list
        about = None if is_list else tuple(self.chosen.values())
        key = (self._found.number, self.showing, about, self.sort, self.reverse, self.filter, width)
        if key != self._drawn:
            self._drawn = key
            if is_list:
                self._fill(width)
            else:
                self._text.update(_joined(self._body(width)))
        if is_list and self._ids:
            self._select(self._place(), width)
        above = head(self._found, self.showing, self._clock.now(), width, height, dots=self._dots)
        self._head.update(_joined([*above, *(self._heading if self.showing is Show.NODES else ())]))
        self._foot.update(self._foot_line(width))

    def _fill(self, width: int) -> None:
        """The rows of the list. Columns are those of all nodes: they stay where they are while one types."""
        every = self._found.overview.every
        if self.showing is Show.CYCLES:
            self._ids = [each.number for each in self._found.cycles]
            lines = [cut(cycle_line(each, None), width) for each in self._found.cycles]
        else:
            rows = ordered(
                matching(every, self.filter) if self.filter else every, self.sort, reverse=self.reverse
            )
            self._ids = [row.facts.id for row in rows]
            heading, *lines = table(rows, layout(every, width))
            self._heading = [heading]
            lines = [cut(each, width) for each in lines]
            if not lines:
                lines = [line("no node matches the filter" if every else "no nodes yet")]
        self._lines = lines
        self._list.clear_options()
        self._list.add_options(Option(each) for each in lines)

    def _select(self, place: int, width: int) -> None:
        former = self._list.highlighted
        if former == place:
            return
        if former is not None:
            self._list.replace_option_prompt_at_index(former, self._lines[former])
        chosen = part(self._lines[place].plain, Tone.CHOSEN)
        chosen.pad_right(width - chosen.cell_len)
        self._list.replace_option_prompt_at_index(place, chosen)
        self._list.highlighted = place

    def _foot_line(self, width: int) -> Line:
        place = (
            f" {self._place() + 1 if self._ids else 0:,}/{len(self._ids):,}"
            if self.showing in self.chosen
            else ""
        )
        if self.typing:
            typed = line(part("filter: ", Tone.STRONG), part(self.filter), part("_", Tone.STRONG))
            return with_right(typed, place, width)
        order = f"{self.sort}{', reversed' if self.reverse else ''}"
        return foot(self.showing, order, self.filter, place, width)

    def _body(self, width: int) -> list[Line]:
        """The text that fills the screen."""
        try:
            if self.showing is Show.HELP:
                return help_lines(width)
            if self.showing is Show.CYCLE:
                return wrapped(self._source.cycle(self.chosen[Show.CYCLES] or 0), width)
            every, chosen = self._found.overview.every, self.chosen[Show.NODES]
            name = next((row.facts.name for row in every if row.facts.id == chosen), "")
            return timeline.story_lines(self._source.story(self._found, name), None, width)
        except WnmError as error:
            return hanging(line(), str(error), width, Tone.BAD)


def _joined(lines: Iterable[Line]) -> Text:
    return Text("\n", no_wrap=True).join(lines)
