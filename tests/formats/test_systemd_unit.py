"""Unit files: every value arrives as it is or is refused, and nothing can be smuggled in."""

import string
from datetime import timedelta

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from msgspec.structs import replace
from tests.formats.systemd_reader import command, options, without_specifiers, words

from wnm.core.contracts import Unit
from wnm.core.errors import Permanent
from wnm.formats.systemd_unit import Scope, owner, service_name, unit_text

HOME = "/var/antctl/services/antnode0001"
UNIT = Unit(
    name="antnode0001",
    argv=(f"{HOME}/antnode", "--root-dir", HOME),
    environment=(),
    working_dir=HOME,
    log_file="/var/log/antnode/antnode0001/stdout.log",
    fingerprint=("--root-dir", HOME),
    user="ant",
    writable=(HOME, "/var/log/antnode/antnode0001"),
    read_only=(f"{HOME}/antnode",),
)
NASTY = st.text(
    alphabet=st.one_of(
        st.sampled_from(
            list("%$\"'\\;#[]=-@:+!|{} \t\n\r\x00\x01\x07\x1b\x7f\x85\u2028\ufeff\ufdd0\ud800é😀")
        ),
        st.characters(),
    ),
    max_size=12,
)
ANY_SCOPE = st.sampled_from(["system", "user"])


def service(unit: Unit, scope: Scope = "system", **more: object) -> dict[str, list[str]]:
    """The values of each option of the service."""
    found: dict[str, list[str]] = {}
    for name, value in options(unit_text(unit, scope=scope, **more))["[Service]"]:  # type: ignore[arg-type]
        found.setdefault(name, []).append(value)
    return found


def names_of(text: str) -> list[list[str]]:
    """The names of the options of each section."""
    return [[name for name, _ in section] for section in options(text).values()]


def is_text(value: str) -> bool:
    """Whether systemd and D-Bus can carry it."""
    return all(
        char != "\0"
        and not 0xD800 <= ord(char) <= 0xDFFF
        and not 0xFDD0 <= ord(char) <= 0xFDEF
        and ord(char) % 0x10000 < 0xFFFE
        for char in value
    )


@given(arguments=st.lists(NASTY, max_size=4), scope=ANY_SCOPE)
@example(
    arguments=["", ";", "\\;", "$HOME", "%h", "%", "$", "\\", "x\\", "\n[Service]\nUser=root"], scope="system"
)
def test_arguments_arrive_as_they_are_or_are_refused(arguments: list[str], scope: Scope) -> None:
    unit = replace(UNIT, argv=(*UNIT.argv, *arguments))
    if not all(map(is_text, arguments)):
        with pytest.raises(Permanent, match="antnode0001: an argument"):
            unit_text(unit, scope=scope)
        return
    text = unit_text(unit, scope=scope)
    assert names_of(text) == names_of(unit_text(UNIT, scope=scope))
    assert command(service(unit, scope)["ExecStart"][0], {"HOME": "/root"}) == list(unit.argv)
    text.encode()


@given(value=NASTY, scope=ANY_SCOPE)
@example(value="two words\n\tand lines", scope="system")
@example(value="\\", scope="user")
def test_variables_arrive_as_they_are_or_are_refused(value: str, scope: Scope) -> None:
    unit = replace(UNIT, environment=(("A", value), ("B", "b")))
    control = any((char < " " and char not in "\t\n") or char == "\x7f" for char in value)
    if control or not is_text(value):
        with pytest.raises(Permanent, match="the variable 'A'"):
            unit_text(unit, scope=scope)
        return
    found = [words(each) for each in service(unit, scope)["Environment"]][-2:]
    assert [[without_specifiers(word) for word in each] for each in found] == [[f"A={value}"], ["B=b"]]


@pytest.mark.parametrize("name", ["", "1A", "A B", "A=", "A\n", "%h", "é", "A-B", 'A"'])
def test_a_name_that_is_none_is_refused_and_its_value_not_shown(name: str) -> None:
    with pytest.raises(Permanent) as caught:
        unit_text(replace(UNIT, environment=((name, "secret"),)), scope="system")
    assert "secret" not in str(caught.value)


@given(tail=NASTY)
@example(tail="\\")
@example(tail=" ")
@example(tail="a\\b c%h$X\"'")
@example(tail="../x")
def test_paths_arrive_as_they_are_or_are_refused(tail: str) -> None:
    path = f"/data/{tail}"
    unit = replace(UNIT, working_dir=path, log_file=f"{path}.log", writable=(path, "/b c"), read_only=(path,))
    try:
        found = service(unit)
    except Permanent:
        assert set(tail) - set(string.ascii_letters + string.digits)
        return
    assert without_specifiers(found["WorkingDirectory"][0]) == path
    log = f"append:{path}.log"
    assert [without_specifiers(each) for each in found["StandardOutput"] + found["StandardError"]] == [
        log,
        log,
    ]
    for escapes in (True, False):  # versions differ in that
        lists = [
            [without_specifiers(word) for each in found[name] for word in words(each, escapes=escapes)]
            for name in ("ReadWritePaths", "ReadOnlyPaths")
        ]
        assert lists == [[f"-{path}", "-/b c"], [f"-{path}"]]
    assert owner(unit_text(unit, scope="system")) == path


@pytest.mark.parametrize(
    "path",
    ["relative", "", "~", "/a\nb", "/a\rb", "/a\0b", "/a\x85", "/\ud800", "/\ufdd0", "/a\u2028"],
)
@pytest.mark.parametrize("which", ["working_dir", "log_file", "writable", "read_only", "argv"])
def test_paths_that_cannot_be_written_are_refused_by_name(which: str, path: str) -> None:
    value = path if which in ("working_dir", "log_file") else (path,)
    with pytest.raises(Permanent, match="antnode0001"):
        unit_text(replace(UNIT, **{which: value}), scope="system")


@pytest.mark.parametrize("which", ["working_dir", "log_file", "writable", "read_only"])
def test_paths_are_not_taken_for_others(which: str) -> None:
    value = "/a/../b" if which in ("working_dir", "log_file") else ("/a/../b",)
    with pytest.raises(Permanent, match=r"without \.\."):
        unit_text(replace(UNIT, **{which: value}), scope="system")


@pytest.mark.parametrize("program", ["antnode", "-/bin/sh", "@/bin/sh", "+/bin/sh", "!!/bin/sh", ":/bin/sh", "|/b",
                                     "", "/", "/a/", '/a"b', "/a'b", "/a\\b", "/a\x7f"])  # fmt: skip
def test_a_program_that_means_something_to_systemd_is_refused(program: str) -> None:
    with pytest.raises(Permanent, match="its program"):
        unit_text(replace(UNIT, argv=(program, "x")), scope="system")


def test_a_program_with_a_dollar_is_run_as_it_is() -> None:
    unit = replace(UNIT, argv=("/data/$x %h é/node", "$HOME", "${HOME}", "$$"))
    assert command(service(unit)["ExecStart"][0], {"x": "y"}) == list(unit.argv)
    assert service(unit)["ExecStart"][0].startswith(':"/data/$x %%h é/node" "$HOME"')


def test_an_ordinary_command_line_looks_ordinary() -> None:
    assert service(UNIT)["ExecStart"] == [f"{HOME}/antnode --root-dir {HOME}"]


@pytest.mark.parametrize(
    "name", ["", ".", "..", "../x", "a/b", "-x", "a\nb", "a b", "x" * 65, "a.service", "a%i", "a@b"]
)
def test_a_name_that_is_more_than_a_name_is_refused(name: str) -> None:
    with pytest.raises(Permanent, match="name of a unit"):
        service_name(replace(UNIT, name=name))
    with pytest.raises(Permanent, match="name of a unit"):
        unit_text(replace(UNIT, name=name), scope="system")


@pytest.mark.parametrize("user", ["ant\nGroup=root", "a b", "", "-x", "%u", "x" * 33, "é"])
def test_an_account_is_only_a_name(user: str) -> None:
    unit = replace(UNIT, user=user)
    if user == "":
        assert "User" not in service(unit)
        return
    with pytest.raises(Permanent, match="account"):
        unit_text(unit, scope="system")


def test_a_value_too_long_for_systemd_is_refused() -> None:
    with pytest.raises(Permanent, match="too long"):
        unit_text(replace(UNIT, argv=("/bin/x", "y" * 1024 * 1024)), scope="system")


@given(folder=NASTY)
def test_whose_a_unit_is_can_be_read_back(folder: str) -> None:
    try:
        text = unit_text(replace(UNIT, working_dir=f"/{folder}"), scope="user")
    except Permanent:
        return
    assert owner(text) == f"/{folder}"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[Unit]\nDescription=x\n",
        "\n" + unit_text(UNIT, scope="system"),
        unit_text(UNIT, scope="system").replace("# It belongs to", "# It is of"),
        unit_text(UNIT, scope="system").replace(f'"{HOME}"', HOME),
        unit_text(UNIT, scope="system").replace(f'"{HOME}"', f'"{HOME}\\q"'),
        unit_text(UNIT, scope="system").replace(f'"{HOME}"', f'"{HOME}\\xzz"'),
    ],
)
def test_what_wnm_did_not_write_belongs_to_nobody(text: str) -> None:
    assert owner(text) is None


def test_a_service_comes_back_always_but_not_for_ever() -> None:
    found = service(UNIT)
    assert found["Type"] == ["exec"]
    assert found["Restart"] == ["always"]
    assert found["KillMode"] == ["control-group"]
    about = dict(options(unit_text(UNIT, scope="system"))["[Unit]"])
    assert (about["StartLimitIntervalSec"], about["StartLimitBurst"]) == ("600", "5")


@pytest.mark.parametrize(("seconds", "written"), [(30, "30.000"), (0.25, "0.250"), (0, "0.001")])
def test_the_time_to_end_is_never_endless(seconds: float, written: str) -> None:
    unit = replace(UNIT, stop_grace=timedelta(seconds=seconds))
    assert service(unit)["TimeoutStopSec"] == [written]


def test_each_scope_has_its_target_and_only_the_system_changes_accounts() -> None:
    assert options(unit_text(UNIT, scope="system"))["[Install]"] == [("WantedBy", "multi-user.target")]
    assert options(unit_text(UNIT, scope="user"))["[Install]"] == [("WantedBy", "default.target")]
    assert service(UNIT)["User"] == ["ant"]
    assert "User" not in service(UNIT, "user")
    assert "network-online.target" not in unit_text(UNIT, scope="user")


def test_a_home_out_of_reach_is_replaced_unless_one_was_chosen() -> None:
    assert service(UNIT)["Environment"] == [f"HOME={HOME}"]
    assert service(replace(UNIT, environment=(("HOME", "/x"),)))["Environment"] == ["HOME=/x"]
    assert "Environment" not in service(UNIT, "user")


def test_an_account_asks_for_nothing_that_its_own_systemd_cannot_do() -> None:
    found = service(UNIT, "user")
    needs_privilege = [
        name for name in found if name.startswith(("Protect", "Private", "Read", "Capability"))
    ]
    assert needs_privilege == []
    assert {"NoNewPrivileges", "SystemCallFilter", "RestrictNamespaces"} <= set(found)


@pytest.mark.parametrize(
    ("changes", "home", "tmp"),
    [
        ({}, "yes", "yes"),
        ({"argv": ("/home/x/antnode",)}, "read-only", "yes"),
        ({"writable": ("/root/x",)}, "read-only", "yes"),
        ({"working_dir": "/run/user/1000/x"}, "read-only", "yes"),
        ({"working_dir": "/homes/x"}, "yes", "yes"),
        ({"working_dir": "/tmp/x"}, "yes", "no"),
        ({"read_only": ("/var/tmp/x",)}, "yes", "no"),
        ({"working_dir": "/tmpx"}, "yes", "yes"),
    ],
)
def test_what_it_needs_is_not_hidden_from_it(changes: dict[str, object], home: str, tmp: str) -> None:
    found = service(replace(UNIT, **changes))
    assert (found["ProtectHome"], found["PrivateTmp"]) == ([home], [tmp])


def test_what_it_needs_behind_a_link_is_not_hidden_either() -> None:
    found = service(UNIT, "system", behind_links={"/home/disk2/antnode0001"})
    assert found["ProtectHome"] == ["read-only"]
