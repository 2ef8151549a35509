"""Reads the service units of systemd that others wrote: what they run, as whom and with which variables."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from msgspec import Struct

from wnm.formats.systemd_command import argv_of
from wnm.formats.systemd_unit import owner
from wnm.formats.systemd_unit_lines import Assignment, read_lines
from wnm.formats.systemd_words import Unclear, with_specifiers, words

CUT_OFF = "its last line has no end: see whether the file was cut off"
_ASSIGNMENT = re.compile(r"([A-Za-z_][A-Za-z0-9_]*)=(.*)", re.DOTALL)
# With these, the paths of its command line are not those of the machine.
_OTHER_ROOTS = ("RootDirectory", "RootImage")
_YES = frozenset({"1", "yes", "y", "true", "t", "on"})


class UnitFound(Struct, frozen=True, kw_only=True):
    """The content of a service unit, with its drop-ins.

    `argv` is exactly what the process gets, program first; None if `problem` says why it cannot be told. The
    problem reads on after `it`. `environment` are the variables of its own by name, the last one wins; values that
    systemd finds elsewhere are not in it, and `notes` say so. `owner` is the working directory of the unit for which
    wnm wrote it, None if somebody else did. `masked` if
    it is empty, so that systemd never runs it.
    """

    argv: tuple[str, ...] | None = None
    user: str | None = None
    group: str | None = None
    environment: tuple[tuple[str, str], ...] = ()
    working_dir: str | None = None
    restart: str | None = None
    problem: str | None = None
    notes: tuple[str, ...] = ()
    owner: str | None = None
    masked: bool = False


@dataclass(slots=True, kw_only=True)
class _Reading:
    """The values that have been read so far."""

    specifiers: Mapping[str, str]
    commands: list[str] = field(default_factory=list)
    variables: dict[str, str] = field(default_factory=dict)
    files: list[str] = field(default_factory=list)
    unset: list[str] = field(default_factory=list)
    values: dict[str, str] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)


def read_unit(
    text: bytes, drop_ins: Sequence[tuple[str, bytes]] = (), *, name: str | None = None
) -> UnitFound:
    """Read the unit with its drop-ins (file name and content), which count in the order of their names.

    `name` is the unit's own, such as `antnode0001.service`, for `%n`, `%N` and `%p`. Never raises.
    """
    reading = _Reading(specifiers=_specifiers(name))
    try:
        if not text.strip():
            raise Unclear("is empty")
        _take(reading, text, "")
        for file_name, content in sorted(drop_ins):
            _take(reading, content, file_name)
        argv = _command(reading)
    except Unclear as unclear:
        return _found(reading, text, argv=None, problem=f"it {unclear}")
    return _found(reading, text, argv=argv, problem=None)


def _found(reading: _Reading, text: bytes, *, argv: tuple[str, ...] | None, problem: str | None) -> UnitFound:
    return UnitFound(
        argv=argv,
        user=reading.values.get("User"),
        group=reading.values.get("Group"),
        environment=tuple(_left(reading).items()),
        working_dir=reading.values.get("WorkingDirectory"),
        restart=reading.values.get("Restart"),
        problem=problem,
        notes=tuple(dict.fromkeys(reading.notes)),
        owner=owner(text.decode(errors="replace")),
        masked=not text,
    )


def _take(reading: _Reading, content: bytes, file_name: str) -> None:
    """Apply one file."""
    shown = file_name if file_name.isprintable() else ascii(file_name)
    try:
        lines = read_lines(content)
    except Unclear as unclear:
        # systemd goes on without a drop-in that it cannot load; what the operator meant by it is not known.
        raise Unclear(f"has a drop-in, {shown}, that {unclear}" if file_name else str(unclear)) from None
    if file_name and lines.assignments:
        reading.notes.append(f"its drop-in {shown} counts and is left alone")
    for each in lines.assignments:
        if each.section == "Service":
            _assign(reading, each)
    if lines.open_end and lines.assignments[-1].option == "ExecStart":
        reading.notes.append(CUT_OFF)


def _assign(reading: _Reading, found: Assignment) -> None:
    if handler := _HANDLERS.get(found.option):
        handler(reading, found.value)


def _exec_start(reading: _Reading, value: str) -> None:
    if value:
        reading.commands.append(value)
    else:
        reading.commands.clear()


def _environment(reading: _Reading, value: str) -> None:
    if not value:
        reading.variables.clear()
        return
    try:
        for word in words(value):
            _set_variable(reading, word)
    except Unclear as unclear:
        # Those before it count for systemd too.
        reading.notes.append(f"a variable is left out: its Environment= {unclear}")


def _set_variable(reading: _Reading, word: str) -> None:
    shown = word.partition("=")[0]
    try:
        resolved = with_specifiers(word, reading.specifiers)
    except Unclear:
        # Its value may be a secret: only the name is told.
        reading.variables.pop(shown, None)
        reading.notes.append(f"the value of its variable {shown!r:.60} is only known to systemd")
        return
    found = _ASSIGNMENT.fullmatch(resolved)
    if found is None or any((char < " " and char not in "\t\n") or char == "\x7f" for char in resolved):
        reading.notes.append(f"systemd leaves out what is no variable: {shown!r:.60}")
        return
    reading.variables[found[1]] = found[2]


def _environment_file(reading: _Reading, value: str) -> None:
    if value:
        reading.files.append(value)
    else:
        reading.files.clear()


def _pass_environment(reading: _Reading, value: str) -> None:
    if value:
        reading.notes.append(f"it is given variables of systemd's own as they are then: {value!r:.100}")


def _unset_environment(reading: _Reading, value: str) -> None:
    if not value:
        reading.unset.clear()
        return
    reading.unset += list(words(value))


def _value_of(option: str) -> Callable[[_Reading, str], None]:
    """Keeps an option that has one value, the last one."""

    def keep(reading: _Reading, value: str) -> None:
        reading.values.pop(option, None)
        if not value:
            return
        try:
            reading.values[option] = with_specifiers(value, reading.specifiers)
        except Unclear as unclear:
            if option == "User" or option in _OTHER_ROOTS:
                raise
            reading.notes.append(f"its {option}= {unclear}")

    return keep


_HANDLERS: Mapping[str, Callable[[_Reading, str], None]] = {
    "ExecStart": _exec_start,
    "Environment": _environment,
    "EnvironmentFile": _environment_file,
    "PassEnvironment": _pass_environment,
    "UnsetEnvironment": _unset_environment,
    **{
        option: _value_of(option)
        for option in ("User", "Group", "WorkingDirectory", "Restart", "DynamicUser", *_OTHER_ROOTS)
    },
}


def _command(reading: _Reading) -> tuple[str, ...]:
    for each in reading.files:
        reading.notes.append(f"more of its variables are in a file that was not read: {each!r:.200}")
    if not reading.commands:
        raise Unclear("has no ExecStart")
    if len(reading.commands) > 1:
        raise Unclear(f"has {len(reading.commands)} ExecStart lines")
    for option in _OTHER_ROOTS:
        if option in reading.values:
            raise Unclear(f"runs in a root of its own ({option}=), where its paths mean something else")
    if reading.values.get("DynamicUser", "").lower() in _YES:
        raise Unclear("runs as an account that systemd makes up (DynamicUser=)")
    # A value in a file wins over one in the unit.
    known = {} if reading.files else _left(reading)
    return argv_of(reading.commands[0], known, reading.specifiers)


def _left(reading: _Reading) -> dict[str, str]:
    """The variables without those that are taken away again, by name or by the whole assignment."""
    gone = set(reading.unset)
    return {
        name: value
        for name, value in reading.variables.items()
        if name not in gone and f"{name}={value}" not in gone
    }


def _specifiers(name: str | None) -> Mapping[str, str]:
    """Those that come from the unit's own name."""
    if name is None:
        return {}
    stem = name.rpartition(".")[0] or name
    return {"n": name, "N": stem, "p": stem.partition("@")[0]}
