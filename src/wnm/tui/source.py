"""Reads what the live view shows, anew whenever a cycle has written something down."""

from pathlib import Path

from msgspec import Struct
from msgspec.structs import replace

from wnm.app.context import Context
from wnm.app.material import material
from wnm.app.read import extras_of, story_of
from wnm.core.contracts import Clock
from wnm.core.errors import WnmError
from wnm.core.timeline import CycleRecord
from wnm.storage.database import Database, open_for_reading
from wnm.storage.ledger import Ledger
from wnm.storage.timeline import Timeline
from wnm.views.explain import explain
from wnm.views.material import Material
from wnm.views.status import Overview, overview
from wnm.views.timeline import Story

MOST_CYCLES = 500
STALE_SECONDS = 60.0
"""After so long it is read again although nothing was written: what is shown of ages follows."""

type _Stamp = tuple[tuple[int, int, int] | None, ...]


class Found(Struct, frozen=True, kw_only=True):
    """One look at the database; `number` grows with each. `problem` is why it could not be read again since."""

    number: int
    overview: Overview
    cycles: tuple[CycleRecord, ...]
    problem: str | None = None

    @property
    def material(self) -> Material:
        return self.overview.material


class Source:
    """Looks at one database, which is never locked and never written to."""

    def __init__(self, run: Context, clock: Clock) -> None:
        self._run = run
        self._clock = clock
        self._stamp: _Stamp = ()
        self._read_at = 0.0
        self._number = 0

    def first(self) -> Found:
        """Everything, for the first time. NeedsOperator if there is no database that can be read."""
        self._read_at, self._stamp = self._clock.monotonic(), self._stamp_now()
        self._number += 1
        with open_for_reading(self._run.database_path) as database:
            found = self._material(database)
            seen, cycles = overview(found, extras_of(database, found)), Timeline(database).cycles(MOST_CYCLES)
            return Found(number=self._number, overview=seen, cycles=cycles)

    def again(self, last: Found) -> Found:
        """The same while nothing was written, else what is there now; what was seen last where that fails."""
        is_stale = self._clock.monotonic() - self._read_at > STALE_SECONDS
        if self._stamp_now() == self._stamp and not is_stale and last.problem is None:
            return last
        try:
            return self.first()
        except WnmError as error:
            return replace(last, problem=str(error))

    def story(self, found: Found, name: str) -> Story:
        """All that is remembered of a node; what it is now is as it was found."""
        now = replace(found.material, generated_at=self._clock.now())
        with open_for_reading(self._run.database_path) as database:
            return story_of(database, now, name)

    def cycle(self, number: int) -> str:
        """Return the text of `wnm explain` for a cycle."""
        with open_for_reading(self._run.database_path) as database:
            return explain(self._material(database, number))

    def _material(self, database: Database, cycle: int | None = None) -> Material:
        resolved = self._run.resolve(Ledger(database).layers())
        return material(database, resolved, self._clock.now(), cycle)

    def _stamp_now(self) -> _Stamp:
        """Values that change when the database is written to; None for a file that cannot be seen."""

        def stamp(file: Path) -> tuple[int, int, int] | None:
            try:
                found = file.stat()
            except OSError:
                return None
            return found.st_ino, found.st_size, found.st_mtime_ns

        return tuple(stamp(Path(f"{self._run.database_path}{suffix}")) for suffix in ("", "-wal"))
