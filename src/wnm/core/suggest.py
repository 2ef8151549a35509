"""The nearest known name, for errors about unknown ones."""

from collections.abc import Iterable


def nearest(name: str, known: Iterable[str]) -> str | None:
    """The known name most like `name`, None if none is; hyphens, underscores and case do not matter."""
    import difflib  # only needed for errors, and it takes a while to load

    by_plain = {_plain(each): each for each in known}
    found = difflib.get_close_matches(_plain(name), by_plain, n=1, cutoff=0.6)
    return by_plain[found[0]] if found else None


def did_you_mean(name: str, known: Iterable[str], otherwise: str) -> str:
    """A remedy: the nearest known name, or `otherwise` if none is near."""
    found = nearest(name, known)
    return f"did you mean {found}?" if found else otherwise


def shortened(text: str) -> str:
    """A text as it may stand in a one-line error: quoted, escaped and cut."""
    shown = repr(text[:61])
    return shown if len(text) <= 60 else f"{shown[:57]}…{shown[0]}"


def _plain(name: str) -> str:
    return name.strip("-").replace("-", "_").lower()
