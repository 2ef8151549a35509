"""From buckets to the paths of a chart: a band from lowest to highest, and the line of the means."""

import math
from collections.abc import Iterable, Sequence

from msgspec import Struct

from wnm.core.timeline import Bucket, Spread

WIDTH = 960
HEIGHT = 1000
"""Fine enough that the script of the page can tell values from the path again."""
_ROUND = (1, 1.5, 2, 2.5, 3, 4, 5, 6, 8, 10, 20)


class Scale(Struct, frozen=True, kw_only=True):
    """A range of `buckets` buckets across the width, values from 0 to `top` up the height."""

    buckets: int
    top: float

    def x(self, index: int) -> int:
        """The middle of a bucket."""
        return round((index + 0.5) * WIDTH / self.buckets)

    def y(self, value: float) -> int:
        """0 is at the bottom; what is above the top stays there."""
        return HEIGHT - round(HEIGHT * min(max(value / self.top, 0.0), 1.0))


def runs(buckets: Iterable[Bucket], measure: str) -> list[list[tuple[int, Spread]]]:
    """The buckets in which the measure was seen, a list for each stretch without a gap."""
    found: list[list[tuple[int, Spread]]] = []
    for bucket in buckets:
        spread = bucket.spreads.get(measure)
        if spread is None:
            continue
        if not found or found[-1][-1][0] != bucket.index - 1:
            found.append([])
        found[-1].append((bucket.index, spread))
    return found


def line(stretches: Sequence[Sequence[tuple[int, Spread]]], scale: Scale) -> str:
    """The path of the means. A bucket on its own is a point, which a round cap makes visible."""
    return "".join(
        _path([(scale.x(index), scale.y(spread.mean)) for index, spread in stretch])
        + ("h0" if len(stretch) == 1 else "")
        for stretch in stretches
    )


def band(stretches: Sequence[Sequence[tuple[int, Spread]]], scale: Scale) -> str:
    """The path around everything between lowest and highest."""
    parts = []
    for stretch in stretches:
        above = [(scale.x(index), scale.y(spread.high)) for index, spread in stretch]
        below = [(scale.x(index), scale.y(spread.low)) for index, spread in stretch]
        parts.append(f"{_path([*above, *reversed(below)])}Z")
    return "".join(parts)


def nice_top(highest: float) -> float:
    """A round number that is not below the highest value, and not far above it."""
    if not math.isfinite(highest) or highest <= 0:
        return 1.0
    power = 10.0 ** math.floor(math.log10(highest))
    return next(factor * power for factor in _ROUND if factor * power >= highest)


def _path(points: Sequence[tuple[int, int]]) -> str:
    return "M" + " ".join(f"{x},{y}" for x, y in points)
