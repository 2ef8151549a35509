"""Property lists that others wrote, as text and binary, sound and damaged."""

import plistlib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wnm.core.contracts import Unit
from wnm.formats.launchd import plist_bytes
from wnm_adopt.discover import LARGEST_BYTES, FoundUnit, read_agent

CASES = Path(__file__).parents[1] / "formats" / "cases" / "launchd_plist"
LABEL = "com.autonomi.antnode-1"
ROOT = "/Users/ada/Library/Application Support/autonomi/node/antnode0001"
ARGV = (f"{ROOT}/antnode", "--root-dir", ROOT, "--port", "55001")
SOUND: dict[str, Any] = {
    "Label": "com.autonomi.antnode-1",
    "ProgramArguments": list(ARGV),
    "EnvironmentVariables": {"ANT_LOG": "ant_evm=error", "EMPTY": ""},
    "UserName": "ada",
    "WorkingDirectory": ROOT,
    "StandardOutPath": "/Users/ada/Library/Logs/autonomi/antnode0001/out.log",
    "StandardErrorPath": "/Users/ada/Library/Logs/autonomi/antnode0001/err.log",
    "KeepAlive": True,
    "RunAtLoad": True,
}
VALUES = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"))


NAMED: dict[str, Any] = {"manager": "launchd", "name": LABEL, "place": f"/agents/{LABEL}.plist"}


def read(content: bytes) -> FoundUnit:
    """The agent in a file that is called as it should be."""
    return read_agent(content, file_name=f"{LABEL}.plist", place=f"/agents/{LABEL}.plist")


def agent(form: plistlib.PlistFormat = plistlib.FMT_XML, **changes: Any) -> FoundUnit:
    """The sound one with changes; None takes a key away."""
    content = {key: value for key, value in (SOUND | changes).items() if value is not None}
    return read(plistlib.dumps(content, fmt=form))


@pytest.mark.parametrize("form", [plistlib.FMT_XML, plistlib.FMT_BINARY])
def test_a_sound_agent(form: plistlib.PlistFormat) -> None:
    assert agent(form) == FoundUnit(
        **NAMED, argv=ARGV, environment=(("ANT_LOG", "ant_evm=error"), ("EMPTY", "")), user="ada"
    )


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"Label": None}, "it has no Label"),
        ({"Label": 5}, "it has no Label"),
        ({"ProgramArguments": None}, "it has no ProgramArguments"),
        ({"ProgramArguments": []}, "it has no ProgramArguments"),
        ({"ProgramArguments": "/a/antnode --port 1"}, "it has no ProgramArguments"),
        ({"ProgramArguments": ["/a/antnode", 5]}, "it has an argument that is no text"),
        ({"ProgramArguments": ["antnode"]}, "it does not name its program by the full path: 'antnode'"),
        ({"ProgramArguments": ["/bin/sh", "-c", "x"]},
         "it runs a shell, and what that runs is not known: '/bin/sh'"),
        ({"Program": "/b/antnode"}, "it runs another program than its arguments name (Program)"),
        ({"EnvironmentVariables": ["A"]}, "it has variables that are none (EnvironmentVariables)"),
        ({"EnvironmentVariables": {"A": 5}}, "it has a variable that is no text"),
        ({"EnableGlobbing": True}, "it has its arguments expanded by launchd (EnableGlobbing)"),
        ({"RootDirectory": "/jail"}, "it runs in a root of its own (RootDirectory)"),
    ],
)  # fmt: skip
def test_what_cannot_be_used(changes: dict[str, Any], problem: str) -> None:
    found = agent(**changes)
    assert (found.problem, found.argv) == (problem, None)


def test_a_program_alone_is_the_whole_command_line() -> None:
    assert agent(Program="/a/antnode", ProgramArguments=None).argv == ("/a/antnode",)
    assert agent(Program=ARGV[0]).argv == ARGV


def test_what_is_worth_knowing() -> None:
    found = agent(Disabled=True, KeepAlive={"SuccessfulExit": False}, RunAtLoad=None)
    assert found.notes == (
        "its property list says that it is disabled",
        "launchd does not start it again whenever it ends (KeepAlive)",
        "it does not start at login (RunAtLoad)",
    )


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"", "it is empty"),
        (b" \n", "it is empty"),
        (b"not one", "it is no property list, or a damaged one"),
        (b"bplist00garbage", "it is no property list, or a damaged one"),
        (b"<plist><dict><key>Label</key>", "it is no property list, or a damaged one"),
        (b'<?xml version="1.0" encoding="no-such"?><plist/>', "it is no property list, or a damaged one"),
        (plistlib.dumps(SOUND)[:-40], "it is no property list, or a damaged one"),
        (plistlib.dumps(SOUND, fmt=plistlib.FMT_BINARY)[:-1], "it is no property list, or a damaged one"),
        (plistlib.dumps(["Label"]), "it is a property list, but not of an agent"),
        (b"<plist>" + b" " * LARGEST_BYTES + b"</plist>", "it is far too long for an agent"),
    ],
)
def test_damaged_ones(content: bytes, problem: str) -> None:
    assert read(content) == FoundUnit(**NAMED, problem=problem)


def test_the_one_that_wnm_writes() -> None:
    found = read((CASES / "antnode0001.plist").read_bytes())
    assert (found.name, found.problem, found.notes, found.own) == (LABEL, None, (), True)


@given(st.lists(VALUES, max_size=3), st.dictionaries(VALUES, VALUES, max_size=3), VALUES)
def test_what_wnm_writes_is_read_back_exactly(
    arguments: list[str], environment: dict[str, str], folder: str
) -> None:
    unit = Unit(
        name="antnode0001",
        argv=("/a/antnode", *arguments),
        environment=tuple(environment.items()),
        working_dir=folder,
        log_file="/l",
        fingerprint=("--root-dir", "/a"),
    )
    found = read(plist_bytes(unit, LABEL, "Aqua"))
    assert (found.argv, found.environment) == (unit.argv, unit.environment)
    assert (found.own, found.problem) == (True, None)


@given(st.binary() | st.binary().map(lambda tail: b"bplist00" + tail))
def test_any_bytes_are_read_or_say_what_is_wrong(content: bytes) -> None:
    found = read(content)
    assert (found.argv is None) == (found.problem is not None)
