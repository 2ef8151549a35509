"""The setting `status_page`: the page as a file after each cycle."""

from pathlib import Path

import pytest
from tests.builders import HOST
from tests.cli.operator import Operator
from tests.page.viewer import Browser
from tests.storage.builders import MINUTE, NOW, SETTINGS, Store, decision, node, observation

from wnm.app.publish import publish
from wnm.core.decision import Cycle, Plan
from wnm.core.layers import DATABASE, Layer, resolve
from wnm.storage.database import open_for_reading
from wnm.storage.ledger import Ledger


@pytest.fixture
def store(tmp_path: Path) -> Store:
    made = Store(tmp_path)
    made.insert(node(1), node(2))
    made.idle(decision(), now=NOW + MINUTE)
    return made


def write(store: Store, path: Path | str) -> tuple[str, ...]:
    """What the end of a cycle does with that setting."""
    resolved = resolve((Layer(name=DATABASE, values={**SETTINGS, "status_page": str(path)}),), HOST)
    with open_for_reading(store.path) as database:
        nodes = Ledger(database).nodes()
        plan = Plan(started_at=NOW + MINUTE, known=nodes, seen=observation(nodes), decision=decision())
        cycle = Cycle(number=2, plan=plan, outcomes=(), problems=(), exit_code=0, ended_at=NOW + MINUTE)
        return publish(cycle, nodes, resolved, database, NOW + MINUTE)


def test_it_is_written_whole_and_again(store: Store, tmp_path: Path) -> None:
    path = tmp_path / "page.html"
    assert write(store, path) == ()
    first = path.stat().st_ino
    assert write(store, path) == ()
    assert path.stat().st_ino != first
    text = path.read_text(encoding="utf-8")
    assert text.startswith("<!DOCTYPE html>")
    assert text.rstrip().endswith("</html>")
    assert "antnode0002" in text
    assert [each.name for each in tmp_path.iterdir() if "page" in each.name] == ["page.html"]


def test_it_is_off_by_default(store: Store, tmp_path: Path) -> None:
    before = sorted(tmp_path.iterdir())
    assert write(store, "") == ()
    assert sorted(tmp_path.iterdir()) == before


def test_a_page_of_somebody_else_stays(store: Store, tmp_path: Path) -> None:
    path = tmp_path / "index.html"
    path.write_text("<h1>My home page</h1>", encoding="utf-8")
    (problem,) = write(store, path)
    assert str(path) in problem
    assert path.read_text(encoding="utf-8") == "<h1>My home page</h1>"


def test_every_cycle_writes_it_until_everything_is_removed(tmp_path: Path) -> None:
    operator = Operator(home=tmp_path / "home")
    page = tmp_path / "page.html"
    try:
        operator.settle_in()
        operator.init(node_cap=0, status_page=page)
        assert not page.exists()
        operator.good_cycle()
        first = page.stat().st_ino
        operator.good_cycle("--dry_run")
        assert page.stat().st_ino == first
        operator.good_cycle()
        assert page.stat().st_ino != first
        operator.good_cycle("--force_action", "teardown", "--confirm")
        assert not page.exists()
    finally:
        operator.end()


def test_a_browser_shows_what_the_database_holds(chromium: Browser, store: Store, tmp_path: Path) -> None:
    path = tmp_path / "page.html"
    assert write(store, path) == ()
    with chromium.view(path, now="2025-03-01T12:02:00Z") as view:
        assert view.column("Name") == ["antnode0001", "antnode0002"]
        assert view.column("Version") == ["0.4.7-rc.1", "0.4.7-rc.1"]
        assert len(view.shows(".cycles > li")) == 1
        assert view.page.locator(".over-day .line").count() > 5
        assert (view.complaints, view.requests) == ([], [])
