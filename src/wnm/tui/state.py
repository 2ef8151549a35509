"""What a watcher looks at, and how keys change that."""

from enum import StrEnum

from msgspec import Struct
from msgspec.structs import replace

from wnm.tui.source import Found
from wnm.views.status import COLUMNS

_LONGEST_FILTER = 60


class Show(StrEnum):
    """What fills the screen."""

    NODES = "nodes"
    NODE = "the story of a node"
    CYCLES = "cycles"
    CYCLE = "a cycle"
    HELP = "help"


class Sight(Struct, frozen=True, kw_only=True):
    """What is there to move in: the ids of the listed nodes or cycles in their order, the lines of a text,
    and how many rows of them are visible."""

    ids: tuple[int, ...] = ()
    lines: int = 0
    page: int = 1


class State(Struct, frozen=True, kw_only=True):
    """`chosen` is the id of the selected node, `cycle` the number of the selected cycle, None for the first ones.

    `scroll` is the first visible line of a text. `typing` is whether keys go into the filter.
    """

    show: Show = Show.NODES
    chosen: int | None = None
    cycle: int | None = None
    scroll: int = 0
    sort: str = "name"
    reverse: bool = False
    filter: str = ""
    typing: bool = False
    is_over: bool = False


def pressed(state: State, key: str, sight: Sight) -> State:
    """The state after this key."""
    if state.typing:
        return _typed(state, key)
    if key == "q":
        return replace(state, is_over=True)
    if key == "?":
        return replace(state, show=Show.NODES if state.show is Show.HELP else Show.HELP, scroll=0)
    if key in ("esc", "backspace"):
        return _back(state)
    if key == "c":
        return replace(state, show=Show.NODES if state.show is Show.CYCLES else Show.CYCLES, scroll=0)
    if state.show is Show.NODES and key in ("s", "r", "/"):
        return _arranged(state, key)
    if key == "enter":
        return _entered(state, sight)
    return _moved(state, key, sight)


def place_of(chosen: int | None, ids: tuple[int, ...]) -> int:
    """Where the selected one is in the list; the first place if it is not there any more."""
    return ids.index(chosen) if chosen is not None and chosen in ids else 0


def _typed(state: State, key: str) -> State:
    if key == "enter":
        return replace(state, typing=False)
    if key == "esc":
        return replace(state, typing=False, filter="")
    if key == "backspace":
        return replace(state, filter=state.filter[:-1])
    if len(key) == 1 and len(state.filter) < _LONGEST_FILTER:
        return replace(state, filter=state.filter + key)
    return state


def _back(state: State) -> State:
    if state.show is Show.CYCLE:
        return replace(state, show=Show.CYCLES, scroll=0)
    if state.show is Show.NODES:
        return replace(state, filter="")
    return replace(state, show=Show.NODES, scroll=0)


def _arranged(state: State, key: str) -> State:
    if key == "/":
        return replace(state, typing=True)
    if key == "r":
        return replace(state, reverse=not state.reverse)
    names = tuple(COLUMNS)
    return replace(state, sort=names[(names.index(state.sort) + 1) % len(names)], reverse=False)


def _entered(state: State, sight: Sight) -> State:
    if not sight.ids:
        return state
    if state.show is Show.NODES:
        chosen = sight.ids[place_of(state.chosen, sight.ids)]
        return replace(state, show=Show.NODE, chosen=chosen, scroll=0)
    if state.show is Show.CYCLES:
        cycle = sight.ids[place_of(state.cycle, sight.ids)]
        return replace(state, show=Show.CYCLE, cycle=cycle, scroll=0)
    return state


def _moved(state: State, key: str, sight: Sight) -> State:
    steps = {
        "up": -1,
        "k": -1,
        "down": 1,
        "j": 1,
        "page up": -sight.page,
        "page down": sight.page,
        " ": sight.page,
        "home": -(10**9),
        "g": -(10**9),
        "end": 10**9,
        "G": 10**9,
    }
    step = steps.get(key)
    if step is None:
        return state
    if state.show in (Show.NODES, Show.CYCLES):
        if not sight.ids:
            return state
        is_nodes = state.show is Show.NODES
        place = place_of(state.chosen if is_nodes else state.cycle, sight.ids) + step
        found = sight.ids[max(0, min(len(sight.ids) - 1, place))]
        return replace(state, chosen=found) if is_nodes else replace(state, cycle=found)
    last = max(0, sight.lines - sight.page)
    return replace(state, scroll=max(0, min(last, state.scroll + step)))


def with_found(state: State, found: Found) -> State:
    """The state, back at the nodes if the one that it shows is gone."""
    known = {row.facts.id for row in found.overview.every}
    if state.show is Show.NODE and state.chosen not in known:
        return replace(state, show=Show.NODES)
    return state
