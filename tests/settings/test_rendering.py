"""What is written for a shell and for -c is read back as it was, by a real shell and by the real reader."""

import subprocess
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.settings.hosts import USER
from tests.settings.hosts import given as layer
from tests.settings.test_texts import ACCEPTED

from wnm.app.sources import read_config_file
from wnm.core.layers import resolve
from wnm.core.settings import SPECS, read, render
from wnm.formats.assignments import render_config, render_env

some_folder = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
names = st.from_regex(r"WNM_[A-Z_]{1,20}", fullmatch=True)
# What an environment can carry: any text without NUL that has bytes.
texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=60)
lines = st.text(
    st.characters(exclude_categories=["Cc", "Cs"], exclude_characters="\u2028\u2029"), min_size=1, max_size=40
)


def in_shell(script: str, names: list[str]) -> dict[str, str]:
    """The variables that a POSIX shell has after `eval` of its standard input."""
    shown = "".join(f"; printf '%s\\0' \"${name}\"" for name in names)
    done = subprocess.run(
        ["sh", "-c", f'eval "$(cat)"{shown}'],
        input=script.encode(),
        capture_output=True,
        env={},
        timeout=30,
        check=True,
    )
    assert done.stderr == b""
    values = done.stdout.decode().split("\0")[:-1]
    return dict(zip(names, values, strict=True))


@settings(max_examples=60, deadline=None)
@given(st.dictionaries(names, texts, min_size=1, max_size=5))
def test_any_values_survive_a_shell(values: dict[str, str]) -> None:
    assert in_shell(render_env(values), list(values)) == values


@pytest.mark.parametrize(
    "value", ["'", "''", "a'b", "$(touch /tmp/x)", "`id`", "a\nb", "\\", '"', "-n", "!x", "é\u2028"]
)
def test_awkward_values_survive_a_shell(value: str) -> None:
    assert in_shell(render_env({"WNM_X": value}), ["WNM_X"]) == {"WNM_X": value}


def test_every_line_is_an_export() -> None:
    assert render_env({"A": "it's", "B": ""}) == "export A='it'\\''s'\nexport B=''\n"


def test_what_no_variable_can_hold_is_refused() -> None:
    for name in ("", "1A", "A B", "A;id", "A\n"):
        with pytest.raises(ValueError, match="name of a variable"):
            render_env({name: "x"})
    with pytest.raises(ValueError, match="NUL"):
        render_env({"A": "\0"})


def from_config(folder: Path, values: dict[str, str]) -> dict[str, str]:
    """The values as -c reads what was written of them."""
    file = folder / "config"
    file.write_text(render_config(values), encoding="utf-8")
    return dict(read_config_file(file, explicit=True))


@some_folder
@given(value=lines)
def test_any_line_survives_a_config_file_or_is_refused(tmp_path: Path, value: str) -> None:
    try:
        render_config({"start_args": value})
    except ValueError:
        return
    assert from_config(tmp_path, {"start_args": value}) == {"start_args": value}


@pytest.mark.parametrize(
    "value",
    [
        "",
        " x ",
        "a # b",
        "a ; b",
        '"',
        "'",
        "\"x'",
        "x'",
        'a" #b',
        "a' #b",
        "true",
        "-1",
        "#x",
        "a=b:c",
        "[a",
        "''",
    ],
)
def test_awkward_values_survive_a_config_file(tmp_path: Path, value: str) -> None:
    assert from_config(tmp_path, {"a": value, "b": "2"}) == {"a": value, "b": "2"}


@pytest.mark.parametrize("value", ["a\nb", "a\rb", "\0", "[a]", "a\" #b' #c", "a\u2028b"])
def test_what_a_config_file_cannot_hold_is_refused(value: str) -> None:
    with pytest.raises(ValueError, match="cannot hold"):
        render_config({"a": value})


@some_folder
@given(
    words=st.lists(lines, max_size=4),
    pairs=st.dictionaries(st.from_regex(r"[A-Z]{1,8}", fullmatch=True), lines, max_size=4),
    path=lines,
)
def test_any_accepted_setting_survives_a_config_file(
    tmp_path: Path, words: list[str], pairs: dict[str, str], path: str
) -> None:
    values = {
        "start_args": render("start_args", tuple(words)),
        "environment": render("environment", tuple(pairs.items())),
    }
    try:
        values["log_storage"] = render("log_storage", read("log_storage", f"/mnt/{path}", USER))
    except ValueError:
        values["log_storage"] = "/mnt"
    assert from_config(tmp_path, values) == values


def test_the_round_trip_of_all_settings(tmp_path: Path) -> None:
    options = {
        name: text
        for name, text, *_ in ACCEPTED
        if name not in ("cycle_timeout", "hd_remove", "hd_less_than")
    }
    found = resolve([layer(**options)], USER)
    written = {name: found.text(name) for name in SPECS}
    read_back = from_config(tmp_path, written)
    assert read_back == written
    again = resolve([layer("the file", **read_back)], USER)
    assert again.settings == found.settings
    shell = {f"WNM_{name.upper()}": text for name, text in written.items()}
    assert in_shell(render_env(shell), list(shell)) == shell
