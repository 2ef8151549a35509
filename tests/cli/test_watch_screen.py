"""Every screen of the live view fits the terminal, whatever its size and the texts."""

from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace
from tests.builders import NOW
from tests.cli.live import live_view, screen
from tests.views.builders import LATER, colony, failing, material
from tests.views.past import Past, remember
from tests.views.test_formats import HOSTILE

from wnm.cli.parse import parse
from wnm.system.clock import SystemClock
from wnm.tui.app import LiveView
from wnm.tui.screen import HELP, Show, foot, head, help_lines
from wnm.tui.source import Found, Source
from wnm.views.material import Material
from wnm.views.status import COLUMNS, overview
from wnm.views.text import plain
from wnm.wiring import context_of

SIZES = [(20, 8), (40, 12), (80, 24), (97, 30), (250, 80)]


def found(of: Material) -> Found:
    return Found(number=1, overview=overview(of), cycles=())


class Given(Source):
    """Finds what it was given."""

    def __init__(self, of: Material) -> None:
        super().__init__(context_of(parse(["watch"])), SystemClock())
        self._given = found(of)

    def first(self) -> Found:
        return self._given


@pytest.fixture(scope="module")
def past(tmp_path_factory: pytest.TempPathFactory) -> Past:
    return remember(tmp_path_factory.mktemp("past") / "colony.db", NOW)


@settings(deadline=None)
@given(
    show=st.sampled_from(Show),
    sort=st.sampled_from(sorted(COLUMNS)),
    wanted=st.sampled_from(["", "stopped", "antnode001", "[red]"]),
    width=st.integers(20, 250),
    height=st.integers(5, 80),
)
def test_head_and_foot_fit(show: Show, sort: str, wanted: str, width: int, height: int) -> None:
    view = found(material(colony(3)))
    lines = head(view, show, LATER, width, height, dots=True)
    lines.append(foot(show, sort, wanted, " 1/3", width))
    assert len(lines) < max(height, 12)
    assert all(each.plain.isprintable() for each in lines)
    if width >= 80:
        assert max(each.cell_len for each in lines) <= width


@pytest.mark.parametrize(("width", "height"), SIZES)
@pytest.mark.parametrize("keys", ["end", "c", "enter", "c enter", "question_mark", "slash s"])
def test_every_screen_is_filled(past: Past, keys: str, width: int, height: int) -> None:
    lines = screen(live_view(past.path), keys.split(), width=width, height=height)
    assert [len(each) for each in lines] == [width] * height
    assert all(each.isprintable() for each in lines)
    if width >= 80:
        assert lines[-1].strip()


def test_at_80_columns_nothing_is_cut_in_the_middle(past: Past) -> None:
    """An amount without its last digits would be another amount."""
    for keys in ("", "s s s r", "c"):
        lines = screen(live_view(past.path), keys.split())
        assert lines[0].startswith("19 of 20 nodes running, cap 23; 1 STOPPED; earned today 2.5725 ANT ")
        assert lines[0].endswith(" 0 s ago")
        assert "  ? help  q quit " in lines[-1]
    narrow = screen(live_view(past.path), width=60)[0]
    assert narrow == f"{'19 of 20 nodes running, cap 23; 1 STOPPED':<53}0 s ago"


@pytest.mark.parametrize("width", [20, 40, 60, 80, 200])
def test_every_word_of_the_help_is_on_the_screen(width: int) -> None:
    lines = help_lines(width)
    assert max(each.cell_len for each in lines) <= max(width, 31)
    told = " ".join(plain(lines).split())
    assert all(meaning in told for _, meaning in HELP)


def test_why_it_cannot_be_read_is_told_with_its_remedy() -> None:
    problem = "/somewhere/deep/in/a/file/system/colony.db is damaged (malformed): move it aside, " * 2
    broken = replace(found(material(colony(2))), problem=f"{problem}then do this")
    assert "then do this" in plain(head(broken, Show.NODES, LATER, 80, 24, dots=True)[:3])


def test_hostile_texts_are_not_obeyed() -> None:
    of = material((failing(1, error=f"[bold]{HOSTILE}\x1b[2J"), failing(2)))
    lines = screen(LiveView(context_of(parse(["watch"])), Given(of)), width=200)
    assert all(each.isprintable() for each in lines)
    assert "[bold]" in "".join(lines)


def test_what_is_wrong_stands_at_the_top() -> None:
    def top(of: Material, later: timedelta = timedelta(0)) -> str:
        return head(found(of), Show.NODES, LATER + later, 80, 24, dots=True)[0].plain

    late = top(material(colony(2)), timedelta(hours=2))
    assert late.startswith("CYCLES HAVE STOPPED: the last one began 2 h ago")
    assert top(material(of_cycle=None)).startswith("NO CYCLE HAS RUN YET")
    assert top(material(colony(2))).startswith("2 of 2 nodes running")


def test_no_node_at_all(tmp_path: Path) -> None:
    lines = screen(
        LiveView(context_of(parse(["watch"])), Given(material(()))), ["down", "enter", "end", "pageup"]
    )
    assert "no nodes yet" in "".join(lines)
    assert lines[-1].endswith("0/0")
