"""Checks that module docstrings are statements: they say what a module does, not `What is …` or `How it …`."""

import ast
import re
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).resolve().parents[2]
RIDDLE = re.compile(r"(?:What|Who|Whoever|How|That|Where|Why)\b")


def riddle_in(text: str) -> str | None:
    """Return the first line of a module's docstring if it begins with a word of a question, else None."""
    first = (ast.get_docstring(ast.parse(text)) or "").partition("\n")[0]
    return first if RIDDLE.match(first) else None


@pytest.mark.parametrize("folder", ["src", "scripts"])
def test_a_module_docstring_says_what_the_module_does(folder: str) -> None:
    files = sorted((CHECKOUT / folder).rglob("*.py"))
    assert files
    found = {
        file.relative_to(CHECKOUT).as_posix(): riddle
        for file in files
        if (riddle := riddle_in(file.read_text(encoding="utf-8"))) is not None
    }
    assert found == {}


@pytest.mark.parametrize(
    ("text", "is_found"),
    [
        ('"""What a new node gets."""\n', True),
        ('r"""\nHow systemd splits a value.\n"""\n', True),
        ("# Allocates.\n'''Whoever asks.'''\n", True),
        ('"""Whatever it says."""\n', False),
        ('"""Says what a new node gets."""\n', False),
        ('"""Allocates ports."""\n\nNOTE = """What it is."""\n', False),
        ("", False),
    ],
)
def test_the_check_sees_a_spoiled_example(text: str, is_found: bool) -> None:
    assert (riddle_in(text) is not None) is is_found
