"""Units that others wrote are read as systemd reads them, and what cannot be told is not guessed."""

import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from msgspec.structs import asdict, replace

from wnm.core.contracts import Unit
from wnm.core.errors import Permanent
from wnm.formats.systemd_reading import LONGEST_FILE_BYTES, Unclear, UnitFound, read_unit, words
from wnm.formats.systemd_unit import LONGEST_LINE_BYTES, environment, quoted, unit_text, word

CASES = Path(__file__).parent / "cases"
UNITS = sorted((CASES / "units").glob("*.service"))
LINES: list[dict[str, Any]] = json.loads((CASES / "exec_start.json").read_text(encoding="utf-8"))
HOME = "/var/antctl/services/antnode0001"
OWN = Unit(
    name="antnode0001",
    argv=(f"{HOME}/antnode", "--root-dir", HOME),
    environment=(("ANT_LOG", "ant_evm=error"),),
    working_dir=HOME,
    log_file="/var/log/antnode/antnode0001.stdout.log",
    fingerprint=("--root-dir", HOME),
    user="ant",
    stop_grace=timedelta(seconds=30),
)
NASTY = st.text(
    st.one_of(st.sampled_from(list("%$\"'\\;#[]=-@:+!|{} \t\n\r\x01\x7f\x85\u2028é😀axu0")), st.characters()),
    max_size=12,
)
BROKEN = st.one_of(
    st.binary(),
    st.lists(
        st.sampled_from(
            [b"[Service]", b"ExecStart=", b"/a", b"\n", b"\\", b"\r", b'"', b"'", b"Environment=", b"A=1", b" ",
             b"$A", b"${A}", b"%", b"%n", b";", b"\\x", b"41", b"\\u", b"\xff", b"\xc3", b"User=", b"#", b"="]
        )
    ).map(b"".join),
    st.binary().map(lambda tail: b"[Service]\nExecStart=/a " + tail),
)  # fmt: skip


def expressible(text: str) -> bool:
    """Whether a unit can hold it as a word."""
    try:
        quoted(text)
    except ValueError:
        return False
    return True


@pytest.mark.parametrize("path", UNITS, ids=lambda path: path.stem)
def test_whole_units(path: Path) -> None:
    case = json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))
    drop_ins = [(name, text.encode()) for name, text in case.get("drop_ins", {}).items()]
    found = json.loads(json.dumps(asdict(read_unit(path.read_bytes(), drop_ins, name=case["name"]))))
    assert {key: found[key] for key in case["expected"]} == case["expected"]


@pytest.mark.parametrize("case", LINES, ids=lambda case: case["line"])
def test_command_lines(case: dict[str, Any]) -> None:
    variables = "".join(f"Environment={environment(*pair)}\n" for pair in case.get("environment", {}).items())
    text = f"[Service]\n{variables}ExecStart={case['line']}\n"
    found = read_unit(text.encode(), name="antnode0001.service")
    assert found.problem == case.get("problem")
    assert (None if found.argv is None else list(found.argv)) == case.get("argv")


def test_every_case_of_a_unit_has_what_is_expected_of_it() -> None:
    assert {path.stem for path in UNITS} == {path.stem for path in (CASES / "units").glob("*.json")}


@given(st.lists(NASTY.filter(expressible), min_size=1, max_size=5))
@example(["", ";", "\\;", "$HOME", "%h", "%", "$", "\\", "x\\", "\n[Service]\nUser=root"])
def test_words_that_wnm_writes_are_read_back_exactly(texts: list[str]) -> None:
    for write in (word, quoted):
        line = " ".join(write(text) for text in texts)
        found = read_unit(f"[Service]\nExecStart=:/bin/x {line}\n".encode())
        assert found.argv == ("/bin/x", *texts)


@given(st.lists(NASTY, max_size=4), st.sampled_from(["system", "user"]))
@example(["$HOME", "${X}", "a b", "%%"], "system")
def test_a_unit_of_wnms_own_is_read_back_exactly(arguments: list[str], scope: Any) -> None:
    unit = replace(OWN, argv=(*OWN.argv, *arguments))
    try:
        text = unit_text(unit, scope=scope)
    except Permanent:
        return
    found = read_unit(text.encode(), name="antnode0001.service")
    assert (found.argv, found.problem, found.owner) == (unit.argv, None, HOME)
    assert dict(found.environment)["ANT_LOG"] == "ant_evm=error"
    assert found.user == ("ant" if scope == "system" else None)
    assert (found.working_dir, found.restart, found.notes) == (HOME, "always", ())


@given(st.dictionaries(st.from_regex("[A-Z_][A-Z0-9_]{0,5}", fullmatch=True), NASTY, max_size=4))
def test_variables_that_wnm_writes_are_read_back_exactly(variables: dict[str, str]) -> None:
    lines = []
    for name, value in variables.items():
        try:
            lines.append(f"Environment={environment(name, value)}\n")
        except ValueError:
            return
    found = read_unit(f"[Service]\n{''.join(lines)}ExecStart=/bin/x\n".encode())
    assert dict(found.environment) == variables


@given(BROKEN, st.lists(st.tuples(st.sampled_from(["a.conf", "b.conf"]), BROKEN), max_size=2))
def test_any_bytes_are_read_or_say_what_is_wrong(content: bytes, drop_ins: list[tuple[str, bytes]]) -> None:
    found = read_unit(content, drop_ins, name="antnode0001.service")
    assert isinstance(found, UnitFound)
    assert (found.argv is None) == (found.problem is not None)
    if found.argv is not None:
        assert found.argv[0].startswith("/")
        assert not any("\0" in argument for argument in found.argv)
    for text in (*found.notes, found.problem or ""):
        assert text.isprintable()


@given(st.text())
def test_words_of_any_text_come_to_an_end(text: str) -> None:
    try:
        found = list(words(text))
    except (Unclear, UnicodeEncodeError):
        return
    assert sum(map(len, found)) <= len(text)


def test_the_order_in_which_drop_ins_are_given_does_not_count() -> None:
    base = b"[Service]\nExecStart=/a\n"
    one, two = ("1.conf", b"[Service]\nUser=one\n"), ("2.conf", b"[Service]\nUser=two\n")
    assert read_unit(base, [one, two]) == read_unit(base, [two, one])
    assert read_unit(base, [two, one]).user == "two"


def test_without_a_name_no_specifier_is_known() -> None:
    text = b"[Service]\nExecStart=/a %n\n"
    assert read_unit(text, name="x.service").argv == ("/a", "x.service")
    assert read_unit(text).problem == "it depends on %n, which only systemd can resolve: '%n'"


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (
            b"[Service]\nExecStart=/a " + b"x" * LONGEST_LINE_BYTES,
            "it has a line that is too long for systemd",
        ),
        (b"#\n" * LONGEST_FILE_BYTES, "it is far too long for a unit"),
        (b"[Service]\nExecStart=/a" + b" x" * 20_000, "it has more than 10000 arguments"),
    ],
)
def test_work_is_bounded(content: bytes, problem: str) -> None:
    assert read_unit(content).problem == problem


def test_a_variable_that_grows_is_split_in_bounded_work() -> None:
    text = f'[Service]\nEnvironment="A={"x " * 5000}"\nExecStart=/a {"$A " * 100}\n'
    assert read_unit(text.encode()).problem == "it has more than 10000 arguments"


def test_a_secret_in_a_variable_is_not_told() -> None:
    text = b'[Service]\nEnvironment="A=%hsecret" secret "B\x01=secret"\nExecStart=/a\n'
    assert "secret" not in " ".join(read_unit(text).notes).replace("'secret'", "")
