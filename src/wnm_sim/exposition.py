"""Lines of OpenMetrics text: families of gauges, counters, infos and histograms."""

from collections.abc import Iterable, Sequence

type Labels = tuple[tuple[str, str], ...]
type Sample = tuple[Labels, float]

END = "# EOF"


def labels(**named: str) -> Labels:
    """Label names and values in the order given."""
    return tuple(named.items())


def gauge(name: str, meaning: str, samples: float | Iterable[Sample]) -> list[str]:
    """A gauge: one plain value, or one sample for each set of labels."""
    return [*_head(name, "gauge", meaning), *_lines(name, samples)]


def counter(name: str, meaning: str, samples: float | Iterable[Sample] = (), *, unit: str = "") -> list[str]:
    """A counter; its samples end in `_total`. Without samples only the head is written."""
    return [*_head(name, "counter", meaning, unit), *_lines(f"{name}_total", samples)]


def info(name: str, meaning: str, label: str, text: str) -> list[str]:
    """An info metric: its text is a label, its value is always 1."""
    return [*_head(name, "info", meaning), *_lines(f"{name}_info", [(((label, text),), 1)])]


def histogram(
    name: str,
    meaning: str,
    bounds: Sequence[float],
    series: Iterable[tuple[Labels, int, float]],
    *,
    unit: str = "",
) -> list[str]:
    """A histogram of (labels, number of observations, their mean) for each series.

    `bounds` are the upper bounds of the buckets without the infinite one. The counts
    rise with the bound and never exceed the number of observations.
    """
    lines = _head(name, "histogram", meaning, unit)
    for series_labels, count, mean in series:
        plain = _braces(series_labels)
        lines.append(f"{name}_sum{plain} {count * mean!r}")
        lines.append(f"{name}_count{plain} {count}")
        tail = _pairs(series_labels)
        separator = "," if tail else ""
        for bound in bounds:
            below = int(count * bound / (bound + mean)) if count else 0
            lines.append(f'{name}_bucket{{le="{bound!r}"{separator}{tail}}} {below}')
        lines.append(f'{name}_bucket{{le="+Inf"{separator}{tail}}} {count}')
    return lines


def exponential(first: float, factor: float, length: int) -> tuple[float, ...]:
    """Bucket bounds that grow by a factor, `length` of them."""
    bounds = [first]
    while len(bounds) < length:
        bounds.append(bounds[-1] * factor)
    return tuple(bounds)


def document(*families: list[str]) -> str:
    """The families as one exposition, ended as OpenMetrics demands."""
    lines = [line for family in families for line in family]
    return "\n".join([*lines, END, ""])


def _head(name: str, kind: str, meaning: str, unit: str = "") -> list[str]:
    head = [f"# HELP {name} {meaning}", f"# TYPE {name} {kind}"]
    return [*head, f"# UNIT {name} {unit}"] if unit else head


def _lines(name: str, samples: float | Iterable[Sample]) -> list[str]:
    if isinstance(samples, (int, float)):
        return [f"{name} {samples!r}"]
    return [f"{name}{_braces(pairs)} {value!r}" for pairs, value in samples]


def _braces(pairs: Labels) -> str:
    return f"{{{_pairs(pairs)}}}" if pairs else ""


def _pairs(pairs: Labels) -> str:
    return ",".join(f'{name}="{_escaped(text)}"' for name, text in pairs)


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
