"""What a takeover kept, took out of the way and made: everything that undoing it needs, written before it is needed."""

from datetime import datetime
from enum import StrEnum

from msgspec import Struct
from msgspec.structs import replace

FORMAT = 1


class Step(StrEnum):
    """What has been done so far, in this order; a takeover that was interrupted goes on after the last of them."""

    BACKED_UP = "backed up"
    DISABLED = "its manager is switched off"
    QUIET = "its manager has ended"
    WRITTEN = "the database is written"
    VERIFIED = "the nodes were looked at"


class Sort(StrEnum):
    """What had a path before the takeover."""

    FILE = "file"
    LINK = "link"
    FOLDER = "folder"
    ABSENT = "absent"


class Kept(Struct, frozen=True, kw_only=True):
    """A path as it was: the name of its copy in the takeover's folder, its checksum, and what a copy does not have.

    `sha256` is that of its content, for a link of its target. `modified_ns` is its time of modification.
    """

    path: str
    sort: Sort
    copy: str | None = None
    sha256: str | None = None
    target: str | None = None
    mode: int = 0
    user_id: int = 0
    group_id: int = 0
    modified_ns: int = 0


class Manifest(Struct, frozen=True, kw_only=True):
    """One takeover.

    `source` is what was taken over from, `database` the database that it writes. `kept` are the paths as they were;
    those in `taken_out` are moved into the takeover's folder, so that nothing starts from them; those in `made` were
    made anew. `units` are the names of the nodes that were adopted.
    `absent_before` are the folders and accounts that the machine lacked, `running` the nodes that ran. Without the
    files in `needed` the old manager must not be started again: it would take their absence for an order. From
    `undoing_at` on, nothing but undoing it to its end is left to be done. Of the paths in `noted` there are copies that
    are not put back: they are others' too.
    """

    format: int = FORMAT
    source: str
    database: str
    began_at: datetime
    kept: tuple[Kept, ...] = ()
    taken_out: tuple[str, ...] = ()
    made: tuple[str, ...] = ()
    units: tuple[str, ...] = ()
    absent_before: tuple[str, ...] = ()
    running: tuple[str, ...] = ()
    needed: tuple[str, ...] = ()
    noted: tuple[Kept, ...] = ()
    undoing_at: datetime | None = None
    steps: tuple[tuple[Step, datetime], ...] = ()
    undone_at: datetime | None = None

    def has(self, step: Step) -> bool:
        """Whether this step is done."""
        return any(done is step for done, _ in self.steps)

    def after(self, step: Step, at: datetime) -> "Manifest":
        """The same once the step is done."""
        return self if self.has(step) else replace(self, steps=(*self.steps, (step, at)))

    @property
    def finished(self) -> bool:
        """Whether nothing is left to be done."""
        return self.undone_at is not None or self.has(Step.VERIFIED)

    def kept_at(self, path: str) -> Kept | None:
        """What was kept of a path, if anything."""
        return next((each for each in self.kept if each.path == path), None)
