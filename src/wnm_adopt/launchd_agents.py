"""Reads the property lists of launchd agents that others wrote: what they run, as whom and with which variables."""

import plistlib
from collections.abc import Mapping
from xml.parsers.expat import ExpatError

from msgspec.structs import replace

from wnm.core.suggest import shortened
from wnm.formats.launchd_plist import OWN_KEY
from wnm_adopt.found import LAUNCHD, FoundUnit

LARGEST_BYTES = 1024 * 1024
_SHELLS = frozenset({"ash", "bash", "csh", "dash", "fish", "ksh", "sh", "tcsh", "zsh"})


class _UnclearError(ValueError):
    """Why a property list cannot be used."""


def read_agent(content: bytes, *, file_name: str, place: str) -> FoundUnit:
    """The agent of a property list, as text or binary, whose file has to be called like its label. Never raises."""
    stem = file_name.removesuffix(".plist")
    agent = FoundUnit(
        manager=LAUNCHD, name=file_name if stem == file_name else stem, place=place, inert=stem == file_name
    )
    try:
        found = _loaded(content)
    except _UnclearError as unclear:
        return replace(agent, problem=str(unclear))
    label, own = _text(found.get("Label")), found.get(OWN_KEY)
    agent = replace(
        agent,
        user=_text(found.get("UserName")),
        notes=_notes(found),
        own=isinstance(own, Mapping) and isinstance(own.get("working_dir"), str),
    )
    try:
        agent = replace(agent, environment=_environment(found))
        argv = _argv(found)
        if not label:
            raise _UnclearError("it has no Label")
    except _UnclearError as unclear:
        return replace(agent, problem=str(unclear))
    other_name = f"it has the label {shortened(label)}, and its file another name"
    return replace(agent, argv=argv, problem=None if label == stem else other_name)


def _loaded(content: bytes) -> Mapping[object, object]:
    if not content.strip():
        raise _UnclearError("it is empty")
    if len(content) > LARGEST_BYTES:
        raise _UnclearError("it is far too long for an agent")
    try:
        found = plistlib.loads(content)
    except (ValueError, ExpatError, AttributeError, LookupError, TypeError, RecursionError, OverflowError):
        raise _UnclearError("it is no property list, or a damaged one") from None
    if not isinstance(found, Mapping):
        raise _UnclearError("it is a property list, but not of an agent")
    return found


def _argv(found: Mapping[object, object]) -> tuple[str, ...]:
    given = found.get("ProgramArguments")
    program = found.get("Program")
    if given is None and isinstance(program, str):
        given = [program]
    if not isinstance(given, list) or not given:
        raise _UnclearError("it has no ProgramArguments")
    if not all(isinstance(each, str) for each in given):
        raise _UnclearError("it has an argument that is no text")
    argv = tuple(str(each) for each in given)
    if any("\0" in each for each in argv):
        raise _UnclearError("it has an argument that holds a NUL")
    if program is not None and program != argv[0]:
        raise _UnclearError("it runs another program than its arguments name (Program)")
    if not argv[0].startswith("/"):
        raise _UnclearError(f"it does not name its program by the full path: {argv[0]!r:.200}")
    if argv[0].rpartition("/")[2] in _SHELLS:
        raise _UnclearError(f"it runs a shell, and what that runs is not known: {argv[0]!r:.200}")
    if found.get("EnableGlobbing"):
        raise _UnclearError("it has its arguments expanded by launchd (EnableGlobbing)")
    if found.get("RootDirectory"):
        raise _UnclearError("it runs in a root of its own (RootDirectory)")
    return argv


def _environment(found: Mapping[object, object]) -> tuple[tuple[str, str], ...]:
    given = found.get("EnvironmentVariables")
    if given is None:
        return ()
    if not isinstance(given, Mapping):
        raise _UnclearError("it has variables that are none (EnvironmentVariables)")
    pairs = [
        (name, value) for name, value in given.items() if isinstance(name, str) and isinstance(value, str)
    ]
    if len(pairs) != len(given):
        raise _UnclearError("it has a variable that is no text")
    return tuple(pairs)


def _notes(found: Mapping[object, object]) -> tuple[str, ...]:
    notes = []
    if found.get("Disabled") is True:
        notes.append("its property list says that it is disabled")
    if found.get("KeepAlive") is not True:
        notes.append("launchd does not start it again whenever it ends (KeepAlive)")
    if found.get("RunAtLoad") is not True:
        notes.append("it does not start at login (RunAtLoad)")
    return tuple(notes)


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None
