"""What variables a bash text sets, told without running any of it.

A value is only given where it is certain that bash would give it; everything else is unknown, with the line that makes
it so. Texts are taken to run without an error of their own: an arithmetic one would end them too soon. Texts that are
not UTF-8 have to be decoded with `surrogateescape`; such characters pass through as they are, and so do the carriage
returns of Windows, which bash takes for a part of the value. Time and memory grow with the length of the text alone.
"""

from bisect import bisect_right
from collections.abc import Collection, Iterable, Mapping, Sequence

from msgspec import Struct

from wnm_adopt.shell_commands import parse
from wnm_adopt.shell_events import Does, Event
from wnm_adopt.shell_words import Kind, Piece

_LONGEST_VALUE = 4096
_LONGEST_SHOWN = 120
_MOST_NOTES = 20
# Bash gives these a meaning or a value of its own.
_FIXED_BY_BASH = frozenset(
    {"BASHOPTS", "BASH_VERSINFO", "EUID", "PPID", "SHELLOPTS", "UID", "POSIXLY_CORRECT"}
)
_MANAGED_BY_BASH = frozenset(
    {
        "BASHPID", "BASH_ARGV0", "BASH_COMMAND", "BASH_SUBSHELL", "BASH_ARGC", "BASH_ARGV", "BASH_LINENO",
        "BASH_SOURCE", "BASH_ALIASES", "BASH_CMDS", "BASH_COMPAT", "DIRSTACK", "EPOCHREALTIME", "EPOCHSECONDS",
        "FUNCNAME", "GROUPS", "HISTCMD", "LINENO", "OPTIND", "RANDOM", "SECONDS", "SRANDOM", "_", "COMP_WORDBREAKS",
    }
)  # fmt: skip


class Place(Struct, frozen=True, kw_only=True):
    """A line of a file: its name as given, its number from 1 on, and its text, cut and on one line."""

    file: str
    line: int
    text: str


class Known(Struct, frozen=True, kw_only=True):
    """A value, and where it was given last."""

    value: str
    place: Place


class Unknown(Struct, frozen=True, kw_only=True):
    """Only running the text would tell the value; `reason` says why, `place` where."""

    reason: str
    place: Place


class Remark(Struct, frozen=True, kw_only=True):
    """What is worth a person's look: a line that may change variables, or where a text is no longer understood."""

    reason: str
    place: Place


class Assignments(Struct, frozen=True, kw_only=True):
    """The variables that are set in the end. A name that is not in `values` is never set."""

    values: Mapping[str, Known | Unknown]
    remarks: tuple[Remark, ...]


def read_assignments(
    texts: Iterable[tuple[str, str]], *, runs_to_its_end: bool = False, in_function: Collection[str] = ()
) -> Assignments:
    """What is set after sourcing some files one after another, given as names and texts; never fails.

    `runs_to_its_end` says that no `exit` before the end is ever reached; `in_function` names the files that are
    sourced within a function, where `declare` makes variables that are forgotten at its end.
    """
    shell = _Shell(runs_to_its_end)
    for file, text in texts:
        shell.source(file, text, in_function=file in in_function)
    values = {name: found.told() for name, found in shell.values.items()}
    return Assignments(values=values, remarks=tuple(shell.remarks))


class Source:
    """A file, to tell where in it something stands."""

    def __init__(self, file: str, text: str) -> None:
        self.file = file
        self.text = text
        self._starts = [0]
        at = text.find("\n")
        while at >= 0:
            self._starts.append(at + 1)
            at = text.find("\n", at + 1)

    def place(self, offset: int) -> Place:
        """The line that holds an offset."""
        line = bisect_right(self._starts, offset)
        begin = self._starts[line - 1]
        end = self._starts[line] - 1 if line < len(self._starts) else len(self.text)
        shown = self.text[begin : min(end, begin + _LONGEST_SHOWN + 1)].strip()
        cut = shown if len(shown) <= _LONGEST_SHOWN else f"{shown[: _LONGEST_SHOWN - 1]}…"
        printable = "".join(char if char.isprintable() else ascii(char)[1:-1] for char in cut)
        return Place(file=self.file, line=line, text=printable)


class _Value(Struct, frozen=True):
    """A value, or None and the reason why it is not known."""

    source: Source
    begin: int
    text: str | None
    reason: str = ""

    def told(self) -> Known | Unknown:
        place = self.source.place(self.begin)
        if self.text is None:
            return Unknown(reason=self.reason, place=place)
        return Known(value=self.text, place=place)


class _Shell:
    """The variables while texts are read."""

    def __init__(self, runs_to_its_end: bool) -> None:
        self.runs_to_its_end = runs_to_its_end
        self.values: dict[str, _Value] = {}
        self.remarks: list[Remark] = []
        self.frozen: set[str] = set()
        self.odd: dict[str, str] = {}
        self.functions: set[str] = set()
        self.functions_end = False
        # What functions may change, and of those what was not spoiled since it was set or defined last.
        self.in_functions: dict[str, tuple[Source, int]] = {}
        self.fresh: set[str] = set()
        self.stopped: str | None = None
        self.source_now = Source("", "")
        self.in_function_now = False

    def source(self, file: str, text: str, *, in_function: bool) -> None:
        self.in_function_now = in_function
        # Bash leaves a NUL out, unless it takes the file for a program because of it.
        has_nul = "\0" in text.partition("\n")[0]
        text = text.replace("\0", "")
        parsed = parse(text)
        self.source_now = Source(file, text)
        self.stopped = "there is a NUL in the first line" if has_nul else None
        for event in parsed.events:
            if event.in_function:
                self._define(event)
            else:
                self._apply(event)
        if parsed.broken_at is not None:
            self._remark(parsed.broken_at, f"from here on it is not understood: {parsed.broken}")

    def _define(self, event: Event) -> None:
        """What happens in a function happens when it is called."""
        if event.does is Does.DEFINE:
            self.functions.add(event.name)
        elif event.does is Does.NOTE:
            self._apply(event)
        elif event.does is Does.STOP:
            self.functions_end = self.functions_end or event.name != "return"
        elif event.name and event.does is not Does.CALL:
            if event.does in (Does.FREEZE, Does.SPOIL_FOR_GOOD):
                self.odd[event.name] = "a function may change what it means"
            self.in_functions[event.name] = (self.source_now, event.begin)
            self.fresh.add(event.name)

    def _apply(self, event: Event) -> None:
        match event.does:
            case Does.DEFINE:
                self.functions.add(event.name)
            case Does.CALL:
                self._call(event)
            case Does.STOP:
                self._stop(event.begin)
            case Does.NOTE:
                self._remark(event.begin, "what it changes can only be told by running it")
            case Does.FREEZE:
                self.frozen.add(event.name)
            case Does.UNSET:
                self._unset(event)
            case Does.SET | Does.APPEND | Does.SPOIL | Does.SPOIL_FOR_GOOD:
                self._set(event)

    def _call(self, event: Event) -> None:
        if not event.name:
            self._remark(event.begin, "which command it runs can only be told by running it")
        if event.name not in self.functions and (event.name or not self.functions):
            return
        for name in self.fresh:
            source, begin = self.in_functions[name]
            self.values[name] = _Value(source, begin, None, "a function that is called may set it")
        self.fresh.clear()
        if self.functions_end:
            self._stop(event.begin)

    def _stop(self, begin: int) -> None:
        if self.stopped is None and not self.runs_to_its_end:
            line = self.source_now.place(begin).line
            self.stopped = f"whether it is reached cannot be told because of line {line}"

    def _unset(self, event: Event) -> None:
        doubt = event.doubt or self.stopped
        if doubt is None and event.name not in self.frozen and event.name not in self.odd:
            self.values.pop(event.name, None)
        elif event.name in self.values:
            self._know(event, None, doubt or "it is unset, though it may not be")

    def _set(self, event: Event) -> None:
        name = event.name
        if event.does is Does.SPOIL_FOR_GOOD:
            self.odd[name] = _first_text(event.pieces)
        reason = self._refusal(event)
        if reason is not None:
            self._know(event, None, reason)
            return
        text, reason = self._resolve(event.pieces)
        if event.does is Does.APPEND and text is not None:
            before = self.values.get(name)
            if before is None or before.text is None:
                text, reason = None, "what it is added to is not known"
            elif len(before.text) + len(text) > _LONGEST_VALUE:
                text, reason = None, "it is too long"
            else:
                text = before.text + text
        self._know(event, text, reason)

    def _refusal(self, event: Event) -> str | None:
        """Why an assignment does not simply give its value."""
        name = event.name
        if name in self.frozen or name in _FIXED_BY_BASH:
            self._stop(event.begin)
            return "it is read-only"
        if name in _MANAGED_BY_BASH:
            return "bash gives it values of its own"
        if event.local and self.in_function_now:
            return "declare keeps it to the function that reads the file"
        return event.doubt or self.stopped or self.odd.get(name)

    def _resolve(self, pieces: Sequence[Piece]) -> tuple[str | None, str]:
        """The value of a word, or None and why it is not known."""
        texts: list[str] = []
        length, refers = 0, False
        for piece in pieces:
            if piece.kind in (Kind.OPAQUE, Kind.ARRAY):
                return None, piece.text
            text: str | None = piece.text
            if piece.kind is Kind.REFERENCE:
                refers = True
                value = self.values.get(piece.text)
                if value is None:
                    return None, f"${piece.text} is not set before it"
                text = value.text
            if text is None:
                return None, f"${piece.text} is not known"
            length += len(text)
            # Short values that hold each other many times over would grow without end.
            if refers and length > _LONGEST_VALUE:
                return None, "it is too long"
            texts.append(text)
        return "".join(texts), ""

    def _know(self, event: Event, text: str | None, reason: str) -> None:
        self.values[event.name] = _Value(self.source_now, event.begin, text, reason)
        if event.name in self.in_functions:
            self.fresh.add(event.name)

    def _remark(self, begin: int, reason: str) -> None:
        if len(self.remarks) < _MOST_NOTES:
            self.remarks.append(Remark(reason=reason, place=self.source_now.place(begin)))


def _first_text(pieces: Sequence[Piece]) -> str:
    return pieces[0].text if pieces else "it is declared in a special way"
