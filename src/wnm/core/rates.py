"""Rates and shares from two readings of the counters that a machine keeps."""

from wnm.core.observation import Unseen
from wnm.core.values import Moment, Value


class Counters(Value, frozen=True, kw_only=True):
    """The counters of a machine from its start until `taken_at`; None where it does not count.

    CPU seconds are summed over all cores; `cpu_busy_seconds` is what was neither idle nor waiting for a disk.
    """

    boot_id: str
    taken_at: Moment
    cpu_busy_seconds: float | None = None
    cpu_total_seconds: float | None = None
    netio_read_bytes: int | None = None
    netio_write_bytes: int | None = None
    hdio_read_bytes: int | None = None
    hdio_write_bytes: int | None = None


class Rates(Value, frozen=True, kw_only=True):
    """Averages over `window_seconds`, which is None when the two readings have no common window."""

    window_seconds: float | None
    cpu_percent: float | Unseen
    netio_read_bytes_per_second: float | Unseen
    netio_write_bytes_per_second: float | Unseen
    hdio_read_bytes_per_second: float | Unseen
    hdio_write_bytes_per_second: float | Unseen


def rates(before: Counters | None, after: Counters, *, own_cpu_seconds: float = 0.0) -> Rates:
    """Compute the rates between `before` and `after`.

    `own_cpu_seconds` is CPU time between the two that is not to be counted: an instrument should not see
    itself. A single counter that went backwards is Unseen; a restart of the machine or a window that is
    not longer than nothing makes all of them Unseen.
    """
    window = _window(before, after)
    if before is None or isinstance(window, Unseen):
        unseen = window if isinstance(window, Unseen) else Unseen(reason="no earlier reading")
        return _all(unseen)
    return Rates(
        window_seconds=window,
        cpu_percent=_cpu_percent(before, after, own_cpu_seconds),
        netio_read_bytes_per_second=_rate(before.netio_read_bytes, after.netio_read_bytes, window),
        netio_write_bytes_per_second=_rate(before.netio_write_bytes, after.netio_write_bytes, window),
        hdio_read_bytes_per_second=_rate(before.hdio_read_bytes, after.hdio_read_bytes, window),
        hdio_write_bytes_per_second=_rate(before.hdio_write_bytes, after.hdio_write_bytes, window),
    )


def _window(before: Counters | None, after: Counters) -> float | Unseen:
    if before is None:
        return Unseen(reason="no earlier reading")
    if before.boot_id != after.boot_id:
        return Unseen(reason="the machine was restarted since the last reading")
    seconds = (after.taken_at - before.taken_at).total_seconds()
    if seconds <= 0:
        return Unseen(reason="the clock was set back since the last reading")
    return seconds


def _all(unseen: Unseen) -> Rates:
    return Rates(
        window_seconds=None,
        cpu_percent=unseen,
        netio_read_bytes_per_second=unseen,
        netio_write_bytes_per_second=unseen,
        hdio_read_bytes_per_second=unseen,
        hdio_write_bytes_per_second=unseen,
    )


def _rate(before: int | None, after: int | None, seconds: float) -> float | Unseen:
    growth = _growth(before, after)
    return growth if isinstance(growth, Unseen) else growth / seconds


def _cpu_percent(before: Counters, after: Counters, own_seconds: float) -> float | Unseen:
    busy = _growth(before.cpu_busy_seconds, after.cpu_busy_seconds)
    total = _growth(before.cpu_total_seconds, after.cpu_total_seconds)
    if isinstance(busy, Unseen):
        return busy
    if isinstance(total, Unseen):
        return total
    if total == 0:
        return Unseen(reason="no CPU time was counted since the last reading")
    return min(max(100 * (busy - own_seconds) / total, 0.0), 100.0)


def _growth(before: float | None, after: float | None) -> float | Unseen:
    if after is None:
        return Unseen(reason="the system does not count it")
    if before is None:
        return Unseen(reason="no earlier reading")
    if after < before:
        return Unseen(reason="the counter began again since the last reading")
    return after - before
