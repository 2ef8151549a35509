"""The property lists of units, and their labels."""

import plistlib
import re
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from msgspec.structs import replace

from wnm.core.contracts import Unit
from wnm.core.errors import Permanent
from wnm.formats.launchd import Written, label_of, plist_bytes, read_plist, unit_name_of

CASES = Path(__file__).parent / "cases" / "launchd_plist"
UNIT = Unit(
    name="antnode0001",
    argv=("/Users/ant/node/antnode0001/antnode", "--root-dir", "/Users/ant/node/antnode0001"),
    environment=(("RUST_LOG", "info"),),
    working_dir="/Users/ant/node/antnode0001",
    log_file="/Users/ant/Library/Logs/autonomi/antnode0001/stdout.log",
    fingerprint=("--root-dir", "/Users/ant/node/antnode0001"),
)
NAMES = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}", fullmatch=True) | st.from_regex(
    r"[ab][a-c-]{0,2}[01]{0,6}(-[01]{0,6})?", fullmatch=True
)
# A program cannot get a NUL, and Python has no other use for halves of a character than bytes that are not UTF-8.
VALUES = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"))


@pytest.mark.parametrize(
    ("name", "label"),
    [
        ("antnode0001", "com.autonomi.antnode-1"),
        ("antnode0000", "com.autonomi.antnode-0"),
        ("antnode0120", "com.autonomi.antnode-120"),
        ("antnode12345", "com.autonomi.antnode-12345"),
        ("antnode1", "com.autonomi.antnode1"),
        ("antnode00001", "com.autonomi.antnode00001"),
        ("antnode-01", "com.autonomi.antnode-01"),
        ("0001", "com.autonomi.0001"),
        ("node2-1", "com.autonomi.node2-1"),
        ("x", "com.autonomi.x"),
    ],
)
def test_labels(name: str, label: str) -> None:
    assert label_of(name) == label
    assert unit_name_of(label) == name


@pytest.mark.parametrize(
    "name",
    ["", ".", "../x", "a/b", "a b", "-x", "a\n", "a.b", "é", "x" * 65, "antnode-1", "antnode-0", "a\0"],
)
def test_names_without_a_label_of_their_own_are_refused(name: str) -> None:
    with pytest.raises(Permanent, match="cannot be the name of an agent"):
        label_of(name)


@given(NAMES, NAMES)
def test_no_two_names_have_the_same_label(one: str, other: str) -> None:
    assume(one != other)
    try:
        assert label_of(one) != label_of(other)
    except Permanent:
        return
    assert unit_name_of(label_of(one)) == one


@given(st.text())
def test_a_label_gives_its_name_or_none(text: str) -> None:
    name = unit_name_of(text) or unit_name_of(f"com.autonomi.{text}")
    assert name is None or re.fullmatch("[A-Za-z0-9][A-Za-z0-9_-]{0,63}", name)


@pytest.mark.parametrize("label", ["", "com.autonomi.", "com.autonomi.a.b", "com.apple.Finder", "antnode-1"])
def test_labels_of_nobody(label: str) -> None:
    assert unit_name_of(label) is None


def test_a_property_list_can_be_read_by_people() -> None:
    content = plist_bytes(UNIT, "com.autonomi.antnode-1", "Aqua")
    assert content.decode() == (CASES / "antnode0001.plist").read_text()


def test_launchd_kills_later_than_we_do() -> None:
    slow = replace(UNIT, stop_grace=timedelta(seconds=90.5))
    assert plistlib.loads(plist_bytes(slow, "x", "Background"))["ExitTimeOut"] == 93


@given(
    argv=st.lists(VALUES, min_size=1).map(tuple),
    environment=st.dictionaries(VALUES, VALUES),
    folder=VALUES,
    log=VALUES,
)
def test_every_value_comes_back_as_it_was(
    argv: tuple[str, ...], environment: dict[str, str], folder: str, log: str
) -> None:
    unit = replace(UNIT, argv=argv, environment=tuple(environment.items()), working_dir=folder, log_file=log)
    content = plist_bytes(unit, "com.autonomi.antnode-1", "Aqua")
    found = plistlib.loads(content)
    assert found["ProgramArguments"] == list(argv)
    assert found["EnvironmentVariables"] == environment
    assert found["WorkingDirectory"] == folder
    assert found["StandardOutPath"] == found["StandardErrorPath"] == log
    assert found["Umask"] == 0o077
    own = Written(label="com.autonomi.antnode-1", argv=argv, unit="antnode0001", working_dir=folder)
    assert read_plist(content) == own


@pytest.mark.parametrize("value", ["a\0b", "caf\udce9"])
def test_what_launchd_cannot_pass_on_is_refused(value: str) -> None:
    for unit in (
        replace(UNIT, argv=("/bin/x", value)),
        replace(UNIT, environment=(("X", value),)),
        replace(UNIT, environment=((value, "x"),)),
        replace(UNIT, working_dir=value),
        replace(UNIT, log_file=value),
    ):
        with pytest.raises(Permanent, match="launchd cannot pass on"):
            plist_bytes(unit, "com.autonomi.antnode-1", "Aqua")


@pytest.mark.parametrize(
    ("content", "found"),
    [
        (b"", None),
        (b"not one", None),
        (b"bplist00garbage", None),
        (b"<plist><dict><key>Label</key>", None),
        (b"<plist><date>x</date></plist>", None),
        (plistlib.dumps(["Label"]), None),
        (plistlib.dumps({}), Written(label=None)),
        (plistlib.dumps({"Label": "a"}), Written(label="a")),
        (plistlib.dumps({"Label": 5, "com.autonomi.wnm": "x"}), Written(label=None)),
        (plistlib.dumps({"Label": "a", "com.autonomi.wnm": {"unit": 5}}), Written(label="a")),
    ],
)
def test_property_lists_of_others(content: bytes, found: Written | None) -> None:
    assert read_plist(content) == found


@given(st.binary() | st.binary().map(lambda tail: b"bplist00" + tail))
def test_any_bytes_are_read_or_are_none(content: bytes) -> None:
    assert read_plist(content) is None or isinstance(read_plist(content), Written)
