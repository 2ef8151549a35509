"""Every frame of the live view fits the screen, whatever the state, the size and the texts."""

from collections.abc import Callable
from datetime import UTC, timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace
from tests.builders import NOW
from tests.views.builders import LATER, colony, failing, material
from tests.views.past import remember
from tests.views.terminal_pictures import found_in
from tests.views.test_formats import HOSTILE

from wnm.storage.database import open_for_reading
from wnm.tui.screen import HELP, Painter
from wnm.tui.source import Found
from wnm.tui.state import Show, State, with_found
from wnm.views.material import Material
from wnm.views.status import COLUMNS, NO_EXTRAS, overview
from wnm.views.text import Tone, line, plain

BODY = [line(f"line {number} {'x' * (number % 90)}") for number in range(60)]


def found(of: Material) -> Found:
    return Found(number=1, material=of, extras=NO_EXTRAS, overview=overview(of), cycles=())


@pytest.fixture(scope="module")
def past(tmp_path_factory: pytest.TempPathFactory) -> Found:
    path: Path = tmp_path_factory.mktemp("past") / "colony.db"
    with open_for_reading(remember(path, NOW).path) as database:
        return found_in(database)


@pytest.fixture(scope="module")
def look(past: Found) -> Callable[[], Found]:
    """The same as a function, which is shorter to print where a test fails."""
    return lambda: past


STATES = st.builds(
    State,
    show=st.sampled_from(Show),
    chosen=st.none() | st.integers(1, 25),
    cycle=st.none() | st.integers(1, 300),
    scroll=st.integers(0, 100),
    sort=st.sampled_from(sorted(COLUMNS)),
    reverse=st.booleans(),
    filter=st.sampled_from(["", "stopped", "nonsense", "antnode001", "[red]"]),
    typing=st.booleans(),
)


@settings(deadline=None)
@given(state=STATES, width=st.integers(20, 250), height=st.integers(8, 80))
def test_every_frame_has_the_size_of_the_screen(
    look: Callable[[], Found], state: State, width: int, height: int
) -> None:
    frame = Painter(UTC, dots=True).frame(state, look(), BODY, NOW, width, height)
    assert len(frame.lines) == height
    if state.show in (Show.NODES, Show.CYCLES) and width >= 80:
        assert max(each.cell_len for each in frame.lines) <= width
    assert all(each.plain.isprintable() for each in frame.lines)


@pytest.mark.parametrize("count", [0, 1, 3, 500])
def test_only_visible_nodes_are_drawn_and_the_selected_one_is_among_them(count: int) -> None:
    view = found(material(colony(count)))
    painter = Painter(UTC, dots=False)
    for chosen in {1, count // 2, count}:
        lines = painter.frame(State(chosen=chosen), view, [], LATER, 100, 24).lines
        nodes = [each for each in lines if each.plain.startswith("antnode")]
        assert len(nodes) == min(count, 24 - 8)
        marked = [each for each in lines if any(one.style is Tone.CHOSEN for one in each.spans)]
        assert len(marked) == min(count, 1)
        if count and chosen:
            assert marked[0].plain.startswith(f"antnode{chosen:04d}")


def test_at_80_columns_nothing_is_cut_in_the_middle(past: Found) -> None:
    """An amount without its last digits would be another amount."""
    painter = Painter(UTC, dots=True)
    for show, order in ((Show.NODES, "name"), (Show.NODES, "reachable"), (Show.CYCLES, "name")):
        state = State(show=show, sort=order, reverse=order != "name")
        lines = [each.plain for each in painter.frame(state, past, [], NOW, 80, 24).lines]
        assert lines[0].startswith("19 of 20 nodes running, cap 23; 1 STOPPED; earned today 2.5725 ANT ")
        assert lines[0].endswith(" 0 s ago")
        assert "  ? help  q quit " in lines[-1]
    narrow = painter.frame(state, past, [], NOW, 60, 24).lines[0].plain
    assert narrow == f"{'19 of 20 nodes running, cap 23; 1 STOPPED':<53}0 s ago"


@pytest.mark.parametrize("width", [20, 40, 60, 80, 200])
def test_every_word_of_the_help_is_on_the_screen(past: Found, width: int) -> None:
    lines = Painter(UTC, dots=True).frame(State(show=Show.HELP), past, [], NOW, width, 90).lines
    assert max(each.cell_len for each in lines[2:-1]) <= max(width, 31)
    told = " ".join(plain(lines).split())
    assert all(meaning in told for _, meaning in HELP)


def test_why_it_cannot_be_read_is_told_with_its_remedy(past: Found) -> None:
    problem = "/somewhere/deep/in/a/file/system/colony.db is damaged (malformed): move it aside, " * 2
    broken = replace(past, problem=f"{problem}then do this")
    lines = Painter(UTC, dots=True).frame(State(), broken, [], NOW, 80, 24).lines
    assert len(lines) == 24
    assert "then do this" in plain(lines[:3])


def test_hostile_texts_are_not_obeyed() -> None:
    view = found(material((failing(1, error=f"[bold]{HOSTILE}\x1b[2J"), failing(2))))
    lines = Painter(UTC, dots=True).frame(State(), view, [], LATER, 200, 24).lines
    assert all(each.plain.isprintable() for each in lines)
    assert "[bold]" in plain(lines)


def test_what_is_wrong_stands_at_the_top() -> None:
    painter = Painter(UTC, dots=True)
    late = painter.frame(State(), found(material(colony(2))), [], LATER + timedelta(hours=2), 80, 24)
    assert late.lines[0].plain.startswith("CYCLES HAVE STOPPED: the last one began 2 h ago")
    never = painter.frame(State(), found(material(of_cycle=None)), [], LATER, 80, 24)
    assert never.lines[0].plain.startswith("NO CYCLE HAS RUN YET")
    fine = painter.frame(State(), found(material(colony(2))), [], LATER, 80, 24)
    assert fine.lines[0].plain.startswith("2 of 2 nodes running")


def test_a_node_that_is_gone_leads_back_to_the_list(past: Found) -> None:
    assert with_found(State(show=Show.NODE, chosen=99), past).show is Show.NODES
    assert with_found(State(show=Show.NODE, chosen=17), past).show is Show.NODE
