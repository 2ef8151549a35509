"""Reads a service from the properties that systemd has of it: drop-ins and specifiers are in them already."""

import re
from collections.abc import Mapping
from typing import Any

from msgspec.structs import replace

from wnm.formats.systemd_command import SHELLS
from wnm.formats.systemd_reading import UnitFound
from wnm.formats.systemd_words import Unclear, with_variables

# With these, more than the account, the words and the paths of the command line decides what runs.
_MATTERS = frozenset({"privileged", "no-setuid", "ambient", "via-shell"})
_ONLY_SYSTEMD = "is only known to systemd"


def read_loaded(properties: Mapping[str, Any], in_file: UnitFound, path: str) -> UnitFound | None:
    """The unit of the file at `path` as systemd runs it; the remarks of `in_file`, which was read there, stay.

    None where only the file can tell: systemd has not loaded it, has an older content of it, or runs something that
    is not plainly one program. Never raises.
    """
    try:
        if properties["LoadState"] != "loaded" or properties["NeedDaemonReload"]:
            return None
        if properties["FragmentPath"] != path or properties["DynamicUser"]:
            return None
        if properties["RootDirectory"] or properties["RootImage"]:
            return None
        environment = _environment(properties)
        argv = _argv(properties, {} if properties["EnvironmentFiles"] else environment)
        if argv is None:
            return None
        return replace(
            in_file,
            argv=argv,
            user=properties["User"] or None,
            group=properties["Group"] or None,
            environment=tuple(environment.items()),
            restart=properties["Restart"] or None,
            problem=None,
            notes=tuple(note for note in in_file.notes if _ONLY_SYSTEMD not in note),
        )
    except (LookupError, TypeError, ValueError, AttributeError):
        return None


def _argv(properties: Mapping[str, Any], known: Mapping[str, str]) -> tuple[str, ...] | None:
    (command,) = properties["ExecStartEx"]
    program, words, flags = command[:3]
    # systemd tidies the path of the program, and leaves its name as it is written.
    other_name = re.sub("/+", "/", words[0]) != re.sub("/+", "/", program)
    if other_name or _MATTERS.intersection(flags) or program.rpartition("/")[2] in SHELLS:
        return None
    if "no-env-expand" in flags:
        return tuple(words)
    try:
        return (words[0], *(word for each in words[1:] for word in with_variables(each, known)))
    except Unclear:
        return None


def _environment(properties: Mapping[str, Any]) -> dict[str, str]:
    gone = set(properties["UnsetEnvironment"])
    found = {}
    for each in properties["Environment"]:
        name, equals, value = each.partition("=")
        if equals and name not in gone and each not in gone:
            found[name] = value
    return found
