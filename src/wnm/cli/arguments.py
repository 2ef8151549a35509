"""The words of a command line, taken apart: options with their values, and the words between them.

Not argparse, because the promises differ: a switch stands alone or takes true or false, and leaves the word after
it alone if that is a command; hyphens and underscores are the same; a value that looks like an option needs `=`;
what is unknown is refused with the nearest known name.
"""

import re
from collections.abc import Iterator, Sequence

from msgspec import Struct

from wnm.app.run_options import SHORT, Takes, known_commands, known_options, takes
from wnm.core.errors import BadInput
from wnm.core.forms import BOOLEAN_WORDS
from wnm.core.suggest import did_you_mean, shortened

_NUMBER = re.compile(r"-[0-9.]")


class Word(Struct, frozen=True, kw_only=True):
    """An option (`name` in snake_case, `value` None if it takes none), or a plain word (`name` None)."""

    name: str | None
    value: str | None


def words_of(argv: Sequence[str]) -> Iterator[Word]:
    """The command line word by word. BadInput for an unknown option and for a missing or a needless value."""
    waiting = list(reversed(argv))
    while waiting:
        text = waiting.pop()
        if not _is_option(text):
            yield Word(name=None, value=text)
            continue
        written, equals, attached = text.partition("=")
        name = SHORT.get(written) or written.removeprefix("--").replace("-", "_")
        kind = takes(name) if written in SHORT or written.startswith("--") else None
        if kind is None:
            names = [name] if name in known_commands() else known_options()
            raise BadInput(
                f"unknown option {shortened(written)}: {did_you_mean(written, names, 'see wnm --help')}"
            )
        if kind is Takes.NOTHING and equals:
            raise BadInput(f"--{name} takes no value: leave out {shortened(equals + attached)}")
        yield Word(name=name, value=attached if equals else _next_value(name, kind, waiting))


def _next_value(name: str, kind: Takes, waiting: list[str]) -> str | None:
    if kind is Takes.NOTHING:
        return None
    if kind is Takes.SWITCH:
        return waiting.pop() if waiting and waiting[-1].lower() in BOOLEAN_WORDS else "true"
    if not waiting:
        raise BadInput(f"--{name} needs a value: see wnm --help")
    # Several words in one, such as "--relay --alpha", can only be meant as a value.
    if _is_option(waiting[-1]) and " " not in waiting[-1]:
        raise BadInput(f"--{name} needs a value: if {shortened(waiting[-1])} is meant, write --{name}=VALUE")
    return waiting.pop()


def _is_option(text: str) -> bool:
    """Dashes make an option, except before a number."""
    return len(text) > 1 and text.startswith("-") and not _NUMBER.match(text)
