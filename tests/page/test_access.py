"""Whoever cannot see it well, uses no mouse, or listens to it: names, roles, order, contrast and sizes."""

import itertools
from typing import Any

import pytest
from tests.page.conftest import Written
from tests.page.viewer import NARROW, WIDE, Browser, View

LEAST_CONTRAST = 4.5
LEAST_CONTRAST_OF_LARGE = 3.0
LEAST_PIXELS = 24

# Every text that can be seen: its contrast with what lies below it, by the formula of WCAG 2.
CONTRASTS = """() => {
    const parse = colour => {
        const parts = colour.match(/[0-9.]+/g).map(Number);
        return parts.length > 3 ? parts : [...parts, 1];
    };
    const over = (top, below) => [0, 1, 2].map(at => top[at] * top[3] + below[at] * (1 - top[3])).concat(1);
    const luminance = colour => {
        const [r, g, b] = colour.slice(0, 3).map(part => {
            const share = part / 255;
            return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
        });
        return 0.2126 * r + 0.7152 * g + 0.0722 * b;
    };
    const backgroundOf = element => {
        const layers = [];
        for (let at = element; at; at = at.parentElement) layers.push(parse(getComputedStyle(at).backgroundColor));
        return layers.reverse().reduce((below, layer) => over(layer, below), [255, 255, 255, 1]);
    };
    const found = [];
    const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    while (walker.nextNode()) {
        const element = walker.currentNode.parentElement;
        const text = walker.currentNode.textContent.trim();
        if (!text || !element.checkVisibility() || ["SCRIPT", "OPTION"].includes(element.tagName)) continue;
        const style = getComputedStyle(element);
        const below = backgroundOf(element);
        const [a, b] = [luminance(over(parse(style.color), below)), luminance(below)];
        const size = parseFloat(style.fontSize);
        found.push({
            text: text.slice(0, 40),
            contrast: (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05),
            large: size >= 24 || (size >= 18.66 && Number(style.fontWeight) >= 700),
        });
    }
    return found;
}"""
# What can be operated: its accessible name as far as labels and texts give it, and its size.
CONTROLS = """() => [...document.querySelectorAll("a[href], button, input, select")]
    .filter(element => element.checkVisibility())
    .map(element => {
        const label = element.labels && element.labels[0];
        const shown = element.type === "radio" ? label : element;
        const box = shown.getBoundingClientRect();
        return {
            name: (label ? label.textContent : element.textContent).trim(),
            tag: element.tagName, height: box.height, width: box.width, inline: element.tagName === "A",
        };
    })"""


def poor(view: View) -> list[dict[str, Any]]:
    """The texts that are too faint."""
    texts: list[dict[str, Any]] = view.evaluate(f"({CONTRASTS})()")
    assert len(texts) > 50
    return [
        each
        for each in texts
        if each["contrast"] < (LEAST_CONTRAST_OF_LARGE if each["large"] else LEAST_CONTRAST)
    ]


@pytest.mark.parametrize("halted", [True, False])
def test_every_text_stands_out(chromium: Browser, written: Written, halted: bool) -> None:
    with chromium.view(written(42, halted=halted)) as view:
        for size, scheme in itertools.product((NARROW, WIDE), ("light", "dark")):
            view.look(size=size, scheme=scheme)
            assert (size, scheme, poor(view)) == (size, scheme, [])


def test_so_do_those_of_a_page_without_trouble_and_of_an_old_one(chromium: Browser, written: Written) -> None:
    with chromium.view(written(3, trouble=False)) as view:
        for scheme in ("light", "dark"):
            view.look(scheme=scheme)
            assert (scheme, poor(view)) == (scheme, [])
    with chromium.view(written(42), now="2026-03-02T12:30:00Z") as view:
        assert view.page.get_by_role("alert").is_visible()
        for scheme in ("light", "dark"):
            view.look(scheme=scheme)
            assert (scheme, poor(view)) == (scheme, [])


@pytest.mark.parametrize("size", [NARROW, WIDE])
def test_every_control_has_a_name_and_is_large_enough(
    chromium: Browser, written: Written, size: tuple[int, int]
) -> None:
    with chromium.view(written(42, halted=True), size=size) as view:
        controls = view.evaluate(f"({CONTROLS})()")
        assert len(controls) > 15
        assert [each for each in controls if not each["name"]] == []
        small = [
            each
            for each in controls
            if not each["inline"] and min(each["height"], each["width"]) < LEAST_PIXELS
        ]
        assert small == []


def test_no_option_of_a_command_is_broken_at_its_hyphens(chromium: Browser, written: Written) -> None:
    with chromium.view(written(42, halted=True), size=NARROW) as view:
        lines = "[...document.querySelectorAll('.remedy .whole')].map(each => each.getClientRects().length)"
        assert set(view.evaluate(lines)) == {1}


def test_headings_are_in_order(chromium: Browser, written: Written) -> None:
    with chromium.view(written(42, halted=True)) as view:
        levels = view.evaluate("[...document.querySelectorAll('h1,h2,h3,h4')].map(each => +each.tagName[1])")
        assert levels[0] == 1
        assert levels.count(1) == 1
        assert all(after - before <= 1 for before, after in itertools.pairwise(levels))


def test_the_landmarks_and_the_language(chromium: Browser, written: Written) -> None:
    with chromium.view(written(42)) as view:
        for role in ("banner", "main", "contentinfo"):
            assert view.page.get_by_role(role).count() == 1
        assert view.evaluate("document.documentElement.lang") == "en"
        assert view.page.title().startswith("! homestead: ")
        for name in ("What needs you", "The machine", "How it was", "Nodes", "Decisions"):
            assert view.page.get_by_role("region", name=name, exact=True).count() == 1


@pytest.mark.parametrize("size", [NARROW, WIDE])
def test_the_table_is_one_for_those_who_listen(
    chromium: Browser, written: Written, size: tuple[int, int]
) -> None:
    with chromium.view(written(3), size=size) as view:
        table = view.page.get_by_role("table")
        assert table.count() == 1
        assert table.get_by_role("row").count() == 4
        cells = table.get_by_role("row").nth(1).get_by_role("cell").count()
        assert cells > 8


def test_drawings_are_passed_over_and_said_in_words(chromium: Browser, written: Written) -> None:
    with chromium.view(written(42)) as view:
        assert view.page.locator("svg:not([aria-hidden=true])").count() == 0
        figures = view.shows("figure")
        assert all("mean" in figure or "all the time" in figure for figure in figures)


def test_the_way_by_keyboard_starts_with_a_short_cut(chromium: Browser, written: Written) -> None:
    with chromium.view(written(42)) as view:
        view.page.keyboard.press("Tab")
        assert view.evaluate("document.activeElement.textContent") == "Skip to the nodes"
        outline = "getComputedStyle(document.activeElement).outlineStyle"
        assert view.evaluate(outline) == "solid"
        for _ in range(4):
            view.page.keyboard.press("Tab")
            assert view.evaluate("document.activeElement !== document.body")


def test_a_status_is_a_word_and_a_shape_besides_its_colour(chromium: Browser, written: Written) -> None:
    with chromium.view(written(42)) as view:
        for status in ("RUNNING", "STOPPED", "UPGRADING"):
            cell = view.page.locator(f"td.{status}").first
            assert cell.inner_text().endswith(status)
            shape = cell.evaluate("cell => getComputedStyle(cell, '::before').content")
            assert shape not in ("none", "")
            assert ("●" in shape) == (status == "RUNNING")
