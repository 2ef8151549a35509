"""Builds HTML that is safe by construction: a plain text can only become an escaped part of it."""

import html
import json
from collections.abc import Iterable
from datetime import datetime
from typing import Any

from msgspec import Struct

from wnm.views.payload import moment
from wnm.views.words import absolute

_VOID = frozenset({"meta", "link", "input", "br", "hr"})


class Markup(Struct, frozen=True):
    """A piece of the page that is HTML already."""

    text: str


type Child = Markup | str | None
"""The content that an element may hold; None is nothing."""


def element(name: str, /, *children: Child, **attributes: object) -> Markup:
    """An element with its children and attributes.

    `class_` stands for `class`, other underscores for hyphens; True is an attribute without a value, None or
    False is none.
    """
    start = ""
    for key, value in attributes.items():
        written = "" if value is True else f'="{_escaped(str(value))}"'
        if value is not None and value is not False:
            start += f" {key.rstrip('_').replace('_', '-')}{written}"
    if name in _VOID:
        return Markup(f"<{name}{start}>")
    return Markup(f"<{name}{start}>{joined(children).text}</{name}>")


def joined(children: Iterable[Child], between: str = "") -> Markup:
    """The children one after the other."""
    texts = [
        each.text if isinstance(each, Markup) else _escaped(each) for each in children if each is not None
    ]
    return Markup(between.join(texts))


def raw(text: str) -> Markup:
    """Our own source, such as the style sheet: never a text from elsewhere."""
    return Markup(text)


def section(name: str, title: str, *children: Child) -> Markup:
    """A section of the page below its heading, by which it is called."""
    return element("section", element("h2", title, id=name), *children, aria_labelledby=name)


def quiet(*children: Child, **attributes: object) -> Markup:
    """A paragraph that matters less."""
    return element("p", *children, **attributes, class_="quiet")


def time(at: datetime, *, class_: str | None = None) -> Markup:
    """A time that the page's script says relative to now; without the script it stands in full."""
    return element("time", absolute(at), datetime=moment(at), class_=class_)


def harmless(text: str) -> str:
    """The text without control characters and whatever else turns or hides what is written; blanks stay."""
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() else " " if char.isspace() else "?" for char in text)


def data_block(name: str, payload: Any) -> Markup:
    """JSON for the page's script, in which no text can end the element that it stands in."""
    text = json.dumps(payload, separators=(",", ":"), allow_nan=False)
    for character in "<>&":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return Markup(f'<script type="application/json" id="{name}">{text}</script>')


def _escaped(text: str) -> str:
    return html.escape(harmless(text), quote=True)
