"""The page as text: its size, its policy, and that it asks for nothing from outside."""

import json
import re
from base64 import b64encode
from datetime import UTC, datetime, timedelta
from hashlib import sha256

import pytest
from msgspec.structs import replace
from tests.builders import cases
from tests.page.history import HOSTILE, subject
from tests.page.test_markup import Reader
from tests.views.builders import failing, held

from wnm.app.publish import OUTPUTS
from wnm.core.alerts import Episode, Severity
from wnm.views.html.markup import harmless
from wnm.views.html.page import MARKER, policy, render, source
from wnm.views.html.verdict import Subject

COUNTS = (0, 3, 500, 2000)
KB = 1000


@cases("count, most", {"none": (0, 130), "few": (3, 135), "many": (500, 250), "thousands": (2000, 500)})
def test_it_is_small(count: int, most: int) -> None:
    assert len(render(subject(count, halted=True)).encode()) <= most * KB


def hashes(text: str, name: str) -> list[str]:
    """The digests of the contents of all elements of that name without attributes."""
    contents = re.findall(f"<{name}>(.*?)</{name}>", text, re.DOTALL)
    return [f"'sha256-{b64encode(sha256(each.encode()).digest()).decode()}'" for each in contents]


@pytest.mark.parametrize("count", COUNTS)
def test_exactly_the_inline_style_and_script_may_run(count: int) -> None:
    text = render(subject(count))
    (style,), (script,) = hashes(text, "style"), hashes(text, "script")
    assert f"script-src {script};" in policy()
    assert f"style-src {style};" in policy()
    assert policy().startswith("default-src 'none';")
    assert "unsafe" not in policy()
    assert [attributes.get("content") for _, attributes in Reader(text).found].count(policy()) == 1


@pytest.mark.parametrize("count", COUNTS)
def test_it_refers_to_nothing_outside_and_has_no_handlers(count: int) -> None:
    found = Reader(render(subject(count))).found
    for name, attributes in found:
        assert not any(key.startswith("on") or key in ("style", "src", "srcset") for key in attributes), name
        target = attributes.get("href") or "#"
        assert target.startswith(("#", "data:image/svg+xml;base64,"))
    assert {name for name, _ in found} & {"iframe", "img", "object", "embed", "base", "form"} == set()
    assert [name for name, _ in found].count("script") == (2 if count else 1)


def data_of(made: Subject) -> dict[str, object]:
    """What the page hands to its script."""
    block = re.search(r'id="node-data">(.*?)</script>', render(made))
    assert block is not None
    data: dict[str, object] = json.loads(block[1])
    return data


def test_hostile_texts_reach_the_script_as_texts() -> None:
    words = data_of(subject(500))["words"]
    assert isinstance(words, list)
    for text in HOSTILE[:1]:
        assert any(harmless(text) in word for word in words)
    assert all(word.isprintable() for word in words)


def test_every_node_is_in_the_data() -> None:
    data = data_of(subject(2000))
    assert isinstance(data["rows"], list)
    assert isinstance(data["columns"], list)
    assert [row[0] for row in data["rows"]][:2] == ["antnode0001", "antnode0002"]
    assert len(data["rows"]) == 2000
    assert {len(row) for row in data["rows"]} == {len(data["columns"])}


def test_no_id_is_there_twice_and_every_reference_has_its_target() -> None:
    found = Reader(render(subject(42, halted=True))).found
    ids = [attributes["id"] for _, attributes in found if "id" in attributes]
    assert len(ids) == len(set(ids))
    for _, attributes in found:
        for key in ("for", "aria-labelledby"):
            assert attributes.get(key) is None or attributes[key] in ids
        href = attributes.get("href") or ""
        assert not href.startswith("#") or href[1:] in ids


def test_it_begins_with_the_mark_by_which_it_may_be_replaced() -> None:
    output = next(each for each in OUTPUTS if each.setting == "status_page")
    assert output.marker == MARKER
    assert MARKER in render(subject(0))[:100]


def test_a_machine_whose_name_is_hostile() -> None:
    text = render(replace(subject(3), machine_name=HOSTILE[0]))
    assert [name for name, _ in Reader(text).found].count("script") == 2


def test_the_same_machine_at_the_same_moment_is_the_same_page() -> None:
    assert render(subject(42)) == render(subject(42))


def test_its_sources_end_no_element_that_they_stand_in() -> None:
    assert "</" not in source("page.css")
    assert "</" not in source("page.js")
    assert "<!--" not in source("page.js")


def test_before_the_first_cycle() -> None:
    made = subject(0, trouble=False)
    text = render(replace(made, material=replace(made.material, cycle=None)))
    assert "No cycle has run yet" in text


def test_an_old_cycle_is_told_at_once() -> None:
    made = subject(3, trouble=False)
    late = replace(made.material, generated_at=made.material.generated_at + timedelta(hours=3))
    assert "wnm has not run for 3 h" in render(replace(made, material=late))


def test_the_same_trouble_with_a_thousand_nodes_is_counted() -> None:
    made = subject(3, trouble=False)
    nodes = tuple(failing(number) for number in range(1, 1001))
    cycle = made.material.cycle
    assert cycle is not None
    needed = tuple(held(f"add node {number}", remedy="make room") for number in range(1000))
    text = render(
        replace(made, material=replace(made.material, nodes=nodes, cycle=replace(cycle, held=needed)))
    )
    assert len(text.encode()) < 300 * KB
    assert re.search(r"and [0-9,]+ more: wnm doctor", text)


def test_earnings_have_a_chart_like_all_else() -> None:
    """Each part of a day shows what the whole of it brought; days before the first one are a gap."""
    made = subject(3, trouble=False)
    day = made.past.until.date()
    earned = {day: 4 * 10**18, day - timedelta(days=1): 10**18}
    text = render(replace(made, earned_by_day=earned))
    assert "on each day (UTC): 1 ANT to 4 ANT, mean " in text
    assert "on each day (UTC): nothing was seen" in render(replace(made, earned_by_day={}))
    assert "; earned today 0.004 ANT." in text


def test_cycles_have_their_numbers_for_explain() -> None:
    assert "#4317" in render(subject(3))


def test_open_alerts_are_named_with_since_and_remedy() -> None:
    """Their texts are hostile, as all texts are."""
    alert = Episode(
        key="disk-full",
        subject="/mnt/<b>",
        severity=Severity.CRITICAL,
        text="full within 3 days",
        remedy="free space </script>",
        since=datetime(2026, 11, 20, 3, 4, 5, tzinfo=UTC),
        started_at=datetime(2026, 11, 20, 3, 9, 5, tzinfo=UTC),
    )
    quiet = subject(3)
    text = render(replace(quiet, alerts=(alert,)))
    assert "Open alerts" in text
    assert "/mnt/&lt;b&gt;: full within 3 days" in text
    assert "2026-11-20 03:04:05 UTC" in text
    assert "free space &lt;/script&gt;" in text
    assert "Open alerts" not in render(quiet)
