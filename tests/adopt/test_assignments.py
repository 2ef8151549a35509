"""Variables of a bash text, told without running it; where a value is given, the real bash gives the same."""

import json
import shutil
import subprocess
import tempfile
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from wnm_adopt.bash_texts import Assignments, Known, Place, Unknown, read_assignments

CASES = Path(__file__).parent / "cases" / "anm" / "shell"
BASH = shutil.which("bash")
NAMES = ("A", "B", "C", "D", "E")

# Bash tells at its end what is set, whatever the text did to its output.
_TELL = (
    'exec 9>&1; trap \'for n in {names}; do [[ -v $n ]] && printf "%s=%s\\0" $n "${{!n}}" >&9; done\' EXIT; '
    ". ./text >/dev/null 2>&1 </dev/null"
)


def set_by_bash(content: bytes, names: tuple[str, ...]) -> dict[str, str]:
    """What the real bash sets, in an empty folder, with no programs to run and nothing in its environment."""
    assert BASH is not None
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "text").write_bytes(content)
        script = _TELL.format(names=" ".join(names))
        environment = {"PATH": "/nonexistent", "HOME": "/home/somebody"}
        command = [BASH, "--norc", "--noprofile", "-c", script]
        ran = subprocess.run(
            command, cwd=folder, env=environment, capture_output=True, check=False, timeout=60
        )
    pairs = (entry.partition(b"=") for entry in ran.stdout.split(b"\0") if entry)
    return {name.decode(): value.decode(errors="surrogateescape") for name, _, value in pairs}


def reading(*texts: str) -> Assignments:
    """What some texts, sourced one after another, set."""
    return read_assignments([(f"file{number}", text) for number, text in enumerate(texts, 1)])


def as_expected(found: Known | Unknown, expected: object) -> bool:
    """Whether it is the value, or unknown for a reason that begins like this."""
    if isinstance(expected, dict):
        return isinstance(found, Unknown) and found.reason.startswith(expected["unknown"])
    return isinstance(found, Known) and found.value == expected


@pytest.mark.parametrize("case", sorted(each.stem for each in CASES.glob("*.txt")))
def test_case(case: str) -> None:
    text = (CASES / f"{case}.txt").read_bytes().decode(errors="surrogateescape")
    expected = json.loads((CASES / f"{case}.json").read_text(encoding="utf-8"))
    values = reading(text).values
    assert set(values) == set(expected)
    assert [name for name, found in values.items() if not as_expected(found, expected[name])] == []


@pytest.mark.skipif(BASH is None, reason="bash is not installed")
@pytest.mark.parametrize("case", sorted(each.stem for each in CASES.glob("*.txt")))
def test_bash_says_the_same_of_each_case(case: str) -> None:
    content = (CASES / f"{case}.txt").read_bytes()
    values = reading(content.decode(errors="surrogateescape")).values
    known = {name: found.value for name, found in values.items() if isinstance(found, Known)}
    real = set_by_bash(content, tuple(known))
    assert real == known


def test_the_last_text_wins_also_when_it_is_not_known() -> None:
    values = reading("A=1\nB=1\nC=$(x)\n", "A=2\nB=$(x)\nC=3\n").values
    assert values["A"] == Known("2", place=Place("file2", 1, "A=2"))
    assert values["B"] == Unknown(reason="it runs a command", place=Place("file2", 2, "B=$(x)"))
    assert isinstance(values["C"], Known)


def test_after_a_line_that_is_not_understood_nothing_is_certain() -> None:
    values = reading("A=1\nB=1\nC=1\nreturn $B\nC=2\nD=1\n", "E=2\n").values
    assert values["A"] == Known("1", place=Place("file1", 1, "A=1"))
    unknown = {name: found.place.line for name, found in values.items() if isinstance(found, Unknown)}
    assert unknown == {"B": 4, "C": 5, "D": 6, "E": 1}
    assert all("line 4 of file1" in found.reason for found in values.values() if isinstance(found, Unknown))


@pytest.mark.parametrize("text", ["A='x\nB=1\n", 'A="x\nB=1\n', "A=1\nB=\0\n"])
def test_quotes_without_an_end_and_nul_characters_are_refused(text: str) -> None:
    found = reading(text)
    assert all(isinstance(each, Unknown) for each in found.values.values())
    assert set(found.values) == {"A", "B"}
    assert len(found.remarks) == 1


def test_the_first_line_that_may_change_anything_is_told() -> None:
    text = "A=1\nsource other\n. /another\neval $A\n$A\nB='\n"
    places = [(each.place.line, each.place.text) for each in reading(text).remarks]
    assert places == [(2, "source other")]


def test_a_line_is_shown_on_one_line_and_cut() -> None:
    place = reading(f"A='\x1b[31m{'x' * 500}'\n").values["A"].place
    assert len(place.text) < 130
    assert "\x1b" not in place.text


def test_a_value_does_not_grow_without_end() -> None:
    values = reading("A=xxxxxxxx\n" + "A=$A$A\n" * 100).values
    assert isinstance(values["A"], Unknown)


LINES = (
    "A=1", "B=2", "C='x'", 'D="$A"', "E=$B", "A+=2", "export A", "export B=5", "readonly C=3", "C=4", "unset B",
    "f() { A=9; exit; }", "f", "if true; then A=5; fi", "for A in 1 2; do B=$A; done", "{ A=6; }", "(A=7)",
    "case $A in 1) B=3;; *) C=4;; esac", "A=8 | :", "A=8 &", "A=9 B=9 :", "true && A=4", "A=4 && B=4",
    "cat <<EOF\nA=5\nEOF", ": <<X\n${D:=6}\nX", "D=$((E=3))", "while false; do A=1; done", "A=(1 2)", "A[1]=3",
    "declare -i B=1+1", "B=1+1", "[[ -n $A ]] && B=7", "((C=5))", "E='a\nb'", 'E="a\\\nb"', "# A=3",
    "A=1 # B=4", "A=a#b", "g() {\n B=1\n}", "g", "eval A=3", "return", "`:`A=1", "A=$'a\\tb'", "A=~/x", "A=x:~",
    "A={1,2}", "export A={1,2}", "export A=b*", 'export "A=3"', "A=1 >/dev/null", "A=1 export C=3",
    "X=1 export X", "A=1 $E", "A=${C}x${D}", "local A=3", "read A <<< 5", "printf -v B 3", "A=$RANDOM",
    "A= B= C=", "B=\"\"$A''", "set -e", "false", "exec", "command export A=3", "A=$", "A=${#B}", "A=${Z?x}",
    "A=1\r", "A=\\", "'", '"', "`", "$(", "${", ")", "}", "fi", "<", "é", "A", "=",
)  # fmt: skip
BETWEEN = ("\n", "\n", "\n", ";", " && ", " || ", " | ", " & ", " ", "")
texts_of_lines = st.lists(st.tuples(st.sampled_from(LINES), st.sampled_from(BETWEEN)), max_size=7).map(
    lambda pairs: "".join(line + between for line, between in pairs)
)


@pytest.mark.skipif(BASH is None, reason="bash is not installed")
@settings(max_examples=150, deadline=None)
@given(texts_of_lines)
@example("E='a\nb' D=$((E=3))\n")
@example("export A=1 B=$A\n")
@example("export A=1 <nothing\n")
@example("A=1;in ")
@example("A[x E=5\n")
@example("2>&1<<<`:`${D:=7}\n")
def test_what_is_known_is_what_bash_says(text: str) -> None:
    found = reading(text)
    real = set_by_bash(text.encode(), NAMES)
    known = {name: each.value for name, each in found.values.items() if isinstance(each, Known)}
    assert {name: real.get(name) for name in NAMES if name in known} == {
        name: known[name] for name in NAMES if name in known
    }
    if not found.remarks:
        assert set(real) <= set(found.values)


_plain_characters = st.characters(exclude_categories=["Cs"], exclude_characters="\0\n")


@given(st.dictionaries(st.from_regex(r"Key[A-Za-z0-9_]{0,9}", fullmatch=True), st.text(_plain_characters)))
def test_what_is_quoted_is_read_back(values: dict[str, str]) -> None:
    text = "".join(
        f"{name}='{value.replace(chr(39), chr(39) + chr(92) + chr(39) * 2)}'\n"
        for name, value in values.items()
    )
    found = reading(text).values
    assert {name: each.value for name, each in found.items() if isinstance(each, Known)} == values


@given(st.text(max_size=300), texts_of_lines, st.text(max_size=100))
def test_no_text_makes_it_fail_and_what_is_not_set_has_no_value(before: str, lines: str, after: str) -> None:
    text = before + lines + after
    found = reading(text, after)
    for name, value in found.values.items():
        assert name in (text + after) or isinstance(value, Unknown)
        assert 1 <= value.place.line <= text.count("\n") + 1
    assert "Never" not in found.values


@pytest.mark.parametrize(
    "command", ["touch canary", ">canary", "$(>canary)", "`>canary`", "((a[$(>canary)]))"]
)
def test_nothing_is_run(command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    reading(f"A=1\n{command}\nB={command}\nC=$({command})\neval '{command}'\n")
    assert list(tmp_path.iterdir()) == []


MANY = 20_000
HOSTILE = {
    "substitutions": "A=" + "$(" * MANY,
    "arithmetic": "((" * MANY,
    "braces": "${" * MANY,
    "quotes": '"' * (MANY + 1),
    "nested conditions": "if " * MANY,
    "nested groups": "{ " * MANY,
    "nested functions": "function f " * MANY,
    "lists": "a&&" * MANY,
    "pipelines": "a|" * MANY,
    "assignments on one line": "A=1 " * MANY,
    "growing values": "A=1\n" + "A=$A$A\n" * MANY,
    "added to": "A=1\n" + "A+=$A\n" * MANY,
    "documents": "cat <<A\n" * MANY,
    "documents of one line": "cat " + "<<A " * MANY,
    "declarations": "export " + "A=1 " * MANY,
    "functions and calls": "".join(f"f{n}() {{ A{n}=1; }}\n" for n in range(MANY // 4)) + "f1\n" * MANY,
    "a long name": "a" * MANY * 10,
    "backslashes": "\\" * MANY,
    "arrays": "A=(" * MANY,
    "elements": "A[" * MANY,
}


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE.keys())
def test_hostile_text_is_read_to_its_end(text: str) -> None:
    # With time that grows faster than the text these would take hours.
    assert all(name in text for name in reading(text).values)
