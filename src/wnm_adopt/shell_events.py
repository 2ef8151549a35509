"""What the simple commands of a bash text do to variables."""

from collections.abc import Sequence
from enum import Enum, auto

from msgspec import Struct
from msgspec.structs import replace

from wnm_adopt.shell_scanning import names_assigned, names_changed
from wnm_adopt.shell_words import ASSIGNMENT, Kind, Piece, Word, assignment_of


class Does(Enum):
    """What an event does."""

    SET = auto()
    """Gives `name` the value of `pieces`."""
    APPEND = auto()
    """Adds the value of `pieces` to `name`."""
    SPOIL = auto()
    """Gives `name` a value that only running the text would tell."""
    SPOIL_FOR_GOOD = auto()
    """The same, and later assignments do not mean what they say either."""
    FREEZE = auto()
    """Makes `name` read-only."""
    UNSET = auto()
    """Removes `name`."""
    DEFINE = auto()
    """Defines the function `name`."""
    CALL = auto()
    """Runs the command `name`, which may be a function; empty if only running the text would tell."""
    STOP = auto()
    """What follows may not be reached."""
    NOTE = auto()
    """May change variables in a way that cannot be told."""


class Frame(Enum):
    """What a command can be inside of."""

    IF = "it depends on a condition"
    OR = "whether it is reached depends on another command"
    LOOP = "it is in a loop"
    CASE = "it depends on a case"
    GROUP = "it is in a group of commands"
    SUBSHELL = "it is in a subshell"
    FUNCTION = "it is in a function"


class Inside(Struct, frozen=True, kw_only=True):
    """One construct around a command.

    `condition` is where its condition is written, begin and end; `unless` are the conditions that must have failed
    for that, those of the branches before it.
    """

    frame: Frame
    condition: tuple[int, int] | None = None
    unless: tuple[tuple[int, int], ...] = ()


class Event(Struct, frozen=True, kw_only=True):
    """One thing that a text does, at offset `begin`. `doubt` says why it may not happen, or not to this shell.

    `local` says that within a function it would be forgotten at the end of it.
    """

    does: Does
    begin: int
    name: str = ""
    pieces: tuple[Piece, ...] = ()
    doubt: str | None = None
    local: bool = False
    inside: tuple[Inside, ...] = ()

    @property
    def in_function(self) -> bool:
        """Whether it happens only when a function is called."""
        return any(each.frame is Frame.FUNCTION for each in self.inside)


_DECLARING = frozenset({"declare", "typeset", "local", "export", "readonly"})
_ENDING = frozenset({"exit", "return", "exec", "logout", "kill", "suspend"})
_CHANGING_BASH = frozenset({"set", "shopt", "alias", "enable"})
_RUNNING_TEXT = frozenset({"eval", "source", ".", "trap", "command", "builtin", "complete", "bind"})
_NAMING = frozenset({"read", "mapfile", "readarray", "getopts", "let", "printf", "wait", "coproc"})
_SPECIAL = _DECLARING | _ENDING | _CHANGING_BASH | _RUNNING_TEXT | _NAMING | {"unset"}
_HARMLESS_OPTIONS = {"declare": "xrgt", "typeset": "xrgt", "readonly": "", "export": ""}
_WHY_NAMED = "{} gives it a value"


def events_of(
    assignments: Sequence[Word], words: Sequence[Word], *, redirected: bool, text: str
) -> list[Event]:
    """What one simple command does: `assignments` stand before the `words` of the command itself."""
    found = _of_command(assignments, words, text) if words else [_assigned(word) for word in assignments]
    if redirected:
        # A redirection that fails keeps the command from being run.
        setting = (Does.SET, Does.APPEND, Does.UNSET)
        why = "its line is redirected"
        found = [_spoiled(event, why) if event.does in setting else event for event in found]
    return found


def _of_command(assignments: Sequence[Word], words: Sequence[Word], text: str) -> list[Event]:
    command = words[0].static
    if not command or (command not in ("[", "[[") and any(char in command for char in "*?[{~")):
        named = [found for word in words for found in _names_in(word, text)]
        return [
            *_before(assignments, "whether a command follows it cannot be told"),
            *(_spoil(name, at, "the command cannot be told") for name, at in named),
            *_plain_names("a command that cannot be told", words),
            Event(does=Does.CALL, begin=words[0].begin),
        ]
    if command not in _SPECIAL:
        return [Event(does=Does.CALL, begin=words[0].begin, name=command)]
    why = f"it stands before {command}"
    events = _of_builtin(command, words, text)
    if assignments:
        events = [_spoiled(event, why) if event.does is Does.UNSET else event for event in events]
    return [
        *_before(assignments, why),
        *events,
        Event(does=Does.CALL, begin=words[0].begin, name=command),
    ]


def _of_builtin(command: str, words: Sequence[Word], text: str) -> list[Event]:
    begin, arguments = words[0].begin, words[1:]
    if command in _DECLARING:
        return _declared(command, arguments, begin, text)
    if command == "unset":
        return _unset(arguments, begin)
    if command in _ENDING | _CHANGING_BASH:
        # exec alone only redirects, and the others only show how bash is set.
        stays = not arguments and command in _CHANGING_BASH | {"exec"}
        return [] if stays else [Event(does=Does.STOP, begin=begin, name=command)]
    if command in _NAMING:
        return _named(command, arguments, begin, text)
    why = _WHY_NAMED.format(command)
    named = [_spoil(name, begin, why) for word in arguments for name, _ in _names_in(word, text)]
    if command in ("command", "builtin"):
        inner = [word.static or "" for word in arguments]
        if any(each in _ENDING | _CHANGING_BASH for each in inner):
            named.append(Event(does=Does.STOP, begin=begin, name=command))
        if not any(each in _SPECIAL for each in inner):
            return named
        named += _plain_names(command, arguments)
    return [*named, Event(does=Does.NOTE, begin=begin)]


def _named(command: str, arguments: Sequence[Word], begin: int, text: str) -> list[Event]:
    """Variables that a command fills whose arguments name them."""
    if command == "printf" and not any((word.static or "-v").startswith("-v") for word in arguments[:1]):
        return []
    found = _plain_names(command, arguments)
    for word in arguments:
        names = {*names_changed(text[word.begin : word.end]), *(name for name, _ in _names_in(word, text))}
        found += [_spoil(name, word.begin, _WHY_NAMED.format(command)) for name in sorted(names)]
    if command in ("read", "getopts", "mapfile", "readarray"):
        found += [_spoil(name, begin, _WHY_NAMED.format(command)) for name in ("REPLY", "OPTARG", "MAPFILE")]
    if any(word.static is None for word in arguments):
        found.append(Event(does=Does.NOTE, begin=begin))
    return found


def _plain_names(command: str, arguments: Sequence[Word]) -> list[Event]:
    why = _WHY_NAMED.format(command)
    named = ((word, (word.static or "").removeprefix("-v").partition("[")[0]) for word in arguments)
    return [_spoil(name, word.begin, why) for word, name in named if _is_name(name)]


def _declared(command: str, arguments: Sequence[Word], begin: int, text: str) -> list[Event]:
    options = [word.static for word in arguments if (word.static or "").startswith(("-", "+"))]
    letters = "".join((option or "")[1:] for option in options if option != "--")
    odd = (
        command == "local"
        or any(letter not in _HARMLESS_OPTIONS[command] for letter in letters)
        or any((option or "").startswith("+") for option in options)
    )
    why = f"{' '.join((command, *filter(None, options)))} changes what it means"
    freezes = command == "readonly" or "r" in letters
    found: list[Event] = []
    changed: set[str] = set()
    for word in arguments:
        if (word.static or "").startswith(("-", "+")):
            continue
        name, events = _declaration(word, begin, text)
        if any(piece.kind is Kind.REFERENCE and piece.text in changed for piece in word.pieces):
            events = [_spoiled(event, "its line changes what it refers to") for event in events]
        changed.add(name)
        if name and odd:
            events = [_spoil(name, word.begin, why, for_good=True)]
        keeps = command in ("export", "readonly") or "g" in letters
        found += events if keeps else [replace(event, local=True) for event in events]
        if name and freezes:
            found.append(Event(does=Does.FREEZE, begin=word.begin, name=name))
    return found


def _declaration(word: Word, begin: int, text: str) -> tuple[str, list[Event]]:
    """The variable that one argument of export and the like is about, and what happens to its value."""
    if assignment_of(word) is not None:
        event = _assigned(word)
        braces = any(piece.kind is Kind.BARE and "{" in piece.text for piece in event.pieces)
        return event.name, [_spoiled(event, "there are braces in it") if braces else event]
    static = word.static
    if static is not None and _is_name(static):
        return static, []
    found = ASSIGNMENT.match(static or "")
    quoted = all(piece.kind is Kind.QUOTED for piece in word.pieces)
    if static is not None and found is not None and quoted and found[3] == "=" and not found[2]:
        # Quoted as a whole it says the same; a mixture would be split and expanded.
        value = Piece(kind=Kind.QUOTED, text=static[found.end() :])
        return found[1], [Event(does=Does.SET, begin=word.begin, name=found[1], pieces=(value,))]
    names = [found[1]] if found is not None else [name for name, _ in _names_in(word, text)]
    events = [_spoil(name, word.begin, "it is written in a way that is not understood") for name in names]
    note = [Event(does=Does.NOTE, begin=begin)] if static is None else []
    return (names[0] if names else ""), events + note


def _unset(arguments: Sequence[Word], begin: int) -> list[Event]:
    texts = [word.static for word in arguments]
    if "-f" in texts:
        return []
    plain = not any((text or "").startswith("-") and text not in ("-v", "--") for text in texts)
    found: list[Event] = []
    for word, text in zip(arguments, texts, strict=True):
        if text is None:
            found.append(Event(does=Does.NOTE, begin=begin))
        elif plain and _is_name(text):
            found.append(Event(does=Does.UNSET, begin=word.begin, name=text))
        elif _is_name(text.partition("[")[0]):
            found.append(_spoil(text.partition("[")[0], word.begin, "unset changes it"))
    return found


def _assigned(word: Word) -> Event:
    found = assignment_of(word)
    if found is None:
        raise ValueError("it is no assignment")
    name, operator, pieces = found
    if operator == "[":
        return _spoil(name, word.begin, "an element of an array is given")
    if word.is_array:
        return _spoil(name, word.begin, "it is an array", for_good=True)
    does = Does.APPEND if operator == "+=" else Does.SET
    return Event(does=does, begin=word.begin, name=name, pieces=pieces)


def _before(assignments: Sequence[Word], why: str) -> list[Event]:
    """Assignments for one command alone may stay in some cases."""
    return [_spoiled(_assigned(word), why) for word in assignments]


def _names_in(word: Word, text: str) -> list[tuple[str, int]]:
    """Whatever looks like an assignment in an argument."""
    return [(name, word.begin) for name, _ in names_assigned(text[word.begin : word.end])]


def _is_name(text: str) -> bool:
    return text.isascii() and text.isidentifier()


def _why(reason: str) -> Piece:
    return Piece(kind=Kind.OPAQUE, text=reason)


def _spoil(name: str, begin: int, why: str, *, for_good: bool = False) -> Event:
    does = Does.SPOIL_FOR_GOOD if for_good else Does.SPOIL
    return Event(does=does, begin=begin, name=name, pieces=(_why(why),))


def _spoiled(event: Event, why: str) -> Event:
    return _spoil(event.name, event.begin, why, for_good=event.does is Does.SPOIL_FOR_GOOD)
