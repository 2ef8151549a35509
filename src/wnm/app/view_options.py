"""What the commands for people at a terminal take besides: what to show, in which order, how much and how often."""

import re
from collections.abc import Mapping
from typing import Any

from msgspec import Struct
from msgspec.structs import fields

from wnm.core.errors import BadInput
from wnm.core.suggest import shortened

SORTS = (
    "name",
    "status",
    "process",
    "reachable",
    "version",
    "peers",
    "shuns",
    "records",
    "disk",
    "earned",
    "cpu",
    "memory",
    "uptime",
    "last",
)
RANGE_NAMES = ("day", "week", "month")
FASTEST_SECONDS, SLOWEST_SECONDS = 0.5, 3600.0
# The commands that each goes with, by the words that they are asked for with.
_GO_WITH = {
    "sort": ("status", "watch"),
    "filter": ("status", "watch"),
    "wide": ("status",),
    "all": ("status",),
    "days": ("history", "--report"),
    "node": ("history", "explain", "--report"),
    "limit": ("history", "explain", "--report"),
    "range": ("history", "--report"),
    "every": ("watch",),
}
_WHOLE = re.compile(r"[0-9]{1,9}")
_DECIMAL = re.compile(r"[0-9]{1,6}(\.[0-9]{1,6})?")
_NODE = re.compile(r"(antnode)?([0-9]{1,9})(\.service)?", re.ASCII)


class View(Struct, frozen=True, kw_only=True):
    """What is to be shown, None or False where nothing was said.

    `node` is a name as it was written, perhaps only a number; `every` is in seconds.
    """

    sort: str | None = None
    filter: str | None = None
    wide: bool = False
    all: bool = False
    days: int | None = None
    node: str | None = None
    limit: int | None = None
    range: str | None = None
    every: float | None = None


EVERYTHING = View()
NAMES = frozenset(field.name for field in fields(View))


def view_value(name: str, text: str) -> object:
    """The value of one of the options that have no choices. BadInput if it cannot be one."""
    match name:
        case "days":
            return _whole(name, text, most=3650)
        case "limit":
            return _whole(name, text, most=999_999_999)
        case "every":
            return _seconds(text)
        case "node":
            return node_text("--node", text)
        case _:
            if not text.strip() or not text.isprintable():
                raise BadInput(f"--{name} cannot be {shortened(text)}: give a part of what is shown")
            return text.strip()


def node_text(what: str, text: str) -> str:
    """A node as people name it: `antnode0017`, `antnode0017.service` or `17`. BadInput for anything else."""
    stripped = text.strip()
    if not _NODE.fullmatch(stripped):
        raise BadInput(f"{what} cannot be {shortened(text)}: give a node's name such as antnode0017")
    return stripped.removesuffix(".service")


def view_of(found: Mapping[str, Any]) -> View:
    """The options that are about views."""
    return View(**{name: value for name, value in found.items() if name in NAMES})


def check_view(view: View, command: str, report: str | None) -> None:
    """BadInput if an option does not go with the command; a report has to be the one of the history."""
    for name, commands in _GO_WITH.items():
        if not getattr(view, name):
            continue
        fits = command in commands and (command != "--report" or report == "history")
        if not fits:
            shown = " or ".join("--report history" if each == "--report" else each for each in commands)
            raise BadInput(f"--{name} only goes with {shown}: add it, or leave out --{name}")


def _whole(name: str, text: str, *, most: int) -> int:
    if not _WHOLE.fullmatch(text) or not 1 <= int(text) <= most:
        raise BadInput(f"--{name} cannot be {shortened(text)}: give a whole number from 1 to {most}")
    return int(text)


def _seconds(text: str) -> float:
    if not _DECIMAL.fullmatch(text) or not FASTEST_SECONDS <= float(text) <= SLOWEST_SECONDS:
        raise BadInput(
            f"--every cannot be {shortened(text)}: give seconds from {FASTEST_SECONDS} to {SLOWEST_SECONDS:.0f}"
        )
    return float(text)
