"""Every `wnm …` that the documentation tells people to type is one that wnm understands."""

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest

from wnm.cli.parse import parse
from wnm.core.host import Host
from wnm.core.settings import read

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted([ROOT / "README.md", *(ROOT / "docs").rglob("*.md")])
FENCE = re.compile(r"^( *)```(sh|console)\n(.*?)^\1```", re.MULTILINE | re.DOTALL)
ADDRESS = "0x" + "1" * 40
HOST = Host(
    platform="linux",
    is_root=False,
    user="operator",
    home="/home/operator",
    environ={},
    usable_cores=4.0,
)
# What stands for something in the texts.
STAND_INS = (
    (re.compile(r"0x…(your address…)?"), ADDRESS),
    (re.compile(r"0x[AB]\b"), ADDRESS),
    (re.compile(r"\bADDRESS\b|\bADDR\b"), ADDRESS),
)


def typed(text: str) -> Iterator[list[str]]:
    """The words of every command in the blocks of a page that begins with wnm, comments and pipes left out."""
    for block in FENCE.finditer(text):
        lines = re.sub(r"\\\n\s*", " ", block[3]).splitlines()
        for line in lines:
            line = line.strip()
            if block[2] == "console" and not line.startswith("$ "):
                continue
            yield from commands(line.removeprefix("$ "))


def commands(line: str) -> Iterator[list[str]]:
    """The commands of wnm in one line of a shell."""
    for pattern, value in STAND_INS:
        line = pattern.sub(value, line)
    lexer = shlex.shlex(line, posix=True, punctuation_chars=True)
    lexer.whitespace_split = True
    words: list[str] = []
    for word in [*lexer, ";"]:
        if not word or not set(word) <= set(";|&<>()"):
            words.append(word)
            continue
        found = [each for each in words if each != "sudo"]
        if found and Path(found[0]).name == "wnm":
            yield found[1:]
        words = []


def page_name(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


@pytest.mark.parametrize("page", PAGES, ids=page_name)
def test_what_people_are_told_to_type_is_understood(page: Path) -> None:
    for words in typed(page.read_text(encoding="utf-8")):
        asked = parse(words)
        for name, text in asked.given.items():
            read(name, text, HOST)


def test_commands_are_found_in_all_their_forms() -> None:
    text = (
        "```sh\nsudo wnm --init \\\n    --node_cap 3   # why\nsleep 3; wnm\nls | wc\n```\n"
        "```console\n$ wnm status | head\nwnm: not this\n```\n```text\nwnm nor this\n```\n"
    )
    assert list(typed(text)) == [["--init", "--node_cap", "3"], [], ["status"]]


def test_there_is_something_to_check() -> None:
    assert sum(len(list(typed(page.read_text(encoding="utf-8")))) for page in PAGES) > 100
