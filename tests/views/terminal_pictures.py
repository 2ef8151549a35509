"""Draws the pictures of the terminal that the documentation shows, from the machine of the recorded examples.

python -m tests.views.terminal_pictures
"""

import io
import re
import tempfile
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path

from rich.console import Console
from rich.terminal_theme import SVG_EXPORT_THEME
from tests.builders import NOW
from tests.views.past import remember
from tests.views.terminal_texts import LOOKED_AT, TEXTS, looked_at

from wnm.app.read import extras_of
from wnm.storage.database import Database, open_for_reading
from wnm.storage.timeline import Timeline
from wnm.tui.screen import Painter
from wnm.tui.source import Found
from wnm.tui.state import State
from wnm.views.status import overview
from wnm.views.text import Line

IMAGES = Path(__file__).resolve().parents[2] / "docs" / "images"
# Pictures are looked at without a network, too.
_FONTS = re.compile(r"\s*@font-face \{.*?\}\n", re.DOTALL)


def found_in(database: Database) -> Found:
    """What the live view finds."""
    material = looked_at(database)
    extras = extras_of(database, material)
    return Found(
        number=1,
        material=material,
        extras=extras,
        overview=overview(material, extras),
        cycles=Timeline(database).cycles(40),
    )


def watched(database: Database, width: int, height: int, now: datetime = LOOKED_AT) -> list[Line]:
    """A frame of the live view."""
    painter = Painter(UTC, dots=True)
    return painter.frame(State(chosen=17, sort="earned"), found_in(database), [], now, width, height).lines


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
                "watch": (watched(database, 160, 30), "wnm watch", 160),
            }
            for name, (lines, title, width) in pictures.items():
                file = IMAGES / f"terminal-{name}.svg"
                file.write_text(picture(lines, title, width), encoding="utf-8")


if __name__ == "__main__":
    main()
