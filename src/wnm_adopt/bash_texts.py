"""Reads bash texts without running any of it: the variables that plain lines assign, and the script of anm."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence

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
    """A line is no plain assignment; the message says why."""


class _UnknownError(ValueError):
    """A value cannot be told, though its line is understood; the message says why."""


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
        """Return the text between double quotes."""
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


DELAYS = ("DelayStart", "DelayUpgrade")
BIG_MACHINE_CORES = 24
"""From here on anm has delays of its own, unless the script says another number."""

_MOST_REMARKS = 10
_PORT_BASE = re.compile(r"ntpr=[\"']?([^\s\"'$`\\;&|()]*)[\"']?\s*(?:#.*)?")
_NTPR = re.compile(r"(?<![\w\"$#{])ntpr=")
_STORAGE = re.compile(r"(?<!\w)NodeStorage=[\"']?(/[^\s\"'\\>;&|$]*)")
_DELAY = re.compile(r"(?P<name>DelayStart|DelayUpgrade)=(?P<value>.*)")
_LITERAL = re.compile(r"[\"']?([0-9]{1,9})[\"']?\s*(?:#.*)?")
_SAME_AS = re.compile(r"[\"']?\$\{?(DelayStart|DelayUpgrade)\}?[\"']?\s*(?:#.*)?")
_DOCUMENT = re.compile(r"<<-?\s*[\"']?([A-Za-z_]\w*)")
_COMPARED = re.compile(
    r"(?:CpuCount|nproc)[}\"')`]*\s*(>=|-ge|>|-gt|<=|-le|<|-lt)\s*[\"']?([0-9]{1,4})(?![0-9.])"
    r"|(?<![0-9.])([0-9]{1,4})[\"']?\s*(>=|-ge|>|-gt|<=|-le|<|-lt)\s*[\"']?[$({`]*(?:CpuCount|nproc)(?!\w)"
)
_MIRRORED = {">=": "<=", "<=": ">=", ">": "<", "<": ">", "ge": "le", "le": "ge", "gt": "lt", "lt": "gt"}
_UNLIMITED = 1_000_000


class Condition(Struct, frozen=True):
    """A test that a line depends on, as text; `negated` in the branch that is taken when it fails."""

    text: str
    negated: bool = False

    def cores(self) -> tuple[int, int] | None:
        """From how many cores on, and below how many, it holds; None if it depends on anything else."""
        text = re.sub(r"^!\s+|^\[\[?\s+!\s", "", self.text)
        found = _COMPARED.search(text)
        if found is None or re.search(r"&&|\|\||!=|==\s*0", text):
            return None
        operator, number = found[1] or _MIRRORED[found[4].lstrip("-")], int(found[2] or found[3])
        operator = operator.lstrip("-")
        number += operator in (">", "gt", "<=", "le")
        from_there = operator in (">", "gt", ">=", "ge")
        if from_there != ((text != self.text) != self.negated):
            return number, _UNLIMITED
        return 0, number


class SetDelay(Struct, frozen=True, kw_only=True):
    """A line of the script that sets a delay in minutes where all its conditions hold."""

    name: str
    value: Known | Unknown
    conditions: tuple[Condition, ...]

    def cores(self) -> tuple[int, int]:
        """From how many cores on, and below how many, all conditions hold that compare the number of cores."""
        ranges = [(0, _UNLIMITED), *filter(None, (each.cores() for each in self.conditions))]
        return max(low for low, _ in ranges), min(below for _, below in ranges)

    def on_big_machines(self) -> Known | Unknown:
        """The value in a branch that only machines with many cores take."""
        if None in [each.cores() for each in self.conditions]:
            return Unknown(reason="it depends on more than the number of cores", place=self.value.place)
        return self.value


class AnmScript(Struct, frozen=True, kw_only=True):
    """The findings; None for what is not in it.

    `port_base` is in thousands, as text. `storage` is where it writes that nodes are kept, without a `/` at the end.
    `delays` are in their order: the last one that fits a machine counts.
    """

    port_base: Known | Unknown | None
    storage: str | None
    delays: tuple[SetDelay, ...]

    def delay(self, name: str, cores: int) -> Known | Unknown | None:
        """Return the delay that the script itself sets on a machine with that many cores, whatever the config says."""
        setting = [
            (each, each.cores()[0])
            for each in self.delays
            if each.name == name and each.cores()[0] <= cores < each.cores()[1]
        ]
        fitting = [each.on_big_machines() for each, low in setting if low]
        if fitting:
            return fitting[-1]
        # The script may have a number and not say in words that are understood for which machines.
        elsewhere = [each.value for each, _ in setting] if cores >= BIG_MACHINE_CORES else []
        if len({each.value if isinstance(each, Known) else None for each in elsewhere}) > 1:
            return Unknown(reason="the script sets it in more than one way", place=elsewhere[-1].place)
        return elsewhere[-1] if elsewhere else None

    def remarks(self, cores: int) -> list[Remark]:
        """The other lines that set a delay in some cases."""
        told = {own.place for name in DELAYS if (own := self.delay(name, cores)) is not None}
        return [
            Remark(reason=f"the script itself may set {each.name}", place=each.value.place)
            for each in self.delays
            if each.value.place not in told and not each.cores()[0]
        ][:_MOST_REMARKS]


def read_script(file: str, text: str) -> AnmScript:
    """Read the script without running it; never fails."""
    port_base: Known | Unknown | None = None
    storages = set()
    for number, line in enumerate(text.split("\n"), 1):
        if line.lstrip().startswith("#"):
            continue
        if _NTPR.search(line):
            found, place = _PORT_BASE.fullmatch(line), place_of(file, number, line)
            port_base = Unknown(reason="the script does not say it as a plain number", place=place)
            if found is not None:
                port_base = Known(value=found[1], place=place)
        storages |= {match[1].rstrip("/") for match in _STORAGE.finditer(line)}
    return AnmScript(
        port_base=port_base,
        storage=storages.pop() if len(storages) == 1 else None,
        delays=tuple(_delays(file, text)),
    )


def _delays(file: str, text: str) -> Iterator[SetDelay]:
    """The commands that set a delay. A value may be that of the other delay in the same branch."""
    branch: dict[tuple[str, tuple[Condition, ...]], Known | Unknown] = {}
    for place, command, conditions in _commands(file, text):
        found = _DELAY.fullmatch(command)
        if found is None:
            continue
        same_as, literal = _SAME_AS.fullmatch(found["value"]), _LITERAL.fullmatch(found["value"])
        value: Known | Unknown = Unknown(reason="the script does not say it as a plain number", place=place)
        other = branch.get((same_as[1], conditions)) if same_as else None
        if literal is not None or isinstance(other, Known):
            value = Known(value=literal[1] if literal else other.value, place=place)  # type: ignore[union-attr]
        branch[found["name"], conditions] = value
        yield SetDelay(name=found["name"], value=value, conditions=conditions)


def _commands(file: str, text: str) -> Iterator[tuple[Place, str, tuple[Condition, ...]]]:
    """The simple commands of the script with the conditions around them; texts of here-documents are left out."""
    around: list[tuple[Condition, ...]] = []
    document: str | None = None
    for number, line in enumerate(text.split("\n"), 1):
        if document is not None:
            document = None if line.strip() == document else document
            continue
        if line.lstrip().startswith("#"):
            continue
        place = place_of(file, number, line)
        for part in re.split(r";+", line):
            command = re.sub(r"^(?:\{|then|do)\s+", "", part.strip())
            word = re.split(r"[\s(\[]", command, maxsplit=1)[0]
            if word in ("else", "elif"):
                around[-1:] = [_otherwise(each) for each in around[-1:]]
                command = command.removeprefix("else").strip()
            if word in ("if", "elif"):
                test = (Condition(re.sub(r"^(?:el)?if\s*", "", command)),)
                around[-1:] = [(*around[-1], *test)] if word == "elif" and around else [*around[-1:], test]
            elif word in ("case", "for", "while", "until", "select"):
                around.append((Condition(command),))
            elif word in ("fi", "esac", "done"):
                del around[-1:]
            # A pattern of a case stands before what is done for it.
            command = re.sub(r"^[^()=]*\)\s*", "", command)
            conditions = tuple(each for frame in around for each in frame)
            yield from ((place, each, (*conditions, *on_line)) for each, on_line in _on_line(command))
        opened = _DOCUMENT.search(line)
        document = opened[1] if opened and "<<<" not in line else None


def _otherwise(frame: tuple[Condition, ...]) -> tuple[Condition, ...]:
    """The conditions of the next branch: the last one of this branch does not hold there."""
    return (*frame[:-1], *(Condition(each.text, not each.negated) for each in frame[-1:]))


def _on_line(command: str) -> Iterator[tuple[str, tuple[Condition, ...]]]:
    """Commands between `&&` and `||`, each with what it depends on; an assignment never fails."""
    conditions: tuple[Condition, ...] = ()
    parts = re.split(r"\s*(&&|\|\|)\s*", command)
    for index in range(0, len(parts), 2):
        each = parts[index]
        yield each, conditions
        joined = parts[index + 1] if index + 1 < len(parts) else ""
        if not _DELAY.fullmatch(each):
            conditions = (*conditions, Condition(each, joined == "||"))
