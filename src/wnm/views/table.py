"""Plain aligned columns, for terminals and for pipes alike."""

from collections.abc import Collection, Sequence

_GAP = "  "


def table(rows: Sequence[Sequence[str]], *, right: Collection[int] = (), widest: int | None = None) -> str:
    """The rows with their columns aligned, those in `right` (by number) to the right. No newline at the end.

    A cell wider than `widest` does not widen its column.
    """
    if not rows:
        return ""
    widths = [
        max((len(cell) for cell in column if widest is None or len(cell) <= widest), default=0)
        for column in zip(*rows, strict=True)
    ]
    return "\n".join(
        _GAP.join(
            cell.rjust(width) if number in right else cell.ljust(width)
            for number, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    )


def indented(text: str, by: str = "  ") -> str:
    """Every line of a text moved to the right."""
    return "\n".join(f"{by}{line}" if line else line for line in text.splitlines())
