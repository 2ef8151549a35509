"""Errors, sorted by what to do next; the pauses between attempts, and hints for a name that is not known."""

from collections.abc import Iterable
from datetime import datetime, timedelta


class WnmError(Exception):
    """Base of every error that wnm raises on purpose; the text is one line for people."""

    exit_code = 1


class Transient(WnmError):
    """Trying again in the next cycle may work."""


class ProgramFailed(Transient):
    """A node could not be started on a program that it was just given; it has its former one again."""


class LeftOver(Transient):
    """What was begun failed, and so did undoing it: it has to be undone again until it is gone."""


class Permanent(WnmError):
    """Trying again for this node will not work by itself."""


class BadInput(WnmError):
    """Wrong usage or a setting that cannot be right; nothing was changed."""

    exit_code = 2


class NeedsOperator(WnmError):
    """Only a person can go on; `remedy` says how and is printed verbatim."""

    exit_code = 3

    def __init__(self, message: str, *, remedy: str) -> None:
        super().__init__(message)
        self.remedy = remedy

    def __str__(self) -> str:
        return f"{self.args[0]}: {self.remedy}"


class Busy(WnmError):
    """Another cycle holds the lock."""

    exit_code = 75


class Bug(WnmError):
    """A promise inside wnm was broken; shown with a traceback."""


def nearest(name: str, known: Iterable[str]) -> str | None:
    """The known name most like `name`, None if none is; hyphens, underscores and case do not matter."""
    import difflib  # only needed for errors, and it takes a while to load

    names = list(known)
    asked, *plain = [each.strip("-").replace("-", "_").lower() for each in (name, *names)]
    found = difflib.get_close_matches(asked, plain, n=1, cutoff=0.6)
    return names[plain.index(found[0])] if found else None


def did_you_mean(name: str, known: Iterable[str], otherwise: str) -> str:
    """A remedy: the nearest known name, or `otherwise` if none is near."""
    found = nearest(name, known)
    return f"did you mean {found}?" if found else otherwise


def shortened(text: str) -> str:
    """A text as it may stand in a one-line error: quoted, escaped and cut."""
    shown = repr(text[:61])
    return shown if len(text) <= 60 else f"{shown[:57]}…{shown[0]}"


MOST_DOUBLINGS = 16  # beyond any limit of ours, and never too long for a timedelta


def backoff(attempts: int, *, first: timedelta, longest: timedelta) -> timedelta:
    """The pause after so many failed attempts: `first`, doubled with each further one, `longest` at most."""
    return min(first * (1 << min(max(attempts - 1, 0), MOST_DOUBLINGS)), longest)


def holds(until: datetime | None, now: datetime, *, longest: timedelta) -> bool:
    """Whether a pause until then goes on; one longer than any of ours dates from before the clock was set back."""
    return until is not None and now < until <= now + longest
