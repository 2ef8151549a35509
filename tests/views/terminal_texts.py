"""What a terminal shows of a machine with a past, kept as recorded examples; run as a program it records them anew.

python -m tests.views.terminal_texts
"""

import tempfile
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

from tests.builders import HOST, NOW
from tests.views.past import remember

from wnm.app.invocation import View
from wnm.app.material import material
from wnm.app.read import chronicle_of, extras_of, story_of
from wnm.core.layers import DATABASE, Layer, resolve
from wnm.storage.database import Database, open_for_reading
from wnm.storage.ledger import Ledger
from wnm.views import timeline
from wnm.views.material import Material
from wnm.views.status import AS_IT_IS, overview, status_lines
from wnm.views.text import Line, plain

CASES = Path(__file__).parent / "cases" / "terminal"
LOOKED_AT = NOW + timedelta(seconds=40)
BERLIN = ZoneInfo("Europe/Berlin")
WIDTHS = (80, 200)


def looked_at(database: Database, now: datetime = LOOKED_AT) -> Material:
    """The material that the commands make of a database."""
    layer = Layer(name=DATABASE, values=Ledger(database).settings())
    return material(database, resolve((layer,), HOST), now)


def _status(database: Database, width: int) -> list[Line]:
    found = looked_at(database)
    whole = overview(found, extras_of(database, found))
    return status_lines(whole, found, AS_IT_IS, width, dots=True)


def _story(name: str) -> Callable[[Database, int], list[Line]]:
    return lambda database, width: timeline.story_lines(
        story_of(database, looked_at(database), name), BERLIN, width
    )


def _history(range_name: str) -> Callable[[Database, int], list[Line]]:
    def made(database: Database, width: int) -> list[Line]:
        settings = looked_at(database).settings
        view = View(days=3, range=range_name)
        found = chronicle_of(database, settings, view, None, LOOKED_AT)
        return timeline.history_lines(found, UTC, width, dots=range_name != "month")

    return made


TEXTS: Mapping[str, Callable[[Database, int], list[Line]]] = {
    "status": _status,
    "story_of_a_shed_node": _story("antnode0017"),
    "story_of_a_crashed_node": _story("antnode0002"),
    "story_of_a_quiet_node": _story("antnode0005"),
    "history_day": _history("day"),
    "history_week": _history("week"),
    "history_month_without_dots": _history("month"),
}


def written(database: Database, name: str, width: int) -> str:
    """The text as its file has it."""
    return plain(TEXTS[name](database, width)) + "\n"


def main() -> None:
    """Write every example."""
    CASES.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        past = remember(Path(folder, "colony.db"), NOW)
        with open_for_reading(past.path) as database:
            for name in TEXTS:
                for width in WIDTHS:
                    (CASES / f"{name}_{width}.txt").write_text(
                        written(database, name, width), encoding="utf-8"
                    )


if __name__ == "__main__":
    main()
