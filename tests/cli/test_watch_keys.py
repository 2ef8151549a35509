"""What keys do to what the live view shows."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.builders import NOW
from tests.cli.live import in_a_loop, live_view, screen
from tests.views.past import Past, remember
from textual.containers import VerticalScroll

from wnm.tui.app import LiveView
from wnm.tui.screen import Show


@pytest.fixture(scope="module")
def past(tmp_path_factory: pytest.TempPathFactory) -> Past:
    """Twenty nodes, their ids 1 to 20, and the last cycles up to number 205."""
    return remember(tmp_path_factory.mktemp("past") / "colony.db", NOW)


def pressed(past: Past, keys: Sequence[str]) -> LiveView:
    """The view after these keys."""
    view = live_view(past.path)
    screen(view, keys)
    return view


START: dict[str, Any] = {
    "showing": Show.NODES,
    "sort": "name",
    "reverse": False,
    "filter": "",
    "typing": False,
    "node": None,
    "cycle": None,
}


def state(view: LiveView) -> dict[str, Any]:
    """What is different from the beginning."""
    now = {name: getattr(view, name) for name in START if name not in ("node", "cycle")}
    now |= {"node": view.chosen[Show.NODES], "cycle": view.chosen[Show.CYCLES]}
    return {name: value for name, value in now.items() if value != START[name]}


@pytest.mark.parametrize(
    ("keys", "after"),
    [
        ("down", {"node": 2}),
        ("end j", {"node": 20}),
        ("G k", {"node": 19}),
        ("end g", {"node": 1}),
        ("end home", {"node": 1}),
        ("end up", {"node": 19}),
        ("pagedown", {"node": 16}),
        ("space pageup", {"node": 1}),
        ("enter", {"showing": Show.NODE, "node": 1}),
        ("enter escape", {"node": 1}),
        ("enter backspace", {"node": 1}),
        ("c j enter", {"showing": Show.CYCLE, "cycle": 204}),
        ("c j enter j escape", {"showing": Show.CYCLES, "cycle": 204}),
        ("c escape", {}),
        ("c", {"showing": Show.CYCLES}),
        ("c c", {}),
        ("question_mark", {"showing": Show.HELP}),
        ("question_mark question_mark", {}),
        ("s", {"sort": "status"}),
        ("r", {"reverse": True}),
        ("r s", {"sort": "status"}),
        ("c s r slash", {"showing": Show.CYCLES}),
        ("slash", {"typing": True}),
        ("slash q", {"typing": True, "filter": "q"}),
        ("slash a b backspace", {"typing": True, "filter": "a"}),
        ("slash a b enter", {"filter": "ab"}),
        ("slash a b escape", {}),
        ("slash a enter escape", {}),
        ("slash a up", {"typing": True, "filter": "a"}),
        ("slash x x x enter enter", {"filter": "xxx"}),
        ("slash x x x enter down end", {"filter": "xxx"}),
        ("x", {}),
    ],
)
def test_what_keys_do(past: Past, keys: str, after: dict[str, Any]) -> None:
    assert state(pressed(past, keys.split())) == after


def test_q_ends_it(past: Past) -> None:
    assert pressed(past, ["q"]).return_code == 0


def test_a_text_is_moved_no_further_than_its_end(past: Past) -> None:
    async def move() -> list[float]:
        places = []
        view = live_view(past.path)
        async with view.run_test(size=(80, 12)) as pilot:
            await pilot.press("question_mark")
            for key in ("down", "pagedown", "end", "down", "up", "home", "up"):
                await pilot.press(key)
                await pilot.pause()
                places.append(view.query_one(VerticalScroll).scroll_y)
        return places

    first, second, last, beyond, before, *top = in_a_loop(move())
    assert first == 1
    assert first < second <= last == beyond == before + 1
    assert top == [0, 0]


KEYS = st.sampled_from(
    [
        "up",
        "down",
        "enter",
        "escape",
        "s",
        "r",
        "slash",
        "c",
        "question_mark",
        "a",
        "backspace",
        "end",
        "space",
    ]
)


@settings(max_examples=5, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(KEYS, max_size=20))
def test_no_keys_lead_out_of_the_lists(past: Past, keys: list[str]) -> None:
    view = pressed(past, keys)
    assert view.chosen[Show.NODES] in (None, *range(1, 21))
    assert view.chosen[Show.CYCLES] in (None, *range(1, 206))


def test_a_node_that_is_gone_leads_back_to_the_list(tmp_path: Path) -> None:
    past = remember(tmp_path / "colony.db", NOW, 3)

    async def look() -> Show:
        view = live_view(past.path)
        async with view.run_test(size=(80, 24)) as pilot:
            await pilot.press("enter")
            view.chosen[Show.NODES] = 99
            view.look()
            return view.showing

    assert in_a_loop(look()) is Show.NODES
