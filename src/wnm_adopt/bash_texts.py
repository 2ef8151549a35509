"""Reads bash texts without running any of it: the variables that plain lines assign, and the script of anm."""

import re
from collections.abc import Iterable, Iterator

from msgspec import Struct

_LONGEST_VALUE = 4096
_LONGEST_SHOWN = 120
_LINE = re.compile(r"[ \t]*(?P<export>export[ \t]+)?(?P<name>[A-Za-z_][A-Za-z0-9_]*)=", re.ASCII)
# Bash gives these a meaning or a value of its own.
_OF_BASH = re.compile(
    r"BASH\w*|E?UID|PPID|SHELLOPTS|POSIXLY_CORRECT|DIRSTACK|EPOCH\w+|FUNCNAME|GROUPS|HISTCMD|LINENO|OPTIND|S?RANDOM"
    r"|SECONDS|_|COMP_WORDBREAKS",
    re.ASCII,
)
_COMMAND = r"\$\([^()`'\"\\#<]*\)|`[^`'\"\\#<]*`"
_CALCULATED = r"\$\(\([\w \t*/%]*\)\)"
_VARIABLE = r"\$(?:(?P<name>[A-Za-z_]\w*)|\{(?P<braced>[A-Za-z_]\w*)\})"
_OUTER = re.compile(
    rf"""'(?P<single>[^'\n]*)'|"(?P<double>(?:[^"\\]|\\.)*)"|\\(?P<escaped>.)|(?P<calculated>{_CALCULATED})"""
    rf"""|(?P<command>{_COMMAND})|{_VARIABLE}|(?P<special>\$[0-9?$#!*@-])|(?P<dollar>\$)(?=[ \t]|$)"""
    r"""|(?P<plain>[^ \t\n'"\\$`;&|<>()]+)""",
    re.ASCII,
)
_INNER = re.compile(
    rf"""\\(?P<escaped>[$`"\\])|(?P<calculated>{_CALCULATED})|(?P<command>{_COMMAND})|{_VARIABLE}"""
    r"""|(?P<special>\$[0-9?$#!*@-])|(?P<dollar>\$)(?![({A-Za-z_])|(?P<plain>[^$`\\]+|\\)""",
    re.ASCII,
)
_ASSIGNED = re.compile(r"(?<![A-Za-z0-9_])[A-Za-z_][A-Za-z0-9_]*+(?=\+?=|\[)")
_MENTIONED = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


_BY_RUNNING = "what it changes can only be told by running it"


class Place(Struct, frozen=True):
    """A line of a file: its name as given, its number from 1 on, and its text, cut and on one line."""

    file: str
    line: int
    text: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.text}" if self.line else self.file


class Known(Struct, frozen=True):
    """A value, and where it was given last."""

    value: str
    place: Place


class Unknown(Struct, frozen=True):
    """Only running the text would tell a value; `reason` says why, `place` where."""

    reason: str
    place: Place

    def __str__(self) -> str:
        return f"{self.place}: {self.reason}"


def place_of(file: str, number: int, line: str) -> Place:
    """A line as it can be shown: cut, and with what cannot be printed as escapes."""
    shown = line[: _LONGEST_SHOWN + 1].strip()
    cut = shown if len(shown) <= _LONGEST_SHOWN else f"{shown[: _LONGEST_SHOWN - 1]}…"
    return Place(file, number, "".join(char if char.isprintable() else ascii(char)[1:-1] for char in cut))


class _NotPlainError(ValueError):
    """A line is no plain assignment; the message says why."""


class _UnknownError(ValueError):
    """A value cannot be told, though its line is understood; the message says why."""


class Assignments:
    """The variables that are set in the end by texts that are sourced; `doubt` says why nothing is certain any more.

    `remarks` has the line from which on that is so. Without it a name that is not in `values` is never set.
    """

    def __init__(self) -> None:
        self.values: dict[str, Known | Unknown] = {}
        self.remarks: list[Unknown] = []
        self.doubt: str | None = None

    def get(self, name: str) -> Known | Unknown | None:
        """The variable, None if it is never set."""
        return self.values.get(name) or next(iter(self.remarks), None)

    def read(self, file: str, text: str) -> None:
        """Read one file after those before it."""
        lines = text.split("\n")
        for number, line in enumerate(lines, 1):
            place = place_of(file, number, line)
            try:
                if "\0" in text and self.doubt is None:
                    raise _NotPlainError("the file holds a NUL character")
                if self.doubt is None and line.strip() and not line.lstrip(" \t").startswith("#"):
                    self._assign(line, place)
            except _NotPlainError as error:
                self.remarks.append(Unknown(str(error), place))
                self.doubt = f"line {number} of {file} is no plain NAME=value: {error}"
            if self.doubt is not None:
                # Nothing that is assigned or mentioned from here on is certain.
                names = {name for name in _MENTIONED.findall(line) if name in self.values}
                for name in names | set(_ASSIGNED.findall(line)):
                    self.values[name] = Unknown(self.doubt, place)

    def _assign(self, line: str, place: Place) -> None:
        found = _LINE.match(line)
        if found is None or _OF_BASH.fullmatch(found["name"]):
            raise _NotPlainError(_BY_RUNNING)
        try:
            value = self._value(line[found.end() :], exported=found["export"] is not None)
            self.values[found["name"]] = Known(value, place)
        except _UnknownError as error:
            self.values[found["name"]] = Unknown(str(error), place)

    def _value(self, text: str, pattern: re.Pattern[str] = _OUTER, *, exported: bool = False) -> str:
        """The value at the beginning of a text, after which only a comment may come; all of it in double quotes."""
        parts: list[str] = []
        unknown: _UnknownError | None = None
        at = length = 0
        while at < len(text) and (pattern is _INNER or text[at] not in " \t"):
            found = pattern.match(text, at)
            if found is None and pattern is _OUTER and text[at] in "'\"":
                raise _NotPlainError("a quote in it does not end")
            # Bash would make several words of braces there.
            if found is None or (exported and "{" in (found["plain"] or "")):
                raise _NotPlainError(_BY_RUNNING)
            try:
                parts.append(self._piece(found))
                length += len(parts[-1])
                # Short values that hold each other many times over would grow without end.
                if length > _LONGEST_VALUE:
                    raise _UnknownError("it is too long")
            except _UnknownError as error:
                unknown = unknown or error
                parts.clear()
            at = found.end()
        rest = text[at:].strip(" \t")
        if rest and not rest.startswith("#"):
            raise _NotPlainError(_BY_RUNNING)
        if unknown is not None:
            raise unknown
        return "".join(parts)

    def _piece(self, found: re.Match[str]) -> str:
        groups = found.groupdict()
        if groups.get("double") is not None:
            return self._value(groups["double"] or "", _INNER)
        if groups["calculated"] is not None:
            raise _UnknownError("it is calculated")
        if groups["command"] is not None:
            raise _UnknownError("it runs a command")
        if groups["special"] is not None:
            raise _UnknownError(f"{groups['special']} is known only when it runs")
        name = groups["name"] or groups["braced"]
        if name is not None:
            value = self.values.get(name)
            if not isinstance(value, Known):
                raise _UnknownError(f"${name} is {'not set before it' if value is None else 'not known'}")
            return value.value
        if "single" in groups and "~" in (groups["plain"] or ""):
            raise _UnknownError("~ stands for a home folder")
        return next(
            groups[kind] for kind in ("single", "escaped", "dollar", "plain") if groups.get(kind) is not None
        )


def read_assignments(texts: Iterable[tuple[str, str]]) -> Assignments:
    """The variables after sourcing some files one after another, given as names and texts; never fails."""
    found = Assignments()
    for file, text in texts:
        found.read(file, text)
    return found


DELAYS = ("DelayStart", "DelayUpgrade")
BIG_MACHINE_CORES = 24
"""From here on anm has delays of its own, unless the script says another number."""

_MOST_REMARKS = 10
_PORT_BASE = re.compile(r"ntpr=[\"']?([^\s\"'$`\\;&|()]*)[\"']?\s*(?:#.*)?")
_NTPR = re.compile(r"(?<![\w\"$#{])ntpr=")
_DELAY = re.compile(r"(?P<name>DelayStart|DelayUpgrade)=(?P<value>.*)")
_LITERAL = re.compile(r"[\"']?([0-9]{1,9})[\"']?\s*(?:#.*)?")
_SAME_AS = re.compile(r"[\"']?\$\{?(DelayStart|DelayUpgrade)\}?[\"']?\s*(?:#.*)?")
_DOCUMENT = re.compile(r"<<-?\s*[\"']?([A-Za-z_]\w*)")
_BIG = re.compile(
    r"(?:CpuCount|nproc)[}\"')`]*\s*(?:(?:>=|-ge)\s*[\"']?24|(?:>|-gt)\s*[\"']?23)(?![0-9.])"
    r"|(?<![0-9.])(?:24[\"']?\s*(?:<=|-le)|23[\"']?\s*(?:<|-lt))\s*[\"']?[$({`]*(?:CpuCount|nproc)(?!\w)"
)
_MORE = re.compile(r"&&|\|\||!|==\s*0")
_NO_NUMBER = "the script does not say it as a plain number"


class SetDelay(Struct, frozen=True):
    """A line of the script that sets a delay in minutes where all its `tests` hold, which are texts."""

    name: str
    value: Known | Unknown
    tests: tuple[str, ...]

    @property
    def for_big_machines(self) -> bool:
        """Whether it certainly counts on big machines: on all machines, or on those alone."""
        return all(_BIG.search(test) and not _MORE.search(test) for test in self.tests)


class AnmScript(Struct, frozen=True, kw_only=True):
    """The findings; None for what is not in it.

    `port_base` is in thousands, as text. `delays` are in their order: the last one counts.
    """

    port_base: Known | Unknown | None
    delays: tuple[SetDelay, ...]

    def delay(self, name: str, cores: int) -> Known | Unknown | None:
        """Return the delay that the script itself sets on a machine with that many cores, whatever the config says."""
        own = [each for each in self.delays if each.name == name] if cores >= BIG_MACHINE_CORES else []
        for each in own:
            if not each.for_big_machines:
                return Unknown(
                    "whether the script sets it here can only be told by running it", each.value.place
                )
        return own[-1].value if own else None

    def remarks(self, cores: int) -> list[str]:
        """The lines that set a delay in some cases."""
        return [
            f"{each.value.place}: the script itself may set {each.name}"
            for each in self.delays
            if cores < BIG_MACHINE_CORES and not (each.tests and each.for_big_machines)
        ][:_MOST_REMARKS]


def read_script(file: str, text: str) -> AnmScript:
    """Read the script without running it; never fails."""
    port_base: Known | Unknown | None = None
    for number, line in enumerate(text.split("\n"), 1):
        if line.lstrip().startswith("#"):
            continue
        if _NTPR.search(line):
            found, place = _PORT_BASE.fullmatch(line), place_of(file, number, line)
            port_base = Unknown(_NO_NUMBER, place) if found is None else Known(found[1], place)
    return AnmScript(port_base=port_base, delays=tuple(_delays(file, text)))


def _delays(file: str, text: str) -> Iterator[SetDelay]:
    """The commands that set a delay. A value may be that of the other delay in the same branch."""
    branch: dict[tuple[str, tuple[str, ...]], str | None] = {}
    for place, command, tests in _commands(file, text):
        found = _DELAY.fullmatch(command)
        if found is None:
            continue
        same_as, literal = _SAME_AS.fullmatch(found["value"]), _LITERAL.fullmatch(found["value"])
        number = branch.get((same_as[1], tests)) if same_as else literal and literal[1]
        branch[found["name"], tests] = number
        value = Unknown(_NO_NUMBER, place) if number is None else Known(number, place)
        yield SetDelay(found["name"], value, tests)


def _commands(file: str, text: str) -> Iterator[tuple[Place, str, tuple[str, ...]]]:
    """The simple commands of the script with the tests around them."""
    around: list[str] = []
    for number, line in _outside_documents(text):
        place = place_of(file, number, line)
        for part in re.split(r";+", line):
            command = re.sub(r"^(?:\{|then|do)\s+", "", part.strip())
            word = re.split(r"[\s(\[]", command, maxsplit=1)[0]
            if word in ("if", "case", "for", "while", "until", "select"):
                around.append(command)
            elif word in ("else", "elif"):
                around[-1:] = [word] if around else []
                command = command.removeprefix("else").strip()
            elif word in ("fi", "esac", "done"):
                del around[-1:]
            # A pattern of a case stands before what is done for it.
            command = re.sub(r"^[^()=]*\)\s*", "", command)
            tests = tuple(around)
            # Between `&&` and `||` each depends on those before it, but an assignment never fails.
            parts = re.split(r"\s*(&&|\|\|)\s*", command)
            for each, joined in zip(parts[::2], [*parts[1::2], ""], strict=True):
                yield place, each, tests
                if not _DELAY.fullmatch(each):
                    tests = (*tests, "else" if joined == "||" else each)


def _outside_documents(text: str) -> Iterator[tuple[int, str]]:
    """The lines that are no comments and not within a here-document, with their numbers."""
    document: str | None = None
    for number, line in enumerate(text.split("\n"), 1):
        if document is not None:
            document = None if line.strip() == document else document
        elif not line.lstrip().startswith("#"):
            yield number, line
            opened = _DOCUMENT.search(line)
            document = opened[1] if opened and "<<<" not in line else None
