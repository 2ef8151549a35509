"""Reads the service units of systemd that others wrote: what they run, as whom and with which variables.

The syntax is in systemd.syntax(7), the options in systemd.service(5) and systemd.exec(5).
"""

import posixpath
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from wnm.formats.systemd_unit import LONGEST_LINE_BYTES, owner

CUT_OFF = "its last line has no end: see whether the file was cut off"
LONGEST_FILE_BYTES = 4 * 1024 * 1024
MOST_ARGUMENTS = 10_000
_BLANK = " \t\n\r"
# One after the other they are one end, in whatever order an editor writes them.
_LINE_END = re.compile(r"\r\n|\n\r|\n|\r")
_ASSIGNMENT = re.compile(r"([A-Za-z_][A-Za-z0-9_]*)=(.*)", re.DOTALL)
# With these, the paths of its command line are not those of the machine.
_OTHER_ROOTS = ("RootDirectory", "RootImage")
_ONE_VALUE = ("User", "Group", "WorkingDirectory", "Restart", "DynamicUser", *_OTHER_ROOTS)
_YES = frozenset({"1", "yes", "y", "true", "t", "on"})
_PREFIX_MATTERS = {
    "@": "gives its program another name (@ before ExecStart)",
    "+": "runs as root whatever User= says (+ before ExecStart)",
    "!": "keeps root's rights whatever User= says (! before ExecStart)",
    "|": "runs through a shell (| before ExecStart)",
}
SHELLS = frozenset({"ash", "bash", "busybox", "csh", "dash", "fish", "ksh", "mksh", "sh", "tcsh", "zsh"})
_ONLY_SYSTEMD = "is only known to systemd"

# A quote may begin and end anywhere in a word; the last group of a quoted part is empty if the quote does not end.
_PART = re.compile(r"""(["'])((?:\\.?|(?!\1)[^\\])*+)(\1?)|((?:\\.?|[^\\"' \t\n\r])++)""", re.DOTALL)
_WORD = re.compile(rf"(?:{_PART.pattern})+", re.DOTALL)
_ESCAPE = re.compile(
    rb"\\(?:([abfnrtvs\\\"'])|x([0-9a-fA-F]{2})|u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8})|([0-3][0-7]{2}))"
)
_NAMED = dict(zip(b"abfnrtvs", b"\a\b\f\n\r\t\v ", strict=True))
_SPECIFIER = re.compile(r"%(%|[A-Za-z0-9])")
_VARIABLE = re.compile(r"\$\$|\$\{([^}]*)\}")


class Unclear(ValueError):
    """The meaning of a unit cannot be told from its text; the message says why, and reads on after `it`."""


class UnitFound(Struct, frozen=True, kw_only=True):
    """The content of a service unit, with its drop-ins.

    `argv` is exactly what the process gets, program first; None if `problem` says why it cannot be told. The
    problem reads on after `it`. `environment` are the variables of its own by name, the last one wins; values that
    systemd finds elsewhere are not in it, and `notes` say so. `owner` is the working directory of the unit for which
    wnm wrote it, None if somebody else did. `masked` if it is empty, so that systemd never runs it.
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


def read_unit(
    text: bytes, drop_ins: Sequence[tuple[str, bytes]] = (), *, name: str | None = None
) -> UnitFound:
    """Read the unit with its drop-ins (file name and content), which count in the order of their names.

    `name` is the unit's own, such as `antnode0001.service`, for `%n`, `%N` and `%p`. Never raises.
    """
    stem = (name or "").rpartition(".")[0] or name or ""
    specifiers = {} if name is None else {"n": name, "N": stem, "p": stem.partition("@")[0]}
    notes: list[str] = []
    assigned: dict[str, list[str]] = {}
    variables: dict[str, str] = {}
    values: dict[str, str] = {}
    gone: set[str] = set()
    argv, problem = None, None
    try:
        if not text.strip():
            raise Unclear("is empty")
        for file_name, content in (("", text), *sorted(drop_ins)):
            _take(content, file_name, assigned, notes)
    except Unclear as unclear:
        problem = f"it {unclear}"
    try:
        variables = _variables(assigned.get("Environment", ()), specifiers, notes)
        for each in assigned.get("UnsetEnvironment", ()):
            gone.update(words(each))
        values = _values(assigned, specifiers, notes)
        for each in assigned.get("PassEnvironment", ()):
            notes.append(f"it is given variables of systemd's own as they are then: {each!r:.100}")
        for each in assigned.get("EnvironmentFile", ()):
            notes.append(f"more of its variables are in a file that was not read: {each!r:.200}")
        if problem is None:
            _require_plain(assigned.get("ExecStart", ()), values)
            # A value in a file wins over one in the unit.
            known = {} if assigned.get("EnvironmentFile") else _left(variables.items(), gone)
            argv = _argv(assigned["ExecStart"][0], known, specifiers)
    except Unclear as unclear:
        problem = problem or f"it {unclear}"
    return UnitFound(
        argv=argv,
        user=values.get("User"),
        group=values.get("Group"),
        environment=tuple(_left(variables.items(), gone).items()),
        working_dir=values.get("WorkingDirectory"),
        restart=values.get("Restart"),
        problem=problem,
        notes=tuple(dict.fromkeys(notes)),
        owner=owner(text.decode(errors="replace")),
        masked=not text,
    )


def read_loaded(properties: Mapping[str, Any], in_file: UnitFound, path: str) -> UnitFound | None:
    """The unit of the file at `path` as systemd runs it, from its properties on the bus (drop-ins, specifiers in them).

    The remarks of `in_file`, which was read there, stay. None where only the file can tell: systemd has not loaded
    it, has an older content of it, or runs something that is not plainly one program. Never raises.
    """
    try:
        if properties["LoadState"] != "loaded" or properties["FragmentPath"] != path:
            return None
        if any(properties[key] for key in ("NeedDaemonReload", "DynamicUser", *_OTHER_ROOTS)):
            return None
        assignments = (each.partition("=") for each in properties["Environment"])
        environment = _left(
            ((key, value) for key, equals, value in assignments if equals),
            set(properties["UnsetEnvironment"]),
        )
        ((program, argv, flags, *_),) = properties["ExecStartEx"]
        # systemd tidies the path of the program, and leaves its name as it is written.
        other_name = re.sub("/+", "/", argv[0]) != re.sub("/+", "/", program)
        # With these, more than the account, the words and the paths of the command line decides what runs.
        matters = {"privileged", "no-setuid", "ambient", "via-shell"}.intersection(flags)
        if other_name or matters or posixpath.basename(program) in SHELLS:
            return None
        if "no-env-expand" not in flags:
            known = {} if properties["EnvironmentFiles"] else environment
            argv = [argv[0], *(word for each in argv[1:] for word in _with_variables(each, known))]
        return replace(
            in_file,
            argv=tuple(argv),
            user=properties["User"] or None,
            group=properties["Group"] or None,
            environment=tuple(environment.items()),
            restart=properties["Restart"] or None,
            problem=None,
            notes=tuple(note for note in in_file.notes if _ONLY_SYSTEMD not in note),
        )
    except (LookupError, TypeError, ValueError, AttributeError):
        return None


def _take(content: bytes, file_name: str, assigned: dict[str, list[str]], notes: list[str]) -> None:
    """Apply one file to what is assigned in [Service]: an empty value takes back what was assigned before."""
    shown = file_name if file_name.isprintable() else ascii(file_name)
    section, option = "", ""
    try:
        lines, open_end = _logical_lines(content)
        for line in lines:
            if line.startswith("[") and not line.endswith("]"):
                raise Unclear(f"has a section heading that does not end: {line!r:.100}")
    except Unclear as unclear:
        # systemd goes on without a drop-in that it cannot load; what the operator meant by it is not known.
        raise Unclear(f"has a drop-in, {shown}, that {unclear}" if file_name else str(unclear)) from None
    # systemd leaves out what is no assignment.
    counting = [
        line for line in lines if line[0] == "[" or line.partition("=")[0].strip(_BLANK) not in ("", line)
    ]
    if file_name and any(line[0] != "[" for line in counting):
        notes.append(f"its drop-in {shown} counts and is left alone")
    for line in counting:
        if line[0] == "[":
            section = line[1:-1]
            continue
        option, value = (each.strip(_BLANK) for each in line.split("=", 1))
        if section == "Service":
            assigned.setdefault(option, []).append(value)
            if not value:
                assigned[option].clear()
    if open_end and option == "ExecStart":
        notes.append(CUT_OFF)


def _logical_lines(content: bytes) -> tuple[Sequence[str], bool]:
    """Return the lines without comments, with continued lines joined, and whether the last one lacks its end."""
    if len(content) > LONGEST_FILE_BYTES:
        raise Unclear("is far too long for a unit")
    if b"\0" in content:
        raise Unclear("holds a NUL: it is damaged")
    try:
        lines = _LINE_END.split(content.decode().removeprefix("\ufeff"))
    except UnicodeDecodeError as error:
        raise Unclear(f"is not UTF-8 text (byte {error.start})") from None
    found: list[str] = []
    parts = ""
    for line in lines if lines[-1] else lines[:-1]:
        if len(line) > LONGEST_LINE_BYTES:
            raise Unclear("has a line that is too long for systemd")
        # Also between continued lines, and whatever it ends in.
        if line.lstrip(_BLANK).startswith(("#", ";")):
            continue
        if (len(line) - len(line.rstrip("\\"))) % 2:
            parts += line[:-1] + " "
            continue
        found.append((parts + line).strip(_BLANK))
        parts = ""
    if parts:
        raise Unclear("ends in a line that goes on: it is cut off")
    last = lines[-1].strip(_BLANK)
    return [line for line in found if line], last != "" and not last.startswith(("#", ";"))


def _variables(values: Iterable[str], specifiers: Mapping[str, str], notes: list[str]) -> dict[str, str]:
    variables: dict[str, str] = {}
    for value in values:
        try:
            for word in words(value):
                shown = word.partition("=")[0]
                try:
                    resolved = _with_specifiers(word, specifiers)
                except Unclear:
                    # Its value may be a secret: only the name is told.
                    variables.pop(shown, None)
                    notes.append(f"the value of its variable {shown!r:.60} {_ONLY_SYSTEMD}")
                    continue
                found = _ASSIGNMENT.fullmatch(resolved)
                if found and not any(
                    (char < " " and char not in "\t\n") or char == "\x7f" for char in resolved
                ):
                    variables[found[1]] = found[2]
                else:
                    notes.append(f"systemd leaves out what is no variable: {shown!r:.60}")
        except Unclear as unclear:
            # Those before it count for systemd too.
            notes.append(f"a variable is left out: its Environment= {unclear}")
    return variables


def _values(
    assigned: Mapping[str, Sequence[str]], specifiers: Mapping[str, str], notes: list[str]
) -> dict[str, str]:
    """The options that have one value: the last one counts."""
    values = {}
    for option in _ONE_VALUE:
        for value in assigned.get(option, ())[-1:]:
            try:
                values[option] = _with_specifiers(value, specifiers)
            except Unclear as unclear:
                if option == "User" or option in _OTHER_ROOTS:
                    raise
                notes.append(f"its {option}= {unclear}")
    return values


def _require_plain(commands: Sequence[str], values: Mapping[str, str]) -> None:
    if not commands:
        raise Unclear("has no ExecStart")
    if len(commands) > 1:
        raise Unclear(f"has {len(commands)} ExecStart lines")
    for option in _OTHER_ROOTS:
        if option in values:
            raise Unclear(f"runs in a root of its own ({option}=), where its paths mean something else")
    if values.get("DynamicUser", "").lower() in _YES:
        raise Unclear("runs as an account that systemd makes up (DynamicUser=)")


def _left(variables: Iterable[tuple[str, str]], gone: set[str]) -> dict[str, str]:
    """The variables without those that are taken away again, by name or by the whole assignment."""
    return {key: value for key, value in variables if not gone & {key, f"{key}={value}"}}


def _argv(value: str, variables: Mapping[str, str], specifiers: Mapping[str, str]) -> tuple[str, ...]:
    """Program and arguments of an `ExecStart=` as the process gets them; the program as it is written.

    Unclear for a value that systemd refuses, that runs anything but one program found by its full path, or that
    depends on what is not known.
    """
    first, *others = _command(value)
    program = first.lstrip("-@:+!|")
    prefixes = first[: len(first) - len(program)]
    for prefix in prefixes:
        if prefix in _PREFIX_MATTERS:
            raise Unclear(_PREFIX_MATTERS[prefix])
    program = _with_specifiers(program, specifiers)
    if not program.startswith("/"):
        raise Unclear(f"does not name its program by the full path: {program!r:.200}")
    if program.endswith("/") or any(char < " " or char in "\"'\\\x7f" for char in program):
        raise Unclear(f"has a program that systemd does not run: {program!r:.200}")
    if posixpath.basename(program) in SHELLS:
        raise Unclear(f"runs a shell, and what that runs is not known: {program!r:.200}")
    # A colon keeps every $ as it is.
    plain = ":" in prefixes
    if "$" in program and not plain:
        raise Unclear(f"has a $ in the path of its program: {program!r:.200}")
    argv = [program]
    for each in others:
        resolved = _with_specifiers(each, specifiers)
        argv += [resolved] if plain else _with_variables(resolved, variables)
        if len(argv) > MOST_ARGUMENTS:
            raise Unclear(f"has more than {MOST_ARGUMENTS} arguments")
    return tuple(argv)


def _command(value: str) -> list[str]:
    """The words of one command. Unclear for several: a bare semicolon, not a quoted one, is between them."""
    found: list[str] = []
    for word in _WORD.finditer(value):
        if found and word[0] == ";":
            if value[word.end() :].strip(_BLANK):
                raise Unclear("has several commands in one ExecStart")
            break
        found.append(";" if found and word[0] == "\\;" else _meaning(word[0]))
    return found


def words(value: str) -> Iterator[str]:
    """All words of a value. Unclear, after those before it, for one that is none."""
    return (_meaning(word[0]) for word in _WORD.finditer(value))


def _meaning(written: str) -> str:
    """The word without quotes, its escapes replaced; one that means nothing stays as it is."""
    parts = _PART.findall(written)
    if any(quote and not end for quote, _, end, _ in parts):
        raise Unclear("has a quote that does not end")
    word = b"".join(_ESCAPE.sub(_escaped, (quoted or bare).encode()) for _, quoted, _, bare in parts)
    try:
        return word.decode()
    except UnicodeDecodeError:
        raise Unclear(f"has an argument that is not UTF-8: {word!r:.100}") from None


def _escaped(found: re.Match[bytes]) -> bytes:
    """What the escape stands for; itself where no word can hold that: a NUL, or a number that is no character."""
    named, byte, short, long, octal = found.groups()
    if named:
        return bytes([_NAMED.get(named[0], named[0])])
    code = int(octal, 8) if octal else int(byte or short or long, 16)
    noncharacter = 0xFDD0 <= code <= 0xFDEF or code & 0xFFFE == 0xFFFE or 0xD800 <= code <= 0xDFFF
    if code == 0 or (long and (noncharacter or code > 0x10FFFF)):
        return found[0]
    # Half a character is written all the same, which is no UTF-8 then.
    return bytes([code]) if byte or octal else chr(code).encode("utf-8", "surrogatepass")


def _with_specifiers(text: str, known: Mapping[str, str]) -> str:
    """The text with `%%` and the specifiers that are `known` replaced. Unclear for others: they depend on more.

    A % before anything that is neither letter nor digit stays as it is.
    """

    def value_of(found: re.Match[str]) -> str:
        if found[1] != "%" and found[1] not in known:
            raise Unclear(f"depends on {found[0]}, which only systemd can resolve: {text!r:.200}")
        return known.get(found[1], "%")

    return _SPECIFIER.sub(value_of, text)


def _with_variables(word: str, known: Mapping[str, str]) -> list[str]:
    """The arguments that one becomes: `$NAME` alone is split into words, `${NAME}` anywhere is replaced.

    Unclear for a variable that is not `known`: systemd has some that no unit names. See systemd.service(5),
    "Command lines".
    """

    def value_of(name: str) -> str:
        if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", name):
            raise Unclear(f"has a $ with no name of a variable after it in {word!r:.100}")
        if name not in known:
            raise Unclear(f"depends on the variable {name}, whose value it does not say")
        return known[name]

    if word == "$":
        return []
    if word.startswith("$") and word[1] not in "{$":
        # Here quotes group only, and a backslash takes the meaning from what follows.
        parted = (_PART.findall(each[0]) for each in _WORD.finditer(value_of(word[1:])))
        return [
            re.sub(r"\\(.?)", r"\1", "".join(p[1] or p[3] for p in each), flags=re.DOTALL) for each in parted
        ]
    return [_VARIABLE.sub(lambda found: "$" if found[1] is None else value_of(found[1]), word)]
