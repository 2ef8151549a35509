"""Reads which variables a bash text assigns, line by line and without running any of it.

A line is understood if it is `[export] NAME=value`, blank, or a comment. A value may be quoted and hold `$NAME` and
`${NAME}` of earlier lines. Any other line could change anything: it is remarked on, and every name that it or a later
line assigns or mentions is unknown from there on, in the texts that follow too. A value that one plain command
substitution gives is unknown by itself: that runs in a shell of its own. Quotes that do not end on their line and NUL
characters are not understood. Texts that are not UTF-8 have to be decoded with `surrogateescape`; carriage returns are
a part of the value, as in bash. Time and memory grow with the length of the text alone.
"""

import re
from collections.abc import Iterable, Mapping, Sequence

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


class Place(Struct, frozen=True, kw_only=True):
    """A line of a file: its name as given, its number from 1 on, and its text, cut and on one line."""

    file: str
    line: int
    text: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.text}" if self.line else self.file


class Known(Struct, frozen=True, kw_only=True):
    """A value, and where it was given last."""

    value: str
    place: Place


class Unknown(Struct, frozen=True, kw_only=True):
    """Only running the text would tell the value; `reason` says why, `place` where."""

    reason: str
    place: Place


class Remark(Struct, frozen=True, kw_only=True):
    """A line that is worth a person's look, and why."""

    reason: str
    place: Place

    def __str__(self) -> str:
        return f"{self.place}: {self.reason}"


class Assignments(Struct, frozen=True, kw_only=True):
    """The variables that are set in the end; `remarks` are on the line from which on nothing is certain.

    Without remarks a name that is not in `values` is never set.
    """

    values: Mapping[str, Known | Unknown]
    remarks: tuple[Remark, ...]

    def get(self, name: str) -> Known | Unknown | None:
        """The variable, None if it is never set."""
        unknown = [Unknown(reason=each.reason, place=each.place) for each in self.remarks[:1]]
        return self.values.get(name) or (unknown[0] if unknown else None)


def read_assignments(texts: Iterable[tuple[str, str]]) -> Assignments:
    """The variables after sourcing some files one after another, given as names and texts; never fails."""
    reader = _Reader()
    for file, text in texts:
        reader.read(file, text)
    return Assignments(values=reader.values, remarks=tuple(reader.remarks))


def place_of(file: str, number: int, line: str) -> Place:
    """A line as it can be shown: cut, and with what cannot be printed as escapes."""
    shown = line[: _LONGEST_SHOWN + 1].strip()
    cut = shown if len(shown) <= _LONGEST_SHOWN else f"{shown[: _LONGEST_SHOWN - 1]}…"
    printable = "".join(char if char.isprintable() else ascii(char)[1:-1] for char in cut)
    return Place(file=file, line=number, text=printable)


class _NotPlainError(ValueError):
    """Why a line is no plain assignment."""


class _UnknownError(ValueError):
    """Why a value cannot be told, though its line is understood."""


class _Reader:
    """The variables while texts are read; `doubt` says why nothing is certain any more."""

    def __init__(self) -> None:
        self.values: dict[str, Known | Unknown] = {}
        self.remarks: list[Remark] = []
        self.doubt: str | None = None

    def read(self, file: str, text: str) -> None:
        """Read one file after those before it."""
        lines = text.split("\n")
        if "\0" in text and self.doubt is None:
            self._doubt(place_of(file, 1, lines[0]), "the file holds a NUL character")
        for number, line in enumerate(lines):
            if self.doubt is not None:
                self._spoil(file, lines, number, self.doubt)
                return
            if not line.strip() or line.lstrip(" \t").startswith("#"):
                continue
            place = place_of(file, number + 1, line)
            try:
                self._assign(line, place)
            except _NotPlainError as error:
                self._spoil(file, lines, number, self._doubt(place, str(error)))
                return

    def _assign(self, line: str, place: Place) -> None:
        found = _LINE.match(line)
        if found is None or _OF_BASH.fullmatch(found["name"]):
            raise _NotPlainError("what it changes can only be told by running it")
        try:
            value = self._value(line[found.end() :], exported=found["export"] is not None)
        except _UnknownError as error:
            self.values[found["name"]] = Unknown(reason=str(error), place=place)
        else:
            self.values[found["name"]] = Known(value=value, place=place)

    def _value(self, text: str, *, exported: bool) -> str:
        """The value at the beginning of a text, after which nothing but a comment may come."""
        parts: list[str] = []
        unknown: _UnknownError | None = None
        at = length = 0
        while at < len(text) and text[at] not in " \t":
            found = _OUTER.match(text, at)
            if found is None and text[at] in "'\"":
                raise _NotPlainError("a quote in it does not end")
            # Bash would make several words of braces there.
            if found is None or (exported and "{" in (found["plain"] or "")):
                raise _NotPlainError("what it changes can only be told by running it")
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
            raise _NotPlainError("what it changes can only be told by running it")
        if unknown is not None:
            raise unknown
        return "".join(parts)

    def _piece(self, found: re.Match[str]) -> str:
        groups = found.groupdict()
        if groups.get("double") is not None:
            return self._inside(groups["double"] or "")
        if groups["calculated"] is not None:
            raise _UnknownError("it is calculated")
        if groups["command"] is not None:
            raise _UnknownError("it runs a command")
        if groups["special"] is not None:
            raise _UnknownError(f"{groups['special']} is known only when it runs")
        name = groups["name"] or groups["braced"]
        if name is not None:
            return self._earlier(name)
        if "single" in groups and "~" in (groups["plain"] or ""):
            raise _UnknownError("~ stands for a home folder")
        return next(
            groups[kind] for kind in ("single", "escaped", "dollar", "plain") if groups.get(kind) is not None
        )

    def _inside(self, text: str) -> str:
        """What is between double quotes."""
        parts: list[str] = []
        at = 0
        while at < len(text):
            found = _INNER.match(text, at)
            if found is None:
                raise _NotPlainError("what it changes can only be told by running it")
            parts.append(self._piece(found))
            at = found.end()
        return "".join(parts)

    def _earlier(self, name: str) -> str:
        value = self.values.get(name)
        if value is None:
            raise _UnknownError(f"${name} is not set before it")
        if isinstance(value, Unknown):
            raise _UnknownError(f"${name} is not known")
        return value.value

    def _doubt(self, place: Place, why: str) -> str:
        self.remarks.append(Remark(reason=why, place=place))
        self.doubt = f"line {place.line} of {place.file} is no plain NAME=value: {why}"
        return self.doubt

    def _spoil(self, file: str, lines: Sequence[str], at: int, reason: str) -> None:
        """Nothing that is assigned or mentioned from here on is certain."""
        for number, line in enumerate(lines[at:], at + 1):
            names = set(_ASSIGNED.findall(line))
            names |= {name for name in _MENTIONED.findall(line) if name in self.values}
            for name in names:
                self.values[name] = Unknown(reason=reason, place=place_of(file, number, line))
