"""Errors, sorted by what to do next."""


class WnmError(Exception):
    """Base of every error that wnm raises on purpose; the text is one line for people."""

    exit_code = 1


class Transient(WnmError):
    """Trying again in the next cycle may work."""


class ProgramFailed(Transient):
    """A node could not be started on a program that it was just given; it has its former one again."""


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
