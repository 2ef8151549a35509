"""The measurable part of the style: sizes, docstrings, and words that must not be left behind."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).resolve().parents[2]
LINES_OF_A_FILE = 600
LINES_OF_A_FUNCTION = 50

# Put together here, so that this file does not contain them.
LEFT_BEHIND = ("TO" + "DO", "FIX" + "ME", "XX" + "X", "HA" + "CK", "pragma: " + "no cover")
PATCHES = ("unittest" + ".mock", "from " + "mock", "monkeypatch" + ".setattr", "mocker" + ".")


def files(*patterns: str) -> list[Path]:
    """The files below src, scripts and tests that match a pattern."""
    folders = [CHECKOUT / name for name in ("src", "scripts", "tests")]
    return sorted(file for folder in folders for pattern in patterns for file in folder.rglob(pattern))


def name(file: Path) -> str:
    """A file as people name it."""
    return file.relative_to(CHECKOUT).as_posix()


def length(file: Path) -> int:
    """Lines of a file."""
    return len(file.read_text(encoding="utf-8").splitlines())


def functions(text: str) -> Iterator[tuple[str, int]]:
    """Name and number of lines of every function in a Python source."""
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node.name, (node.end_lineno or node.lineno) - node.lineno + 1


def words_in(text: str, words: tuple[str, ...]) -> list[str]:
    """Which of the words stand in a text on their own."""
    return [word for word in words if re.search(rf"(?<!\w){re.escape(word)}(?!\w)", text)]


def test_no_file_is_too_long() -> None:
    long = [
        f"{name(file)}: {length(file)}" for file in files("*.py", "*.sh") if length(file) > LINES_OF_A_FILE
    ]
    assert long == []


def test_every_function_fits_on_a_screen() -> None:
    long = [
        f"{name(file)}: {function}: {lines}"
        for file in files("*.py")
        for function, lines in functions(file.read_text(encoding="utf-8"))
        if lines > LINES_OF_A_FUNCTION
    ]
    assert long == []


def test_every_module_says_what_it_is_for() -> None:
    silent = [
        name(file)
        for file in files("*.py")
        if not ast.get_docstring(ast.parse(file.read_text(encoding="utf-8")))
    ]
    assert silent == []


def test_nothing_is_left_behind() -> None:
    left = [
        f"{name(file)}: {word}"
        for file in files("*.py", "*.sh", "*.md")
        for word in words_in(file.read_text(encoding="utf-8"), LEFT_BEHIND)
    ]
    assert left == []


def test_nothing_is_patched() -> None:
    patched = [
        f"{name(file)}: {word}"
        for file in files("*.py")
        for word in PATCHES
        if word in file.read_text(encoding="utf-8")
    ]
    assert patched == []


@pytest.mark.parametrize(("lines", "measured"), [(1, 2), (49, 50), (50, 51)])
def test_lines_of_a_function_count_its_head(lines: int, measured: int) -> None:
    source = "def one():\n" + "    pass\n" * lines
    assert list(functions(source)) == [("one", measured)]


def test_a_word_inside_another_is_not_left_behind() -> None:
    word = LEFT_BEHIND[0]
    assert words_in(f"{word}S and my{word}", LEFT_BEHIND) == []
    assert words_in(f"# {word}: later", LEFT_BEHIND) == [word]
