"""The clock of the machine, for those that take time as a parameter."""

import time
from datetime import UTC, datetime


class SystemClock:
    """The real time; implements `wnm.core.contracts.Clock`."""

    def now(self) -> datetime:
        """The time of day, aware, in UTC."""
        return datetime.now(UTC)

    def monotonic(self) -> float:
        """Seconds since an arbitrary moment; never goes back."""
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        """Return after so many seconds."""
        time.sleep(seconds)
