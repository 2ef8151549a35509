"""Writes metrics in the text format that Prometheus and its node_exporter read."""

import math
import re
from collections.abc import Iterable, Iterator, Sequence

from msgspec import Struct

_NAME = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*", re.ASCII)
_ESCAPES_OF_HELP = str.maketrans({"\\": r"\\", "\n": r"\n"})
_ESCAPES = str.maketrans({"\\": r"\\", '"': r"\"", "\n": r"\n"})

type Labels = tuple[tuple[str, str], ...]


class Family(Struct, frozen=True):
    """One metric with its series: labels as (name, text) and a value, in base units, each label set once.

    It is a counter if its name ends in `_total`, else a gauge.
    """

    name: str
    help: str
    samples: Sequence[tuple[Labels, float]]


def render(families: Iterable[Family]) -> str:
    """The families one after another, every line ended; one without a series is left out.

    Any text may be in a label: what cannot be printed becomes `?`. Of series with the same labels the first one
    counts, because readers refuse a whole file for a repeated one. ValueError for a name that cannot be one.
    """
    return "".join(f"{line}\n" for family in families if family.samples for line in _lines(family))


def _lines(family: Family) -> Iterator[str]:
    name = _checked(family.name)
    yield f"# HELP {name} {_plain(family.help).translate(_ESCAPES_OF_HELP)}"
    yield f"# TYPE {name} {'counter' if name.endswith('_total') else 'gauge'}"
    series: dict[str, str] = {}
    for labels, value in family.samples:
        series.setdefault(f"{name}{_braced(labels)}", _number(value))
    for written, number in series.items():
        yield f"{written} {number}"


def _braced(labels: Labels) -> str:
    # To a reader an empty label is the same as none.
    pairs = [f'{_checked(name)}="{_plain(text).translate(_ESCAPES)}"' for name, text in labels if text]
    return f"{{{','.join(pairs)}}}" if pairs else ""


def _plain(text: str) -> str:
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() or char == "\n" else "?" for char in text)


def _checked(name: str) -> str:
    if not _NAME.fullmatch(name):
        raise ValueError(f"{name!r} cannot be the name of a metric or a label")
    return name


def _number(value: float) -> str:
    if isinstance(value, int):
        return str(int(value))
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "+Inf" if value > 0 else "-Inf"
    return repr(value)
