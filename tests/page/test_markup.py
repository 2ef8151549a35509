"""Nothing that anybody else chose can become more than text."""

import json
from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.page.history import HOSTILE

from wnm.views.html.markup import Markup, data_block, element, harmless, joined, raw


class Reader(HTMLParser):
    """What a browser finds in a piece of HTML: elements with their attributes, and all text."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.texts.append(data)


@given(st.text(), st.text())
def test_any_text_stays_the_text_of_its_element(inside: str, attribute: str) -> None:
    reader = Reader(element("p", inside, title=attribute).text)
    assert reader.found == [("p", {"title": harmless(attribute)})]
    assert "".join(reader.texts) == harmless(inside)


@given(st.text())
def test_harmless_text_is_of_the_same_length_and_all_printable(text: str) -> None:
    assert len(harmless(text)) == len(text)
    assert harmless(text).isprintable()
    assert harmless(harmless(text)) == harmless(text)


@given(
    st.recursive(
        st.text() | st.integers() | st.none(), lambda each: st.lists(each) | st.dictionaries(st.text(), each)
    )
)
def test_data_comes_out_as_it_went_in_and_cannot_end_its_block(payload: object) -> None:
    block = data_block("some", payload).text
    inside = block.removeprefix('<script type="application/json" id="some">').removesuffix("</script>")
    assert json.loads(inside) == payload
    assert not set(inside) & set("<>&")
    assert inside.isascii()


@pytest.mark.parametrize("text", HOSTILE)
def test_a_hostile_text_opens_no_element(text: str) -> None:
    reader = Reader(joined((element("p", text, title=text, data_name=text), text)).text)
    assert [name for name, _ in reader.found] == ["p"]
    assert set(reader.found[0][1]) == {"title", "data-name"}


def test_what_is_markup_already_is_not_escaped_again() -> None:
    assert element("b", element("i", "a & b"), raw("<hr>"), None).text == "<b><i>a &amp; b</i><hr></b>"


def test_attributes_without_a_value_and_none() -> None:
    made = element(
        "input", type="radio", checked=True, disabled=False, title=None, aria_label="x", class_="y"
    )
    assert made == Markup('<input type="radio" checked aria-label="x" class="y">')
