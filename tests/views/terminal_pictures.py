"""Draws the pictures of the terminal that the documentation shows, from the machine of the recorded examples.

python -m tests.views.terminal_pictures
"""

import asyncio
import io
import re
import tempfile
from collections.abc import Iterable
from pathlib import Path

from rich.console import Console
from rich.terminal_theme import SVG_EXPORT_THEME
from tests.builders import NOW
from tests.cli.live import live_view
from tests.views.past import remember
from tests.views.terminal_texts import LOOKED_AT, TEXTS

from wnm.storage.database import open_for_reading
from wnm.tui.screen import Show
from wnm.views.text import Line

IMAGES = Path(__file__).resolve().parents[2] / "docs" / "images"
# Pictures are looked at without a network, too.
_FONTS = re.compile(r"\s*@font-face \{.*?\}\n", re.DOTALL)


def watched(path: str) -> str:
    """The live view as a drawing."""
    view = live_view(path, LOOKED_AT, "--sort", "earned")
    view.chosen[Show.NODES] = 17

    async def draw() -> str:
        async with view.run_test(size=(160, 30)) as pilot:
            await pilot.pause()
            return view.export_screenshot(title="wnm watch")

    return _with_plain_fonts(asyncio.run(draw()))


def picture(lines: Iterable[Line], title: str, width: int) -> str:
    """The lines as a drawing of a terminal."""
    console = Console(
        record=True,
        width=width,
        file=io.StringIO(),
        force_terminal=True,
        color_system="truecolor",
        legacy_windows=False,
    )
    for each in lines:
        console.print(each, soft_wrap=True)
    svg = console.export_svg(title=title, theme=SVG_EXPORT_THEME, unique_id="wnm")
    return _with_plain_fonts(svg)


def _with_plain_fonts(svg: str) -> str:
    return _FONTS.sub("\n", svg).replace("Fira Code", "ui-monospace, DejaVu Sans Mono")


def main() -> None:
    """Write every picture."""
    IMAGES.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        past = remember(Path(folder, "colony.db"), NOW)
        with open_for_reading(past.path) as database:
            pictures = {
                "story": (TEXTS["story_of_a_shed_node"](database, 80), "wnm explain antnode0017", 80),
                "history": (TEXTS["history_day"](database, 80), "wnm history --days 3", 80),
                "status": (TEXTS["status"](database, 80), "wnm status", 80),
            }
            for name, (lines, title, width) in pictures.items():
                file = IMAGES / f"terminal-{name}.svg"
                file.write_text(picture(lines, title, width), encoding="utf-8")
        (IMAGES / "terminal-watch.svg").write_text(watched(past.path), encoding="utf-8")


if __name__ == "__main__":
    main()
