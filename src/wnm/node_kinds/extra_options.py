"""What the extra arguments of a node are: options, their values and what is neither."""

from collections.abc import Collection, Sequence


def options_in(words: Sequence[str]) -> frozenset[str]:
    """The options that are given, without the values of those that have an equals sign."""
    return frozenset(word.partition("=")[0] for word in words if word.startswith("-"))


def first_subcommand(words: Sequence[str], with_value: Collection[str]) -> int | None:
    """Where the first word is that is neither an option nor the value of one; None if there is none.

    `with_value` are the options that have a value.
    """
    place = 0
    while place < len(words):
        if not words[place].startswith("-"):
            return place
        place += 2 if words[place] in with_value else 1
    return None


def lacks_value(words: Sequence[str], with_value: Collection[str]) -> str | None:
    """The last option if its value is missing: it would take the next argument for it, whatever that is."""
    end = first_subcommand(words, with_value)
    place = 0
    while end is None and place < len(words):
        if words[place] in with_value:
            place += 1
        place += 1
    return words[-1] if end is None and place > len(words) else None
