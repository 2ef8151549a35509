"""Keys by name, and what they do to what is shown."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from wnm.tui.state import Show, Sight, State, pressed

THREE = Sight(ids=(4, 7, 9), lines=3, page=2)
TEXT = Sight(lines=10, page=4)


@pytest.mark.parametrize(
    ("state", "key", "after"),
    [
        (State(), "down", State(chosen=7)),
        (State(chosen=9), "j", State(chosen=9)),
        (State(chosen=9), "k", State(chosen=7)),
        (State(chosen=123), "down", State(chosen=7)),
        (State(), "end", State(chosen=9)),
        (State(chosen=9), "page up", State(chosen=4)),
        (State(), "enter", State(show=Show.NODE, chosen=4)),
        (State(show=Show.CYCLES, cycle=7), "enter", State(show=Show.CYCLE, cycle=7)),
        (State(show=Show.CYCLE, cycle=7, scroll=3), "esc", State(show=Show.CYCLES, cycle=7)),
        (State(show=Show.CYCLES), "esc", State()),
        (State(filter="a"), "esc", State()),
        (State(), "c", State(show=Show.CYCLES)),
        (State(show=Show.CYCLES), "c", State()),
        (State(), "?", State(show=Show.HELP)),
        (State(show=Show.HELP), "?", State()),
        (State(), "s", State(sort="status")),
        (State(sort="last", reverse=True), "s", State()),
        (State(), "r", State(reverse=True)),
        (State(show=Show.CYCLES), "s", State(show=Show.CYCLES)),
        (State(), "/", State(typing=True)),
        (State(typing=True), "q", State(typing=True, filter="q")),
        (State(typing=True, filter="ab"), "backspace", State(typing=True, filter="a")),
        (State(typing=True, filter="ab"), "enter", State(filter="ab")),
        (State(typing=True, filter="ab"), "esc", State()),
        (State(typing=True, filter="ab"), "up", State(typing=True, filter="ab")),
        (State(), "q", State(is_over=True)),
        (State(), "x", State()),
    ],
)
def test_what_keys_do(state: State, key: str, after: State) -> None:
    assert pressed(state, key, THREE) == after


def test_a_text_is_moved_no_further_than_its_end() -> None:
    state = State(show=Show.NODE, chosen=4)
    for key, scroll in (
        ("down", 1),
        ("page down", 5),
        (" ", 6),
        ("end", 6),
        ("up", 5),
        ("home", 0),
        ("up", 0),
    ):
        state = pressed(state, key, TEXT)
        assert state == replace(state, scroll=scroll)


def test_nothing_is_there_to_move_in() -> None:
    for key in ("down", "enter", "end", "page up"):
        assert pressed(State(), key, Sight()) == State()


KEYS = st.sampled_from(["up", "down", "enter", "esc", "s", "r", "/", "c", "?", "a", "backspace", "end", " "])


@given(st.lists(KEYS, max_size=40))
def test_no_keys_lead_out_of_the_list(keys: list[str]) -> None:
    state = State()
    for key in keys:
        state = pressed(state, key, THREE)
        assert state.chosen in (None, *THREE.ids)
        assert state.cycle in (None, *THREE.ids)
        assert 0 <= state.scroll <= THREE.lines
