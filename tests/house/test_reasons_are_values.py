"""Reasons are values: no code reads a sentence that was made of one."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).resolve().parents[2]
SOURCES = sorted((CHECKOUT / "src").rglob("*.py"))
MADE = frozenset({"sentence", "what", "waiting_for", "remedy", "task", "is_at", "named"})
"""What makes sentences of reasons, in `wnm.core.sentences`."""
READING = frozenset(
    {"startswith", "endswith", "find", "index", "split", "partition", "removeprefix", "removesuffix"}
)


def _is_sentence(node: ast.expr) -> bool:
    """Whether an expression is a sentence just made, or an action's or a decision's reason."""
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
        return node.func.id in MADE
    return False


def read_in(text: str) -> Iterator[str]:
    """Where a source takes a sentence apart: `in`, `startswith` and their like, `re`, and comparing it."""
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Compare):
            if any(map(_is_sentence, (node.left, *node.comparators))):
                yield f"line {node.lineno}: compared"
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            owner, attribute = node.func.value, node.func.attr
            if attribute in READING and _is_sentence(owner):
                yield f"line {node.lineno}: {attribute}"
            of_re = isinstance(owner, ast.Name) and owner.id == "re"
            of_pattern = attribute in ("match", "search", "fullmatch", "findall", "sub")
            if (of_re or of_pattern) and any(map(_is_sentence, node.args)):
                yield f"line {node.lineno}: {attribute}"


@pytest.mark.parametrize("source", SOURCES, ids=lambda path: path.relative_to(CHECKOUT / "src").as_posix())
def test_no_code_reads_a_sentence(source: Path) -> None:
    text = source.read_text(encoding="utf-8")
    assert list(read_in(text)) == []
    names = {node.id for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Name)}
    assert "Held" not in names


@pytest.mark.parametrize(
    "line",
    [
        'if "cpu" in waiting_for(each): pass',
        'if sentence(each.because).startswith("x"): pass',
        "re.search(name, what(each))",
        "pattern.sub(name, what(each))",
        'if what(each) == "add a node": pass',
    ],
)
def test_reading_one_is_seen(line: str) -> None:
    assert list(read_in(line)) != []
