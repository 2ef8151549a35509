"""What `wnm serve` answers: made from the database as it is, and kept for two seconds."""

import logging
import threading
from collections.abc import Callable, Mapping
from datetime import timedelta

from msgspec import Struct

from wnm.app.context import Context
from wnm.app.material import material
from wnm.app.publish import status_page
from wnm.core.contracts import Clock
from wnm.core.errors import WnmError
from wnm.storage.database import Database, open_for_reading
from wnm.storage.ledger import Ledger
from wnm.views import reports
from wnm.views.doctor import LATE_AFTER
from wnm.views.material import Material
from wnm.views.payload import write_json
from wnm.views.words import span

KEPT_SECONDS = 2.0
log = logging.getLogger(__name__)


class Answer(Struct, frozen=True, kw_only=True):
    """What a request gets: the code of HTTP, the media type, and the text."""

    code: int
    kind: str
    text: str


def plain(code: int, line: str) -> Answer:
    """A line for people."""
    return Answer(code=code, kind="text/plain; charset=utf-8", text=f"{line}\n")


class Views:
    """The answers by path. May be asked from threads; the database is read for one of them at a time."""

    def __init__(self, run: Context, clock: Clock) -> None:
        self._run = run
        self._clock = clock
        self._alone = threading.Lock()
        self._kept: dict[str, tuple[float, Answer]] = {}

    def answer(self, path: str) -> Answer:
        """The view of that path; 404 if there is none, 503 with the reason where it cannot be made now."""
        make = _VIEWS.get(path)
        if make is None:
            return plain(404, f"nothing is here; there are {', '.join(_VIEWS)}")
        with self._alone:
            made_at, kept = self._kept.get(path, (0.0, None))
            now = self._clock.monotonic()
            if kept is not None and now - made_at < KEPT_SECONDS:
                return kept
            answer = self._made(make)
            self._kept[path] = (self._clock.monotonic(), answer)
            return answer

    def check(self) -> None:
        """Read everything once. NeedsOperator if there is no database that can be read."""
        with open_for_reading(self._run.database_path) as database:
            self._material(database)

    def _made(self, make: Callable[[Material, Database], Answer]) -> Answer:
        try:
            with open_for_reading(self._run.database_path) as database:
                return make(self._material(database), database)
        except WnmError as error:
            log.warning("%s", error)
            return plain(503, f"wnm: {error}")
        except Exception as error:
            log.error("a bug in wnm: %s: %s", type(error).__name__, error)
            log.debug("the same in full", exc_info=error)
            return plain(500, "this is a bug in wnm: it is told where wnm serve was started")

    def _material(self, database: Database) -> Material:
        resolved = self._run.resolve(Ledger(database).layers())
        return material(database, resolved, self._clock.now())


def _page(found: Material, database: Database) -> Answer:
    return Answer(code=200, kind="text/html; charset=utf-8", text=status_page(found, database))


def _status(found: Material, database: Database) -> Answer:
    return Answer(code=200, kind="application/json", text=f"{write_json(reports.nodes_payload(found))}\n")


def _health(found: Material, database: Database) -> Answer:
    """Whether cycles run; how the nodes are is no concern of it."""
    cycle = found.cycle
    if cycle is None:
        return plain(503, "no cycle has run yet")
    age = max(found.generated_at - cycle.started_at, timedelta(0))
    word = "ok" if age <= LATE_AFTER else "late"
    return plain(200 if word == "ok" else 503, f"{word}: the last cycle began {span(age)} ago")


_VIEWS: Mapping[str, Callable[[Material, Database], Answer]] = {
    "/": _page,
    "/status.json": _status,
    "/healthz": _health,
}
