"""A condition that holds now, an episode of it with a beginning and an end, and a message about one of the two."""

from enum import StrEnum

from wnm.core.values import Moment, Value


class Severity(StrEnum):
    """How bad it is: a warning can wait until somebody is awake."""

    WARNING = "warning"
    CRITICAL = "critical"


class Event(StrEnum):
    """What a message tells of an alert."""

    START = "start"
    END = "end"
    TEST = "test"


class Condition(Value, frozen=True, kw_only=True):
    """Something that is wrong in this cycle. `key` names its rule, `subject` what it is about."""

    key: str
    subject: str
    severity: Severity
    text: str
    remedy: str


class Findings(Value, frozen=True, kw_only=True):
    """All that is wrong now; of the rules in `blind` nothing could be told, so what was so stays so."""

    conditions: tuple[Condition, ...]
    blind: frozenset[str] = frozenset()


class Episode(Value, frozen=True, kw_only=True):
    """A condition from when it was first seen (`since`) until it has been gone for long enough (`ended_at`).

    It waits while `started_at` is None: nobody has been told. `sightings` counts the cycles in a row that saw it, or
    from `gone_since` on those that did not, and stops counting where more make no difference. `id` is 0 before it
    is written down. `text` and `remedy` are those of the moment at which it started.
    """

    id: int = 0
    key: str
    subject: str
    severity: Severity
    text: str
    remedy: str
    since: Moment
    sightings: int = 1
    started_at: Moment | None = None
    gone_since: Moment | None = None
    ended_at: Moment | None = None

    @property
    def is_open(self) -> bool:
        """Whether somebody was told that it started and nobody that it ended."""
        return self.started_at is not None and self.ended_at is None


class Message(Value, frozen=True, kw_only=True):
    """What is sent. `id` is the same every time that this message is sent, and no other message has it.

    `since` is when the alert started, `at` when this was written.
    """

    id: str
    event: Event
    key: str
    subject: str
    severity: Severity
    text: str
    remedy: str | None
    since: Moment
    at: Moment


class DiskLevel(Value, frozen=True, kw_only=True):
    """How much was free on a file system at some time."""

    mount_point: str
    at: Moment
    free_bytes: int
