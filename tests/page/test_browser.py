"""The page in a real Chromium: what it shows, sorts and filters, at every size, without a complaint or a request."""

from pathlib import Path

import pytest
from msgspec.structs import replace
from tests.page.conftest import Written
from tests.page.history import past, subject
from tests.page.viewer import NARROW, WIDE, Browser, View

from wnm.views.html.page import render

COUNTS = (0, 3, 500, 2000)
SIZES = (
    NARROW,
    (600, 900),
    (863, 1000),
    (865, 1000),
    (1024, 768),
    (1359, 800),
    (1361, 800),
    WIDE,
    (3840, 2160),
)
FIRST_ROWS = {NARROW: 30, WIDE: 200}
CHARTS = 8
TEXTS, NUMBERS = (
    ("Name", "Status", "Seen", "Version", "Why look"),
    ("Peers", "Records", "Disk", "CPU", "ANT today"),
)
OWNED = "window.owned === undefined"


def calm(view: View) -> None:
    """Nothing was complained about or asked of a network, and no hostile text has run."""
    assert (view.complaints, view.requests) == ([], [])
    assert view.evaluate(OWNED)


@pytest.mark.parametrize("count", COUNTS)
@pytest.mark.parametrize("size", [NARROW, WIDE])
def test_it_renders(chromium: Browser, written: Written, count: int, size: tuple[int, int]) -> None:
    with chromium.view(written(count, halted=True), size=size) as view:
        assert len(view.shows("h1")) == 1
        assert [*view.shows("h2")] == ["What needs you", "The machine", "How it was", "Nodes", "Decisions"]
        assert len(view.shows("figure")) == CHARTS
        assert len(view.shows("#node-table tbody tr")) == min(count, FIRST_ROWS[size])
        for scheme in ("dark", "light"):
            view.look(scheme=scheme)
            assert view.hidden_width() == 0
        calm(view)


def test_it_is_never_wider_than_its_window(chromium: Browser, written: Written) -> None:
    with chromium.view(written(500, halted=True)) as view:
        for size in SIZES:
            view.look(size=size)
            assert (size, view.hidden_width()) == (size, 0)


def test_words_of_any_length_do_not_widen_it(chromium: Browser, tmp_path: Path) -> None:
    made = subject(3, trouble=False)
    first, *others = made.material.nodes
    long = replace(first.node, name="n" * 200, version="v" * 200, last_error="e" * 3000)
    of = replace(made.material, nodes=(replace(first, node=long), *others))
    path = tmp_path / "long.html"
    path.write_text(render(replace(made, machine_name="h" * 253, material=of)), encoding="utf-8")
    with chromium.view(path) as view:
        for size in SIZES:
            view.look(size=size)
            assert (size, view.hidden_width()) == (size, 0)


def test_ports_are_no_amounts_and_earnings_are_those_of_today(chromium: Browser, written: Written) -> None:
    with chromium.view(written(42)) as view:
        earned = dict(zip(view.column("Name"), view.column("ANT today"), strict=True))
        assert (earned["antnode0041"], earned["antnode0042"]) == ("0.041", "-")
        assert set(view.column("Port")) == {str(55000 + number) for number in range(1, 43)}
    with chromium.view(written(42), scripts=False) as plain:
        assert plain.column("Port")[0] == "55004"


def numbers(view: View, heading: str) -> list[float]:
    """A column as the script got it, in the order in which it shows the nodes; none is left out."""
    script = """heading => {
        const data = JSON.parse(document.getElementById("node-data").textContent);
        const at = data.columns.findIndex(([name]) => name === heading);
        const byName = new Map(data.rows.map(row => [row[0], row[at]]));
        return [...document.querySelectorAll('#node-table td[data-label="Name"]')]
            .map(cell => byName.get(cell.textContent)).filter(value => value !== null);
    }"""
    found: list[float] = view.page.evaluate(script, heading)
    return found


def test_columns_of_numbers_are_sorted_by_mouse(chromium: Browser, written: Written) -> None:
    with chromium.view(written(500)) as view:
        view.page.locator("#show-all").click()
        for heading in NUMBERS:
            button = view.page.get_by_role("button", name=heading, exact=True)
            head = view.page.get_by_role("columnheader", name=heading, exact=True)
            assert head.get_attribute("aria-sort") == "none"
            button.click()
            falling = numbers(view, heading)
            assert head.get_attribute("aria-sort") == "descending"
            button.click()
            rising = numbers(view, heading)
            assert head.get_attribute("aria-sort") == "ascending"
            assert len(set(falling)) > 1
            assert (falling, rising) == (sorted(falling, reverse=True), sorted(rising))
            # What is not known comes last both ways.
            shown = view.column(heading)
            assert shown[-1] == "-" or "-" not in shown
        calm(view)


def test_columns_of_texts_are_sorted_by_keyboard(chromium: Browser, written: Written) -> None:
    with chromium.view(written(42)) as view:
        for heading in TEXTS:
            head = view.page.get_by_role("columnheader", name=heading, exact=True)
            view.page.get_by_role("button", name=heading, exact=True).focus()
            view.page.keyboard.press("Enter")
            assert head.get_attribute("aria-sort") == "ascending"
            rising = [text for text in view.column(heading) if text != "-"]
            view.page.keyboard.press("Space")
            assert head.get_attribute("aria-sort") == "descending"
            falling = [text for text in view.column(heading) if text != "-"]
            assert falling[0] == rising[-1]
            assert sorted(falling) == sorted(rising)
            assert view.evaluate("document.activeElement.textContent") == heading


def test_only_one_column_says_that_it_is_sorted(chromium: Browser, written: Written) -> None:
    with chromium.view(written(42)) as view:
        for heading in ("Peers", "Name", "Disk"):
            view.page.get_by_role("button", name=heading, exact=True).click()
            sorts = view.page.locator("#node-table th").evaluate_all(
                "heads => heads.map(head => head.getAttribute('aria-sort'))"
            )
            assert sorted(sorts)[1:] == ["none"] * (len(sorts) - 1) or sorts.count("none") == len(sorts) - 1


def test_names_are_sorted_by_their_numbers(chromium: Browser, written: Written) -> None:
    with chromium.view(written(42)) as view:
        view.page.get_by_role("button", name="Name", exact=True).click()
        names = view.column("Name")
        assert (names, names[0]) == (sorted(names), "antnode0001")


def test_who_needs_a_look_comes_first(chromium: Browser, written: Written) -> None:
    with chromium.view(written(42)) as view:
        reasons = [reason != "-" for reason in view.column("Why look")]
        assert reasons == sorted(reasons, reverse=True)
        assert any(reasons)


def test_the_filter_narrows_as_one_types_and_says_how_far(chromium: Browser, written: Written) -> None:
    with chromium.view(written(2000)) as view:
        count = view.page.get_by_role("status")
        assert count.inner_text() == "2,000 nodes, the first 200 are shown"
        view.page.get_by_label("Filter").press_sequentially("ANTNODE17")
        assert count.inner_text() == "100 of 2,000 nodes"
        assert all(name.startswith("antnode17") for name in view.column("Name"))
        view.page.get_by_label("Filter").fill("nothing like this")
        assert (count.inner_text(), view.column("Name")) == ("0 of 2,000 nodes", [])
        view.page.get_by_label("Filter").fill("<script>")
        assert view.column("Name")
        calm(view)


def test_the_choice_of_a_status(chromium: Browser, written: Written) -> None:
    with chromium.view(written(500)) as view:
        choice = view.page.get_by_label("Show")
        choice.select_option("STOPPED")
        assert set(view.column("Status")) == {"STOPPED"}
        choice.select_option("?")
        assert "-" not in view.column("Why look")
        assert len(view.column("Name")) > len(set(view.column("Status")))


def test_all_of_them_on_request(chromium: Browser, written: Written) -> None:
    with chromium.view(written(2000)) as view:
        view.page.get_by_role("button", name="Show all 2,000").click()
        assert len(view.column("Name")) == 2000
        assert not view.page.locator("#show-all").is_visible()
        assert view.hidden_width() == 0


@pytest.mark.parametrize("scripts", [True, False])
def test_the_range_is_switched_without_a_reload(chromium: Browser, written: Written, scripts: bool) -> None:
    with chromium.view(written(3), scripts=scripts) as view:
        drawn = {}
        for name in ("day", "week", "month"):
            view.page.locator(f"label[for=range-{name}]").click()
            assert view.page.locator(".over:visible").count() == CHARTS
            assert view.page.locator(f".over-{name}:visible").count() == CHARTS
            drawn[name] = view.page.locator(f".over-{name} .line").first.get_attribute("d")
        assert len(set(drawn.values())) == 3


def test_the_range_is_switched_by_keyboard(chromium: Browser, written: Written) -> None:
    with chromium.view(written(3)) as view:
        view.page.get_by_role("radio", name="day").focus()
        view.page.keyboard.press("ArrowRight")
        assert view.page.get_by_role("radio", name="week").is_checked()
        assert view.page.locator(".over-week:visible").count() == CHARTS


def test_pointing_at_a_chart_reads_it_out(chromium: Browser, written: Written) -> None:
    with chromium.view(written(3)) as view:
        chart = view.page.locator("figure", has_text="CPU").locator(".over-day .chart")
        box = chart.bounding_box()
        trend = {bucket.index: bucket for bucket in past(3).trends["day"]}
        for index in (0, 20, 95):
            chart.hover(position={"x": (index + 0.5) * box["width"] / 96, "y": 20})
            (readout,) = view.shows(".readout")
            assert abs(float(readout.split()[-2]) - trend[index].spreads["cpu_percent"].mean) < 0.2
        chart.hover(position={"x": 41.5 * box["width"] / 96, "y": 20})
        assert view.shows(".readout")[0].endswith("nothing was seen")
        view.page.locator("h1").hover()
        assert view.shows(".readout") == []
        calm(view)


def test_the_colours_follow_the_system_until_one_chooses(chromium: Browser, written: Written) -> None:
    background = "getComputedStyle(document.body).backgroundColor"
    with chromium.view(written(3), scheme="light") as light, chromium.view(written(3), scheme="dark") as dark:
        bright, dim = light.evaluate(background), dark.evaluate(background)
        assert bright != dim
        light.page.get_by_label("Colours").select_option("dark")
        dark.page.get_by_label("Colours").select_option("light")
        assert (light.evaluate(background), dark.evaluate(background)) == (dim, bright)
        light.page.reload()
        assert light.evaluate(background) == dim


def test_what_was_chosen_outlasts_a_reload(chromium: Browser, written: Written) -> None:
    with chromium.view(written(42)) as view:
        view.page.get_by_label("Filter").fill("antnode000")
        view.page.get_by_role("button", name="Disk", exact=True).click()
        view.page.locator("label[for=range-month]").click()
        before = view.column("Name")
        view.page.reload()
        assert (view.column("Name"), view.page.get_by_label("Filter").input_value()) == (before, "antnode000")
        assert view.page.get_by_role("radio", name="month").is_checked()


def test_what_others_keep_in_the_same_place_does_no_harm(chromium: Browser, written: Written) -> None:
    with chromium.view(written(42)) as view:
        for key in ("sort", "wnm-sort", "filter", "wnm-which", "theme"):
            view.evaluate(f"sessionStorage.setItem('{key}', 'name')")
        view.page.reload()
        assert len(view.column("Name")) == 42
        calm(view)


def test_times_are_relative_and_go_on(chromium: Browser, written: Written) -> None:
    with chromium.view(written(3)) as view:
        last = view.page.locator("#last-cycle")
        assert last.inner_text() == "1 minute ago"
        assert view.page.get_by_role("alert").count() == 0
        view.page.clock.run_for(120_000)
        assert last.inner_text() == "3 minutes ago"


def test_a_page_that_is_old_says_so_loudly(chromium: Browser, written: Written) -> None:
    with chromium.view(written(3)) as view:
        view.page.clock.run_for(300_000)
        assert "No cycle for 6 minutes" in view.page.get_by_role("alert").inner_text()
    with chromium.view(written(3), now="2026-03-02T12:30:00Z") as view:
        assert "No cycle for 1 day" in view.page.get_by_role("alert").inner_text()


def test_without_scripts_the_first_nodes_are_there(chromium: Browser, written: Written) -> None:
    with chromium.view(written(500), scripts=False) as view:
        assert len(view.shows("#node-table tbody tr")) == 40
        assert view.shows("#without-script") == [
            "The first 40 of 500 nodes; with scripts allowed this page shows all of them."
        ]
        assert view.page.locator("#node-controls").is_hidden()
        assert view.hidden_width() == 0


def test_a_script_put_into_the_page_does_not_run(chromium: Browser, written: Written, tmp_path: Path) -> None:
    text = written(3).read_text(encoding="utf-8")
    spoiled = tmp_path / "spoiled.html"
    attack = (
        "<script>window.owned = 1</script><img src='https://example.com/x.png' onerror='window.owned = 2'>"
    )
    spoiled.write_text(text.replace("</main>", f"{attack}</main>"), encoding="utf-8")
    with chromium.view(spoiled) as view:
        assert view.evaluate(OWNED)
        assert any("Content Security Policy" in complaint for complaint in view.complaints)
