"""Properties of services as systemd tells them on its bus."""

from typing import Any

import pytest

from wnm.formats.systemd_reading import read_loaded, read_unit

PATH = "/etc/systemd/system/antnode0001.service"
ROOT = "/srv/host/antnode0001"
FILE = b"[Service]\nUser=ant\nEnvironment=A=%H B=2\nExecStart=/srv/%H/antnode0001/antnode --root-dir $B\n"
ARGV = [f"{ROOT}/antnode", "--root-dir", ROOT]
SOUND: dict[str, Any] = {
    "LoadState": "loaded",
    "NeedDaemonReload": False,
    "FragmentPath": PATH,
    "DynamicUser": False,
    "RootDirectory": "",
    "RootImage": "",
    "User": "ant",
    "Group": "",
    "Restart": "always",
    "Environment": ["A=host", "B=2", "C=3"],
    "UnsetEnvironment": ["C"],
    "EnvironmentFiles": [],
    "ExecStartEx": [[ARGV[0], ARGV, [], 0, 0, 0, 0, 0, 0, 0]],
}


def command(*words: str, flags: tuple[str, ...] = (), program: str = ARGV[0]) -> dict[str, Any]:
    """The property of one command."""
    return {"ExecStartEx": [[program, [ARGV[0], *words], list(flags), 0, 0, 0, 0, 0, 0, 0]]}


def test_specifiers_are_resolved_that_no_file_tells() -> None:
    in_file = read_unit(FILE, name="antnode0001.service")
    assert in_file.argv is None
    found = read_loaded(SOUND, in_file, PATH)
    assert found is not None
    assert (found.argv, found.user, found.problem, found.restart) == (tuple(ARGV), "ant", None, "always")
    assert found.environment == (("A", "host"), ("B", "2"))
    assert found.notes == ()


def test_a_program_is_told_as_it_is_written() -> None:
    written = "/srv//host/antnode0001/antnode"
    found = read_loaded(SOUND | {"ExecStartEx": [[ARGV[0], [written], []]]}, read_unit(FILE), PATH)
    assert found is not None
    assert found.argv == (written,)


def test_variables_are_put_in_as_systemd_does_at_the_start() -> None:
    found = read_loaded(SOUND | command("${B}x", "$B"), read_unit(FILE), PATH)
    assert found is not None
    assert found.argv == (ARGV[0], "2x", "2")
    plain = read_loaded(SOUND | command("$B", flags=("no-env-expand",)), read_unit(FILE), PATH)
    assert plain is not None
    assert plain.argv == (ARGV[0], "$B")


@pytest.mark.parametrize(
    "changes",
    [
        {"LoadState": "bad-setting"},
        {"NeedDaemonReload": True},
        {"FragmentPath": "/usr/lib/systemd/system/antnode0001.service"},
        {"DynamicUser": True},
        {"RootDirectory": "/jail"},
        {"ExecStartEx": []},
        {"ExecStartEx": SOUND["ExecStartEx"] * 2},
        {"ExecStartEx": "?"},
        command(flags=("privileged",)),
        command(program="/bin/other"),
        command("$Unknown"),
        command("$B") | {"EnvironmentFiles": [["/etc/x", False]]},
    ],
)
def test_where_only_the_file_can_tell(changes: dict[str, Any]) -> None:
    assert read_loaded(SOUND | changes, read_unit(FILE), PATH) is None


def test_an_answer_that_lacks_something_is_none() -> None:
    for key in SOUND:
        assert (
            read_loaded({name: value for name, value in SOUND.items() if name != key}, read_unit(FILE), PATH)
            is None
        )
