"""When a disk will be full, from how much was free on it over the last day."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from statistics import median_high

from wnm.core.alerts.values import DiskLevel

WINDOW = timedelta(hours=24)
LEVEL_EVERY = timedelta(minutes=30)
FEWEST_LEVELS = 8
SHORTEST_SPAN = timedelta(hours=6)


def days_left(levels: Sequence[DiskLevel], now: datetime, *, floor_bytes: int) -> float | None:
    """Days until no more than `floor_bytes` are free, if it goes on as over the last day.

    The levels are those of one file system. None if it does not get fuller, or is not known for long enough. One
    download, or one removed node, is no trend, whenever it was.
    """
    recent = [each for each in levels if timedelta(0) <= now - each.at <= WINDOW]
    if len(recent) < FEWEST_LEVELS:
        return None
    points = sorted((each.at.timestamp(), each.free_bytes) for each in recent)
    if points[-1][0] - points[0][0] < SHORTEST_SPAN.total_seconds():
        return None
    # A jump in the middle lies between most pairs of all points; between those of the later half it lies then not.
    slope = max(_slope(points), _slope(points[len(points) // 2 :]))
    if slope >= 0:
        return None
    return max(0.0, (points[-1][1] - floor_bytes) / -slope / 86400)


def _slope(points: Sequence[tuple[float, int]]) -> float:
    """The median of the slopes between all pairs (Theil-Sen), in bytes per second; 0 where there is no pair."""
    slopes = [
        (later[1] - earlier[1]) / (later[0] - earlier[0])
        for place, earlier in enumerate(points)
        for later in points[place + 1 :]
        if later[0] > earlier[0]
    ]
    return median_high(slopes) if slopes else 0.0


def is_due(levels: Sequence[DiskLevel], now: datetime) -> bool:
    """Whether it is time to note the next level of a file system."""
    latest = max((each.at for each in levels), default=None)
    return latest is None or not timedelta(0) <= now - latest < LEVEL_EVERY
